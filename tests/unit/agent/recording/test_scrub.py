"""A secret in a command line never leaves the host; what is not one stays readable."""

import shlex
import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tukur.agent.recording.scrub import _TOKENS, HIDDEN, MAX_TEXT, Scrubber


def scrub(command: str, scrubber: Scrubber | None = None) -> str:
    return (scrubber or Scrubber()).scrub([word.encode() for word in shlex.split(command)])


SECRET = "hunter2xyz"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-DEF_123"


@pytest.mark.parametrize(
    "command",
    [
        f"app --password {SECRET}",
        f"app --password={SECRET}",
        f"app --PASSWORD={SECRET}",
        f"app -password {SECRET}",
        f"app --db-password {SECRET} --port 1",
        f"app --passwd {SECRET}",
        f"app --password -{SECRET}",
        f"app --token {SECRET}",
        f"app --token={SECRET},x",
        f"app --api-key {SECRET}",
        f"app --apikey={SECRET}",
        f"app --secret '{SECRET} with spaces'",
        f"app --client-secret {SECRET}",
        f"app --access-key={SECRET}",
        f"aws configure set aws_secret_access_key={SECRET}",
        f"mysql -p{SECRET} -u root db",
        f"/usr/bin/mysqldump -uroot -p{SECRET} db",
        f"mariadb-dump -p{SECRET} db",
        f"sudo -u backup mysql -p{SECRET}",
        f"env LANG=C mysql -p{SECRET}",
        f"sh -c 'mysql -u root -p{SECRET} db'",
        f"bash -c \"mysqldump -p'{SECRET} x' db | gzip\"",
        f"sshpass -p {SECRET} ssh host",
        f"sshpass -p{SECRET} ssh host",
        f"bash -c 'sshpass -p {SECRET} ssh -p 22 host'",
        f"mongo -u me -p {SECRET} db",
        f"docker login -u me -p {SECRET} registry",
        f"redis-cli -a {SECRET} ping",
        f"ldapsearch -x -w {SECRET} -b dc=x",
        f"curl -u me:{SECRET} http://host/",
        f"curl -ume:{SECRET} http://host/",
        f"curl --user=me:{SECRET} http://host/",
        f"smbclient -U me%{SECRET} //host/share",
        f"curl -H 'Authorization: Bearer {SECRET}' http://host/",
        f"curl -H 'authorization: Basic {SECRET}=='",
        f"curl -H 'X-Api-Key: {SECRET}'",
        f"curl -H 'Cookie: session={SECRET}'",
        f"curl 'https://host/?access_token={SECRET}&x=1'",
        f"psql postgresql://me:{SECRET}@host:5432/db",
        f"psql postgresql://me:p@{SECRET}@host/db",
        f"celery -b amqp://:{SECRET}@host//",
        f"env DB_PASSWORD={SECRET} app",
        f"env MYSQL_PWD={SECRET} app",
        f"PGPASSWORD={SECRET}&more,too app",
        f"sh -c 'export TOKEN={SECRET}; app'",
        f"sh -c 'PGPASSWORD=\"{SECRET} x\" psql'",
        f"sh -c 'app --password {SECRET} --port 1'",
        f"java -Dspring.datasource.password={SECRET} -jar a.jar",
        f"java -Djavax.net.ssl.keyStorePassword={SECRET} Main",
        f'app \'{{"password": "{SECRET}"}}\'',
        f"app 'Server=x;Uid=me;Pwd={SECRET};'",
        f"app '-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END RSA PRIVATE KEY-----'",
        f"app '-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}'",
    ],
)
def test_a_secret_is_hidden(command: str) -> None:
    shown = scrub(command)
    assert SECRET not in shown
    assert HIDDEN in shown


@pytest.mark.parametrize(
    "token",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_" + "a1B2" * 9,
        "github_pat_" + "a1B2" * 8,
        "glpat-" + "a1B2-" * 4,
        "xoxb-123456789012-abcdefghijkl",
        JWT,
        "sk_live_" + "a1B2" * 6,
        "AIza" + "a1B2-_x" * 5,
        "npm_" + "a1B2" * 9,
    ],
)
@pytest.mark.parametrize(
    "form", ["app {}", "app --x={}", "app x,{},y", "sh -c 'app \"{}\"'", "git clone https://{}@h/r"]
)
def test_a_token_is_known_by_its_shape(token: str, form: str) -> None:
    assert token not in scrub(form.format(token))


@pytest.mark.parametrize(
    "command",
    [
        "ssh -p 22 host",
        "mysql -p db",
        "docker run -p 80:80 nginx",
        "nmap -p 1-1000 host",
        "mkdir -p /a/b",
        "app --token-file /run/secret",
        "app --password-file=/run/secret",
        "app --port 1 --verbose",
        "tokenizer --model x",
        "app --compass north --bypass x",
        "app --author me --keyboard us",
        "app --max-tokens 100",
        "python -m http.server 8000",
        "curl http://host:8080/path",
        "rsync -a user@host:/x /y",
        "/usr/sbin/sshd -D",
    ],
)
def test_what_is_no_secret_stays(command: str) -> None:
    assert scrub(command) == shlex.join(shlex.split(command))


def test_what_stands_beside_a_secret_stays() -> None:
    assert scrub("psql postgresql://me:pw@host:5432/db") == f"psql 'postgresql://me:{HIDDEN}@host:5432/db'"
    assert scrub("app --password x --port 80") == f"app --password '{HIDDEN}' --port 80"
    assert scrub("app --password --port 80") == "app --password --port 80"
    assert scrub("curl -u me:pw http://h/") == f"curl -u 'me:{HIDDEN}' http://h/"


NAMES = st.sampled_from(
    ["password", "DB_PASSWORD", "secret", "apiKey", "access_token", "client-secret", "passwd"]
)
SECRETS = st.text(
    string.ascii_letters + string.digits + "!#$%^*()+,.:<>?@[]{}|~/", min_size=8, max_size=24
).map(lambda text: "Zq" + text)
FORMS = st.sampled_from(
    [
        lambda name, value: [f"--{name}", value],
        lambda name, value: [f"--{name}={value}"],
        lambda name, value: [f"{name}={value}"],
        lambda name, value: [f"-D{name}={value}"],
        lambda name, value: ["sh", "-c", f"{name}='{value}' run"],
        lambda name, value: ["sh", "-c", f'export {name}="{value}"'],
        lambda name, value: [f'{{"{name}": "{value}"}}'],
        lambda name, value: ["env", "A=1", f"{name}={value}", "run"],
    ]
)


@given(NAMES, SECRETS, FORMS, st.lists(st.sampled_from(["-v", "x", "--port", "80"]), max_size=3))
def test_a_secret_survives_in_no_form(name: str, value: str, form: object, around: list[str]) -> None:
    words = ["app", *around, *form(name, value), *around]  # type: ignore[operator]
    shown = Scrubber().scrub([word.encode() for word in words])
    assert value not in shown
    assert value[:8] not in shown


@given(st.lists(st.binary(max_size=60), max_size=12))
def test_any_bytes_become_a_text_of_limited_length_that_can_be_sent(argv: list[bytes]) -> None:
    shown = Scrubber().scrub(argv)
    shown.encode("utf-8")
    assert len(shown) <= MAX_TEXT


@given(st.lists(st.text("abc xyz'\"\\$", max_size=10), min_size=2, max_size=6))
def test_arguments_as_they_are_shown_can_be_pasted_into_a_shell(words: list[str]) -> None:
    assert shlex.split(Scrubber().scrub([word.encode() for word in words])) == words


def test_a_long_command_line_is_cut_and_says_so() -> None:
    shown = Scrubber().scrub([b"app", *[b"argument"] * 5000])
    assert len(shown) == MAX_TEXT
    assert shown.endswith("(cut)")


def test_half_a_secret_at_the_cut_does_not_survive() -> None:
    for length in range(2 * MAX_TEXT - 400, 2 * MAX_TEXT + 10, 7):
        shown = Scrubber().scrub(
            [b"app", b"--password=" + b"x" * (length - 60), b"https://me:" + b"Zq" * 300 + b"@h/"]
        )
        assert "ZqZq" not in shown


@pytest.mark.parametrize(
    "piece",
    [
        "a.a-",
        "x-",
        "eyJ-",
        "://",
        "pass",
        "--pass ",
        "mysql ",
        "mysql -p x ",
        "password=",
        "a",
        "-----BEGIN ",
    ],
)
def test_no_command_line_takes_long(piece: str) -> None:
    begin = time.process_time()
    Scrubber().scrub([(piece * 20_000).encode()])
    assert time.process_time() - begin < 0.5


def test_further_patterns_hide_their_groups_or_all() -> None:
    assert scrub("app id=77 x", Scrubber(patterns=[r"id=(\d+)"])) == f"app 'id={HIDDEN}' x"
    assert scrub("app id=77 x", Scrubber(patterns=[r"\d+"])) == f"app 'id={HIDDEN}' x"


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="'\\(' is not a regular expression"):
        Scrubber(patterns=["("])


def test_all_arguments_can_be_dropped() -> None:
    assert scrub("app secret --x", Scrubber(strip_all=True)) == f"app {HIDDEN}"
    assert scrub("app", Scrubber(strip_all=True)) == "app"
    assert Scrubber(strip_all=True).scrub([]) == ""


def test_a_title_that_a_process_gave_itself_is_shown_plain_and_still_without_secrets() -> None:
    scrubber = Scrubber()
    assert scrubber.scrub([b"postgres: ada shop [local] idle  "]) == "postgres: ada shop [local] idle"
    assert scrubber.scrub([b"/opt/worker --type=zygote --password hunter2"]).endswith("--password ***")
    assert Scrubber(strip_all=True).scrub([b"/opt/worker --type=zygote"]) == "/opt/worker ***"


PIECES = st.sampled_from(
    [
        *(
            "password",
            "passwd",
            "pwd",
            "secret",
            "token",
            "api_key",
            "apikey",
            "private-key",
            "creds",
            "bearer",
        ),
        *(
            "Authorization",
            "cookie",
            "connection_string",
            "x-goog-auth-id",
            "Basic ",
            "Digest ",
            "Negotiate ",
        ),
        *("https://", "a:b@", "mysql", "mariadb-dump", " -p", "sshpass", "-----BEGIN RSA PRIVATE KEY-----"),
        *(
            "AKIA",
            "ghp_",
            "github_pat_",
            "glpat-",
            "xoxb-",
            "xapp-",
            "hooks.slack.com/services/",
            "eyJ",
            "sk_live_",
        ),
        *(
            "sk-",
            "AIza",
            "ya29.",
            "npm_",
            "pypi-",
            "dop_v1_",
            "hvs.",
            "0123456789abcdef" * 3,
            "ABCDEFGHIJKLMNOP",
        ),
        *(
            "=",
            ":",
            " ",
            "--",
            "-",
            "&",
            '"',
            "'",
            "\u017f",
            "\u212a",
            "curl",
            "-u",
            "app",
            "x",
            "_",
            "user:word",
        ),
    ]
)


@given(st.lists(st.lists(PIECES, min_size=1, max_size=6).map("".join), min_size=1, max_size=5))
def test_nothing_is_missed_by_looking_only_at_what_could_hold_a_secret(words: list[str]) -> None:
    argv = [word.encode() for word in words]
    quick = Scrubber().scrub(argv)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tukur.agent.recording.scrub._is_marked", lambda _: True)
        assert quick == Scrubber().scrub(argv)


def test_every_kind_of_token_has_a_mark_of_its_own() -> None:
    """Lest a pattern that is added is never looked for."""
    examples = [
        *(f"{kind}{'A' * 16}" for kind in ("AKIA", "ASIA", "AGPA", "AIDA", "AROA", "ABIA", "ACCA")),
        *(f"gh{kind}_{'a' * 20}" for kind in "pousr"),
        *(f"gl{kind}-{'a' * 16}" for kind in ["pat", "dt", "rt", "cbt", "ptt", "soat", "ft", "agent", "oas"]),
        *(f"xox{kind}-{'a' * 8}" for kind in "abeoprs"),
        *(f"github_pat_{'a' * 20}", f"xapp-{'a' * 8}", "hooks.slack.com/services/a", f"eyJ{'a' * 10}"),
        *(
            f"sk_live_{'a' * 10}",
            f"rk_test_{'a' * 10}",
            f"sk-{'a' * 20}",
            f"AIza{'a' * 30}",
            f"ya29.{'a' * 10}",
        ),
        *(
            f"npm_{'a' * 30}",
            f"pypi-{'a' * 30}",
            f"dop_v1_{'a' * 40}",
            *(f"hv{kind}.{'a' * 20}" for kind in "sbr"),
        ),
    ]
    assert [scrub(f"app {example}") for example in examples] == [f"app '{HIDDEN}'" for _ in examples]
    assert all(any(pattern.fullmatch(example) for example in examples) for pattern in _TOKENS)
