"""Disks and interfaces: on the live page as they are, over time as the record has them."""

from playwright.sync_api import Page

from tests.support.running import Up
from tests.support.waiting import eventually


def test_each_device_of_this_machine_is_shown_live_and_over_time(live: Page, up: Up) -> None:
    strip = live.get_by_role("region", name="Disks and interfaces")
    strip.wait_for()
    (host,) = live.request.get(f"{up.url}/api/hosts").json()["hosts"]
    path = f"{up.url}/api/hosts/{host['host_id']}"

    def recorded() -> set[str]:
        end = int(live.request.get(path).json()["last_ms"] or 0) + 1000
        found = live.request.get(f"{path}/devices?from={max(end - 60_000, 0)}&to={end}").json()
        return {device["name"] for device in found["devices"]}

    names = eventually(recorded, 40, pause=lambda pause_s: live.wait_for_timeout(pause_s * 1000))
    for name in names:
        assert strip.get_by_text(name, exact=True).is_visible()
    live.get_by_role("link", name="Over time").click()
    past = live.get_by_role("region", name="Disks and interfaces within the range")
    past.wait_for(timeout=20_000)
    for name in names:
        assert "/s" in past.get_by_role("listitem").filter(has_text=name).inner_text()
