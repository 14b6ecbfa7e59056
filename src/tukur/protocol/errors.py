"""What goes wrong between agent and hub."""

import msgspec

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are not what was expected: text that is no UTF-8 has its own."""


class ProtocolError(Exception):
    """The peer broke the protocol, or may not speak. `code` is stable, `detail` is for a person."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
