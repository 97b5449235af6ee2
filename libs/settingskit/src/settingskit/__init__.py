"""Typed settings from the environment: declared once, read once, all problems named at once.

@dataclass(frozen=True, slots=True)
class Settings:
    port: int = setting("RPC_PORT", default=7104, help="Port the RPCs are served on.")
    token: Secret = setting("API_TOKEN", help="Token of the provider.")
    tls: TlsSettings = nested(TlsSettings)

settings = load(Settings, os.environ, service="dns")
"""

from settingskit._declare import Described, describe, nested, setting
from settingskit._load import Problem, SettingsInvalid, load
from settingskit._values import Secret

__all__ = ["Described", "Problem", "Secret", "SettingsInvalid", "describe", "load", "nested", "setting"]
