"""The words that lives are found by. Pure functions."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import msgspec

COMMAND_TEXTS = ("name", "uid", "user", "exe", "cmdline", "cgroup", "unit", "container", "pod", "slice")
"""What makes a command another one."""

LONGEST = 32
MOST = 64
"""Words of one command, at most: of a command line with a thousand files the first."""

_WORD = re.compile(r"[^\W_]+")


def command_hash(texts: Mapping[str, Any]) -> bytes:
    """16 bytes that tell one command from another."""
    content = msgspec.msgpack.encode([texts[name] for name in COMMAND_TEXTS])
    return hashlib.blake2b(content, digest_size=16).digest()


def search_tokens(texts: Mapping[str, Any]) -> list[str]:
    """The words of a command's name, program and command line, each once, in lower case, cut to LONGEST."""
    words: dict[str, None] = {}
    for name in ("name", "exe", "cmdline"):
        for word in split(texts[name]):
            words[word] = None
            if len(words) >= MOST:
                return list(words)
    return list(words)


def split(text: str) -> list[str]:
    """The words of a text in lower case: letters and digits of any script, whatever stands between them."""
    return [found[0][:LONGEST] for found in _WORD.finditer(text.lower())]
