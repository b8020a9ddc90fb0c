"""A password never meets a task that could print it, and no secret is ever in a file that git keeps."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
import yaml

from tests.house.checkout import (
    ROLES,
    ROOT,
    Task,
    all_tasks,
    role_options,
    role_variables,
    strings,
    tasks,
    tracked_text,
)
from tests.house.modules import MODULES, argument_spec

# Variables that hold a secret: what an inventory may give in clear, and what our modules hand out on request.
GIVEN = {option for role in ROLES for option, about in role_options(role).items() if about.get("no_log")}
HANDS_OUT = re.compile(r"""["']?return_value["']?\s*[:=]\s*(true|yes|True)""")
# A test of a password's presence says nothing about it.
HARMLESS_USE = r"\s*(\|\s*length|is (not )?defined)"
# What a token, key or password in clear looks like, whatever it is called.
LITERALS = {
    "private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s*\\?n?\s*[A-Za-z0-9+/=]{40}",
    "Google access token": r"\bya29\.[A-Za-z0-9_-]{20,}",
    "Google API key": r"\bAIza[A-Za-z0-9_-]{35}\b",
    "GitHub token": r"\bgh[pousr]_[A-Za-z0-9]{36}\b",
    "AWS access key": r"\bAKIA[0-9A-Z]{16}\b",
    "password": r"""(?i)\b[a-z_]*(?:password|passwd|api_key)\b["']?\s*[:=]\s*["']?[A-Za-z0-9_/+-]{16,}["']?\s*$""",
}


def mentions(text: str, names: Iterable[str]) -> bool:
    """Whether what Jinja evaluates in a text (not the words around it) uses one of the variables."""
    code = " ".join(re.findall(r"{[{%](.*?)[%}]}", text, re.DOTALL))
    return any(re.search(rf"(?<![\w.]){name}\b(?!{HARMLESS_USE})", code) for name in names)


def bare_expressions(task: Task) -> Iterator[str]:
    """What Ansible evaluates without braces: debug's var and assert's that."""
    if isinstance(task.arguments[0], dict):
        for key in ("var", "that"):
            yield from ("{{" + text + "}}" for text in strings(task.arguments[0].get(key)))


def hands_out(task: Task) -> bool:
    """Whether the task asks one of our modules for a secret's value."""
    return any(HANDS_OUT.search(text) for text in strings(task.arguments)) or any(
        isinstance(part, dict) and part.get("return_value") is True for part in task.arguments
    )


def secret_variables(given: set[str], variables: dict[str, Any], every_task: Iterable[Task]) -> set[str]:
    """The given ones, what tasks register that ask for a secret, and whatever is made of any of these."""
    names = given | {
        task.keywords["register"] for task in every_task if hands_out(task) and "register" in task.keywords
    }
    while True:
        made = {name for name, value in variables.items() if any(mentions(text, names) for text in strings(value))}
        if made <= names:
            return names
        names |= made


def masks_password(module: str | None) -> bool:
    """Whether it is a module of ours that masks its password parameter by itself, so that its errors stay readable."""
    name = (module or "").removeprefix("mlflow_ops.gcp.")
    return name in MODULES and bool(argument_spec(name).get("password", {}).get("no_log"))


def template_text(task: Task) -> str:
    """The template that a task renders: what it prints in a diff."""
    arguments = task.arguments[0]
    if not isinstance(arguments, dict) or (task.module or "").rpartition(".")[2] != "template":
        return ""
    path = ROOT / task.where.partition("/tasks/")[0] / "templates" / str(arguments.get("src"))
    return path.read_text() if path.is_file() else ""


def careless(
    every_task: Iterable[Task], names: set[str], masks: Callable[[str | None], bool], template: Callable[[Task], str]
) -> Iterator[str]:
    """Tasks that could print a secret: they handle one, do not hide their output, and their module does not mask it."""
    for task in every_task:
        if task.no_log:
            continue
        around = [task.keywords.get(key) for key in ("loop", "environment")]
        handed = [*strings(task.arguments), *strings(around), *bare_expressions(task), template(task)]
        handles = any(mentions(text, names) for text in handed)
        if hands_out(task) or (handles and not masks(task.module)):
            yield f"{task.where}: {task.name}"


def literals(text: str) -> Iterator[str]:
    """Kinds of secrets that a text seems to hold in clear."""
    for kind, pattern in LITERALS.items():
        if re.search(pattern, text, re.MULTILINE):
            yield kind


def product_secrets() -> set[str]:
    variables: dict[str, Any] = {}
    for role in ROLES:
        variables |= role_variables(role, "defaults") | role_variables(role, "vars")
    return secret_variables(GIVEN, variables, all_tasks())


def test_tasks_that_handle_a_password_hide_it() -> None:
    assert list(careless(all_tasks(), product_secrets(), masks_password, template_text)) == []


def test_the_product_has_passwords() -> None:
    """Else the test above would pass by having nothing to look for."""
    assert {"backend_store_password", "tracking_server_password"} <= product_secrets()
    assert any(hands_out(task) for task in all_tasks())


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_password_options_are_marked(role: Any) -> None:
    """An option called a password, token or key contents is one, and its specification says so."""
    named = {
        name: about for name, about in role_options(role).items() if re.search(r"(password|token|contents)$", name)
    }
    assert [name for name, about in named.items() if not about.get("no_log")] == []


def test_no_secret_in_a_tracked_file() -> None:
    found = [f"{path}: {kind}" for path, text in tracked_text() for kind in literals(text)]
    assert found == []


def test_vault_files_are_encrypted() -> None:
    vaults = [(path, text) for path, text in tracked_text() if re.fullmatch(r"(.*[._-])?vault\.ya?ml", path.name)]
    assert [str(path) for path, text in vaults if not text.startswith("$ANSIBLE_VAULT;")] == []


SAMPLE = """
- name: Print it
  ansible.builtin.debug: {msg: "{{ db_password }}"}
- name: Print what is made of it
  ansible.builtin.debug: {var: made.x}
- name: Ask for it
  mlflow_ops.gcp.secret: {name: x, return_value: true}
  register: asked
- name: Ask for it in words
  mlflow_ops.gcp.secret: "{{ x | combine({'return_value': true}) }}"
- name: Use what was asked for
  ansible.builtin.command: "run {{ asked.value }}"
- name: In the environment
  ansible.builtin.command: run
  environment: {PGPASSWORD: "{{ db_password }}"}
- name: In a block
  block:
    - name: Inner
      ansible.builtin.command: {argv: [run], stdin: "{{ db_password }}"}
- name: In a condition that is shown
  ansible.builtin.assert: {that: [1 == 1, "db_password == 'x'"]}
- name: By a template
  ansible.builtin.template: {src: env.j2, dest: /x}
"""
INNOCENT = """
- name: Only whether there is one
  ansible.builtin.debug: {msg: "{{ db_password | length }} {{ db_password is defined }} {{ db_password_secret }}"}
- name: Only its name
  ansible.builtin.fail: {msg: "Set db_password for {{ user }}"}
- name: Hidden
  ansible.builtin.debug: {msg: "{{ db_password }}"}
  no_log: true
- name: Hidden by its block
  no_log: true
  block:
    - ansible.builtin.debug: {msg: "{{ db_password }}"}
- name: Masked by the module
  mlflow_ops.gcp.masking: {password: "{{ db_password }}"}
"""


def test_rules_notice() -> None:
    def rendered(task: Task) -> str:
        return "{{ db_password }}" if task.name == "By a template" else ""

    def masks(module: str | None) -> bool:
        return module == "mlflow_ops.gcp.masking"

    bad = list(tasks(yaml.safe_load(SAMPLE), "sample"))
    names = secret_variables({"db_password"}, {"made": {"x": ["{{ db_password }}"]}, "other": "{{ nothing }}"}, bad)
    assert names == {"db_password", "made", "asked"}
    noticed = [entry.removeprefix("sample: ") for entry in careless(bad, names, masks, rendered)]
    assert noticed == [task.name for task in bad]
    assert not list(careless(tasks(yaml.safe_load(INNOCENT), "sample"), names, masks, rendered))
    assert not masks_password("ansible.builtin.command")


def test_literals_are_noticed() -> None:
    # Put together here, since this file is searched too.
    samples = {
        "private key": "-----BEGIN " + "PRIVATE KEY-----\n" + "M" * 64,
        "Google access token": "ya29" + "." + "a" * 30,
        "Google API key": "AI" + "za" + "b" * 35,
        "GitHub token": "gh" + "p_" + "c" * 36,
        "AWS access key": "AK" + "IA" + "D" * 16,
        "password": "db_pass" + "word: " + "e" * 20,
    }
    assert {kind: list(literals(text)) for kind, text in samples.items()} == {kind: [kind] for kind in samples}
    assert not list(literals('password: "{{ vault_password }}"\npassword: changeme\nupdate_password: always'))
