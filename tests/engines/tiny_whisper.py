"""A Whisper with random weights in CTranslate2 form: no download, no torch, about a second.

What it writes is noise, but languages, prompts, windows, limits and probabilities are real.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from ctranslate2.specs import WhisperSpec
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

TEXTS = [
    "I would like to see the doctor tomorrow morning, please. - ' ♪",
    "Nagaa. Akkam bulte? Galatoomi.",
    "Subax wanaagsan, sidee ayaan kuu caawin karaa maanta?",
    "ሰላም። ነገ ጠዋት ሐኪም ማየት እፈልጋለሁ።",
]


def tokenizer(languages: list[str]) -> Tokenizer:
    """Byte-level BPE with Whisper's special tokens in Whisper's order."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    made.train_from_iterator([f" {text}" for text in TEXTS], trainer)
    state = json.loads(made.to_str())
    # CTranslate2 takes a model with an empty token for multilingual.
    state["model"]["vocab"][""] = len(state["model"]["vocab"])
    made = Tokenizer.from_str(json.dumps(state))
    names = ["endoftext", "startoftranscript", *languages]
    names += ["translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps"]
    names += [f"{index * 0.02:.2f}" for index in range(1501)]
    made.add_special_tokens([AddedToken(f"<|{name}|>", special=True, normalized=False) for name in names])
    return made


def build(directory: Path, languages: list[str], *, width: int = 64, layers: int = 1, seed: int = 0) -> Path:
    """Writes a model of ``width`` with ``layers`` on each side; returns ``directory``."""
    rng = np.random.default_rng(seed)
    directory.mkdir(parents=True, exist_ok=True)
    made = tokenizer(languages)
    size = made.get_vocab_size()

    def weights(*shape: int) -> np.ndarray:
        return rng.normal(0, 0.05, shape).astype(np.float32)

    def zeros(*shape: int) -> np.ndarray:
        return np.zeros(shape, np.float32)

    def norm(layer) -> None:
        layer.gamma, layer.beta = np.ones(width, np.float32), zeros(width)

    def linear(layer, out: int, into: int) -> None:
        layer.weight, layer.bias = weights(out, into), zeros(out)

    def attention(layer, outputs: list[int]) -> None:
        for index, out in enumerate(outputs):
            linear(layer.linear[index], out, width)
        norm(layer.layer_norm)

    spec = WhisperSpec(layers, 2, layers, 2)
    spec.encoder.conv1.weight, spec.encoder.conv1.bias = weights(width, 80, 3), zeros(width)
    spec.encoder.conv2.weight, spec.encoder.conv2.bias = weights(width, width, 3), zeros(width)
    spec.encoder.position_encodings.encodings = weights(1500, width)
    spec.decoder.position_encodings.encodings = weights(448, width)
    spec.decoder.embeddings.weight = weights(size, width)
    spec.decoder.projection.weight = spec.decoder.embeddings.weight
    spec.decoder.projection.bias = zeros(size)
    for layer in [*spec.encoder.layer, *spec.decoder.layer]:
        attention(layer.self_attention, [3 * width, width])
        linear(layer.ffn.linear_0, 4 * width, width)
        linear(layer.ffn.linear_1, width, 4 * width)
        norm(layer.ffn.layer_norm)
    for layer in spec.decoder.layer:
        attention(layer.attention, [width, 2 * width, width])
    norm(spec.encoder.layer_norm)
    norm(spec.decoder.layer_norm)
    spec.register_vocabulary([made.id_to_token(index) for index in range(size)])
    spec.config.suppress_ids = []
    spec.config.suppress_ids_begin = []
    spec.config.lang_ids = [made.token_to_id(f"<|{language}|>") for language in languages]
    spec.config.alignment_heads = [(layers - 1, 0)]
    spec.validate()
    spec.optimize(quantization=None)
    spec.save(str(directory))
    made.save(str(directory / "tokenizer.json"))
    return directory
