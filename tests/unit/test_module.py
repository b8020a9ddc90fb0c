"""Between AnsibleModule and a resource: what a module prints, what it masks, and what it says when it fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from io import StringIO
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.mlflow_ops.gcp.plugins.module_utils import transport
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.credentials import GoogleAuthToken
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.iam import ServiceAccount
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.module import module_spec, run_resource
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import Resource
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.secret_manager import Secret
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.service_usage import ProjectService

from tests.unit.fakes import NOT_FOUND, PROJECT, Answer, FakeTransport, bad, ok
from tests.unit.keys import service_account_key

Play = Callable[..., dict[str, Any]]
SECRET = f"projects/{PROJECT}/secrets/s"
VERSION = {"name": f"{SECRET}/versions/1", "state": "ENABLED"}
VALUE = {"payload": {"data": "czNjcjN0LXZhbHVl"}}  # s3cr3t-value


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the module warns of."""
    said: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _self, text: said.append(text))
    return said


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch, warned: list[str]) -> Play:
    """Runs a module whose requests get scripted answers; its result."""
    del warned
    for name in ("GOOGLE_CLOUD_PROJECT", "GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT"):
        monkeypatch.delenv(name, raising=False)

    def run(kind: type[Resource], answers: dict[str, Answer], *, check: bool = False, **options: Any) -> dict[str, Any]:
        prepared = {line: [answer] for line, answer in answers.items()}
        monkeypatch.setattr(transport, "PooledTransport", lambda: FakeTransport(prepared))
        given = {"project": PROJECT, "access_token": "t0ken", "_ansible_check_mode": check, **options}
        printed = StringIO()
        with (
            patch_module_args({name: value for name, value in given.items() if value is not None}),
            redirect_stdout(printed),
            suppress(SystemExit),
        ):
            run_resource(AnsibleModule(**module_spec(kind)), kind)
        result: dict[str, Any] = json.loads(printed.getvalue())
        return result

    return run


def test_a_no_op_has_no_diff_and_a_change_has_one(play: Play) -> None:
    on = {"GET x.googleapis.com": ok({"name": "n", "state": "ENABLED"})}
    found = play(ProjectService, on, name="x.googleapis.com")
    assert (found["changed"], found["action"], found["changes"]) == (False, "none", [])
    assert "diff" not in found
    off = {"GET x.googleapis.com": ok({"name": "n", "state": "DISABLED"})}
    found = play(ProjectService, off, check=True, name="x.googleapis.com")
    assert (found["changed"], found["action"]) == (True, "create")
    assert found["diff"]["before_header"] == "project_service x.googleapis.com"


def test_a_value_that_was_asked_for_comes_through_and_the_invocation_hides_it(play: Play) -> None:
    answers = {"GET secrets/s": ok({"name": SECRET}), "GET versions/latest": ok(VERSION), "GET :access": ok(VALUE)}
    answers["GET versions/1:access"] = answers["GET :access"]
    found = play(Secret, answers, name="s", value="s3cr3t-value", return_value=True)
    assert (found["changed"], found["value"]) == (False, "s3cr3t-value")
    assert "value" not in found["invocation"]["module_args"]
    assert json.dumps(found).count("s3cr3t-value") == 1
    assert "s3cr3t-value" not in json.dumps(play(Secret, answers, name="s", value="s3cr3t-value"))


def test_a_plans_warnings_are_said_once(play: Play, warned: list[str]) -> None:
    answers = {"GET secrets/s": ok({"name": SECRET}), "GET versions/latest": ok({**VERSION, "state": "DISABLED"})}
    found = play(Secret, answers, check=True, name="s", generate=True)
    assert found["changed"]
    (said,) = warned
    assert "version 1, the newest, is DISABLED" in said


def test_a_failure_names_the_object_and_says_whether_anything_was_written(play: Play) -> None:
    found = play(Secret, {"GET secrets/s": bad(403, "forbidden")}, name="s")
    assert (found["failed"], found["changed"]) == (True, False)
    assert found["msg"].startswith("secret s: said Google (403 forbidden")
    begun = {"GET secrets/s": NOT_FOUND, "POST secrets": ok({"name": SECRET}), "POST :addVersion": bad(403, "no")}
    begun["POST s:addVersion"] = begun["POST :addVersion"]
    found = play(Secret, begun, name="s", generate=True)
    assert (found["failed"], found["changed"]) == (True, True)


def test_a_refusal_lists_what_was_refused_and_keeps_the_plan(play: Play) -> None:
    answers = {"GET secrets/s": ok({"name": SECRET}), "GET versions/latest": ok(VERSION)}
    found = play(Secret, answers, name="s", state="absent")
    assert found["failed"]
    assert found["msg"].startswith("secret s: refused: state: 'present' -> 'absent' (state is absent): ")
    assert (found["action"], found["changed"], len(found["changes"])) == ("refuse", False, 1)


@pytest.mark.parametrize("project", [PROJECT, "415104041262", "example.com:old-project"])
def test_a_project_is_an_id(play: Play, project: str) -> None:
    on = {"GET x.googleapis.com": ok({"name": "n", "state": "ENABLED"})}
    assert not play(ProjectService, on, project=project, name="x.googleapis.com").get("failed")


@pytest.mark.parametrize("project", [None, "", "My Project", "projects/p", "Demo", "1p", "p_q"])
def test_what_is_no_project_is_refused_before_anything_is_asked(play: Play, project: str | None) -> None:
    said = play(ProjectService, {}, project=project, name="x.googleapis.com")["msg"]
    assert said.startswith("project_service: " + (f"project {project!r} is no project id" if project else "no project"))
    assert "gcp_project (option project)" in said


def test_of_a_key_only_its_secret_parts_are_masked(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GoogleAuthToken, "token", lambda _self: "t0ken")
    key = service_account_key()
    said = f"{key['project_id']} {key['client_email']} {key['private_key_id']}"
    answers = {"GET gserviceaccount.com": bad(403, "no", f"{said} {key['private_key'].splitlines()[1]}")}
    found = play(ServiceAccount, answers, access_token=None, credentials_contents=key, account_id="mlflow-server")
    assert found["failed"]
    assert said in found["msg"]
    assert key["private_key"] not in json.dumps(found)
