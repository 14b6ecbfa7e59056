"""Errors that several parts of the hub raise."""


class ProblemError(Exception):
    """Becomes a ``Problem`` of the API."""

    def __init__(self, status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        """HTTP status."""
        self.code = code
        """Stable code."""
        self.detail = detail
        """What was found and what was expected."""
        self.headers = headers
        """Additional response headers."""


class PortBusyError(Exception):
    """The address cannot be bound. The message says which and why."""
