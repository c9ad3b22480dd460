"""Training: one CPU thread, bounded by minutes, resumable from its last checkpoint.

Three things made the difference between 4 % and 90 % after ten minutes, in this order: the CTC
head, beginning with short windows (in a full one 93 % of the first attention is padding), and
bringing in speech outside the book only when phrases are recognised.
"""

# The types hold with and without torch installed, where all of it is Any:
# mypy: allow-subclassing-any, allow-untyped-calls, allow-untyped-decorators
# mypy: no-warn-return-any, no-warn-unused-ignores

from __future__ import annotations

import copy
import math
import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor

from selam_agent.engines.ctc_letters import CLASSES
from selam_agent.train.batches import IGNORED, Batch, Batches
from selam_agent.train.network import MicroWhisper, Shape
from selam_agent.train.tokens import Ids


@dataclass(frozen=True, slots=True)
class Plan:
    """One run. ``minutes`` of training in all, over every resumption.

    ``begun``: the part of the curriculum that is left out, because the weights come from a model that
    has been through it.
    """

    minutes: float
    seed: int
    batch: int = 32
    peak_rate: float = 1.6e-3
    warm_steps: int = 150
    begun: float = 0.0
    averaging: float = 0.998
    checkpoint_minutes: float = 3.0


def new_network(vocabulary: int, seed: int) -> MicroWhisper:
    """An untrained network for so many tokens and the letters of ``letters.py``."""
    torch.manual_seed(seed)
    return MicroWhisper(Shape(vocabulary, CLASSES))


def stage_of(progress: float) -> int:
    """What is trained on after this part (0..1) of the run: see :meth:`Batches.draw`."""
    return sum(progress >= begin for begin in (0.08, 0.22, 0.47))


def window_of(progress: float, chance: float) -> tuple[str, float]:
    """The window of a batch and the share of a full one's padding; ``chance`` is uniform in 0..1."""
    if progress < 0.15 or chance < 0.72:
        return "short", 0.0
    ease = min(1.0, 0.3 + (progress - 0.15) / 0.15)
    return ("exact" if chance > 0.96 else "full"), ease


def rate_of(plan: Plan, step: int, progress: float) -> float:
    """Learning rate: a short warm-up, then half a cosine down to 2 %."""
    cosine = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return plan.peak_rate * min(1.0, (step + 1) / plan.warm_steps) * cosine


def losses(network: MicroWhisper, batch: Batch, full: float) -> tuple[Tensor, Tensor]:
    """Cross-entropy of the tokens and CTC of the letters (per utterance, scaled to be comparable)."""
    with torch.autocast("cpu", torch.bfloat16):
        memory, mask = network.encode(batch.features, full=full)
        logits = network.decode(batch.tokens, memory, mask)
        letters = network.letters(memory[batch.spelled]) if batch.spelled else None
    text = functional.cross_entropy(
        logits.float().flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORED
    )
    if letters is None:
        return text, torch.zeros(())
    spelling = functional.ctc_loss(
        functional.log_softmax(letters.float(), -1).transpose(0, 1),
        batch.letters,
        batch.letter_frames,
        batch.letter_counts,
        zero_infinity=True,
        reduction="sum",
    )
    return text, spelling / len(batch.spelled) / 10


@torch.no_grad()
def validate(network: MicroWhisper, batches: Batches, ids: Ids, limit: int = 640) -> dict[str, float]:
    """Greedy decoding of the validation utterances, language from the first step, short window.

    Returns:
        ``exact`` and ``language`` over phrases, ``empty`` over everything outside the book.
    """
    network.eval()
    items = sorted(batches.validation[:limit], key=lambda i: i.entry.frames)
    codes = list(ids.languages.items())
    right = heard = phrases = empty = others = 0
    for begin in range(0, len(items), 64):
        part = items[begin : begin + 64]
        memory, mask = network.encode(batches.collate(part, window="short", augment=False).features)
        tokens = torch.full((len(part), 1), ids.start)
        first = network.decode(tokens, memory, mask)[:, -1, [token for _, token in codes]].argmax(-1).tolist()
        prompts = torch.tensor([ids.prompt(codes[n][0])[1:] for n in first])
        tokens = torch.cat([tokens, prompts], 1)
        for _ in range(22):
            tokens = torch.cat([tokens, network.decode(tokens, memory, mask)[:, -1:].argmax(-1)], 1)
        for row, language, item in zip(tokens[:, 4:].tolist(), first, part, strict=True):
            text = row[: row.index(ids.end)] if ids.end in row else row
            if item.entry.kind in ("phrase", "part"):
                phrases += 1
                right += text == batches.expected(item.entry)
                heard += codes[language][0] == item.entry.language
            else:
                others += 1
                empty += not text
    network.train()
    return {"exact": right / phrases, "language": heard / phrases, "empty": empty / others}


def fit(
    network: MicroWhisper,
    plan: Plan,
    batches: Batches,
    ids: Ids,
    checkpoint: Path,
    report: Callable[[str], None],
) -> None:
    """Trains until ``plan.minutes`` are used up, writing ``checkpoint`` on the way.

    The checkpoint's ``average`` is the model: a running mean of the weights, usable at any time.
    """
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.manual_seed(plan.seed)
    chances = random.Random(plan.seed)
    average = copy.deepcopy(network).eval()
    optimizer = torch.optim.AdamW(_groups(network), lr=plan.peak_rate, betas=(0.9, 0.98), fused=True)
    step, used = 0, 0.0
    if checkpoint.is_file():
        state = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        step, used = state["step"], state["used"]
        batches.reseed(plan.seed, step)
        chances.seed(plan.seed + step)
        report(f"resumed after {used / 60:.1f} min, step {step}")
    report(f"{sum(p.numel() for p in network.parameters()) / 1e6:.2f} M parameters")
    network.train()
    means: tuple[float, float] | None = None
    last = saved = time.monotonic()
    while used < plan.minutes * 60:
        progress = used / 60 / plan.minutes
        for group in optimizer.param_groups:
            group["lr"] = rate_of(plan, step, progress)
        course = plan.begun + (1 - plan.begun) * progress
        window, full = window_of(course, chances.random())
        batch = batches.draw(plan.batch, stage_of(course), window=window)
        text, letters = losses(network, batch, full)
        optimizer.zero_grad()
        (text + 0.5 * (1 - 0.6 * progress) * letters).backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        step += 1
        _follow(average, network, min(plan.averaging, step / (step + 20)))
        found = text.item(), letters.item()
        means = found if means is None else (_mix(means[0], found[0]), _mix(means[1], found[1]))
        now = time.monotonic()
        used, last = used + now - last, now
        if step % 200 == 0:
            report(f"step {step} {used / 60:.1f} min text {means[0]:.3f} letters {means[1]:.2f}")
        if now - saved > plan.checkpoint_minutes * 60 or used >= plan.minutes * 60:
            marks = validate(average, batches, ids)
            report(f"step {step} {used / 60:.1f} min " + " ".join(f"{k} {v:.3f}" for k, v in marks.items()))
            _save(checkpoint, network.shape, network, average, optimizer, step, used)
            last = saved = time.monotonic()


def _mix(mean: float, value: float) -> float:
    return 0.98 * mean + 0.02 * value


def load_average(checkpoint: Path) -> MicroWhisper:
    """The network of a checkpoint with its averaged weights, ready to use."""
    state = torch.load(checkpoint, weights_only=True)
    network = MicroWhisper(Shape(**state["shape"]))
    network.load_state_dict(state["average"])
    return network.eval()


def _groups(network: MicroWhisper) -> list[dict[str, Any]]:
    """Weight decay for matrices only."""
    parameters = list(network.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.02},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]


@torch.no_grad()
def _follow(average: MicroWhisper, network: MicroWhisper, keep: float) -> None:
    """average = keep · average + (1 − keep) · network."""
    torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - keep)


def _save(
    path: Path,
    shape: Shape,
    network: MicroWhisper,
    average: MicroWhisper,
    optimizer: torch.optim.Optimizer,
    step: int,
    used: float,
) -> None:
    state = {
        "shape": asdict(shape),
        "network": network.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": step,
        "used": used,
    }
    part = path.with_suffix(".part")
    torch.save(state, part)
    part.replace(path)
