"""Recognisers, language models and voices, one file per engine; ``catalog`` builds them by name.

Kept free of imports: ``espeak_worker`` is a process of its own and must start fast.
"""
