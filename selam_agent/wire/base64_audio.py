"""Base64 of audio, fifty times a second for each session: several times as fast as the standard library's."""

from __future__ import annotations

import binascii

import pybase64


def decoded(text: str) -> bytes:
    """Raises ValueError where it is not base64; more padding than there should be is taken."""
    try:
        return pybase64.b64decode(text, validate=True)
    except ValueError:
        return binascii.a2b_base64(text, strict_mode=True)


def encoded(data: bytes) -> bytes:
    """With padding, on one line."""
    return pybase64.b64encode(data)
