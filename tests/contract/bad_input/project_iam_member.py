"""What can go wrong with a member of a role on the project."""

from tests.contract.bad_input import EMAIL, BadInput

GIVEN = {"role": "roles/cloudsql.client", "member": f"serviceAccount:{EMAIL}"}
CONDITION = {"title": "until", "expression": "request.time < timestamp('2090-01-01T00:00:00Z')"}

ROWS = (
    BadInput("role", "is no role's name", {**GIVEN, "role": "cloudsql.client"}, ("write it as roles/",)),
    BadInput("member", "has no kind in front", {**GIVEN, "member": EMAIL}, ("write it as serviceAccount:ADDRESS",)),
    BadInput("member", "is a user without an address", {**GIVEN, "member": "user:somebody"}, ("or no address",)),
    BadInput("member", "is everybody, on a project", {**GIVEN, "member": "allUsers"}, ("name an account or a group",)),
    BadInput(
        "member",
        "is a deleted account that is to be bound",
        {**GIVEN, "member": f"deleted:serviceAccount:{EMAIL}?uid=123"},
        ("no kind in front",),
    ),
    BadInput(
        "condition",
        "is on a basic role",
        {**GIVEN, "role": "roles/editor", "condition": CONDITION},
        ("basic role: choose",),
    ),
    BadInput(
        "condition.title",
        "is empty",
        {**GIVEN, "condition": {**CONDITION, "title": " "}},
        ("its title or its expression is empty: give both",),
    ),
    BadInput(
        "condition.expression",
        "is empty",
        {**GIVEN, "condition": {**CONDITION, "expression": ""}},
        ("its title or its expression is empty: give both",),
    ),
    BadInput(
        "wait_for_permissions",
        "is about a member that can't be asked",
        {**GIVEN, "member": "group:g@example.com", "wait_for_permissions": ["cloudsql.instances.connect"]},
        ("only a service account can be asked",),
    ),
    BadInput(
        "wait_for_permissions",
        "is under a condition",
        {**GIVEN, "condition": CONDITION, "wait_for_permissions": ["cloudsql.instances.connect"]},
        ("depends on the request: leave it out",),
    ),
    BadInput(
        "wait_timeout",
        "is below a second",
        {**GIVEN, "wait_for_permissions": ["cloudsql.instances.connect"], "wait_timeout": 0},
        ("give the seconds to wait",),
    ),
)
