from __future__ import annotations

from selam_agent.dialogue.history import MAX_CHARACTERS, MAX_MESSAGES, History


def test_it_holds_what_was_heard() -> None:
    history = History()
    history.caller_said("Hello.")
    history.agent_was_heard("Good", interrupted=True)
    history.agent_was_heard("")
    assert [(each.role, each.content, each.interrupted) for each in history.messages] == [
        ("user", "Hello.", False),
        ("assistant", "Good", True),
    ]


def test_it_is_bounded() -> None:
    history = History()
    for number in range(3 * MAX_MESSAGES):
        history.caller_said(f"{number}")
    assert len(history.messages) == MAX_MESSAGES
    for _ in range(10):
        history.caller_said("x" * (MAX_CHARACTERS // 4))
    assert sum(len(each.content) for each in history.messages) <= MAX_CHARACTERS
    history.caller_said("y" * (2 * MAX_CHARACTERS))
    assert len(history.messages) == 1
