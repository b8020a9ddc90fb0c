"""What can go wrong with a service account."""

from tests.contract.bad_input import ACCOUNT, EMAIL, BadInput

ROWS = (
    BadInput("account_id", "is an address", {"account_id": EMAIL}, ("what stands before the @",)),
    BadInput("account_id", "is too short", {"account_id": "short"}, ("6 to 30", "correct mlflow_server_account")),
    BadInput("account_id", "has capitals", {"account_id": "MLflow-server"}, ("lower-case letters",)),
    BadInput(
        "display_name", "is too long", {"account_id": ACCOUNT, "display_name": "x" * 101}, ("101 bytes", "takes 100")
    ),
    BadInput(
        "description", "is too long", {"account_id": ACCOUNT, "description": "x" * 257}, ("257 bytes", "takes 256")
    ),
    BadInput(
        "confirm_delete",
        "is missing",
        {"account_id": ACCOUNT, "state": "absent"},
        (f"set confirm_delete: {EMAIL}", "set disabled: true", "keys and bindings die"),
    ),
    BadInput(
        "confirm_delete",
        "is not the whole address",
        {"account_id": ACCOUNT, "state": "absent", "confirm_delete": ACCOUNT},
        (f"confirm_delete is '{ACCOUNT}'", f"set confirm_delete: {EMAIL}"),
    ),
)
