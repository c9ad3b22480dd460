"""Reading TOML tables strictly: every complaint names the file and the key."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from selam_agent.errors import SettingsError


def read_toml(path: Path) -> Table:
    """Reads a whole file as a table.

    Raises:
        SettingsError: the file is missing, not UTF-8 or not TOML.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{path}: no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from error
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    return Table(path, data)


class Table:
    """A TOML table that remembers where it stands and which of its keys were read."""

    def __init__(self, path: Path, data: Mapping[str, Any], where: str = "") -> None:
        self.path = path
        self._data = data
        self._where = where
        self._read: set[str] = set()

    def __contains__(self, key: str) -> bool:
        self._read.add(key)
        return key in self._data

    def error(self, key: str, message: str) -> SettingsError:
        """The error to raise about one key of this table."""
        return SettingsError(f"{self.path}: {self._name(key)}: {message}")

    def keys(self) -> tuple[str, ...]:
        return tuple(self._data)

    def raw(self, key: str) -> Any:
        """The value as TOML gave it; missing is an error."""
        self._read.add(key)
        if key not in self._data:
            raise self.error(key, "is missing")
        return self._data[key]

    def text(self, key: str, default: str | None = None, choices: Sequence[str] = ()) -> str:
        """A non-empty string, one of ``choices`` if there are any."""
        if key not in self and default is not None:
            return default
        value = self.raw(key)
        if not isinstance(value, str) or not value.strip():
            raise self.error(key, f"must be a text that is not empty, not {value!r}")
        if choices and value not in choices:
            raise self.error(key, f"must be one of {', '.join(choices)}, not {value!r}")
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self.raw(key) if key in self else default
        if not isinstance(value, bool):
            raise self.error(key, f"must be true or false, not {value!r}")
        return value

    def strings(self, key: str, count: int | None = None, optional: bool = False) -> tuple[str, ...]:
        """A list of non-empty strings, of ``count`` entries if given; optional lists default to ()."""
        if key not in self and optional:
            return ()
        value = self.raw(key)
        if not isinstance(value, list) or not all(isinstance(each, str) and each.strip() for each in value):
            raise self.error(key, "must be a list of texts that are not empty")
        if not value or (count is not None and len(value) != count):
            expected = "at least one" if count is None else str(count)
            raise self.error(key, f"must have {expected} entries, not {len(value)}")
        return tuple(value)

    def table(self, key: str, optional: bool = False) -> Table:
        """A table under this one; an optional one that is absent reads as empty."""
        value = {} if key not in self and optional else self.raw(key)
        if not isinstance(value, dict):
            raise self.error(key, "must be a table")
        self._read.add(key)
        return Table(self.path, value, self._name(key))

    def tables(self, key: str, optional: bool = False) -> tuple[Table, ...]:
        """An array of tables."""
        if key not in self and optional:
            return ()
        value = self.raw(key)
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise self.error(key, "must be a list of tables")
        return tuple(Table(self.path, each, f"{self._name(key)}[{i}]") for i, each in enumerate(value))

    def texts(self, key: str, optional: bool = False) -> dict[str, str]:
        """A table of texts, such as one text per language."""
        table = self.table(key, optional)
        return {name: table.text(name) for name in table.keys()}  # noqa: SIM118 - not a mapping

    def finish(self) -> None:
        """Complains about the first key that nothing has read, and says which one is nearest."""
        for key in self._data:
            if key not in self._read:
                near = difflib.get_close_matches(key, sorted(self._read), n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise self.error(key, f"is not known here{hint}")

    def _name(self, key: str) -> str:
        return f"{self._where}.{key}" if self._where else key
