"""The measured server, a process of its own: the whole server as ``serve`` runs it, and a gauge.

Run as a module with its settings as JSON, the key that opens it and the processor it is to stay on.
"""

from __future__ import annotations

import sys

from selam_agent.app import App
from selam_agent.event_loop import run, settle
from selam_agent.programs.bench.gauge import answer_until_told_to_stop, stay_on
from selam_agent.settings import Settings


async def _serve(settings: Settings, key: str) -> None:
    app = await App.build(settings, api_key=key)
    await app.start()
    await app.warm()
    settle()
    await answer_until_told_to_stop(app.port)
    await app.stop()


if __name__ == "__main__":
    stay_on(sys.argv[3])
    run(_serve(Settings.model_validate_json(sys.argv[1]), sys.argv[2]))
