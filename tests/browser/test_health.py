"""What the page says of the hub's own health."""

import json

from playwright.sync_api import BrowserContext, Route, expect

from tests.support.running import Up


def test_a_background_task_that_fails_is_named_on_the_page(context: BrowserContext, up: Up) -> None:
    def failing(route: Route) -> None:
        problem = {"code": "task_failed", "detail": "background tasks that do not run: maintenance"}
        route.fulfill(status=503, content_type="application/json", body=json.dumps(problem))

    page = context.new_page()
    page.route("**/healthz", failing)
    page.goto(up.url)
    expect(
        page.get_by_text("The hub has a fault: background tasks that do not run: maintenance")
    ).to_be_visible()
    page.close()
