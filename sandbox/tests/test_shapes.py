"""What a request's fields may be: types, nulls, numbers as strings."""

import pytest

from sandbox.access.policies import SET_REQUEST
from sandbox.core.documents import Json
from sandbox.core.shapes import MisshapenError, shaped


def test_what_fits_comes_back_without_nulls() -> None:
    body = {"policy": {"version": "3", "etag": None, "bindings": [{"role": "r", "members": ["m"], "other": 1}]}}
    assert shaped(body, SET_REQUEST) == {
        "policy": {"version": 3, "bindings": [{"role": "r", "members": ["m"], "other": 1}]}
    }
    assert shaped({"labels": {"a": "b"}}, {"labels": {"*": str}}) == {"labels": {"a": "b"}}


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"policy": "x"}, "'policy' (an object)"),
        ({"policy": {"bindings": {}}}, "'policy.bindings' (a list)"),
        ({"policy": {"bindings": [{"members": [1]}]}}, "'policy.bindings[0].members[0]' (TYPE_STRING), 1"),
        ({"policy": {"version": True}}, "'policy.version' (TYPE_INT64), true"),
        ({"policy": {"version": "three"}}, "'policy.version' (TYPE_INT64)"),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(body: Json, place: str) -> None:
    with pytest.raises(MisshapenError) as caught:
        shaped(body, SET_REQUEST)
    assert str(caught.value).startswith(f"Invalid value at {place}")
