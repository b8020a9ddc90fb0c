"""`env`: shell lines that point gcloud, Google's libraries and our modules at a running sandbox, as its operator."""

import argparse
import shlex
from typing import Any

from sandbox.machine import card, emulator
from sandbox.machine.errors import SandboxError
from sandbox.machine.identity import Sandbox, add_name, named

PROXY_HINT = (
    "# Clients with fixed addresses (google.cloud, impersonation, Node's library): python -m sandbox env --https-proxy"
)
PROXY_WARNING = """\
# In this shell HTTPS leads to the sandbox: Google's hosts are the sandbox, every other host (PyPI, GitHub) is refused.
# Keep it in a shell of its own; without --https-proxy nothing but Google's clients changes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `env`."""
    add_name(parser)
    parser.add_argument(
        "--https-proxy",
        action="store_true",
        help="lead Google's own addresses to the sandbox, for clients that take no others; other HTTPS hosts fail then",
    )


def run(arguments: argparse.Namespace) -> int:
    """`python -m sandbox env`."""
    sandbox = named(arguments)
    connection = card.read(sandbox)
    if not emulator.is_healthy(connection["management_url"]):
        raise SandboxError(f"Sandbox {sandbox.name!r} is not running any more: `up` starts it again.")
    chosen = by_proxy(connection) if arguments.https_proxy else by_endpoints(connection)
    print(exports(common(sandbox, connection) | chosen))
    print(PROXY_WARNING if arguments.https_proxy else PROXY_HINT)  # last: an eval without quotes ends at a comment
    return 0


def common(sandbox: Sandbox, connection: dict[str, Any]) -> dict[str, str]:
    """Who one is and where the sandbox is."""
    key_file = connection["operator"]["key_file"]
    return {
        "CLOUDSDK_CONFIG": str(sandbox.private / "gcloud"),  # the user's own gcloud configuration stays out of it
        "CLOUDSDK_CORE_PROJECT": connection["project"],
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
        "CLOUDSDK_CORE_SURVEY_DISABLE_PROMPTS": "1",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
        "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE": key_file,
        "GOOGLE_APPLICATION_CREDENTIALS": key_file,
        "GOOGLE_CLOUD_PROJECT": connection["project"],
        "GCE_METADATA_HOST": connection["metadata_host"],
        # google-auth for Python first asks this one whether there is a metadata server at all.
        "GCE_METADATA_IP": connection["metadata_host"],
        "SANDBOX_URL": connection["url"],
        "SANDBOX_MANAGEMENT_URL": connection["management_url"],
    }


def by_endpoints(connection: dict[str, Any]) -> dict[str, str]:
    """For clients that can be told another address: nothing else of the shell changes."""
    overrides = {f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api.upper()}": url for api, url in connection["endpoints"].items()}
    return {
        **overrides,
        "CLOUDSDK_AUTH_TOKEN_HOST": f"{connection['url']}/token",  # an overriding key's own token_uri is ignored
        "API_ENDPOINT_OVERRIDE": connection["url"],
    }


def by_proxy(connection: dict[str, Any]) -> dict[str, str]:
    """For clients whose addresses are fixed: Google's hosts, and no others, are the sandbox."""
    proxy, ca = connection["https_proxy"]["url"], connection["https_proxy"]["ca_file"]
    near = f"localhost,127.0.0.0/8,{connection['network']}"
    return {
        **dict.fromkeys(("HTTPS_PROXY", "https_proxy"), proxy),
        **dict.fromkeys(("NO_PROXY", "no_proxy"), near),
        # Python's requests, OpenSSL and Go, Node, gcloud, curl.
        **dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"), ca),
        **dict.fromkeys(("CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", "CURL_CA_BUNDLE"), ca),
    }


def exports(values: dict[str, str]) -> str:
    """Lines for `eval` in a POSIX shell."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in values.items())
