"""What a sign-in costs: by password, with a wrong name, and the bare hash of a password."""

import contextlib
import secrets
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from argon2 import PasswordHasher

from bench._report import Row
from bench._size import Size
from tests.support.running import running, the_host

USER = "admin"


def run(size: Size) -> list[Row]:
    """The whole way over HTTP, then Argon2id alone with the same parameters."""
    rounds = size.of(2, 20, 100)
    password = secrets.token_urlsafe(24)
    with tempfile.TemporaryDirectory(prefix="tukur-signin-") as folder, running(Path(folder) / "data") as up:
        with contextlib.closing(up.sign_in()) as browser:
            the_host(browser)
            browser.headers["Origin"] = up.url
            browser.put("/api/account/password", json={"new": password}).raise_for_status()

        def by_password(user: str = USER, expected: int = 201) -> None:
            answer = httpx.post(f"{up.url}/api/session", json={"user": user, "password": password})
            if answer.status_code != expected:
                raise RuntimeError(f"{answer.status_code}: {answer.text}")

        rows = [
            _measured("sign-in by password", rounds, by_password),
            # A few: more would be braked.
            _measured("unknown user", 4, lambda: by_password("nobody", 401)),
            _measured("GET /healthz", rounds, lambda: httpx.get(f"{up.url}/healthz").raise_for_status()),
        ]
    hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
    known = hasher.hash(password)
    rows.append(
        _measured("Argon2id alone (19 MiB, 2 passes)", rounds, lambda: hasher.verify(known, password))
    )
    return rows


def _measured(name: str, rounds: int, do: Callable[[], object]) -> dict[str, Any]:
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        do()
        took.append((time.perf_counter() - began) * 1000)
    p50, p99 = np.percentile(took, (50, 99))
    return {"subject": name, "rounds": rounds, "p50_ms": round(float(p50), 2), "p99_ms": round(float(p99), 2)}
