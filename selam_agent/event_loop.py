"""The event loop that programs run on: uvloop where it is installed, else asyncio's own."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

# glibc gives back by itself only what is free at the very end of its heap. With 64 sessions an eighth of a
# megabyte each lies between what others use; asking for it takes 0.3 to 2 ms.
_TRIM_EVERY_S: Final = 10.0


def run(work: Coroutine[Any, Any, T]) -> T:
    """Like ``asyncio.run``. uvloop takes about a tenth off the server's CPU time; Windows has none."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


def settle() -> None:
    """What was made at the start stays: the garbage collector need not look at it again.

    Sessions leave no cycles and connections leave 20 kB of them, which waits; a full collection in the middle
    of a call takes some ms. Memory that sessions leave between others' is given back to the system; needs the
    running loop.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 10)
    if (trim := _glibc_trim()) is not None:
        keep_trimming(asyncio.get_running_loop(), trim)


def keep_trimming(
    loop: asyncio.AbstractEventLoop, trim: Callable[[int], int], every_s: float = _TRIM_EVERY_S
) -> None:
    """Calls ``trim`` now and then, for as long as the loop runs."""

    def again() -> None:
        trim(0)
        loop.call_later(every_s, again)

    loop.call_later(every_s, again)


def _glibc_trim() -> Callable[[int], int] | None:
    """``malloc_trim``, which other C libraries do not have."""
    if sys.platform != "linux":
        return None
    trim: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim
