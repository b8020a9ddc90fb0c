"""IAM policies of projects, secrets, buckets and service accounts: stored whole, guarded by an etag."""

import base64
import binascii
import copy
import hashlib
import json
import re
import secrets

from sandbox.access.accounts import ACCOUNTS
from sandbox.access.conditions import ConditionError, compile_condition
from sandbox.access.roles import CUSTOM_ROLES, OPERATOR_ROLES
from sandbox.core.documents import Json, decode_bytes
from sandbox.core.errors import ApiError, modern
from sandbox.core.settings import Settings
from sandbox.core.store import Store

POLICIES = "policies"
CONDITIONS_SINCE = 3
ROLE_NAME = re.compile(r"(roles|(projects|organizations)/[^/]+/roles)/[A-Za-z0-9_.]+")
MEMBER = re.compile(
    r"allUsers|allAuthenticatedUsers|"
    r"(user|serviceAccount|group|domain|principal|principalSet|projectOwner|projectEditor|projectViewer|"
    r"deleted:(user|serviceAccount|group)):\S+"
)
BASIC = ("roles/owner", "roles/editor", "roles/viewer")
UNTOUCHED: Json = {"etag": base64.b64encode(b"\0\x10\1").decode()}
"""A policy nobody has set yet is just an etag, the same everywhere (public recordings show ACAB)."""


class StalePolicyError(Exception):
    """The caller's etag is not the policy's: it must read again. Each API words this in its own way."""


def project_key(project: str) -> str:
    """Under which name a project's policy is stored."""
    return f"projects/{project}"


def secret_key(secret: str) -> str:
    """Under which name a secret's policy is stored."""
    return f"secrets/{secret}"


def bucket_key(bucket: str) -> str:
    """Under which name a bucket's policy is stored."""
    return f"buckets/{bucket}"


def account_key(email: str) -> str:
    """Under which name a service account's policy is stored."""
    return f"serviceAccounts/{email}"


def read(store: Store, key: str) -> Json:
    """The policy as stored."""
    return store.get(POLICIES, key) or dict(UNTOUCHED)


def view(policy: Json, requested_version: int) -> Json:
    """The policy as a caller sees it: without asking for version 3, conditions are cut off as Google cuts them."""
    if requested_version >= CONDITIONS_SINCE or policy.get("version", 1) < CONDITIONS_SINCE:
        return policy
    shown = copy.deepcopy(policy) | {"version": 1}
    for binding in shown["bindings"]:
        if condition := binding.pop("condition", None):
            digest = hashlib.sha256(json.dumps(condition, sort_keys=True).encode()).hexdigest()
            binding["role"] += f"_withcond_{digest[:20]}"
    return shown


def write(store: Store, settings: Settings, key: str, wanted: Json, fields: frozenset[str] | None = None) -> Json:
    """Replace the policy (or only the named top-level fields of it). Raises StalePolicyError, ApiError 400."""
    current = read(store, key)
    if etag := wanted.get("etag"):
        _compare(etag, current["etag"])
    bindings = [_binding(store, settings, binding) for binding in wanted.get("bindings", [])]
    kept = {name: current[name] for name in ("auditConfigs",) if fields and name not in fields and name in current}
    given = {"auditConfigs": wanted["auditConfigs"]} if "auditConfigs" in wanted and not kept else {}
    conditional = any("condition" in binding for binding in bindings)
    if conditional and wanted.get("version", 1) < CONDITIONS_SINCE:
        raise modern(400, "Policies with conditional role bindings must specify version 3 or greater.")
    policy: Json = {"version": 3 if conditional else 1, "etag": _new_etag(), **given, **kept}
    if bindings := [binding for binding in bindings if binding["members"]]:
        policy["bindings"] = bindings
    store.put(POLICIES, key, policy)
    return policy


def changed_roles(before: Json, after: Json) -> list[str]:
    """The roles whose bindings differ: what conditions ask for as iam.googleapis.com/modifiedGrantsByRole."""
    old, new = _grants_by_role(before), _grants_by_role(after)
    return sorted(role for role in old.keys() | new.keys() if old.get(role) != new.get(role))


def _grants_by_role(policy: Json) -> dict[str, set[tuple[str, str]]]:
    found: dict[str, set[tuple[str, str]]] = {}
    for binding in policy.get("bindings", []):
        condition = json.dumps(binding.get("condition"), sort_keys=True)
        for member in binding.get("members", []):
            found.setdefault(binding.get("role", ""), set()).add((member, condition))
    return found


def initial_project_policy(settings: Settings) -> Json:
    """The policy of a fresh project: the operator and nobody else."""
    member = f"serviceAccount:{settings.operator}"
    bindings = [{"role": role, "members": [member]} for role in sorted(OPERATOR_ROLES)]
    return {"version": 1, "etag": _new_etag(), "bindings": bindings}


def initial_bucket_policy(settings: Settings) -> Json:
    """What Cloud Storage binds on every new bucket: the project's basic roles."""
    owners = [f"projectEditor:{settings.project}", f"projectOwner:{settings.project}"]
    viewers = [f"projectViewer:{settings.project}"]
    roles = {"legacyBucketOwner": owners, "legacyBucketReader": viewers}
    roles |= {"legacyObjectOwner": owners, "legacyObjectReader": viewers}
    bindings = [{"role": f"roles/storage.{role}", "members": members} for role, members in roles.items()]
    return {"version": 1, "etag": _new_etag(), "bindings": bindings}


def bury_member(store: Store, email: str, unique_id: str) -> None:
    """Google's trace of a deleted account: its bindings become `deleted:...?uid=`, dead even if the name returns."""
    alive, buried = f"serviceAccount:{email}", f"deleted:serviceAccount:{email}?uid={unique_id}"
    for key, policy in list(store.items(POLICIES)):
        bindings = policy.get("bindings", [])
        if any(alive in binding["members"] for binding in bindings):
            for binding in bindings:
                binding["members"] = [buried if member == alive else member for member in binding["members"]]
            store.put(POLICIES, key, policy | {"etag": _new_etag()})


def concurrent_change() -> ApiError:
    """How Resource Manager and Secret Manager refuse a stale etag."""
    message = (
        "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff. "
        "The request's ETag did not match the current policy's ETag."
    )
    return modern(409, message, "ABORTED")


def _compare(given: str, current: str) -> None:
    # A bytes field: gcloud re-encodes it, so only the decoded bytes may be compared.
    try:
        same = decode_bytes(given) == decode_bytes(current)
    except (binascii.Error, ValueError) as error:
        raise modern(400, f"Invalid value at 'policy.etag' (TYPE_BYTES), {given!r}") from error
    if not same:
        raise StalePolicyError


def _binding(store: Store, settings: Settings, binding: Json) -> Json:
    role = binding.get("role", "")
    if not ROLE_NAME.fullmatch(role):
        raise modern(400, f"Role {role} is not supported for this resource.")
    if role.startswith(f"projects/{settings.project}/") and not store.has(CUSTOM_ROLES, role):
        raise modern(400, f"Role ({role}) does not exist in the resource's hierarchy.")
    members = [_member(store, settings, member) for member in dict.fromkeys(binding.get("members", []))]
    if "condition" not in binding:
        return {"role": role, "members": members}
    _check_condition(role, binding["condition"])
    return {"role": role, "members": members, "condition": binding["condition"]}


def _check_condition(role: str, condition: Json) -> None:
    """Google answers 400 to a condition that does not compile, and to any on a basic role. Its words are not known."""
    if role in BASIC:
        raise modern(400, f"Conditions can't be set on basic roles, such as {role}.")
    expression = str(condition.get("expression", ""))
    try:
        compile_condition(expression)
    except ConditionError as error:
        raise modern(400, f"Invalid condition expression {expression!r}: {error}.") from error


def _member(store: Store, settings: Settings, member: str) -> str:
    if not MEMBER.fullmatch(member):
        raise modern(400, f"Invalid member: {member!r}: the member must have a type prefix such as serviceAccount:.")
    kind, _, email = member.partition(":")
    if kind != "serviceAccount":
        return member
    email = email.lower()
    if email.endswith(f"@{settings.project}.iam.gserviceaccount.com") and not store.has(ACCOUNTS, email):
        raise modern(400, f"Service account {email} does not exist.")
    return f"{kind}:{email}"


def _new_etag() -> str:
    return base64.b64encode(secrets.token_bytes(8)).decode()
