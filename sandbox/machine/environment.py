"""`env`: shell lines that point gcloud, Google's libraries and our modules at a running sandbox, as its operator."""

import argparse
import shlex
from typing import Any

from sandbox.machine import card, emulator
from sandbox.machine.errors import SandboxError
from sandbox.machine.identity import Sandbox, add_name, named


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `env`."""
    add_name(parser)


def run(arguments: argparse.Namespace) -> int:
    """`python -m sandbox env`."""
    sandbox = named(arguments)
    connection = card.read(sandbox)
    if not emulator.is_healthy(connection["management_url"]):
        raise SandboxError(f"Sandbox {sandbox.name!r} is not running any more: `up` starts it again.")
    print(exports(variables(sandbox, connection)))
    return 0


def variables(sandbox: Sandbox, connection: dict[str, Any]) -> dict[str, str]:
    """Environment variables of a card."""
    key_file = connection["operator"]["key_file"]
    overrides = {f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api.upper()}": url for api, url in connection["endpoints"].items()}
    return {
        "CLOUDSDK_CONFIG": str(sandbox.private / "gcloud"),  # the user's own gcloud configuration stays out of it
        "CLOUDSDK_CORE_PROJECT": connection["project"],
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
        "CLOUDSDK_CORE_SURVEY_DISABLE_PROMPTS": "1",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
        "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE": key_file,
        "CLOUDSDK_AUTH_TOKEN_HOST": f"{connection['url']}/token",  # an overriding key's own token_uri is ignored
        **overrides,
        "GOOGLE_APPLICATION_CREDENTIALS": key_file,
        "GOOGLE_CLOUD_PROJECT": connection["project"],
        "API_ENDPOINT_OVERRIDE": connection["url"],
        "GCE_METADATA_HOST": connection["metadata_host"],
        # google-auth for Python first asks this one whether there is a metadata server at all.
        "GCE_METADATA_IP": connection["metadata_host"],
        "SANDBOX_URL": connection["url"],
        "SANDBOX_MANAGEMENT_URL": connection["management_url"],
    }


def exports(values: dict[str, str]) -> str:
    """Lines for `eval` in a POSIX shell."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in values.items())
