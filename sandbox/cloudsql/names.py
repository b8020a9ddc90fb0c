"""Whether a deleted instance's name is kept from being used again.

Google's page says that "the deleted instance name can be reused immediately", its 409 still says one week:
https://cloud.google.com/sql/docs/postgres/delete-instance. So the default is 0 days; the management port sets another.
"""

import datetime as dt

from sandbox.core.documents import Json, timestamp
from sandbox.core.store import Store

DELETED = "deleted_instances"
RESERVATION = "name_reservation"


def reserved_days(store: Store) -> int:
    """For how many days a name is reserved."""
    return int((store.get(RESERVATION, "days") or {"days": 0})["days"])


def reserve_for(store: Store, days: int) -> None:
    """From now on, for the instances already deleted too."""
    store.put(RESERVATION, "days", {"days": days})


def remember(store: Store, instance: str) -> None:
    """The instance goes now."""
    store.put(DELETED, instance, {"deleted": timestamp()})


def is_reserved(store: Store, instance: str, now: dt.datetime) -> bool:
    """Whether its last instance went less than the reserved days ago."""
    document: Json | None = store.get(DELETED, instance)
    if document is None:
        return False
    return now < dt.datetime.fromisoformat(document["deleted"]) + dt.timedelta(days=reserved_days(store))
