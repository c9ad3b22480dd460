"""Language packs: one TOML file per language in ``voices/``, the only file a native speaker edits.

``load()`` reads and checks them once; everything else in ``languages`` gets a ``Pack`` as an argument.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from selam_agent.errors import SettingsError, ValidationError
from selam_agent.languages.pack import Pack, VoiceEntry
from selam_agent.languages.pack_format import read_pack
from selam_agent.languages.tables import read_toml

__all__ = ["Pack", "Packs", "VoiceEntry", "default_directory", "load"]


class Packs:
    """All packs of an installation, by ISO 639-1 code."""

    def __init__(self, packs: Mapping[str, Pack], directory: Path, more: Path | None = None) -> None:
        self._packs = dict(packs)
        self.directory = directory
        # Where flows are looked for, in this order.
        self.directories = (directory,) if more is None else (more, directory)
        self._voices: dict[str, tuple[Pack, VoiceEntry]] = {}
        for pack in self._packs.values():
            for entry in pack.voices:
                if entry.name in self._voices:
                    other = self._voices[entry.name][0].code
                    raise SettingsError(
                        f"{directory / pack.code}.toml: voices: {entry.name!r} is also in {other}.toml"
                    )
                self._voices[entry.name] = (pack, entry)

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self._packs)

    def __contains__(self, code: object) -> bool:
        return code in self._packs

    def __iter__(self) -> Iterator[Pack]:
        return iter(self._packs.values())

    def __getitem__(self, code: str) -> Pack:
        """The language of a code (``ti``), in the region of a locale (``ti-ER``) where that matters.

        Raises ValidationError (``unknown_language``) with the known codes in ``details``.
        """
        language, _, region = code.partition("-")
        try:
            pack = self._packs[language]
            return pack.regions.get(region, pack)
        except KeyError:
            raise ValidationError(
                f"There is no language {code!r}; there are {', '.join(self._packs)}.",
                code="unknown_language",
                details={"languages": list(self._packs)},
            ) from None

    def voice(self, name: str) -> tuple[Pack, VoiceEntry]:
        """The voice of that name in any case; raises ValidationError (``unknown_voice``)."""
        try:
            return self._voices[name.strip().lower()]
        except KeyError:
            raise ValidationError(
                f"There is no voice {name!r}; there are {', '.join(self._voices)}.",
                code="unknown_voice",
                details={"voices": list(self._voices)},
            ) from None

    def voices(self, language: str | None = None) -> tuple[tuple[Pack, VoiceEntry], ...]:
        """All voices, or those of one language, in the packs' order."""
        chosen = self._packs.values() if language is None else (self[language],)
        return tuple((pack, entry) for pack in chosen for entry in pack.voices)

    def preferring(self, engine: str, voices: Mapping[str, str]) -> Packs:
        """These packs, in which an engine comes first for some voices: its own voice by our name.

        Raises:
            SettingsError: no such voice of ours.
        """
        wanted = {name.strip().lower(): {"engine": engine, "voice": own} for name, own in voices.items()}
        for name in wanted:
            if name not in self._voices:
                near = difflib.get_close_matches(name, list(self._voices), n=1, cutoff=0.0)
                raise SettingsError(f"tts.voices: there is no voice {name!r}; did you mean {near[0]!r}?")
        packs = {
            code: replace(
                pack,
                voices=tuple(
                    replace(each, engines=(MappingProxyType(wanted[each.name]), *each.engines))
                    if each.name in wanted
                    else each
                    for each in pack.voices
                ),
            )
            if any(each.name in wanted for each in pack.voices)
            else pack
            for code, pack in self._packs.items()
        }
        return Packs(packs, self.directory, self.directories[0] if len(self.directories) > 1 else None)

    def default_voice(self, language: str) -> VoiceEntry:
        """The first voice of the language's pack."""
        return self[language].voices[0]


def default_directory() -> Path:
    """``_voices`` inside the wheel, else the repository's ``voices/``."""
    package = Path(__file__).resolve().parent.parent
    packed = package / "_voices"
    return packed if packed.is_dir() else package.parent / "voices"


def load(directory: Path | None = None, more: Path | None = None) -> Packs:
    """Reads every ``*.toml`` of the directory, in alphabetical order.

    Args:
        directory: the packs; None reads those that come along.
        more: a folder with further packs and flows; a file of the same name takes the other's place.

    Raises:
        SettingsError: naming the file and the key that cannot be used.
    """
    directory = directory or default_directory()
    paths: dict[str, Path] = {}
    for each in (directory, more):
        if each is None:
            continue
        found = {path.name: path for path in sorted(each.glob("*.toml"))}
        if not found:
            raise SettingsError(f"{each}: there are no language packs (*.toml)")
        paths |= found
    packs = {}
    for path in paths.values():
        pack = read_pack(read_toml(path))
        if pack.code != path.stem:
            raise SettingsError(f"{path}: code: must be {path.stem!r}, the file's name")
        packs[pack.code] = pack
    return Packs(packs, directory, more)
