"""The log: a line for each message, whatever is in it."""

import argparse
import logging

import pytest

from tukur.cli.options.logs import begin_logging


def test_a_name_in_a_message_begins_no_line_of_its_own_and_commands_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    level = root.level
    begin_logging(argparse.Namespace(log_level="info"), "hub")
    try:
        raise ValueError("of two\nlines")
    except ValueError:
        logging.getLogger("x").exception("refused %s", "host\n2026-01-01 hub INFO all is well\x1b[2J")
    finally:
        root.setLevel(level)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith(r"hub ERROR refused host\n2026-01-01 hub INFO all is well\x1b[2J")
    assert lines[1].startswith("Traceback")
