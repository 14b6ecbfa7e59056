"""What can go wrong between tukur and Google Cloud; each text is one line for a person."""

from typing import Self


class CloudError(Exception):
    """A request or an operation failed. `status`: of HTTP, or 0; `reason`: Google's word for it."""

    def __init__(
        self, text: str, *, status: int = 0, reason: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(text)
        self.status, self.reason, self.retry_after = status, reason, retry_after

    def within(self, before: str, after: str = "") -> Self:
        """The same with what was being done before its text, and what to do behind it."""
        text = f"{before}: {self}{after}"
        return type(self)(text, status=self.status, reason=self.reason, retry_after=self.retry_after)


class AccessError(CloudError):
    """There are no credentials, they ran out, or they do not permit it."""


class QuotaError(CloudError):
    """A quota of the project is used up."""


class NameTakenError(CloudError):
    """Something that tukur did not make has the name of something that it would make."""


class DeclarationError(CloudError):
    """The declaration cannot be read, or asks for what there is not."""
