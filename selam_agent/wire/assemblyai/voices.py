"""Which of our voices answers to a name of that service's catalogues, which change every few months."""

from __future__ import annotations

from selam_agent.languages.packs import Packs

_FEMALE = """
claire dawn grace autumn ivy winter bella helen martha river emma eleanor giulia lucia mia sophie mei lena
mina hana alba anna estelle eve iris jane lola mary vera
"""
_MALE = """
josh pete james tyler david kyle victor arjun dmitri pierre luca mateo diego sam jack oliver ethan lukas joon
ren charles george giovanni jean juergen michael paul rafael reid
"""
CATALOGUE = dict.fromkeys(_FEMALE.split(), "female") | dict.fromkeys(_MALE.split(), "male")


def local_voice(name: str | None, language: str | None, packs: Packs) -> str:
    """The name of one of our voices; a name that is none of theirs is left as it is.

    Args:
        name: as the client gives it; None: the language's usual voice.
        language: the session's, if it is fixed; theirs then stand for its voices.
    """
    code = language if language is not None and language in packs else "en"
    if name is None:
        return packs.default_voice(code).name
    gender = CATALOGUE.get(name.strip().lower())
    if gender is None or any(name.strip().lower() == voice.name for _, voice in packs.voices()):
        return name
    # The first of that gender: those of speaking models come last in a pack.
    same = [voice.name for _, voice in packs.voices(code) if voice.gender == gender]
    return same[0] if same else packs.default_voice(code).name
