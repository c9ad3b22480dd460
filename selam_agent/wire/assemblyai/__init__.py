"""The AssemblyAI Voice Agent protocol over a WebSocket: ``/v1/ws``, and as it was at ``/v1/realtime``."""
