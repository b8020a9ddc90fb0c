"""The types of a request's fields, checked before a method sees them, as Google's front end does."""

import json
from typing import Any

from sandbox.core.documents import Json

Shape = Any
"""str, int or bool; {"field": shape} of an object ({"*": shape} of a map), [shape] of a list. Other fields pass."""
NAMES = {str: "TYPE_STRING", int: "TYPE_INT64", bool: "TYPE_BOOL"}


class MisshapenError(ValueError):
    """A field has a value of another type; the text names both."""


def shaped(body: Json, shape: Shape) -> Json:
    """The body without its nulls, numbers that came as strings as numbers. Raises MisshapenError."""
    fitting: Json = _fit(body, shape, "")
    return fitting


def _fit(value: Any, shape: Shape, place: str) -> Any:
    if isinstance(shape, dict):
        return _fit_object(value, shape, place)
    if isinstance(shape, list):
        if not isinstance(value, list):
            raise _misshapen(value, "a list", place)
        return [_fit(item, shape[0], f"{place}[{index}]") for index, item in enumerate(value)]
    if shape is int and isinstance(value, str) and value.removeprefix("-").isdecimal():
        return int(value)
    if not isinstance(value, shape) or (shape is int and isinstance(value, bool)):
        raise _misshapen(value, NAMES[shape], place)
    return value


def _fit_object(value: Any, shape: dict[str, Shape], place: str) -> Json:
    if not isinstance(value, dict):
        raise _misshapen(value, "an object", place)
    fitting: Json = {}
    for name, item in value.items():
        inside = shape.get(name, shape.get("*"))
        if item is not None:
            fitting[name] = item if inside is None else _fit(item, inside, f"{place}.{name}".removeprefix("."))
    return fitting


def _misshapen(value: Any, wanted: str, place: str) -> MisshapenError:
    return MisshapenError(f"Invalid value at '{place}' ({wanted}), {json.dumps(value)}")
