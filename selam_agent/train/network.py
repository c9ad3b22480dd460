"""Whisper's mathematics, small, with two additions that exist only in training.

*A cheap 30 s window.* Stock faster-whisper pads every utterance with zero features to 3000 frames.
All encoder positions from :data:`Shape.distinct` on share one position vector, so all padding
beyond is identical and is computed as ONE key whose attention logit is raised by log(count). That
is exact, and costs 400 positions instead of 1500. Our own decoder uses a short window and needs
none of it; the model is trained for both.

*A character CTC head* on the encoder. Attention alone takes very long to find the speech among
the padding; with CTC the encoder learns where the letters are first. Kept beside the exported model:
it finds phrases that were never trained on.
"""

# The types hold with and without torch installed, where all of it is Any:
# mypy: allow-subclassing-any, allow-untyped-calls
# mypy: no-warn-return-any, no-warn-unused-ignores

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

POSITIONS: Final = 1500  # encoder positions of a full window: 3000 frames of 10 ms, halved
_DECODER_POSITIONS: Final = 448  # faster-whisper reserves half of Whisper's 448 for earlier text


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a network. ``distinct``: encoder positions (20 ms each) that are told apart."""

    vocabulary: int
    characters: int
    width: int = 144
    heads: int = 2
    inner: int = 576
    encoder_layers: int = 3
    decoder_layers: int = 1
    distinct: int = 400
    dropout: float = 0.05


class Attention(nn.Module):
    """Multi-head attention with fused projections, as CTranslate2 stores them."""

    def __init__(self, width: int, heads: int, *, cross: bool) -> None:
        super().__init__()
        self.heads = heads
        if cross:
            self.query = nn.Linear(width, width)
            self.key_value = nn.Linear(width, 2 * width)
        else:
            self.query_key_value = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, memory: Tensor | None, mask: Tensor | None) -> Tensor:
        """Attends from ``x`` to ``memory``, or to itself if None; ``mask`` is added to the logits."""
        if memory is None:
            query, key, value = self.query_key_value(x).chunk(3, dim=-1)
        else:
            query = self.query(x)
            key, value = self.key_value(memory).chunk(2, dim=-1)
        query, key, value = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in (query, key, value))
        # Written out: torch's fused attention takes 2.5 times as long in bfloat16 on a CPU.
        logits = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
        if mask is not None:
            logits = logits + mask.to(logits.dtype)
        mixed = logits.softmax(-1) @ value
        return self.out(mixed.transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """A pre-norm transformer layer; ``cross`` makes it a decoder's."""

    def __init__(self, shape: Shape, *, cross: bool) -> None:
        super().__init__()
        self.self_norm = nn.LayerNorm(shape.width)
        self.self_attention = Attention(shape.width, shape.heads, cross=False)
        if cross:
            self.cross_norm = nn.LayerNorm(shape.width)
            self.cross_attention = Attention(shape.width, shape.heads, cross=True)
        self.inner_norm = nn.LayerNorm(shape.width)
        self.inner = nn.Linear(shape.width, shape.inner)
        self.outer = nn.Linear(shape.inner, shape.width)
        self.share = shape.dropout

    def forward(
        self, x: Tensor, own_mask: Tensor | None, memory: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """``own_mask`` is for self-attention, ``mask`` for attention to ``memory``."""
        x = x + self._drop(self.self_attention(self.self_norm(x), None, own_mask))
        if memory is not None:
            x = x + self._drop(self.cross_attention(self.cross_norm(x), memory, mask))
        return x + self._drop(self.outer(functional.gelu(self.inner(self.inner_norm(x)))))

    def _drop(self, x: Tensor) -> Tensor:
        return drop_channels(x, self.share) if self.training else x


def drop_channels(x: Tensor, share: float) -> Tensor:
    """Dropout of whole channels of an utterance [batch, time, channels]: its random numbers cost nothing."""
    kept = torch.rand(x.shape[0], 1, x.shape[2]) >= share
    return x * (kept.to(x.dtype) / (1 - share))


class MicroWhisper(nn.Module):
    """The network. Parameter names are mapped to CTranslate2's in ``export.py``."""

    positions: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.conv1 = nn.Conv1d(80, shape.width, 3, padding=1)
        self.conv2 = nn.Conv1d(shape.width, shape.width, 3, stride=2, padding=1)
        self.encoder = nn.ModuleList(Layer(shape, cross=False) for _ in range(shape.encoder_layers))
        self.encoder_norm = nn.LayerNorm(shape.width)
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.places = nn.Embedding(_DECODER_POSITIONS, shape.width)
        self.decoder = nn.ModuleList(Layer(shape, cross=True) for _ in range(shape.decoder_layers))
        self.decoder_norm = nn.LayerNorm(shape.width)
        self.letters = nn.Linear(shape.width, shape.characters)
        nn.init.normal_(self.embedding.weight, std=0.05)
        nn.init.normal_(self.places.weight, std=0.02)
        table = _sinusoids(POSITIONS, shape.width)
        table[shape.distinct :] = table[shape.distinct]
        # Weaker than Whisper's: at full strength they drown the features of a network this narrow.
        self.register_buffer("positions", table * 0.3)

    def encode(self, features: Tensor, *, full: float = 0.0) -> tuple[Tensor, Tensor | None]:
        """Encodes ``features`` [batch, 80, frames], frames even.

        Args:
            full: 0 for the window as it is. Above 0 the last position, which must be padding,
                stands for all the rest of a 30 s window, its share of the attention being
                count ** ``full`` (1 is exact; less eases the beginning of training).

        Returns:
            memory [batch, frames / 2, width] and the attention mask to use with it.
        """
        x = functional.gelu(self.conv1(features))
        x = functional.gelu(self.conv2(x)).transpose(1, 2)
        length = x.shape[1]
        mask = None
        if full > 0 and length < POSITIONS:
            table = torch.cat([self.positions[: length - 1], self.positions[-1:]])
            mask = torch.zeros(1, 1, 1, length)
            mask[..., -1] = full * math.log(POSITIONS - length + 1)
        else:
            table = self.positions[:length]
        x = x + table
        for layer in self.encoder:
            x = layer(x, mask)
        return self.encoder_norm(x), mask

    def decode(self, tokens: Tensor, memory: Tensor, mask: Tensor | None) -> Tensor:
        """Logits [batch, tokens, vocabulary] after each of ``tokens`` [batch, tokens]."""
        x = self.embedding(tokens) + self.places.weight[: tokens.shape[1]]
        # Each token sees itself and those before it.
        causal = torch.full((tokens.shape[1], tokens.shape[1]), -math.inf).triu(1)
        for layer in self.decoder:
            x = layer(x, causal, memory, mask)
        return self.decoder_norm(x) @ self.embedding.weight.T


def _sinusoids(length: int, width: int) -> Tensor:
    """Whisper's position table [length, width]."""
    scale = math.log(10000) / (width // 2 - 1)
    angles = torch.arange(length)[:, None] * torch.exp(-scale * torch.arange(width // 2))[None]
    return torch.cat([angles.sin(), angles.cos()], dim=1)
