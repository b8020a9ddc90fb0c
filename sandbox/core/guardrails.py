"""What keeps the sandbox to itself: which addresses it answers at and to whom, and that no real credential comes in."""

import base64
import functools
import ipaddress
import json
import re
import socket

from aiohttp import web

from sandbox.core.google_hosts import is_google
from sandbox.core.settings import PRIVATE_NETWORKS

NAME = "mlflow-sandbox"
WHAT = "a local emulator of Google's APIs for tests; nothing here reaches Google"
# The metadata server's own names: https://cloud.google.com/compute/docs/metadata/querying-metadata.
OWN_NAMES = frozenset({"", "localhost", "metadata", "metadata.google.internal", "metadata.google.internal."})
# Google's access tokens are well above a hundred characters long; what people invent in tests is not.
GOOGLE_TOKEN = re.compile(r"ya29\.[\w.-]{60,}")
API_KEY = re.compile(r"\bkey=AIza[\w-]{30,}")
OWN_MARK = "ya29.sandbox."
ADVICE = (
    "This is a sandbox, a local emulator of Google's APIs: never send a real Google credential here. Use its own key "
    "file, operator.json in its state directory (`python -m sandbox env` points clients at it)."
)


def refusal(request: web.BaseRequest) -> str | None:
    """Why this request is not answered at all; None for one that is."""
    peer, host = request.remote or "", host_of(request)
    if not is_near(peer):
        return f"This sandbox answers this machine and private (RFC 1918) addresses only, not {peer}."
    if not _is_own(host):
        # A web page whose name leads here (DNS rebinding) names itself; nobody else has a reason to.
        return f"This sandbox is known by its address only (and as Google's hosts to its HTTPS proxy), not as {host!r}."
    if API_KEY.search(f"{request.query_string}&key={request.headers.get('X-Goog-Api-Key', '')}"):
        return f"The sandbox knows no API keys, and this looks like one of Google's. {ADVICE}"
    return None


def host_of(request: web.BaseRequest) -> str:
    """The name or address by which the client knows the sandbox, without port."""
    host = request.headers.get("Host", "").lower()
    return host if host.endswith("]") else host.rpartition(":")[0] or host


def foreign_token(token: str, project: str) -> str | None:
    """What to say to an access token that looks like one of Google's, or is signed by an account of another project."""
    issuer = _issuer(token)
    if issuer.endswith(".gserviceaccount.com") and not issuer.endswith(f"@{project}.iam.gserviceaccount.com"):
        return f"{issuer} is no account of project {project}. {ADVICE}"
    if token.startswith(OWN_MARK) or not GOOGLE_TOKEN.fullmatch(token):
        return None
    return f"This access token is not one of the sandbox's and looks like one of Google's. {ADVICE}"


def _issuer(token: str) -> str:
    """Whose key signed a JWT that is sent as an access token; "" for other tokens."""
    try:
        _, claims, _ = token.split(".")
        return str(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["iss"])
    except (ValueError, KeyError, TypeError):
        return ""


async def introduce(_: web.BaseRequest, response: web.StreamResponse) -> None:
    """Every answer says whose it is, but for the metadata server's, which clients know Google's by."""
    if "Metadata-Flavor" not in response.headers:
        response.headers["Server"] = NAME


@functools.lru_cache(maxsize=1024)
def is_near(peer: str) -> bool:
    """Whether an address is loopback, of a private network (RFC 1918), or this machine's own, public as it may be.

    Docker masquerades what this machine sends to its own address in a container network.
    """
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    return address.is_loopback or any(address in network for network in PRIVATE_NETWORKS) or is_own_address(peer)


def is_own_address(address: str) -> bool:
    """Whether this machine has the address: only then can a socket be bound to it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


@functools.lru_cache(maxsize=1024)
def _is_own(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return host in OWN_NAMES or is_google(host)
