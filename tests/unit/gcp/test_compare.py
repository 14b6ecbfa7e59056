"""Comparing what is declared with how Google writes it back."""

from typing import Any

import pytest

from tukur.gcp.compare import differences

SITE = "https://www.googleapis.com/compute/v1/"


@pytest.mark.parametrize(
    ("desired", "actual"),
    [
        ({"network": "projects/p/global/networks/n"}, {"network": f"{SITE}projects/p/global/networks/n"}),
        ({"sizeGb": "50"}, {"sizeGb": 50}),
        ({"nats": [], "disabled": False}, {}),
        ({"ports": ["1", "2"]}, {"ports": ["2", "1"]}),
        ({"labels": {"a": "1"}}, {"labels": {"a": "1", "theirs": "2"}}),
        ({"nats": [{"name": "n"}]}, {"nats": [{"name": "n", "type": "PUBLIC"}]}),
        (
            {"items": [{"key": "a", "value": "1"}]},
            {"items": [{"key": "b", "value": "2"}, {"key": "a", "value": "1"}]},
        ),
    ],
)
def test_what_google_only_writes_differently_is_no_difference(
    desired: dict[str, Any], actual: dict[str, Any]
) -> None:
    assert list(differences(desired, actual)) == []


@pytest.mark.parametrize(
    ("desired", "actual", "said"),
    [
        ({"disabled": False}, {"disabled": True}, "disabled: found True, False expected"),
        ({"access": True}, {}, "access: found nothing, True expected"),
        (
            {"ranges": ["10.0.0.0/8"]},
            {"ranges": ["10.0.0.0/8", "0.0.0.0/0"]},
            "ranges: found [10.0.0.0/8, 0.0.0.0/0]",
        ),
        ({"nats": [{"name": "n"}]}, {"nats": []}, "nats: found nothing, [{'name': 'n'}] expected"),
        ({"a": {"b": [{"c": 1}]}}, {"a": {"b": [{"c": 2}]}}, "a.b[0].c: found 2, 1 expected"),
        (
            {"items": [{"key": "script", "value": "a\nb"}]},
            {},
            "items.script: found nothing, a text of 3 characters",
        ),
    ],
)
def test_a_difference_names_the_field_with_both_values(
    desired: dict[str, Any], actual: dict[str, Any], said: str
) -> None:
    (found,) = differences(desired, actual)
    assert said in str(found)
