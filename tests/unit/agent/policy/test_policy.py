"""The host's own word."""

from typing import Any

import pytest

from tukur.agent.policy.policy import ACTIONS, SIGNALS, Policy, Selection
from tukur.agent.policy.subject import Subject
from tukur.records import KTHREAD

ALL = Policy(signals=SIGNALS, actions=ACTIONS, own_pid=500, own_unit="tukur-agent.service", supervisor=400)


def refused(policy: Policy, signal: str = "KILL", **who: Any) -> str:
    subject = Subject(**{"pid": 777, "ppid": 1, "users": frozenset({"app"}), "program": "work", **who})
    return policy.refuses(subject, "signal", signal)[0]


@pytest.mark.parametrize(
    ("who", "code"),
    [
        ({"pid": 1, "ppid": 0}, "protected"),
        ({"pid": 30, "ppid": 2, "flags": KTHREAD}, "protected"),
        ({"pid": 500, "ppid": 400}, "protected"),
        ({"pid": 400, "ppid": 1}, "protected"),
        ({"pid": 501, "ppid": 400}, "protected"),
        ({"unit": "tukur-agent.service"}, "protected"),
        ({}, ""),
    ],
)
def test_init_kernel_threads_and_tukur_itself_are_never_reached(who: dict[str, Any], code: str) -> None:
    assert refused(ALL, **who) == code


@pytest.mark.parametrize(
    "program",
    ["sshd", "systemd", "systemd-logind", "mariadbd", "postgres", "containerd-shim-runc-v2", "etcd"],
)
def test_programs_that_hold_the_machine_together_are_protected_without_being_named(program: str) -> None:
    assert refused(ALL, program=program) == "protected"
    assert refused(Policy(signals=SIGNALS, unprotect=(program,)), program=program) == ""


def test_what_a_process_calls_itself_shields_it_only_where_its_program_is_not_known() -> None:
    assert refused(ALL, program="miner", name="sshd") == ""
    assert refused(ALL, program="", name="sshd") == "protected"


def test_lifting_the_protection_of_a_program_lifts_none_that_the_host_gave_itself() -> None:
    policy = Policy(signals=SIGNALS, unprotect=("postgres",), protect=Selection(units=("db-*.service",)))
    assert refused(policy, program="postgres") == ""
    assert refused(policy, program="postgres", unit="db-1.service") == "protected"


def test_whoever_is_not_among_those_that_are_allowed_is_not_reached() -> None:
    policy = Policy(signals=SIGNALS, allow=Selection(users=("app-*",), names=("python3*",)))
    fits: dict[str, Any] = {"users": frozenset({"app-1"}), "program": "python3.11"}
    assert refused(policy, **fits) == ""
    assert refused(policy, **{**fits, "program": "perl"}) == "protected"
    assert refused(policy, **{**fits, "users": frozenset({"app-1", "root"})}) == "protected", "setuid"
    assert refused(policy, **{**fits, "users": frozenset()}) == "protected", "nobody knows whose it is"


def test_whoever_is_protected_by_one_of_its_users_is_protected() -> None:
    policy = Policy(signals=SIGNALS, protect=Selection(users=("root",)))
    assert refused(policy, users=frozenset({"app", "root"})) == "protected"
    assert refused(policy, users=frozenset({"app"})) == ""


def test_only_the_signals_and_actions_that_are_named_are_allowed() -> None:
    policy = Policy(signals=("TERM",), actions=("freeze",))
    assert refused(policy, "TERM") == ""
    assert refused(policy, "KILL") == "signal_forbidden"
    assert [policy.forbids(verb)[0] for verb in ("freeze", "thaw", "renice")] == ["", "", "action_forbidden"]
    assert refused(Policy(), "TERM") == "monitor_only"
    assert refused(Policy(problem="broken"), "TERM") == "policy_broken"


def test_a_policy_that_names_users_lets_nobody_reach_one_whose_name_is_not_known() -> None:
    unknown: dict[str, Any] = {"users": frozenset(), "unknown_users": frozenset({"user 70020"})}
    for policy in (
        Policy(signals=SIGNALS, protect=Selection(users=("dir-*",))),
        Policy(signals=SIGNALS, allow=Selection(users=("*",))),
    ):
        assert refused(policy, **unknown) == "protected"
        reason = policy.protected(Subject(777, 1, unknown_users=frozenset({"user 70020"})))
        assert "user 70020" in reason or "allows" in reason
    assert refused(Policy(signals=SIGNALS, protect=Selection(units=("x",))), **unknown) == ""
