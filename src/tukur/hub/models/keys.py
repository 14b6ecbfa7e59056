"""The key of a process life as a request writes it."""

import msgspec

from tukur.hub.errors import ProblemError
from tukur.protocol.messages import ProcessKey


def process_key(boot_id: str, pid: int, start_ns: str) -> ProcessKey:
    """The key. Raises ProblemError (400) where no process can have it.

    An agent takes a message with such a key for a broken protocol and ends its connection: it must not
    leave the hub.
    """
    try:
        return msgspec.convert({"boot_id": boot_id, "pid": pid, "start_ns": int(start_ns)}, ProcessKey)
    except msgspec.ValidationError as error:
        raise ProblemError(
            400, "bad_process_key", f"boot_id={boot_id[:40]!r} pid={pid} start_ns={start_ns[:20]}: {error}"
        ) from error
