"""Running a server that refuses to run as root.

Where we are root, such a server runs as `nobody`. It keeps the one capability to read what root may read, so that
neither the folder of the packages nor the state folder has to be opened to everyone, and no account is made.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path

ACCOUNT = "nobody"
SETPRIV = (
    "--clear-groups",
    "--inh-caps=-all,+dac_read_search",
    "--ambient-caps=-all,+dac_read_search",
    # Changing the user makes the kernel forget what was arranged before.
    f"--pdeathsig={signal.SIGQUIT.name.removeprefix('SIG')}",
)


def unprivileged(command: Sequence[str], *, root: bool | None = None) -> list[str]:
    """The command as it is, or, for root, the command run as an ordinary user."""
    if not (os.geteuid() == 0 if root is None else root):
        return list(command)
    account = pwd.getpwnam(ACCOUNT)
    setpriv = shutil.which("setpriv") or "setpriv"
    return [setpriv, f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", *SETPRIV, "--", *command]


def hand_over(folder: Path) -> None:
    """Make the folder belong to the user that `unprivileged` commands run as."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if os.geteuid() == 0:
        account = pwd.getpwnam(ACCOUNT)
        os.chown(folder, account.pw_uid, account.pw_gid)
