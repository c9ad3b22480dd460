"""Samples: formats, containers, voice activity, encoding, pacing. Pure: no I/O, no clock, no threads.

What is heard: ``containers`` → ``frames`` → ``vad``. What is said: ``encode`` → ``pacer``.
"""
