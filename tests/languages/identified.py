"""How many held-out sentences are identified right: ``python -m tests.languages.identified``.

Right from one language of the conversation may be wrong from another, where a text leaves doubt; the
fewest count.
"""

from __future__ import annotations

from pathlib import Path

from selam_agent.languages.identify import identify

HELD_OUT = {
    path.stem: [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    for path in sorted((Path(__file__).parent / "held_out").glob("*.txt"))
}
LANGUAGES = tuple(HELD_OUT)


def right(code: str, current: str) -> int:
    """Of the sentences in ``code``, in a conversation that is in ``current`` so far."""
    return sum(identify(line, LANGUAGES, current) == code for line in HELD_OUT[code])


if __name__ == "__main__":
    print("language  sentences  " + "  ".join(f"from {current}" for current in LANGUAGES))
    for code, lines in HELD_OUT.items():
        counts = "  ".join(f"{right(code, current):7}" for current in LANGUAGES)
        print(f"{code:8}  {len(lines):9}  {counts}")
