"""``X-Twilio-Signature``: whether a request comes from the account whose token we know.

Base64 of HMAC-SHA1 over the full URL and the form's fields, sorted by name, each name followed by its
value (Twilio, "Validating requests").
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping

HEADER = "X-Twilio-Signature"


def signature(auth_token: str, url: str, fields: Mapping[str, str]) -> str:
    """What the header must be."""
    text = url + "".join(f"{name}{fields[name]}" for name in sorted(fields))
    digest = hmac.new(auth_token.encode(), text.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode("ascii")


def is_signed(given: str, auth_token: str, urls: Iterable[str], fields: Mapping[str, str]) -> bool:
    """Whether the header is right for one of the URLs by which the server may have been reached."""
    right = [hmac.compare_digest(given.encode(), signature(auth_token, url, fields).encode()) for url in urls]
    return any(right)
