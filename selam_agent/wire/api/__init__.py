"""The REST routes of the AssemblyAI Voice Agent API: agents, tokens, sessions."""
