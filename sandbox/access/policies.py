"""IAM policies of projects, secrets, buckets and service accounts: stored whole, guarded by an etag."""

import base64
import binascii
import copy
import hashlib
import json
import re
import secrets

from sandbox.access import propagation
from sandbox.access.accounts import find_account
from sandbox.access.conditions import ConditionError, compile_condition
from sandbox.access.roles import CUSTOM_ROLES, OPERATOR_ROLES
from sandbox.core.documents import Json, decode_bytes
from sandbox.core.errors import ApiError, modern
from sandbox.core.settings import Settings
from sandbox.core.store import Store

POLICIES = "policies"
CONDITIONS_SINCE = 3
VERSIONS = ("1", "2", "3")
ROLE_NAME = re.compile(r"(roles|(projects|organizations)/[^/]+/roles)/[A-Za-z0-9_.]+")
MEMBER = re.compile(
    r"allUsers|allAuthenticatedUsers|"
    r"(user|serviceAccount|group|domain|principal|principalSet|projectOwner|projectEditor|projectViewer|"
    r"deleted:(user|serviceAccount|group)):\S+"
)
BASIC = ("roles/owner", "roles/editor", "roles/viewer")
UNTOUCHED: Json = {"etag": base64.b64encode(b"\0\x10\1").decode()}
"""A policy nobody has set yet is just an etag, the same everywhere (public recordings show ACAB)."""
DEFAULT_FIELDS = frozenset({"bindings", "etag"})
"""What setIamPolicy changes without an updateMask: audit configuration is left alone."""


MOST_MEMBERS = 1500
"""Each appearance in a binding counts: https://cloud.google.com/iam/quotas."""


CONDITION = {"title": str, "description": str, "expression": str, "location": str}
BINDING = {"role": str, "members": [str], "condition": CONDITION}
POLICY = {"bindings": [BINDING], "auditConfigs": [{}], "etag": str, "version": int}
# The requests of getIamPolicy, setIamPolicy and testIamPermissions, the same everywhere.
GET_REQUEST = {"options": {"requestedPolicyVersion": int}}
SET_REQUEST = {"policy": POLICY, "updateMask": str}
TEST_REQUEST = {"permissions": [str]}


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


def in_force(store: Store, key: str) -> Json:
    """The policy that permissions are checked against: the stored one, or while that is on its way an older one."""
    return propagation.policy_in_force(store, key, read(store, key))


def answer(store: Store, key: str, requested_version: object) -> Json:
    """The policy as a caller sees it, perhaps followed by another writer's change (`propagation.takes_turn`)."""
    version = str(requested_version or 1)
    if version not in VERSIONS:
        # Wording ours; which versions there are: https://cloud.google.com/iam/docs/policies#versions.
        raise modern(400, f"Invalid value at 'options.requested_policy_version': {version}")
    policy = read(store, key)
    if turn := propagation.takes_turn(store):
        added = {"role": "roles/browser", "members": [f"user:other-writer-{turn}@example.com"]}
        changed = {"version": 1, **policy, "etag": _new_etag()}
        store.put(POLICIES, key, changed | {"bindings": [*policy.get("bindings", []), added]})
    return view(policy, int(version))


def view(policy: Json, requested_version: int) -> Json:
    """Without asking for version 3, conditions are cut off as Google cuts them."""
    if requested_version >= CONDITIONS_SINCE or policy.get("version", 1) < CONDITIONS_SINCE:
        return policy
    shown = copy.deepcopy(policy) | {"version": 1}
    for binding in shown["bindings"]:
        if condition := binding.pop("condition", None):
            digest = hashlib.sha256(json.dumps(condition, sort_keys=True).encode()).hexdigest()
            binding["role"] += f"_withcond_{digest[:20]}"
    return shown


def fields_of(mask: str | None) -> frozenset[str]:
    """An updateMask as `write` takes it."""
    return frozenset(field.strip() for field in mask.split(",")) if mask else DEFAULT_FIELDS


def write(
    store: Store, settings: Settings, key: str, wanted: Json, fields: frozenset[str] = DEFAULT_FIELDS | {"auditConfigs"}
) -> Json:
    """Replace the policy, or only the named top-level fields of it. Raises StalePolicyError, ApiError 400."""
    current = read(store, key)
    if etag := wanted.get("etag"):
        if not same_etag(etag, current["etag"]):
            raise StalePolicyError
        _check_version(wanted, current)
    bindings = [_binding(store, settings, binding) for binding in wanted.get("bindings", [])]
    _check_size(bindings)
    taken: Json = {"bindings": [binding for binding in bindings if binding["members"]]}
    taken |= {"auditConfigs": wanted["auditConfigs"]} if "auditConfigs" in wanted else {}
    policy: Json = {name: (taken if name in fields else current).get(name) for name in ("bindings", "auditConfigs")}
    policy = {name: value for name, value in policy.items() if value}
    conditional = any("condition" in binding for binding in policy.get("bindings", []))
    policy |= {"version": 3 if conditional else 1, "etag": _new_etag()}
    propagation.delay_policy(store, key, current)
    store.put(POLICIES, key, policy)
    return policy


def _check_version(wanted: Json, current: Json) -> None:
    """A policy with conditions can only be written as version 3; a blind write, without an etag, is not checked.

    https://cloud.google.com/iam/docs/policies#versions.
    """
    version = wanted.get("version", 1)
    if version >= CONDITIONS_SINCE:
        return
    if current.get("version", 1) >= CONDITIONS_SINCE:
        # As recorded in hashicorp/vault-plugin-secrets-gcp#88.
        message = (
            f"Specified policy version ({version}) cannot be less than the existing policy version "
            f"({current['version']}). For more information, please refer to "
            "https://cloud.google.com/iam/docs/policies#versions."
        )
        raise modern(400, message)
    if any("condition" in binding for binding in wanted.get("bindings", [])):
        # Wording ours: that Google refuses it is on the page above.
        raise modern(400, "Policies with conditional role bindings must specify version 3 or greater.")


def _check_size(bindings: list[Json]) -> None:
    if (count := sum(len(binding["members"]) for binding in bindings)) > MOST_MEMBERS:
        # As recorded in hashicorp/terraform-provider-google#25093.
        message = f"The number of members in the policy ({count:,}) is larger than the maximum allowed size 1,500."
        raise modern(400, message)


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
    _rename_member(store, f"serviceAccount:{email}", _buried(email, unique_id))


def raise_member(store: Store, email: str, unique_id: str) -> None:
    """The way back: the bindings of an account that was undeleted."""
    _rename_member(store, _buried(email, unique_id), f"serviceAccount:{email}")


def _buried(email: str, unique_id: str) -> str:
    return f"deleted:serviceAccount:{email}?uid={unique_id}"


def _rename_member(store: Store, old: str, new: str) -> None:
    for key, policy in list(store.items(POLICIES)):
        if _renamed(policy, old, new):
            store.put(POLICIES, key, policy | {"etag": _new_etag()})
    # A new account of the same name must not come alive in a policy that is only still in force.
    for key, former in list(store.items(propagation.FORMER_POLICIES)):
        renamed = [_renamed(one["policy"], old, new) for one in former["policies"]]
        if any(renamed):
            store.put(propagation.FORMER_POLICIES, key, former)


def _renamed(policy: Json, old: str, new: str) -> bool:
    found = [binding for binding in policy.get("bindings", []) if old in binding["members"]]
    for binding in found:
        binding["members"] = list(dict.fromkeys(new if member == old else member for member in binding["members"]))
    return bool(found)


def concurrent_change() -> ApiError:
    """How IAM, Resource Manager and Secret Manager refuse a stale etag."""
    # The first sentence as recorded in googleapis/google-cloud-cpp#7166; the second is a later addition of Google's.
    message = (
        "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff. "
        "The request's ETag did not match the current policy's ETag."
    )
    return modern(409, message, "ABORTED")


def same_etag(given: str, current: str) -> bool:
    """Whether two etags are the same bytes: gcloud re-encodes them."""
    try:
        return decode_bytes(given) == decode_bytes(current)
    except (binascii.Error, ValueError) as error:
        # What Google's JSON parser says of any bytes field (its form: pulumi/pulumi-google-native#836).
        message = f"Invalid value at 'policy.etag' (TYPE_BYTES), Base64 decoding failed for {given!r}"
        raise modern(400, message) from error


def _binding(store: Store, settings: Settings, binding: Json) -> Json:
    role = binding.get("role", "")
    if not ROLE_NAME.fullmatch(role):
        # As recorded in hashicorp/terraform-provider-google#9130.
        raise modern(400, f"Role {role} is not supported for this resource.")
    if role.startswith(f"projects/{settings.project}/") and not _is_known(store, role):
        # As recorded in hashicorp/terraform-provider-google#6923.
        raise modern(400, f"Role ({role}) does not exist in the resource's hierarchy.")
    members = [_member(store, settings, member) for member in dict.fromkeys(binding.get("members", []))]
    if "condition" not in binding:
        return {"role": role, "members": members}
    if {"allUsers", "allAuthenticatedUsers"} & {*members}:
        # Wording ours; the rule: https://cloud.google.com/iam/docs/conditions-overview.
        raise modern(400, "Conditions can't be set where a role is granted to all users.")
    _check_condition(role, binding["condition"])
    return {"role": role, "members": members, "condition": binding["condition"]}


def _is_known(store: Store, custom_role: str) -> bool:
    return store.has(CUSTOM_ROLES, custom_role) and propagation.is_seen(store, custom_role)


def _check_condition(role: str, condition: Json) -> None:
    """Google answers 400 to a condition that does not compile, and to any on a basic role."""
    if role in BASIC:
        # As recorded in hashicorp/terraform-provider-google#7833.
        raise modern(
            400, "LintValidationUnits/BindingRoleAllowConditionCheck Error: Conditions can't be set on primitive roles."
        )
    expression = str(condition.get("expression", ""))
    try:
        compile_condition(expression)
    except ConditionError as error:
        # Wording ours.
        raise modern(400, f"Invalid condition expression {expression!r}: {error}.") from error


def _member(store: Store, settings: Settings, member: str) -> str:
    if not MEMBER.fullmatch(member):
        # As recorded in DefangLabs/defang#1541 (an account's policy) and kestra-io/plugin-gcp#318 (a bucket's).
        raise modern(400, f"The member {member} is of an unknown type. Please set a valid type prefix for the member.")
    kind, _, email = member.partition(":")
    if kind != "serviceAccount":
        return member
    email = email.lower()
    if email.endswith(f"@{settings.project}.iam.gserviceaccount.com") and not find_account(store, email):
        # As recorded in GoogleCloudPlatform/generative-ai#944.
        raise modern(400, f"Service account {email} does not exist.")
    return f"{kind}:{email}"


def _new_etag() -> str:
    return base64.b64encode(secrets.token_bytes(8)).decode()
