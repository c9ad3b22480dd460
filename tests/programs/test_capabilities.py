"""The table of languages says what the packs and the engines say."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from selam_agent import cli
from selam_agent.errors import ValidationError
from selam_agent.languages import packs as language_packs
from selam_agent.models import phrases
from selam_agent.models.curated import CURATED
from selam_agent.programs import capabilities
from selam_agent.programs.capabilities import BEGIN, COLUMNS, END

PACKS = language_packs.load()
ROWS = {row[0].split("`")[1]: dict(zip(COLUMNS, row, strict=True)) for row in capabilities.rows(PACKS)}


@pytest.mark.parametrize("code", sorted(PACKS.languages))
def test_a_row_says_what_the_pack_says(code: str) -> None:
    row, pack = ROWS[code], PACKS[code]
    assert row["Language"].startswith(pack.name)
    assert row["Native review"] == ("**needed**" if pack.needs_review else "no")
    assert f"{len(phrases()[code])} phrases" in row["Recognise"]
    engines = {str(each["engine"]) for voice in pack.voices for each in voice.engines}
    assert ("edge-tts" in row["Speak"]) is ("edge" in engines) and "espeak-ng" in row["Speak"]
    assert "small talk" in row["Flows"] and "synthetic voices only" in row["Tested how"]
    for model in CURATED:
        assert (model.name in row["Recognise"]) is (code in model.languages)
        if code in model.quality:
            assert (
                model.quality[code] in row["Published quality"] and model.source in row["Published quality"]
            )


def test_what_is_bad_is_said() -> None:
    assert (
        "193 %" in ROWS["am"]["Published quality"] and "does not know it" in ROWS["ti"]["Published quality"]
    )
    assert "omnilingual-300m: none" in ROWS["om"]["Published quality"]


def test_a_file_gets_the_table_between_its_marks(tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert CliRunner().invoke(cli.main_app, ["languages", "--write", str(file)]).exit_code == 0
    text = file.read_text(encoding="utf-8")
    assert text == f"before\n{capabilities.markdown(PACKS)}\nafter\n" and "old" not in text
    file.write_text("no table")
    with pytest.raises(ValidationError, match="has no table"):
        capabilities.write(PACKS, file)


def test_a_terminal_shows_it_too() -> None:
    shown = CliRunner().invoke(cli.main_app, ["languages"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0 and "Tigrinya" in shown.output and "Licences" in shown.output
