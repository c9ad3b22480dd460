"""Recognisers that ``selam-agent models pull`` knows: few, with what is published about them.

Hashes are those that several independent projects pin for the same files; their owners publish none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_SHERPA: Final = "https://github.com/k2-fsa/sherpa-onnx/releases/download/asr-models"
_OMNILINGUAL: Final = "sherpa-onnx-omnilingual-asr-1600-languages-300M-ctc-int8-2025-11-12"
_HUB: Final = "https://huggingface.co/Systran"
_TOKENIZER: Final = "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab"
_VOCABULARY: Final = "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913"


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """One file to fetch. ``size`` in bytes. ``members``: an archive, of which these files are kept."""

    name: str
    url: str
    size: int
    sha256: str
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Curated:
    """``engine``: of ``stt.models``. ``quality``: language → published error rate; ``source``: by whom."""

    name: str
    engine: str
    languages: tuple[str, ...]
    licence: str
    quality: Mapping[str, str]
    source: str
    artifacts: tuple[Artifact, ...]

    @property
    def size(self) -> int:
        """Bytes to fetch."""
        return sum(each.size for each in self.artifacts)


def _whisper(name: str, revision: str, weights: Artifact, config: Artifact, english: str) -> Curated:
    def url(file: str) -> str:
        return f"{_HUB}/faster-{name}/resolve/{revision}/{file}"

    shared = (
        Artifact(name="tokenizer.json", url=url("tokenizer.json"), size=2_203_239, sha256=_TOKENIZER),
        Artifact(name="vocabulary.txt", url=url("vocabulary.txt"), size=459_861, sha256=_VOCABULARY),
    )
    return Curated(
        name=name,
        engine="whisper",
        languages=("en",),
        licence="MIT",
        quality={"en": english},
        source=f"model card openai/{name}, LibriSpeech test-clean",
        artifacts=(config, *shared, weights),
    )


def _file(repository: str, revision: str, name: str, size: int, sha256: str) -> Artifact:
    return Artifact(name=name, url=f"{_HUB}/{repository}/resolve/{revision}/{name}", size=size, sha256=sha256)


_BASE: Final = "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66"
_SMALL: Final = "536b0662742c02347bc0e980a01041f333bce120"

CURATED: Final = (
    Curated(
        name="omnilingual-300m",
        engine="sherpa",
        languages=("am", "so", "ti", "om", "en"),
        licence="Apache-2.0",
        quality={"am": "WER 18.9 % clean, 31.3 % over all conditions (of its version 2)"},
        source="GSMA EthioTelecomBench; none is published for so, ti and om at this size",
        artifacts=(
            Artifact(
                name=f"{_OMNILINGUAL}.tar.bz2",
                url=f"{_SHERPA}/{_OMNILINGUAL}.tar.bz2",
                size=292_571_207,
                sha256="cdcd0559c7c73efed54209a926e321afc914d046c5fdbf3665f00dc78180e5ed",
                members=("model.int8.onnx", "tokens.txt"),
            ),
        ),
    ),
    _whisper(
        "whisper-small",
        _SMALL,
        _file(
            "faster-whisper-small",
            _SMALL,
            "model.bin",
            483_546_902,
            "3e305921506d8872816023e4c273e75d2419fb89b24da97b4fe7bce14170d671",
        ),
        _file(
            "faster-whisper-small",
            _SMALL,
            "config.json",
            2_370,
            "b55496ac7940a7ae47d2c01eab40edfd8701feec1229d9cce3b40014383fb828",
        ),
        "WER 3.4 %",
    ),
)
"""In the order in which they are recommended."""
