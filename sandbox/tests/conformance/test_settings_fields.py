"""The emulator's own list of settings' fields is the discovery document's, neither older nor newer."""

from sandbox.apis.sqladmin import settings_fields
from sandbox.core.documents import Json
from sandbox.tests.conformance import discovery

SCHEMAS: Json = discovery.methods("sqladmin.googleapis.com")[0].schemas


def message(field: str) -> Json:
    """The message that a field of Settings holds."""
    name = SCHEMAS["Settings"]["properties"][field]["$ref"]
    found: Json = SCHEMAS[name]["properties"]
    return found


def test_the_settings_have_these_fields() -> None:
    assert set(SCHEMAS["Settings"]["properties"]) == settings_fields.FIELDS


def test_the_messages_in_them_have_these_fields() -> None:
    assert {name: set(message(name)) for name in settings_fields.NESTED} == settings_fields.NESTED


def test_the_values_are_among_googles() -> None:
    for name, values in settings_fields.ENUMERATIONS.items():
        assert set(values) <= set(SCHEMAS["Settings"]["properties"][name]["enum"]), name
    assert set(settings_fields.SSL_MODES) <= set(message("ipConfiguration")["sslMode"]["enum"])
