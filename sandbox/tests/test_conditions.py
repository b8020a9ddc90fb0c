"""Conditions of bindings: what IAM's part of CEL means, and what it refuses."""

import datetime as dt

import pytest

from sandbox.access.conditions import Attributes, ConditionError, compile_condition

OBJECT = Attributes(
    name="projects/_/buckets/b/objects/runs/1/model.pkl",
    type="storage.googleapis.com/Object",
    service="storage.googleapis.com",
    time=dt.datetime(2026, 11, 22, 23, 30, tzinfo=dt.UTC),
    api={"iam.googleapis.com/modifiedGrantsByRole": ["roles/cloudsql.client"]},
)
GRANTS = "api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', [])"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("true", True),
        ('resource.name == "projects/_/buckets/b"', False),
        ("resource.name.startsWith('projects/_/buckets/b/objects/runs/')", True),
        ('resource.name.endsWith(".pkl") && resource.type == "storage.googleapis.com/Object"', True),
        ('resource.name.endsWith(".pkl") && resource.type == "storage.googleapis.com/Bucket"', False),
        ('resource.service != "sqladmin.googleapis.com"', True),
        ('!(resource.service == "storage.googleapis.com")', False),
        ('! resource.name.startsWith("x") && !!true', True),
        # && binds more tightly than ||.
        ('true || resource.name == "x" && false', True),
        ('(true || resource.name == "x") && false', False),
        ('resource.name.extract("/objects/runs/{run}/") == "1"', True),
        ('resource.name.extract("/objects/{all}") == "runs/1/model.pkl"', True),
        ('resource.name.extract("{head}/buckets") == "projects/_"', True),
        ('resource.name.extract("/secrets/{id}/") == ""', True),
        ('request.time < timestamp("2026-11-23T00:00:00Z")', True),
        ('request.time >= timestamp("2026-11-23T00:00:00+01:00")', True),
        ('request.time > timestamp("2026-11-22T23:30:00Z")', False),
        ("request.time.getHours() == 23 && request.time.getMinutes() <= 30", True),
        ("request.time.getHours('Europe/Berlin') == 0", True),
        ("request.time.getDayOfWeek() == 0 && request.time.getMonth() == 10 && request.time.getDate() == 22", True),
        ("request.time.getDayOfWeek('Asia/Tokyo') == 1", True),
        ("resource.type in ['storage.googleapis.com/Object', 'storage.googleapis.com/Bucket']", True),
        (f"{GRANTS}.hasOnly(['roles/cloudsql.client', 'roles/cloudsql.viewer'])", True),
        (f"{GRANTS}.hasOnly(['roles/cloudsql.viewer'])", False),
        ('api.getAttribute("iam.googleapis.com/another", "none") == "none"', True),
        ('resource.name == "quote \\" and \\\\"', False),
    ],
)
def test_what_an_expression_means(expression: str, expected: bool) -> None:
    assert compile_condition(expression)(OBJECT) is expected


def test_empty_attributes_are_empty_strings() -> None:
    assert compile_condition('resource.name == "" && resource.type == "" && resource.service == ""')(Attributes())
    assert not compile_condition('resource.name.startsWith("projects/")')(Attributes())


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("", "unexpected end"),
        ("resource.name", "must be a bool, not a string"),
        ('resource.name == "x', "syntax error at '\"x'"),
        ("resource.name = 'x'", "syntax error"),
        ("resource.colour == 'red'", "undeclared reference to 'resource.colour'"),
        ("name == 'x'", "expected '.'"),
        ("resource.name == 1", "a string is needed, not a int"),
        ("resource.name && true", "a bool is needed, not a string"),
        ("resource.name.startsWith('x', 'y')", "no matching overload for 'startsWith'"),
        ("resource.name.startsWith(1)", "no matching overload for 'startsWith'"),
        ("resource.name.matches('x')", "no matching overload for 'matches'"),
        ("true < false", "a bool has no order"),
        ("request.time < timestamp('tomorrow')", "not in RFC 3339"),
        ("request.time < timestamp('2026-11-22T00:00:00')", "no time zone"),
        ("request.time.getHours('Mars/Olympus') < 1", "unknown time zone"),
        ("(true", "expected ')'"),
        ("true)", "unexpected ')'"),
        ("true true", "unexpected 'true'"),
        ("resource.matchTag('a', 'b')", "undeclared reference to 'resource.matchTag'"),
        ("&& true", "unexpected '&&'"),
        (
            "api.getAttribute('storage.googleapis.com/objectListPrefix', '') == ''",
            "only in Credential Access Boundaries",
        ),
        (" && ".join(["true"] * 14), "more than 12 logical operators"),
        ("(" * 60 + "true" + ")" * 60, "nested too deeply"),
    ],
)
def test_what_cannot_be_a_condition(expression: str, reason: str) -> None:
    with pytest.raises(ConditionError) as refused:
        compile_condition(expression)
    assert reason in str(refused.value)
