"""Words as spoken, mapped back to words as shown."""

from __future__ import annotations

from selam_agent.languages import packs
from selam_agent.languages.speakable import speakable
from selam_agent.ports import Word
from selam_agent.session.words import WordMapper

PACKS = packs.load()


def spoken_words(text: str, language: str) -> tuple[WordMapper, list[Word]]:
    said = speakable(text, PACKS[language])
    words = [Word(word, 100 * n, 100 * n + 90) for n, word in enumerate(said.text.split())]
    return WordMapper(text, said), words


def test_a_number_is_one_shown_word_however_many_are_spoken() -> None:
    mapper, words = spoken_words("Room 123, please.", "en")
    assert len(words) > 3
    shown = mapper.push(words) + mapper.finish()
    assert [word.text for word in shown] == ["Room", "123,", "please."]
    assert shown[1].start_ms == 100
    assert shown[1].end_ms == shown[2].start_ms - 10


def test_words_may_come_one_at_a_time() -> None:
    mapper, words = spoken_words("ማክሰኞ ከጠዋቱ 3 ሰዓት፣ 9:00 ነው።", "am")
    shown = [each for word in words for each in mapper.push([word])] + mapper.finish()
    assert [word.text for word in shown] == ["ማክሰኞ", "ከጠዋቱ", "3", "ሰዓት፣", "9:00", "ነው።"]
    assert [word.start_ms for word in shown] == sorted(word.start_ms for word in shown)


def test_words_the_engine_made_up_are_passed_over() -> None:
    mapper, _ = spoken_words("One two.", "en")
    shown = mapper.push([Word("One", 0, 90), Word("hm", 90, 100), Word("two.", 100, 190)]) + mapper.finish()
    assert [word.text for word in shown] == ["One", "two."]


def test_markup_is_shown_and_not_spoken() -> None:
    mapper, words = spoken_words("**Yes** 🙂 indeed", "en")
    shown = mapper.push(words) + mapper.finish()
    assert [word.text for word in shown] == ["**Yes**", "indeed"]
