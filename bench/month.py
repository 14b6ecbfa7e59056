"""How long questions take after a day and after a month of history, over HTTP: the growth should be none."""

import asyncio
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from bench._month import DAY_MS, HOSTS, HOUR_MS, Month
from bench._report import Row
from bench._size import Size
from bench.instant import history, hub_with_token
from tukur.hub.store.backends.sqlite import DATABASE
from tukur.hub.store.store import Store

HOW_TO_READ = (
    "One host's seconds, and minutes, hours and lives of 100 hosts. Goals for p99: 50 ms for the table, "
    "100 ms for the charts, one second for the top processes of all hosts."
)

PROCESSES = 300


def run(size: Size) -> list[Row]:
    """The same questions at one day, and at thirty; the quick run compares a quarter of that."""
    days = size.of((1,), (1, 3), (1, 30))
    hosts = size.of(2, HOSTS, HOSTS)
    asked = size.of(2, 60, 300)
    end_ms = time.time_ns() // 1_000_000 // HOUR_MS * HOUR_MS
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="tukur-month-") as folder:
        data = Path(folder)
        asyncio.run(_enrol(data, hosts))
        hour = history(size.of(60, 600, 3600), (end_ms - HOUR_MS) * 1_000_000, PROCESSES)
        month = Month(data / DATABASE, hour, end_ms, hosts)
        month.begin()
        known = 0
        for reach in days:
            month.add(known, reach)
            known = reach
            month.settle()
            with hub_with_token(data) as (url, token):
                rows += _questions(url, token, data, reach, end_ms, asked)
        month.close()
    return rows


async def _enrol(data: Path, hosts: int) -> None:
    store = await Store.open(data)
    for number in range(1, hosts + 1):
        await store.control.enrolments.enrol(_host(number), bytes(32), f"host-{number:03d}", time.time_ns())
    await store.close()


def _host(number: int) -> str:
    return f"{number:08d}-1111-2222-3333-444444444444"


def _questions(url: str, token: str, data: Path, days: int, end_ms: int, asked: int) -> list[dict[str, Any]]:
    dice = random.Random(5)
    path = f"/api/hosts/{_host(1)}"
    begin_ms = end_ms - days * DAY_MS
    day = f"from={end_ms - DAY_MS}&to={end_ms}"

    def instant() -> str:
        return f"{path}/processes?at={dice.randrange(begin_ms, end_ms)}"

    def charts() -> str:
        start = dice.randrange(begin_ms, end_ms - DAY_MS + 1)
        return f"{path}/series?from={start}&to={start + DAY_MS}&points=800"

    def search() -> str:
        return f"/api/lives?q=part-{dice.randrange(1, 5000)}.csv&limit=50"

    def of_user() -> str:
        return f"/api/lives?q=tool{dice.randrange(97)}&user=user{dice.randrange(13)}&limit=50"

    questions: tuple[tuple[str, Callable[[], str], int, str], ...] = (
        ("table at T, frame", instant, asked, "application/vnd.tukur.frame"),
        ("table at T, JSON", instant, asked, "application/json"),
        ("24 h of one host's charts", charts, asked // 2, "application/json"),
        ("top of 24 h, 100 hosts", lambda: f"/api/top?{day}&by=cpu", max(asked // 20, 5), "application/json"),
        ("lives by a file's name", search, asked // 2, "application/json"),
        ("lives by tool and user", of_user, asked // 2, "application/json"),
    )
    size = sum(file.stat().st_size for file in data.glob(f"{DATABASE}*"))
    rows = []
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
        for subject, make, number, accept in questions:
            spent = []
            for _ in range(number):
                target = make()
                began = time.perf_counter()
                answer = client.get(target, headers={"Accept": accept})
                spent.append((time.perf_counter() - began) * 1000)
                answer.raise_for_status()
            rows.append(
                {
                    "subject": subject,
                    "days": days,
                    "asked": number,
                    "p50_ms": round(float(np.percentile(spent, 50)), 2),
                    "p99_ms": round(float(np.percentile(spent, 99)), 2),
                    "answer_kib": round(len(answer.content) / 1024, 1),
                    "store_mib": round(size / 2**20, 1),
                }
            )
    return rows
