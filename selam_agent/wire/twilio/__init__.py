"""Twilio Media Streams: telephone calls, as JSON over a WebSocket at ``/twilio``."""
