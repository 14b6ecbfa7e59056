"""What the audits of the dependencies say, and what they do not say."""

import json

from build_tools.audit import Finding, read_npm_audit, read_pip_audit


def test_a_vulnerable_package_is_told_with_its_vulnerabilities() -> None:
    report = {
        "dependencies": [
            {"name": "owl", "version": "1.0", "vulns": [{"id": "PYSEC-1"}, {"id": "CVE-2"}]},
            {"name": "quetzal", "version": "2.0", "vulns": []},
        ]
    }
    assert read_pip_audit(json.dumps(report), "") == Finding(2, ["owl 1.0: PYSEC-1, CVE-2"])


def test_a_package_that_was_passed_over_is_not_one_that_was_looked_up() -> None:
    report = {
        "dependencies": [
            {"name": "owl", "skip_reason": "not found"},
            {"name": "quetzal", "version": "2.0", "vulns": []},
        ]
    }
    found = read_pip_audit(json.dumps(report), "No known vulnerabilities found")
    assert (found.looked, found.missed) == (1, "1 of 2 packages: not found")


def test_an_audit_without_a_report_has_looked_at_nothing() -> None:
    assert read_pip_audit("", "Traceback\n\nConnectionError: no such name\n") == Finding(
        missed="ConnectionError: no such name"
    )
    assert read_npm_audit('{"message": "405 Method Not Allowed"}', "npm error audit endpoint\n").missed
    assert read_npm_audit("", "").missed == "npm gave no report"


def test_npms_vulnerabilities_are_told_by_package() -> None:
    report = {
        "vulnerabilities": {"owl": {"range": "<2", "severity": "high"}},
        "metadata": {"dependencies": {"total": 70}},
    }
    assert read_npm_audit(json.dumps(report), "") == Finding(70, ["owl <2: high"])
