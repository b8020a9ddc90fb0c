"""Access control lists: shown as every fine-grained bucket and object starts out (projectPrivate), never changed.

Shapes as in the recorded replies of https://github.com/GoogleCloudPlatform/k8s-config-connector (storagebucketzero);
texts and order as measured: https://github.com/kmoneil/zig-gcp (src/storage/fake_acl.zig).
"""

from urllib.parse import quote

from sandbox.apis.storage import API, BUCKET_PATH, find_bucket, is_uniform, not_emulated
from sandbox.apis.storage.object_store import find_object
from sandbox.core.documents import Json
from sandbox.core.errors import ApiError, classic
from sandbox.core.routing import Answer, Call, Route

READ_MORE = "Read more at https://cloud.google.com/storage/docs/uniform-bucket-level-access"
TEAMS = {"owners": "OWNER", "editors": "OWNER", "viewers": "READER"}
LISTS = ("acl", "defaultObjectAcl")
# What a canned list of this name gives is what is there anyway.
USUAL = "projectPrivate"


def bucket_lists(origin: str, bucket: Json) -> Json:
    """acl, defaultObjectAcl and owner of a bucket."""
    name, link = bucket["name"], f"{origin}/storage/v1/b/{bucket['name']}/acl"
    acl = [
        _entry(bucket, team, "bucket", bucket["etag"])
        | {"bucket": name, "id": f"{name}/{_entity(bucket, team)}", "selfLink": f"{link}/{_entity(bucket, team)}"}
        for team in TEAMS
    ]
    default = [_entry(bucket, team, "object", bucket["etag"]) for team in TEAMS]
    return {"acl": acl, "defaultObjectAcl": default, "owner": {"entity": _entity(bucket, "owners")}}


def object_lists(origin: str, bucket: Json, document: Json, etag: str) -> Json:
    """acl and owner of an object: the bucket's default, then its writer."""
    writer: Json = {"kind": "storage#objectAccessControl", "entity": f"user-{document['owner']}", "role": "OWNER"}
    writer |= {"email": document["owner"], "etag": etag}
    entries = [*(_entry(bucket, team, "object", etag) for team in TEAMS), writer]
    where = {name: document[name] for name in ("bucket", "generation")} | {"object": document["name"]}
    link = f"{origin}/storage/v1/b/{document['bucket']}/o/{quote(document['name'], safe='')}/acl"
    acl = [
        entry | where | {"id": f"{document['id']}/{entry['entity']}", "selfLink": f"{link}/{entry['entity']}"}
        for entry in entries
    ]
    return {"acl": acl, "owner": {"entity": writer["entity"]}}


def refuse_lists(call: Call, bucket: Json, given: Json, refusal: str) -> None:
    """Refuse a write that brings a list or names a canned one: an empty list is ignored, the usual one taken."""
    canned = [value for name, value in call.query.items() if "predefined" in name.lower() and value]
    if not canned and not any(given.get(name) for name in LISTS):
        return
    if is_uniform(bucket):
        raise _refused(refusal)
    if any(value != USUAL for value in canned) or not all(_is_usual(bucket, given.get(name)) for name in LISTS):
        raise not_emulated("access control lists: use uniform bucket-level access and IAM")


WRITE_BUCKET = "Cannot use ACL API to update bucket policy when uniform bucket-level access is enabled."
WRITE_OBJECT = "Cannot insert legacy ACL for an object when uniform bucket-level access is enabled."
CHANGE_OBJECT = "Cannot update access control for an object when uniform bucket-level access is enabled."
READ_BUCKET = "Cannot get legacy ACL for a bucket that has uniform bucket-level access."
READ_OBJECT = "Cannot get legacy ACL for an object when uniform bucket-level access is enabled."


async def list_of_bucket(call: Call) -> Answer:
    """https://cloud.google.com/storage/docs/json_api/v1/bucketAccessControls/list."""
    bucket = _fine_grained(call, READ_BUCKET)
    return {"kind": "storage#bucketAccessControls", "items": bucket_lists(call.origin, bucket)["acl"]}


async def list_of_default(call: Call) -> Answer:
    """https://cloud.google.com/storage/docs/json_api/v1/defaultObjectAccessControls/list."""
    bucket = _fine_grained(call, READ_BUCKET)
    return {"kind": "storage#objectAccessControls", "items": bucket_lists(call.origin, bucket)["defaultObjectAcl"]}


async def list_of_object(call: Call) -> Answer:
    """https://cloud.google.com/storage/docs/json_api/v1/objectAccessControls/list."""
    bucket = _fine_grained(call, READ_OBJECT)
    document = find_object(call)
    return {
        "kind": "storage#objectAccessControls",
        "items": object_lists(call.origin, bucket, document, document["etag"])["acl"],
    }


async def insert_into_bucket(call: Call) -> Answer:
    """https://cloud.google.com/storage/docs/json_api/v1/bucketAccessControls/insert."""
    bucket = _fine_grained(call, WRITE_BUCKET)
    return _found(bucket_lists(call.origin, bucket)["acl"], await call.body())


async def insert_into_object(call: Call) -> Answer:
    """https://cloud.google.com/storage/docs/json_api/v1/objectAccessControls/insert."""
    bucket, document = _fine_grained(call, CHANGE_OBJECT), find_object(call)
    return _found(object_lists(call.origin, bucket, document, document["etag"])["acl"], await call.body())


def _fine_grained(call: Call, refusal: str) -> Json:
    bucket = find_bucket(call)
    if is_uniform(bucket):
        raise _refused(refusal)
    return bucket


def _is_usual(bucket: Json, entries: list[Json] | None) -> bool:
    """Whether a list is what is there anyway, as clients send it back that read it before."""
    teams = {(_entity(bucket, team), role) for team, role in TEAMS.items()}
    return not entries or teams == {
        (one.get("entity"), one.get("role")) for one in entries if not str(one.get("entity")).startswith("user-")
    }


def _found(entries: list[Json], wanted: Json) -> Json:
    """The entry that is wanted where it is there already; another one cannot be made."""
    for entry in entries:
        if (entry["entity"], entry["role"]) == (wanted.get("entity"), wanted.get("role")):
            return entry
    raise not_emulated("access control lists: use uniform bucket-level access and IAM")


def _refused(text: str) -> ApiError:
    """Five texts, as measured: https://github.com/kmoneil/zig-gcp (src/storage/fake_acl.zig); fog/fog-google#536."""
    return classic(400, f"{text} {READ_MORE}", "invalid")


def _entity(bucket: Json, team: str) -> str:
    return f"project-{team}-{bucket['projectNumber']}"


def _entry(bucket: Json, team: str, kind: str, etag: str) -> Json:
    return {
        "kind": f"storage#{kind}AccessControl",
        "entity": _entity(bucket, team),
        "role": TEAMS[team],
        "projectTeam": {"projectNumber": bucket["projectNumber"], "team": team},
        "etag": etag,
    }


ROUTES = [
    Route("GET", f"{BUCKET_PATH}/acl", list_of_bucket, API, "storage.buckets.getIamPolicy"),
    Route("POST", f"{BUCKET_PATH}/acl", insert_into_bucket, API, "storage.buckets.setIamPolicy"),
    Route("GET", f"{BUCKET_PATH}/defaultObjectAcl", list_of_default, API, "storage.buckets.getIamPolicy"),
    Route("GET", f"{BUCKET_PATH}/o/{{object+}}/acl", list_of_object, API, "storage.objects.getIamPolicy"),
    Route("POST", f"{BUCKET_PATH}/o/{{object+}}/acl", insert_into_object, API, "storage.objects.setIamPolicy"),
]
