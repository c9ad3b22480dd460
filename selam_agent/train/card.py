"""The model card and the thresholds file, written from the figures of the examination."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from selam_agent.train.decode import DECODING
from selam_agent.train.speakers import PRODUCT_VARIANTS, RENDERINGS, RULE, Split

_INTRODUCTION = """\
# The embedded command recogniser

A Whisper model of {megabytes:.1f} MB that knows {phrases} phrases in five languages, those of the language
packs (`phrases.json`), and finds those that a flow adds by how the sound spells them. It lets a fresh
installation hold a conversation offline.

**It was trained and tested on synthetic voices only** (espeak-ng). No human speech was used, so nothing
is known about how it hears people; for people, use a real recogniser. The translations of the phrases
await native speakers. Speech outside the book is answered with an empty text, a low log-probability or a
text that the sound does not spell.

- Made by `python -m selam_agent.train all`: {steps}.{note}
- Architecture: Whisper, {shape}.
- Data: espeak-ng 1.52 with {trained} speakers (its variants), other vocal tracts (±15 %), rooms, noise,
  G.711; all made from the packs by fixed seeds. espeak's own noise source is not seeded, so a rerun is
  equivalent, not identical.
- Loads in stock faster-whisper (`WhisperModel(directory, local_files_only=True)`); there, pass
  `without_timestamps=True, beam_size=1, temperature=0`, and a `language` of en, am or so, because
  faster-whisper does not know `om` and `ti`.
- Timestamps, translation, prompts and hotwords were not trained.
- Trained on beginnings of phrases too: cut off in the middle, it writes the words so far or nothing. So a
  transcript may be half a phrase, when half a phrase was said.
- `letters.npz` is the encoder's CTC head over an alphabet of five languages (`engines/ctc_letters.py`): it
  scores any text against the sound. Stock faster-whisper does not use it.

## How to ask it

Log-mel features of the utterance (faster-whisper's extractor, last frame dropped) with {margin} zero frames
after it, an even number and at least {window} s in all (CTranslate2 mistakes the encoder output of 1.6 s for
features); `encode`; `detect_language` for the language; `generate` with the prompt
`<|startoftranscript|> <|LANGUAGE|> <|transcribe|> <|notimestamps|>`, beam 1, at most {tokens} new tokens and
nothing suppressed. Up to 8 s of speech. Accept a text if it is not empty, its avg_logprob is at least
{log_prob}, its no-speech probability at most {no_speech}, and its log-likelihood by the CTC head less that of
the free path at least {spelling} per letter (`decoding.json`). Otherwise an added phrase of 7 letters or
more is accepted at {added} per letter, if no phrase of the book fits better.
"""


_ADDED = """\
Phrases that were never trained on (`UNSEEN` in `train/unknown.py`, 4 per language), added beside those of
the clinic flow to the book: found by spelling, where the model itself is sure of nothing. In all these
tables the recogniser listened for them too. `added_threshold` was chosen so that at most 2 % of the unknown
speech of trained speakers become an added phrase.
"""


def write_card(directory: Path, results: Mapping[str, Any], split: Split, run: Mapping[str, Any]) -> None:
    """Writes ``CARD.md`` and ``decoding.json`` into ``directory``.

    Args:
        results: what :func:`evaluate.examine` returned.
        run: ``steps`` and ``shape`` in words, ``phrases``, their number, and a ``note`` or "".
    """
    thresholds = results["thresholds"]
    decoding = {**thresholds, **DECODING}
    (directory / "decoding.json").write_text(json.dumps(decoding) + "\n", encoding="utf-8")
    size = sum(p.stat().st_size for p in directory.iterdir() if p.suffix in (".bin", ".json", ".npz"))
    parts = [
        _INTRODUCTION.format(
            megabytes=size / 1e6,
            margin=DECODING["margin_frames"],
            window=DECODING["min_window_s"],
            tokens=DECODING["max_new_tokens"],
            log_prob=thresholds["log_prob_threshold"],
            no_speech=thresholds["no_speech_threshold"],
            spelling=thresholds["spelling_threshold"],
            added=thresholds["added_threshold"],
            trained=len(set(split.trained)),
            **run,
        ),
        "## Figures\n",
        "`python -m selam_agent.train evaluate`; exact = the whole text with its punctuation. "
        "The thresholds were chosen on trained speakers; the held-out speakers only confirmed them.\n",
        _phrase_table(results["phrases"]),
        _ADDED,
        _phrase_table(results["added"]),
        f"By spelling alone, among {results['among']['listed']} phrases of all languages, 80 of them the "
        f"book's: {results['among']['found']:.3f} of the {results['among']['n']} clean ones found.\n",
        _language_table(results["phrases"]),
        _rejection_table(results["rejections"]),
        _beginnings(results["beginnings"]),
        f"{results['milliseconds_per_utterance']:.0f} ms of processor time per utterance.\n",
        "### Held-out speakers, clean, worst first\n",
        ", ".join(
            f"{name} {value:.3f}"
            for name, value in results["phrases"]["held-out speakers, clean"]["by_speaker"].items()
        )
        + "\n",
        "## Speakers\n",
        f"{RULE} Examined speakers were drawn by family from the normal ones by a fixed seed, before "
        f"training; the product's own variants ({', '.join(PRODUCT_VARIANTS)}) are always trained on.\n",
        f"Examined: {', '.join(split.examined)}.\n",
        f"Trained on: {', '.join(sorted(set(split.trained) - {''}))}, and the plain voice.\n",
        "Base voices: "
        + "; ".join(
            f"{language}: {', '.join(r.voice for r in kinds)}" for language, kinds in RENDERINGS.items()
        )
        + ". The first of each is the product's, and the one examined. Somali through om, sw is respelled.\n",
    ]
    (directory / "CARD.md").write_text("\n".join(parts), encoding="utf-8")


def _phrase_table(phrases: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        "| set | n | exact | worst speaker | language | right, but rejected | wrong, and accepted |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, marks in phrases.items():
        worst, value = next(iter(marks["by_speaker"].items()))
        rows.append(
            f"| {name} | {marks['n']} | {marks['exact']:.3f} | {worst} {value:.3f} | {marks['language']:.3f} "
            f"| {marks['right_but_rejected']:.3f} | {marks['wrong_and_accepted']:.3f} |"
        )
    return "\n".join(rows) + "\n"


def _language_table(phrases: Mapping[str, Mapping[str, Any]]) -> str:
    languages = list(RENDERINGS)
    rows = [f"| exact by language | {' | '.join(languages)} |", "|---" * (len(languages) + 1) + "|"]
    for name, marks in phrases.items():
        rows.append(f"| {name} | " + " | ".join(f"{marks['by_language'][k]:.3f}" for k in languages) + " |")
    return "\n".join(rows) + "\n"


def _beginnings(marks: Mapping[str, Any]) -> str:
    return (
        f"Beginnings of phrases, cut off after 250 ms to 90 %, held-out speakers (n = {marks['n']}): nothing "
        f"{marks['nothing']:.3f}, the words so far {marks['so_far']:.3f}, "
        f"the whole phrase {marks['all']:.3f}, other words {marks['other']:.3f}.\n"
    )


def _rejection_table(rejections: Mapping[str, Mapping[str, Any]]) -> str:
    rows = ["| what is no phrase | n | empty text | rejected in all |", "|---|---|---|---|"]
    for name, marks in rejections.items():
        rows.append(f"| {name} | {marks['n']} | {marks['empty']:.3f} | {marks['rejected']:.3f} |")
    return "\n".join(rows) + "\n"
