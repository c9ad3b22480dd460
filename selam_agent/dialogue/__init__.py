"""Pure decisions about a conversation: no clock, no I/O, no asyncio. Time comes in as an argument."""
