"""Which engines may send what is said off this machine: those that ``privacy.allow`` names."""

from __future__ import annotations

from selam_agent.errors import SettingsError
from selam_agent.settings import Settings

__all__ = ["check_private", "may_leave"]


def may_leave(settings: Settings, name: str) -> bool:
    """Whether this engine may send what is said off the machine."""
    return name in settings.privacy.allow and not settings.server.offline


def check_private(settings: Settings, where: str, name: str) -> None:
    """Raises SettingsError when an engine that leaves the machine may not; says what would change that."""
    if settings.server.offline:
        raise SettingsError(
            f"offline: {name} would leave this machine; "
            "take it out of the settings, or serve without --offline."
        )
    if not may_leave(settings, name):
        allow = ", ".join(f'"{each}"' for each in [*settings.privacy.allow, name])
        raise SettingsError(
            f"{where}: {name} would send what is said off this machine. "
            f"To allow that, write in selam.toml, under [privacy]: allow = [{allow}]"
        )
