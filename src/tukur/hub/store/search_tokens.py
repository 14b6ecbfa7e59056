"""The search tokens that commands are found by: words of their texts. Pure functions."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import msgspec

COMMAND_TEXTS = ("name", "uid", "user", "exe", "cmdline", "cgroup", "unit", "container", "pod", "slice")
"""Commands that differ in one of these are different."""

MAX_LENGTH = 32
MAX_TOKENS = 64
"""Of one command: of a command line with a thousand files only the first ones are indexed."""

_WORD = re.compile(r"[^\W_]+")


def command_hash(texts: Mapping[str, Any]) -> bytes:
    """16 bytes that tell one command from another."""
    content = msgspec.msgpack.encode([texts[name] for name in COMMAND_TEXTS])
    return hashlib.blake2b(content, digest_size=16).digest()


def search_tokens(texts: Mapping[str, Any]) -> list[str]:
    """Words of a command's name, program and command line, each once, in lower case, cut to MAX_LENGTH."""
    tokens: dict[str, None] = {}
    for name in ("name", "exe", "cmdline"):
        for token in split(texts[name]):
            tokens[token] = None
            if len(tokens) >= MAX_TOKENS:
                return list(tokens)
    return list(tokens)


def split(text: str) -> list[str]:
    """The words of a text in lower case: letters and digits of any script, whatever stands between them."""
    return [found[0][:MAX_LENGTH] for found in _WORD.finditer(text.lower())]
