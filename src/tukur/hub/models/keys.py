"""Parses the key of a process life in a request."""

import msgspec

from tukur.hub.errors import ProblemError
from tukur.protocol.messages import ProcessKey


def process_key(boot_id: str, pid: int, start_ns: str) -> ProcessKey:
    """The key. Raises ProblemError (400) if it is out of range.

    Such a key must not be sent: the agent would treat it as a protocol error and close its connection.
    """
    try:
        return msgspec.convert({"boot_id": boot_id, "pid": pid, "start_ns": int(start_ns)}, ProcessKey)
    except msgspec.ValidationError as error:
        raise ProblemError(
            400, "bad_process_key", f"boot_id={boot_id[:40]!r} pid={pid} start_ns={start_ns[:20]}: {error}"
        ) from error
