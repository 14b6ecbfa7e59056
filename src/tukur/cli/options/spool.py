"""The options for what waits for the hub: the same wherever an agent is started."""

import argparse

_OPTIONS = (
    ("spool-size", 512, "MIB", "maximum MiB on disk of blocks that wait for the hub"),
    ("spool-age", 7, "DAYS", "maximum age in days of blocks that wait for the hub"),
    ("drain-rate", 1024, "KIB", "KiB per second at which older blocks are sent when the hub is back"),
)


def add_spool_options(parser: argparse.ArgumentParser) -> None:
    """--spool-size, --spool-age and --drain-rate."""
    for name, default, unit, text in _OPTIONS:
        parser.add_argument(
            f"--{name}", type=_above_zero, default=default, metavar=unit, help=f"{text} (default: {default})"
        )


def spool_arguments(options: argparse.Namespace) -> list[str]:
    """The same options for an agent that is started as a process of its own."""
    return [f"--{name}={getattr(options, name.replace('-', '_'))}" for name, *_ in _OPTIONS]


def _above_zero(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r}; a number above 0 expected")
    return value
