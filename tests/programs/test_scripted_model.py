"""The demo's stand-in for a language model, asked by the real client library."""

from __future__ import annotations

import openai
import pytest

from selam_agent.programs.scripted_model import NAME, scripted_model


async def test_it_says_its_lines_and_nothing_else() -> None:
    async with (
        scripted_model({"Haa.": "Yes. Indeed."}) as url,
        openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client,
    ):
        ask = client.chat.completions.create
        stream = await ask(model=NAME, messages=[{"role": "user", "content": "Haa."}], stream=True)
        said = [chunk.choices[0].delta.content or "" async for chunk in stream]
        assert "".join(said).strip() == "Yes. Indeed." and len(said) > 2
        whole = await ask(model=NAME, messages=[{"role": "user", "content": "Haa."}])
        assert whole.choices[0].message.content == "Yes. Indeed."
        with pytest.raises(openai.BadRequestError, match=r"not in the script: 'Maya\.'"):
            await ask(model=NAME, messages=[{"role": "user", "content": "Maya."}])
