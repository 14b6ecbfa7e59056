"""What a hub part answers where it cannot do what was asked."""


class ProblemError(Exception):
    """Becomes a ``Problem`` of the API."""

    def __init__(self, status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        """HTTP status."""
        self.code = code
        """A stable word."""
        self.detail = detail
        """What was found and what was expected."""
        self.headers = headers
        """Further response headers."""


class PortBusyError(Exception):
    """Nothing can listen at the address. The text says where and why."""
