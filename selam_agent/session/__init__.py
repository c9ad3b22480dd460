"""One live conversation: the registry that owns sessions, and the actor that runs one."""
