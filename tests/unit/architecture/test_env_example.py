"""`.env.example` names every setting there is; what a newcomer copies is never behind the code."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_the_example_file_is_what_the_settings_say():
    check = subprocess.run(
        [sys.executable, ROOT / "tools" / "env_example.py", "check"], check=False, capture_output=True, text=True
    )
    assert check.returncode == 0, check.stderr
