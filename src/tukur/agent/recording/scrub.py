"""Secrets are taken out of command lines here, before anything leaves the host."""

import re
import shlex
from collections.abc import Iterable
from functools import lru_cache

from tukur.text import readable

HIDDEN = "***"
MAX_TEXT = 4096
_ELLIPSIS = "… (cut)"

_WORD = (
    r"(?:(?<!com)(?<!by)(?<!tres)(?<!sur)pass(?:word|wd|phrase|code)?|pwd|secret|token"
    r"|api[-_]?key|apikey|access[-_]?key|secret[-_]?key"
    r"|private[-_]?key|auth[-_]?key|account[-_]?key|shared[-_]?key|signing[-_]?key|encryption[-_]?key"
    r"|credentials?|creds|bearer|client[-_]?secret|authorization|cookie|connection[-_]?string)"
)
# Begins where a word begins and runs on lazily: linear in the text, whatever a user puts into his arguments.
_NAME = rf"[A-Za-z0-9._-]*?{_WORD}(?:[-_.]?(?:id|value|text|data|env))?"
_BEGIN = r"(?<![A-Za-z0-9._-])"
_VALUE = r"(?:\"(?:\\.|[^\"\\])*\"?|'[^']*'?|[^\s\"'&;]+)"
_NOT_SECRET = re.compile(
    # Where the secret is rather than what it is: a file, or how to ask for it.
    r"[-_.](?:files?|path|dir|stdin|prompt|policy|type|ttl|name|length|fd|command)$",
    re.IGNORECASE,
)

_OPTION = re.compile(rf"^(?P<name>--?{_NAME})$", re.IGNORECASE)
_OPTION_VALUE = re.compile(
    rf"^(?P<name>-{{0,2}}{_NAME})(?P<mark>[=:])(?P<value>.+)$", re.IGNORECASE | re.DOTALL
)
_SETTING = re.compile(
    rf"{_BEGIN}(?P<name>{_NAME})(?P<mark>[\"']?\s*[=:]\s*)(?P<value>{_VALUE})", re.IGNORECASE
)
"""A setting within a text: NAME_PASSWORD=x, "password": "x", ?token=x&y."""
_OPTION_IN_TEXT = re.compile(
    rf"{_BEGIN}(?P<name>--?{_NAME})(?P<mark>\s+)(?!--[A-Za-z])(?P<value>{_VALUE})", re.IGNORECASE
)
"""An option and its value within a text: sh -c 'program --password x'."""
_MYSQL_IN_TEXT = re.compile(
    r"(?P<before>\b(?:mysql|mariadb)[a-z_-]{0,20}(?:\s+[^\s|;&]+){0,20}?\s+-p)(?P<value>\"[^\"]*\"?|'[^']*'?|[^\s|;&\"']+)"
)
_SSHPASS_IN_TEXT = re.compile(r"(?P<before>\bsshpass\s+-p\s*)(?P<value>\"[^\"]*\"?|'[^']*'?|[^\s\"']+)")

_SCHEME = re.compile(r"\b(?P<scheme>Bearer|Basic|Digest|Negotiate|ApiKey|Token)\s+[^\s\"']+", re.IGNORECASE)
_HEADER = re.compile(
    r"(?P<name>\b(?:proxy-)?authorization|\b(?:set-)?cookie|\bx-[a-z-]{0,40}?(?:key|token|secret|auth)[a-z-]{0,40})"
    r"(?P<mark>\s*[:=]\s*)[^\r\n\"']+",
    re.IGNORECASE,
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?P<kind>[A-Z0-9 ]*PRIVATE KEY[A-Z ]*)-----.*?(?:-----END [A-Z0-9 ]*-----|\Z)", re.DOTALL
)
_URL_PASSWORD = re.compile(
    # Up to the last @ of the authority: a password may hold one that somebody forgot to encode.
    r"(?P<before>\b[a-z][a-z0-9+.-]{0,30}://[^\s/?#:@\"']*):(?P<password>[^\s/?#\"']*)@",
    re.IGNORECASE,
)
_URL_TOKEN = re.compile(r"(?P<before>\bhttps?://)(?P<token>[A-Za-z0-9_.~+-]{20,})@", re.IGNORECASE)

_TOKENS: tuple[re.Pattern[str], ...] = tuple(
    re.compile(pattern)
    for pattern in (
        r"\b(?:AKIA|ASIA|AGPA|AIDA|AROA|ABIA|ACCA)[A-Z0-9]{16}\b",  # AWS key ids
        r"\bgh[pousr]_[A-Za-z0-9]{20,}",  # GitHub
        r"\bgithub_pat_[A-Za-z0-9_]{20,}",
        r"\bgl(?:pat|dt|rt|cbt|ptt|soat|ft|agent|oas)-[A-Za-z0-9_-]{16,}",  # GitLab
        r"\bxox[abeoprs]-[A-Za-z0-9-]{8,}",  # Slack
        r"\bxapp-[A-Za-z0-9-]{8,}",
        r"hooks\.slack\.com/services/[A-Za-z0-9/_-]+",
        r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_-]*)*",  # JSON web tokens
        r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{10,}",  # Stripe
        r"\bsk-[A-Za-z0-9_-]{20,}",  # model providers
        r"\bAIza[A-Za-z0-9_-]{30,}",  # Google
        r"\bya29\.[A-Za-z0-9_-]{10,}",
        r"\bnpm_[A-Za-z0-9]{30,}",
        r"\bpypi-[A-Za-z0-9_-]{30,}",
        r"\bdop_v1_[a-f0-9]{40,}",  # DigitalOcean
        r"\bhv[sbr]\.[A-Za-z0-9_-]{20,}",  # Vault
    )
)

_MARKS = (
    # Of _WORD, the headers, the schemes and the programs in a text.
    *("pass", "pwd", "secret", "token", "key", "cred", "bearer", "auth", "cookie", "connection"),
    *("basic", "digest", "negotiate", "://", "mysql", "mariadb"),
    # Of _TOKENS.
    *("akia", "asia", "agpa", "aida", "aroa", "abia", "acca", "ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
    *(
        "github_pat_",
        "glpat-",
        "gldt-",
        "glrt-",
        "glcbt-",
        "glptt-",
        "glsoat-",
        "glft-",
        "glagent-",
        "gloas-",
    ),
    *("xox", "xapp-", "hooks.slack", "eyj", "sk_", "rk_", "sk-", "aiza", "ya29.", "npm_", "pypi-", "dop_v1_"),
    *("hvs.", "hvb.", "hvr."),
)
"""In lower case; none of the patterns above finds anything in ASCII text that has none of these."""

_SHORT: dict[str, tuple[str, bool]] = {
    # Program: its short option for a secret, and whether the value may be the next argument too.
    **dict.fromkeys(
        (
            *(f"mysql{what}" for what in ("", "dump", "admin", "import", "check", "show", "binlog", "slap")),
            *(f"mariadb{what}" for what in ("", "-dump", "-admin", "-import", "-check", "-show", "-binlog")),
            *("mysql_upgrade", "mariadb-backup", "mariadb-slap", "xtrabackup", "mycli"),
        ),
        ("p", False),  # "-p word": asks for the password, and word is the database
    ),
    **dict.fromkeys(
        ("mongo", "mongosh", "mongodump", "mongorestore", "mongoexport", "mongoimport"), ("p", True)
    ),
    **dict.fromkeys(("sshpass",), ("p", True)),
    **dict.fromkeys(("docker", "podman", "buildah", "skopeo", "helm", "oc", "nerdctl"), ("p", True)),
    **dict.fromkeys(("redis-cli", "valkey-cli"), ("a", True)),
    **dict.fromkeys(
        ("ldapsearch", "ldapmodify", "ldapadd", "ldapdelete", "ldappasswd", "ldapwhoami"), ("w", True)
    ),
    **dict.fromkeys(("sqlcmd", "bcp", "isql"), ("P", True)),
    **dict.fromkeys(("7z", "7za", "7zr", "rar", "unrar"), ("p", False)),
    **dict.fromkeys(("zip", "unzip"), ("P", True)),
    **dict.fromkeys(("smbclient", "net", "rpcclient", "curl", "wget", "http", "https"), ("", False)),
}
_USER_AND_PASSWORD = {
    # Programs that take user:password (smbclient: user%password) with these options.
    "curl": (("-u", "--user", "-U", "--proxy-user"), ":"),
    "http": (("-a", "--auth"), ":"),
    "https": (("-a", "--auth"), ":"),
    "smbclient": (("-U", "--user"), "%"),
    "rpcclient": (("-U", "--user"), "%"),
    "net": (("-U", "--user"), "%"),
}
_LOGIN_ONLY = frozenset(("docker", "podman", "buildah", "skopeo", "helm", "oc", "nerdctl"))
"""Their -p is a password behind "login" alone; with run it is a port."""
_WRAPPERS = frozenset(
    ("sudo", "env", "nohup", "nice", "ionice", "timeout", "time", "setsid", "stdbuf", "doas")
)


_SHORT_WORD = 64


class Scrubber:
    """Turns arguments into one text that can be shown: shell-quoted, without what looks like a secret.

    It is a net, not a wall: a secret in an argument that nothing marks as one is kept. `strip_all`
    drops all arguments instead.
    """

    def __init__(self, patterns: Iterable[str] = (), strip_all: bool = False) -> None:
        """`patterns`: further regular expressions; of each, the groups are hidden, or all where it has none.

        Raises ValueError where one is not valid.
        """
        self._own = tuple(_compile(pattern) for pattern in patterns)
        self._strip_all = strip_all
        self._hide_known = lru_cache(maxsize=4096)(self._hide_fresh)

    def scrub(self, argv: list[bytes]) -> str:
        """The text, of at most MAX_TEXT characters; a cut is marked."""
        words = _readable(argv)
        # One argument with spaces is a title that the process wrote over its arguments (setproctitle):
        # it is shown as it was meant, and what looks like options in it is treated as such.
        title = len(words) == 1 and " " in words[0].strip()
        if title:
            words = words[0].split()
        stripped = self._strip_all and len(words) > 1
        if stripped:
            words = words[:1]
        # Escaped when the secrets are out: until then the lines and words are as they were meant.
        shown = readable(" ".join(word if title else shlex.quote(word) for word in self._hide(words)))
        if stripped:
            shown += " " + HIDDEN
        if len(shown) > MAX_TEXT:
            shown = shown[: MAX_TEXT - len(_ELLIPSIS)] + _ELLIPSIS
        return shown

    def _hide(self, words: list[str]) -> list[str]:
        program = _Program(words)
        if program.has_no_secrets and not self._own and not _is_marked("\0".join(words)):
            return words
        shown: list[str] = []
        hide_next = False
        for at, word in enumerate(words):
            if hide_next and not _is_option(word):
                shown.append(HIDDEN)
                hide_next = False
                continue
            known, hide_next = program.hide(at, word)
            if known is None and _is_marked(word):
                known, hide_next = _hide_option(word)
            shown.append(self._hide_text(word) if known is None else known)
        return shown

    def _hide_text(self, text: str) -> str:
        # Short words come again and again: in a storm of short lives these patterns were most of the work.
        return self._hide_known(text) if len(text) <= _SHORT_WORD else self._hide_fresh(text)

    def _hide_fresh(self, text: str) -> str:
        for pattern in self._own:
            text = _hide_groups(pattern, text)
        if not _is_marked(text):
            return text
        text = _PRIVATE_KEY.sub(rf"-----BEGIN \g<kind>-----{HIDDEN}", text)
        text = _URL_PASSWORD.sub(rf"\g<before>:{HIDDEN}@", text)
        text = _URL_TOKEN.sub(rf"\g<before>{HIDDEN}@", text)
        text = _HEADER.sub(rf"\g<name>\g<mark>{HIDDEN}", text)
        text = _SCHEME.sub(rf"\g<scheme> {HIDDEN}", text)
        text = _OPTION_IN_TEXT.sub(_hide_setting, text)
        text = _SETTING.sub(_hide_setting, text)
        text = _MYSQL_IN_TEXT.sub(rf"\g<before>{HIDDEN}", text)
        text = _SSHPASS_IN_TEXT.sub(rf"\g<before>{HIDDEN}", text)
        for pattern in _TOKENS:
            text = pattern.sub(HIDDEN, text)
        return text


def _readable(argv: list[bytes]) -> list[str]:
    """As much of the arguments as can be shown, as text; the rest is never looked at."""
    left = 2 * MAX_TEXT
    words: list[str] = []
    for word in argv:
        if len(word) > left:
            # What the cut goes through could be half a secret, which nothing would know any more.
            words.append(word[: max(left - 512, 0)].decode("utf-8", "backslashreplace") + _ELLIPSIS)
            break
        words.append(word.decode("utf-8", "backslashreplace"))
        left -= len(word) + 1
    return words


def _is_marked(text: str) -> bool:
    """Whether a pattern might find something: most command lines are told apart by this alone."""
    if not text.isascii():
        # Some letters of other scripts match those of ASCII where case is ignored.
        return True
    text = text.lower()
    return any(mark in text for mark in _MARKS)


class _Program:
    """What one program's own short options mean."""

    def __init__(self, words: list[str]) -> None:
        self._at, name = _program(words)
        self._letter, self._next = _SHORT.get(name, ("", False))
        if name in _LOGIN_ONLY and "login" not in words:
            self._letter = ""
        self._users, self._mark = _USER_AND_PASSWORD.get(name, ((), ""))
        self._user_next = False

    @property
    def has_no_secrets(self) -> bool:
        """Whether none of its short options takes one."""
        return not self._letter and not self._users

    def hide(self, at: int, word: str) -> tuple[str | None, bool]:
        """The word as shown (None: this program says nothing of it), and whether the next is a secret."""
        if at <= self._at:
            return None, False
        if self._letter and word.startswith(f"-{self._letter}"):
            return (f"-{self._letter}{HIDDEN}", False) if len(word) > 2 else (word, self._next)
        return self._user(word), False

    def _user(self, word: str) -> str | None:
        if self._user_next:
            self._user_next = False
            return self._hide_user("", word)
        for option in self._users:
            if word == option:
                self._user_next = True
                return word
            begin = option + "=" if option.startswith("--") else option
            if word.startswith(begin):
                return self._hide_user(begin, word[len(begin) :])
        return None

    def _hide_user(self, begin: str, value: str) -> str:
        user, mark, password = value.partition(self._mark)
        return f"{begin}{user}{mark}{HIDDEN if password else ''}"


def _program(words: list[str]) -> tuple[int, str]:
    """Where the program's name stands, and the name without its folder."""
    names = [word.rpartition("/")[2] for word in words[:20]]
    if names and names[0] in _WRAPPERS:
        # Past sudo and its like, whose own options take values, so that only a known name is sure.
        for at, name in enumerate(names):
            if name in _SHORT:
                return at, name
    return 0, names[0] if names else ""


def _is_option(word: str) -> bool:
    # A password may begin with one hyphen; a value that begins with two is the next option.
    return bool(re.match(r"^--[A-Za-z]", word))


def _hide_option(word: str) -> tuple[str | None, bool]:
    """An option that is named after a secret: shown without its value, or the next word is the value."""
    found = _OPTION_VALUE.match(word)
    if found and not _NOT_SECRET.search(found["name"]):
        return f"{found['name']}{found['mark']}{HIDDEN}", False
    found = _OPTION.match(word)
    if found and not _NOT_SECRET.search(found["name"]):
        return word, True
    return None, False


def _hide_setting(found: re.Match[str]) -> str:
    if _NOT_SECRET.search(found["name"]):
        return found[0]
    value = found["value"]
    quote = value[0] if value[0] in "\"'" else ""
    return f"{found['name']}{found['mark']}{quote}{HIDDEN}{quote}"


def _hide_groups(pattern: re.Pattern[str], text: str) -> str:
    def hide(found: re.Match[str]) -> str:
        spans = [found.span(group) for group in range(1, pattern.groups + 1) if found.span(group)[0] >= 0]
        shown, done = "", found.start()
        for begin, end in sorted(spans):
            if begin >= done:
                shown += text[done:begin] + HIDDEN
                done = end
        return shown + text[done : found.end()] if spans else HIDDEN

    return pattern.sub(hide, text)


def _compile(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        found = f"{pattern!r} is not a regular expression: {error}"
        raise ValueError(f"{found}; Python's syntax is expected") from None
