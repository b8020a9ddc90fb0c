"""What can go wrong with a secret."""

from tests.contract.bad_input import SECRET, BadInput

ROWS = (
    BadInput("name", "is a path", {"name": f"projects/p/secrets/{SECRET}"}, ("letters, digits, hyphens",)),
    BadInput(
        "value", "is given and generated", {"name": SECRET, "value": "hunter2", "generate": True}, ("leave one out",)
    ),
    BadInput("value", "is empty", {"name": SECRET, "value": ""}, ("empty or longer",)),
    BadInput("value", "is too long", {"name": SECRET, "value": "x" * 65537}, ("longer than 65536 bytes",)),
    BadInput("rotate", "has nothing to generate", {"name": SECRET, "rotate": True}, ("rotate needs generate",)),
    BadInput(
        "replication_locations",
        "is another than the secret's",
        {"name": SECRET, "replication_locations": ["europe-west3"]},
        ("make a secret with a new name",),
    ),
    BadInput(
        "expire_time", "has no zone", {"name": SECRET, "expire_time": "2030-01-31"}, ("no time with a zone: write",)
    ),
    BadInput(
        "ttl_seconds",
        "is there with expire_time",
        {"name": SECRET, "ttl_seconds": 60, "expire_time": "2030-01-31T00:00:00Z"},
        ("leave one out",),
    ),
    BadInput("ttl_seconds", "is 0", {"name": SECRET, "ttl_seconds": 0}, ("too small: give 1 or more",)),
    BadInput(
        "version_destroy_ttl_seconds",
        "is below 0",
        {"name": SECRET, "version_destroy_ttl_seconds": -1},
        ("too small: give 0 or more",),
    ),
    BadInput(
        "version_aliases", "is latest", {"name": SECRET, "version_aliases": {"latest": 1}}, ("neither latest nor NEW",)
    ),
    BadInput(
        "version_aliases",
        "is no number",
        {"name": SECRET, "version_aliases": {"current": "v1"}},
        ("number of a version",),
    ),
    BadInput("annotations", "has a bad key", {"name": SECRET, "annotations": {"-a": "b"}}, ("can't be a key: use",)),
    BadInput("confirm_delete", "is missing", {"name": SECRET, "state": "absent"}, (f"set confirm_delete: {SECRET}",)),
)
