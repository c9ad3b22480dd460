"""How many held-out sentences are identified right: ``python -m tests.languages.identified``.

Right from one language of the conversation may be wrong from another, where a text leaves doubt; the
fewest count. Then how many answers of a model would be judged to be in the wrong language.
"""

from __future__ import annotations

from pathlib import Path

from selam_agent.languages.identify import clearly_not, identify

HELD_OUT = {
    path.stem: [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    for path in sorted((Path(__file__).parent / "held_out").glob("*.txt"))
}
LANGUAGES = tuple(HELD_OUT)


def right(code: str, current: str) -> int:
    """Of the sentences in ``code``, in a conversation that is in ``current`` so far."""
    return sum(identify(line, LANGUAGES, current) == code for line in HELD_OUT[code])


def judged(code: str, expected: str) -> tuple[int, int]:
    """Of a model's answers in ``code`` where ``expected`` was asked for: judged wrong, and long enough."""
    long = [line for line in HELD_OUT[code] if len(line.split()) >= 3]
    return sum(clearly_not(expected, line, LANGUAGES) is not None for line in long), len(long)


if __name__ == "__main__":
    print("language  sentences  " + "  ".join(f"from {current}" for current in LANGUAGES))
    for code, lines in HELD_OUT.items():
        counts = "  ".join(f"{right(code, current):7}" for current in LANGUAGES)
        print(f"{code:8}  {len(lines):9}  {counts}")
    print("\nanswer    long  " + "  ".join(f"{expected} asked" for expected in LANGUAGES))
    for code in HELD_OUT:
        counts = "  ".join(f"{judged(code, expected)[0]:8}" for expected in LANGUAGES)
        print(f"{code:8}  {judged(code, code)[1]:4}  {counts}")
