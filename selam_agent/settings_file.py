"""Reads the settings: ``selam.toml``, overridden by ``SELAM_<SECTION>__<FIELD>`` and the command line.

An unknown name is an error that says which known one is nearest. Lists and tables in the environment
are JSON.
"""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from selam_agent.errors import SettingsError
from selam_agent.settings import Section, Settings


def load(path: Path | None = None, environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Reads the settings.

    Args:
        path: a TOML file; None reads ``selam.toml`` in the working directory if it is there.
        environ: defaults to ``os.environ``; only ``SELAM_*`` names with ``__`` are settings.
        overrides: ``section__field=value``, from the command line; None values are ignored.

    Raises:
        SettingsError: the file is missing or not TOML, or a name or value is not accepted.
    """
    tree = _read(path)
    environ = os.environ if environ is None else environ
    for name, text in environ.items():
        if name.startswith("SELAM_") and "__" in name:
            section, _, field_name = name.removeprefix("SELAM_").lower().partition("__")
            _put(tree, section, field_name, _value(section, field_name, text))
    for name, value in overrides.items():
        if value is not None:
            section, _, field_name = name.partition("__")
            _put(tree, section, field_name, value)
    _check_names(tree)
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SettingsError(f"{where}: {first['msg']} (got {first['input']!r})") from error


def _read(path: Path | None) -> dict[str, Any]:
    explicit = path is not None
    path = path or Path("selam.toml")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if explicit:
            raise SettingsError(f"{path}: no such file") from None
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: {error}") from error
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error


def _put(tree: dict[str, Any], section: str, name: str, value: Any) -> None:
    tree.setdefault(section, {})
    if not isinstance(tree[section], dict):
        raise SettingsError(f"{section}: must be a table")
    tree[section][name] = value


def _value(section: str, name: str, text: str) -> Any:
    field = Settings.model_fields.get(section)
    model = field.annotation if field else None
    known = model.model_fields.get(name) if isinstance(model, type) and issubclass(model, Section) else None
    if known is not None and str(known.annotation).startswith(("list", "dict")):
        try:
            return json.loads(text)
        except ValueError:
            # A plain comma-separated list is what people write.
            if str(known.annotation).startswith("list"):
                return [part.strip() for part in text.split(",") if part.strip()]
            raise SettingsError(f"SELAM_{section}__{name}".upper() + ": must be JSON") from None
    return text


def _check_names(tree: Mapping[str, Any]) -> None:
    for section, table in tree.items():
        field = Settings.model_fields.get(section)
        if field is None:
            raise SettingsError(_unknown(section, "section", list(Settings.model_fields)))
        if not isinstance(table, dict):
            raise SettingsError(f"{section}: must be a table")
        model = field.annotation
        assert isinstance(model, type) and issubclass(model, Section)
        for name in table:
            if name not in model.model_fields:
                known = [f"{section}.{each}" for each in model.model_fields]
                raise SettingsError(_unknown(f"{section}.{name}", "setting", known))


def _unknown(name: str, what: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
    return f"unknown {what} {name!r}; did you mean {near[0]!r}?"
