"""Programs built on the public surface: the client, and the server as a process of its own."""
