"""What can go wrong with a member of a role on a bucket."""

from tests.contract.bad_input import BUCKET, EMAIL, BadInput

GIVEN = {"bucket": BUCKET, "role": "roles/storage.objectUser", "member": f"serviceAccount:{EMAIL}"}
CONDITION = {"title": "until", "expression": "request.time < timestamp('2090-01-01T00:00:00Z')"}

ROWS = (
    BadInput("role", "is no role's name", {**GIVEN, "role": "objectUser"}, ("write it as roles/",)),
    BadInput("member", "has no kind in front", {**GIVEN, "member": EMAIL}, ("write it as serviceAccount:ADDRESS",)),
    BadInput(
        "member",
        "is everybody, and not on purpose",
        {**GIVEN, "member": "allUsers"},
        ("lets everybody in", "set allow_public: true"),
    ),
    BadInput(
        "member",
        "is everybody with an account, and not on purpose",
        {**GIVEN, "member": "allAuthenticatedUsers"},
        ("lets everybody in", "set allow_public: true"),
    ),
    BadInput(
        "condition",
        "is for everybody",
        {**GIVEN, "member": "allUsers", "allow_public": True, "condition": CONDITION},
        ("no condition for everybody: leave condition out",),
    ),
)
