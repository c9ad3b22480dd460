"""The quick decoder takes what the standard library's strict one takes, and gives the same."""

from __future__ import annotations

import base64
import binascii

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selam_agent.wire import base64_audio


@given(st.binary(max_size=2000))
def test_what_was_encoded_is_decoded(data: bytes) -> None:
    assert base64_audio.encoded(data) == base64.b64encode(data)
    assert base64_audio.decoded(base64_audio.encoded(data).decode()) == data


@given(st.one_of(st.text("AQw/+=-_ \n", max_size=12), st.text(max_size=12)))
def test_any_text_is_taken_or_refused_as_the_standard_library_does(text: str) -> None:
    try:
        expected = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        with pytest.raises(ValueError):
            base64_audio.decoded(text)
    else:
        assert base64_audio.decoded(text) == expected
