"""What can go wrong with a service of the project."""

from tests.contract.bad_input import BadInput

ROWS = (
    BadInput("name", "is a title", {"name": "Cloud SQL Admin API"}, ("write it as sqladmin.googleapis.com",)),
    BadInput("name", "is an API's short name", {"name": "sqladmin"}, ("write it as sqladmin.googleapis.com",)),
)
