"""The audit log, checked and exported from the command line."""

from typing import IO

from tukur.hub.console.console import Console


class AuditConsole(Console):
    """Every method raises StoreError."""

    async def verify(self) -> tuple[int, list[str]]:
        """(number of entries, what is wrong with them)."""
        count, faults = 0, []
        async with self.open_store() as store:
            async for seq, fault in self._audit_log(store).verify():
                count = seq
                faults += [fault] if fault else []
        return count, faults

    async def export(self, out: IO[bytes]) -> None:
        """Writes all entries, the oldest first, a line of JSON each."""
        async with self.open_store() as store:
            async for lines in self._audit_log(store).lines():
                out.write(lines)
