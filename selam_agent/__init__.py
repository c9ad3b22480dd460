"""selam-agent: a self-hosted voice agent server for the Horn of Africa."""

__version__ = "0.1.0"
