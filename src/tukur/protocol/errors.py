"""What goes wrong between agent and hub."""


class ProtocolError(Exception):
    """The peer broke the protocol, or may not speak. `code` is stable, `detail` is for a person."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
