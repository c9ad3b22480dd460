"""The page's files: what is vendored, how heavy it is, and that every text it shows exists."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

from selam_agent.languages import packs as language_packs
from tests.clients.tools import missing

WEB = Path(__file__).parents[2] / "selam_agent" / "wire" / "web"
# "Done when" of the page: everything a browser loads at first, without the font.
MAX_BYTES = 200_000


def test_vendored_files_are_the_published_ones() -> None:
    listed = json.loads((WEB / "vendor" / "VERSIONS.json").read_text(encoding="utf-8"))
    for name, entry in listed.items():
        assert hashlib.sha256((WEB / "vendor" / name).read_bytes()).hexdigest() == entry["sha256"], name
        assert (WEB / "vendor" / entry["license_file"]).is_file()
    licences = {entry["license_file"] for entry in listed.values()}
    assert {each.name for each in (WEB / "vendor").iterdir()} == {*listed, *licences, "VERSIONS.json"}


def test_the_page_is_light() -> None:
    files = [each for each in WEB.rglob("*") if each.suffix in (".js", ".css", ".html", ".svg")]
    total = sum(each.stat().st_size for each in files)
    print(f"page: {total} bytes in {len(files)} files")
    assert total <= MAX_BYTES


def test_every_text_of_the_page_is_in_the_english_pack() -> None:
    packs = language_packs.load()
    used = set(re.findall(r"\{\{(\w+)\}\}", (WEB / "index.html").read_text(encoding="utf-8")))
    for file in WEB.glob("*.js"):
        script = file.read_text(encoding="utf-8")
        used |= set(re.findall(r"""(?<![#\w])(?:t|tell|line|askForKey)\((?:this\.)?["'](\w+)["']""", script))
        used |= set(re.findall(r"""["'](n_\w+[a-z])["']""", script))
    states = "speaking caller hearing thinking held no_mic hold muted listening"
    used |= {f"s_{state}" for state in states.split()}
    english = set(packs["en"].page)
    assert used - english == set()
    for pack in packs:
        assert set(pack.page) <= english, pack.code
        for name, text in pack.page.items():
            assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", packs["en"].page[name])), (
                pack.code,
                name,
            )


def test_nothing_is_written_inline_or_fetched_from_elsewhere() -> None:
    page = (WEB / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"\son\w+=|style=|<style|<script(?![^>]*\bsrc=)", page)
    for file in (*WEB.glob("*.js"), *WEB.glob("*.css"), WEB / "index.html"):
        assert not re.search(r"https?://(?!www\.w3\.org)", file.read_text(encoding="utf-8")), file.name


# from, to, tone (Hz), and what is left of it (dB)
TONES = (
    (48_000, 16_000, 1_000, -0.1, 0.1),
    (44_100, 16_000, 6_000, -0.5, 0.1),
    (48_000, 16_000, 10_000, -200, -60),  # would be heard at 6 kHz if it were let through
    (44_100, 16_000, 9_000, -200, -60),
    (24_000, 48_000, 3_000, -0.1, 0.1),
    (24_000, 44_100, 9_000, -0.5, 0.1),
)


def test_the_resampler_of_the_worklets() -> None:
    if (node := shutil.which("node")) is None:
        missing("Node is not installed: the resampler's test is skipped")
    script = f"""
        import {{ Resampler }} from {json.dumps((WEB / "resampler.js").as_uri())};
        const said = {json.dumps(TONES)}.map(([source, target, hertz]) => {{
          const resampler = new Resampler(source, target);
          const out = [];
          for (let n = 0; n < source / 2; n += 128) {{
            const block = Float32Array.from({{ length: 128 }},
              (_, i) => Math.sin((2 * Math.PI * hertz * (n + i)) / source));
            out.push(...resampler.push(block));
          }}
          const middle = out.slice(500, -500);
          const power = middle.reduce((sum, each) => sum + each * each, 0) / middle.length;
          return [10 * Math.log10(2 * power), out.length];
        }});
        console.log(JSON.stringify(said));
    """
    done = subprocess.run(
        [node, "--input-type=module", "--eval", script],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    for (source, target, hertz, least, most), (db, length) in zip(
        TONES, json.loads(done.stdout), strict=True
    ):
        assert least <= db <= most, (source, target, hertz, db)
        assert abs(length - target / 2) <= target / 100
