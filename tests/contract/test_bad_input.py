"""Input that can never work gets one clear line with the way out, before anything is written, from every module."""

from __future__ import annotations

import base64
import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.variables import VARIABLES

from tests.contract import bad_input
from tests.contract.bad_input import ACCOUNT, BUCKET, DATABASE, INSTANCE, SECRET, USER, BadInput
from tests.contract.bench import Bench
from tests.house.modules import MODULES, argument_spec

AT_LEAST = 60
# What tells a module's object from others; the line names at least one of those that the row gives.
NAMING = (
    "name",
    "account_id",
    "service_account",
    "key_id",
    "service",
    "services",
    "member",
    "role",
    "secret",
    "bucket",
    "instance",
)
COMMON = (
    "project",
    "credentials_file",
    "credentials_contents",
    "access_token",
    "impersonate_service_account",
    "endpoints",
)
# What a way out begins with, after a colon, a semicolon, a comma or a dash: what to do, or the command that does it.
IMPERATIVES = (
    "add|choose|confirm|correct|create|delete|drop|enable|give|grant|leave|log in|make|move|name|pass|put|raise|remove|"
    "rename|run|set|spell|start|take|turn|type|use|wait|write"
)
WAY_OUT = re.compile(rf"[:;,] (?:or |and |first |then )*(?:{IMPERATIVES})\b|[:;,] (?:or )?`[a-z]+ ")


def rows() -> Iterator[tuple[str, BadInput]]:
    """Every row with its module's name."""
    for found in pkgutil.iter_modules(bad_input.__path__):
        module = importlib.import_module(f"{bad_input.__name__}.{found.name}")
        yield from ((found.name, row) for row in module.ROWS)


ROWS = list(rows())


@pytest.fixture(scope="module")
def project(emulator: Bench) -> Bench:
    """A project that holds what tests/contract/bad_input/__init__.py names."""
    emulator.reset()
    emulator.enable_all()
    member = f"serviceAccount:{emulator.key['client_email']}"
    emulator.run("project_iam_member", role="roles/iam.serviceAccountAdmin", member=member)
    emulator.run("project_iam_member", role="roles/iam.serviceAccountKeyAdmin", member=member)
    emulator.run("sql_instance", **{**emulator.INSTANCE, "name": INSTANCE})
    emulator.run("sql_database", instance=INSTANCE, name=DATABASE)
    emulator.run("sql_user", instance=INSTANCE, name=USER, password="corr3ct-horse")
    emulator.run("bucket", name=BUCKET, location="europe-west3")
    emulator.run("secret", name=SECRET, generate=True)
    emulator.run("service_account", account_id=ACCOUNT)
    return emulator


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the one who runs the tests has set is not what a row has given."""
    for name in ("GOOGLE_CLOUD_PROJECT", "GOOGLE_OAUTH_ACCESS_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    # Else google-auth looks for Compute Engine's metadata server, for seconds.
    monkeypatch.setattr("google.auth.compute_engine._metadata._NO_GCE_CHECK", True)
    monkeypatch.setenv("CLOUDSDK_CONFIG", "/nonexistent")


def names_option(module: str, option: str, message: str) -> bool:
    """Whether a message names an option (access_token, access token), or what the inventory calls it."""
    if VARIABLES.get(f"{module}.{option}", "no variable") in message:
        return True
    words = re.escape(option.partition(".")[0]).replace("_", "[_ ]")
    return bool(re.search(rf"(?<![a-z]){words}(?![a-z])", message, re.IGNORECASE))


def names_object(row: BadInput, message: str) -> bool:
    """Whether a message names the object; common options are about no object of the module's own."""
    if row.option.partition(".")[0] in COMMON:
        return True
    given = [row.params[name] for name in NAMING if row.params.get(name) not in (None, "")]
    listed = [item for value in given for item in (value if isinstance(value, list) else [value])]
    return any(str(item) in message or repr(item) in message for item in listed) or not listed


def secrets_of(module: str, row: BadInput) -> set[str]:
    """The row's secret values, in the forms in which they could leak."""
    hidden = {name for name, about in argument_spec(module).items() if about.get("no_log")}
    plain = {str(value) for name, value in row.params.items() if name in hidden and value not in (None, "")}
    encoded = {base64.b64encode(value.encode()).decode() for value in plain}
    # What is shorter occurs by chance.
    return {form for form in (*plain, *encoded, *(quote(value) for value in plain)) if len(form) > 3}


def faults(module: str, row: BadInput, output: str) -> list[str]:
    """What is wrong with what a module printed for a row."""
    result: dict[str, Any] = json.loads(output)
    message = str(result.get("msg", ""))
    checks = {
        "it did not fail": result.get("failed") is True,
        "it says that something changed": not result.get("changed"),
        "it is not one line": message == message.strip() and len(message.splitlines()) == 1,
        "it has a traceback": "Traceback" not in output and "exception" not in result,
        f"it does not name {row.option}": names_option(module, row.option, message),
        "it does not name the object": names_object(row, message),
        "it says no way out": bool(WAY_OUT.search(message)),
        "it shows a secret": not any(secret in output for secret in secrets_of(module, row)),
        **{f"it does not say {word!r}": word in message for word in row.words},
    }
    return [fault for fault, fine in checks.items() if not fine]


@pytest.mark.parametrize("check", [False, True], ids=["real", "check"])
@pytest.mark.parametrize(
    ("module", "row"), [pytest.param(m, row, id=f"{m}-{row.option}-{row.rule}") for m, row in ROWS]
)
def test_one_line_with_the_way_out(
    project: Bench, module: str, row: BadInput, check: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for other, options in row.existing:
        project.run(other, **options)
    for name, value in row.environment.items():
        monkeypatch.setenv(name, value)
    with project.without_writes():
        output = project.output(module, check=check, **row.params)
    assert faults(module, row, output) == [], json.loads(output).get("msg")


def test_enough_different_pairs_over_all_modules(capsys: pytest.CaptureFixture[str]) -> None:
    pairs = {(module, row.option, row.rule) for module, row in ROWS}
    assert len(pairs) == len(ROWS), "two rows for the same option and rule of a module"
    modules = {module for module, _ in ROWS}
    with capsys.disabled():
        print(f"\n[bad input] {len(pairs)} pairs of option and rule over {len(modules)} modules: one line, no write")
    assert sorted(set(MODULES) - modules) == []
    assert len(pairs) >= AT_LEAST


def test_the_runner_notices() -> None:
    row = BadInput("password", "is empty", {"name": "reader", "password": "hunter2-hunter2"}, ("empty",))

    def noticed(message: str, **more: Any) -> list[str]:
        return faults("sql_user", row, json.dumps({"failed": True, "msg": message, **more}))

    fine = "the password of user reader is empty: choose another"
    assert noticed(fine) == []
    assert noticed(fine, failed=False) == ["it did not fail"]
    assert noticed(fine, changed=True) == ["it says that something changed"]
    assert noticed(fine, exception="Traceback ...") == ["it has a traceback"]
    assert noticed(f"{fine}\nsecond line") == ["it is not one line"]
    assert noticed("user reader: empty: choose another") == ["it does not name password"]
    assert noticed("the password is empty: choose another") == ["it does not name the object"]
    assert noticed("the password of user reader is empty") == ["it says no way out"]
    assert noticed("the password of user reader is odd: choose another") == ["it does not say 'empty'"]
    for form in ("hunter2-hunter2", base64.b64encode(b"hunter2-hunter2").decode()):
        assert noticed(f"{fine} {form}") == ["it shows a secret"]
