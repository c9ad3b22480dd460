"""selam-scenarios: conversations in TOML (``dsl``), on the virtual clock (``scripted``) or live (``live``).

``make test`` asserts what must happen; ``python -m tests.scenarios`` prints scores and latencies as well;
``make scenarios`` plays them with the real server and writes a page.
"""
