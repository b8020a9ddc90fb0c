"""Service accounts that were deleted: what dies with them, and comes back when one is undeleted.

https://cloud.google.com/iam/docs/service-accounts-delete-undelete.
"""

from sandbox.access.accounts import ACCOUNTS, KEYS
from sandbox.access.policies import POLICIES, account_key, bury_member, raise_member
from sandbox.core.documents import Json
from sandbox.core.store import Store

# By unique id.
DELETED = "deleted_service_accounts"


def find(store: Store, unique_id: str) -> Json | None:
    """What was kept of the deleted account: `account`, `keys`, `policy`."""
    return store.get(DELETED, unique_id)


def delete(store: Store, account: Json) -> None:
    """Its tokens, keys, policy and bindings die at once; they are kept for an undelete."""
    email = account["email"]
    keys = dict(store.items(KEYS, f"{email}/"))
    policy = store.get(POLICIES, account_key(email))
    store.put(DELETED, account["uniqueId"], {"account": account, "keys": keys, "policy": policy})
    store.delete(ACCOUNTS, email)
    for key in keys:
        store.delete(KEYS, key)
    store.delete(POLICIES, account_key(email))
    bury_member(store, email, account["uniqueId"])


def undelete(store: Store, kept: Json) -> Json:
    """The account as it was, with everything that `delete` kept."""
    account: Json = kept["account"]
    store.delete(DELETED, account["uniqueId"])
    store.put(ACCOUNTS, account["email"], account)
    for name, key in kept["keys"].items():
        store.put(KEYS, name, key)
    if kept["policy"]:
        store.put(POLICIES, account_key(account["email"]), kept["policy"])
    raise_member(store, account["email"], account["uniqueId"])
    return account
