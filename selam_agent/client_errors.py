"""What the client raises.

ClientError
├── ConnectionRefused   the server said why: ``.error``
├── RequestRefused      a request was answered with an ``error`` event: ``.error``
├── ConnectionLost      no server there, or the connection is gone
├── ClientTimeout       no answer within the deadline
└── EventsOverflow      nobody read ``events()`` and the oldest were dropped
"""

from __future__ import annotations

from selam_agent.client_events import ErrorEvent


class ClientError(Exception):
    """Base of what the client raises."""


class ConnectionLost(ClientError):  # noqa: N818
    """There is no server at the address, or the connection is gone."""


class ClientTimeout(ClientError):  # noqa: N818
    """The server did not answer within the deadline."""


class EventsOverflow(ClientError):  # noqa: N818
    """More events came than ``events()`` was read; ``dropped`` of the oldest are lost."""

    def __init__(self, dropped: int) -> None:
        super().__init__(f"events() was not read in time; {dropped} events were dropped")
        self.dropped = dropped


class RequestRefused(ClientError):  # noqa: N818
    """The server answered a request with an ``error`` event."""

    def __init__(self, error: ErrorEvent) -> None:
        super().__init__(f"{error.type}: {error.message}")
        self.error = error


class ConnectionRefused(RequestRefused):
    """The server refused the connection and said why."""
