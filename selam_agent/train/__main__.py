"""``python -m selam_agent.train STEP --work DIR``: see the package's text."""

# ruff: noqa: E402 (the number of threads must be set before numpy and torch are imported)

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from selam_agent.engines.espeak_library import EspeakLibrary
from selam_agent.engines.flow import FlowModel
from selam_agent.languages.packs import load as load_packs
from selam_agent.models import COMMAND_MODEL
from selam_agent.train.batches import Batches
from selam_agent.train.book import LANGUAGES, Book, is_frozen, read_book, write_phrases
from selam_agent.train.card import write_card
from selam_agent.train.cases import Cases
from selam_agent.train.decode import Decoder
from selam_agent.train.evaluate import examine
from selam_agent.train.export import export
from selam_agent.train.fit import Plan, fit, load_average, new_network
from selam_agent.train.pools import Studio, make_pool
from selam_agent.train.speakers import Split, read_settings, split_variants
from selam_agent.train.tokens import build_tokenizer, load_tokenizer, save_tokenizer, special_ids
from selam_agent.train.unknown import UNSEEN
from selam_agent.train.warm import begin_with

_POOLS = 6
_UTTERANCES = 26_000


class Workshop:
    """The work directory and what every step needs from it."""

    def __init__(self, chosen: argparse.Namespace) -> None:
        work: Path = chosen.work
        self.work, self.voices, self.model = work, chosen.voices, chosen.model
        self.seed, self.minutes, self.note = chosen.seed, chosen.minutes, chosen.note
        self.begin: Path | None = chosen.begin
        work.mkdir(parents=True, exist_ok=True)
        self.book: Book = read_book(self.voices)
        if (work / "phrases.json").is_file() and not is_frozen(self.book, work / "phrases.json"):
            raise SystemExit(f"{work} was begun with other phrases: choose another --work, or remove it")
        write_phrases(self.book, work / "phrases.json")
        self.library = EspeakLibrary(work / "es")
        self.split: Split = split_variants(read_settings(self.library.variants_dir))
        path = work / "tokenizer.json"
        if not path.is_file():
            save_tokenizer(build_tokenizer(self.book), path)
        self.tokenizer = load_tokenizer(path)
        self.ids = special_ids(self.tokenizer, LANGUAGES)
        self.pool_paths = [work / f"pool-{number}" for number in range(1, _POOLS + 1)]
        self.checkpoint = work / "checkpoint.pt"

    def pools(self) -> None:
        """Speaks the training utterances."""
        for number, path in enumerate(self.pool_paths, 1):
            studio = Studio(self.library, self.book, self.split, 100 * self.seed + number)
            make_pool(studio, path, _UTTERANCES, _say)

    def fit(self) -> None:
        """Trains, or goes on training."""
        ready = [path for path in self.pool_paths if path.with_suffix(".json").is_file()]
        batches = Batches(ready, self.ids, lambda text: list(self.tokenizer.encode(text).ids), self.seed)
        _say(f"{len(ready)} of {len(self.pool_paths)} pools")
        network = new_network(self.ids.vocabulary, self.seed)
        plan = Plan(self.minutes, self.seed)
        if self.begin is not None and not self.checkpoint.is_file():
            known = begin_with(network, self.tokenizer, self.begin)
            _say(f"begins with {self.begin}, which knows {known} of {self.ids.vocabulary} tokens")
        if self.begin is not None:
            # The rate at which the model that it begins with was half trained.
            plan = replace(plan, begun=0.22, peak_rate=1.1e-3, warm_steps=300)
        fit(network, plan, batches, self.ids, self.checkpoint, _say)

    def export(self) -> None:
        """Writes the model directory from the last checkpoint."""
        export(load_average(self.checkpoint), self.tokenizer, self.ids, self.book, self.model)

    def evaluate(self) -> None:
        """Examines the model directory and writes its card and thresholds."""
        cases = Cases(self.library, self.book, self.split, 1000 + self.seed)
        # As a server has it that books appointments, and the phrases of the examination besides.
        flow = FlowModel("clinic_booking", load_packs(self.voices)).phrases
        added = {code: (*flow[code], *UNSEEN[code]) for code in LANGUAGES}
        results = examine(cases, self.voices, self.split, partial(Decoder, self.model, added))
        (self.work / "results.json").write_text(
            json.dumps(results, ensure_ascii=False, indent=1), encoding="utf-8"
        )
        shape = load_average(self.checkpoint).shape
        run = {
            "note": f" {self.note}" if self.note else "",
            "phrases": sum(len(texts) for texts in self.book.phrases.values()),
            "steps": f"{_POOLS * _UTTERANCES} utterances, {self.minutes:.0f} min, seed {self.seed}",
            "shape": (
                f"width {shape.width}, {shape.heads} heads, {shape.encoder_layers} encoder and "
                f"{shape.decoder_layers} decoder layers, {shape.distinct} distinct encoder positions"
            ),
        }
        write_card(self.model, results, self.split, run)
        _say((self.model / "CARD.md").read_text(encoding="utf-8"))


def _say(line: str) -> None:
    print(line, flush=True)


def main() -> None:
    """Parses the command line and runs one step, or all of them."""
    parser = argparse.ArgumentParser(prog="python -m selam_agent.train", description=__doc__)
    parser.add_argument("step", choices=["all", "pools", "fit", "export", "evaluate"])
    parser.add_argument("--work", type=Path, default=Path("train-work"))
    parser.add_argument("--voices", type=Path, default=Path("voices"))
    parser.add_argument("--model", type=Path, default=COMMAND_MODEL, help="where the model is written")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=65, help="training time, over all resumptions")
    parser.add_argument("--begin", type=Path, help="a shipped model whose weights training begins with")
    parser.add_argument("--note", default="", help="what the card should say about this run")
    chosen = parser.parse_args()
    shop = Workshop(chosen)
    steps: dict[str, Callable[[], None]] = {
        "pools": shop.pools,
        "fit": shop.fit,
        "export": shop.export,
        "evaluate": shop.evaluate,
    }
    for name, step in steps.items():
        if chosen.step in ("all", name):
            began = time.monotonic()
            step()
            _say(f"{name}: {(time.monotonic() - began) / 60:.1f} min")


if __name__ == "__main__":
    main()
