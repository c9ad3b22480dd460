"""How the embedded command recogniser was made: ``python -m selam_agent.train all``.

Needs the extra ``selam-agent[train]`` and one CPU core for about ninety minutes. The steps are
``pools`` (utterances from the language packs), ``fit``, ``export`` and ``evaluate``; each leaves its
result in the work directory and is not repeated. ``--begin DIRECTORY`` trains a shipped model on: for new
phrases, and in less time.
"""
