"""What the record takes, by the API."""

from pathlib import Path

from tests.support.hub import running_hub
from tukur.hub.store.maintenance.retention_policy import DAY_MS, RetentionPolicy


async def test_a_viewer_sees_what_the_record_takes_and_nobody_else_does(tmp_path: Path) -> None:
    async with running_hub(tmp_path, keep=RetentionPolicy(max_bytes=1 << 30)) as hub:
        async with await hub.bearer("viewer") as viewer:
            found = (await viewer.get("/api/store")).json()
        assert found["used_bytes"] > 0
        assert found["room_bytes"] + found["used_bytes"] == found["max_bytes"] == 1 << 30
        assert [(level["name"], level["keep_ms"]) for level in found["levels"]] == [
            ("seconds", 7 * DAY_MS),
            ("minutes", 90 * DAY_MS),
            ("hours", 730 * DAY_MS),
        ]
        assert (found["known"], found["full_in_days"], found["levels"][0]["oldest_ms"]) == (False, None, None)
        async with hub.client() as nobody:
            assert (await nobody.get("/api/store")).status_code == 401
