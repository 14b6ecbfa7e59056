"""``tukur doctor --cross-check``: whether all sources that work here say the same of every process."""

import os
import sys

import msgspec

from tukur.cli.errors import CommandError, Exit
from tukur.sources.base import Source, SourceUnavailableError
from tukur.sources.crosscheck import NOT_COMPARED, Comparison, compare_all, take
from tukur.sources.registry import SOURCES

_MAX_SECONDS = 600


def cross_check(seconds: float, *, as_json: bool) -> int:
    """Reads all sources in turn, prints a line for each field; 0, or SOURCES_DISAGREE."""
    if not 0 < seconds <= _MAX_SECONDS:
        raise CommandError(
            Exit.USAGE, f"--seconds {seconds:g}; more than 0 and at most {_MAX_SECONDS} expected"
        )
    sources, missing = _open()
    try:
        if len(sources) < 2:
            works = f"only {sources[0].name} works here" if sources else "no source works here"
            raise CommandError(Exit.SOURCE_UNAVAILABLE, f"{works}; two are needed. {'; '.join(missing)}")
        comparisons = compare_all(
            [source.name for source in sources], take(sources, seconds), os.cpu_count() or 1
        )
    except (OSError, ValueError, LookupError) as error:
        raise CommandError(Exit.FAILED, f"a source failed: {error}") from error
    finally:
        for source in sources:
            source.close()
    if as_json:
        content = {"comparisons": comparisons, "agree": all(comparison.agree for comparison in comparisons)}
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(content)).decode() + "\n")
    else:
        for line in [*missing, *(line for comparison in comparisons for line in lines(comparison))]:
            print(line)
    return 0 if all(comparison.agree for comparison in comparisons) else Exit.SOURCES_DISAGREE


def lines(comparison: Comparison) -> list[str]:
    """What a person reads of it: a line for each field, then the worst offenders."""
    verdict = "agree" if comparison.agree else "do not agree"
    head = f"{comparison.first} and {comparison.second} {verdict}"
    text = [
        f"{head}: {comparison.readings} readings, {comparison.processes} processes in the last",
        f"  {'field':14}{'compared':>10}{'equal':>10}{'within':>10}{'moved':>10}{'off':>10}",
    ]
    for field in comparison.fields:
        figures = (field.compared, field.equal, field.within, field.moved, field.off)
        why = f"  {field.why}" if field.why and field.equal < field.compared else ""
        text.append(f"  {field.field:14}" + "".join(f"{figure:>10}" for figure in figures) + why)
        text += [
            f"    process {worst.pid} ({worst.name}): {comparison.second} says {worst.found}, "
            f"{comparison.first} {worst.expected}"
            for worst in field.worst
        ]
    text.append(f"  not compared: {', '.join(f'{name} ({why})' for name, why in NOT_COMPARED.items())}")
    return text


def _open() -> tuple[list[Source], list[str]]:
    sources: list[Source] = []
    missing = []
    for name, make in SOURCES:
        try:
            sources.append(make())
        except SourceUnavailableError as error:
            missing.append(f"{name} does not work here: {error}")
    return sources, missing
