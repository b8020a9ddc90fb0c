"""What can go wrong with a member of a role on a secret."""

from tests.contract.bad_input import EMAIL, SECRET, BadInput

GIVEN = {"secret": SECRET, "role": "roles/secretmanager.secretAccessor", "member": f"serviceAccount:{EMAIL}"}

ROWS = (
    BadInput("role", "is no role's name", {**GIVEN, "role": "secretAccessor"}, ("write it as roles/",)),
    BadInput("member", "is a group without an address", {**GIVEN, "member": "group:readers"}, ("or no address",)),
    BadInput(
        "member",
        "is everybody, and not on purpose",
        {**GIVEN, "member": "allAuthenticatedUsers"},
        ("lets everybody in", "set allow_public: true"),
    ),
)
