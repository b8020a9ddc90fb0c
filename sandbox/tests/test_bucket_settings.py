"""What time does to a bucket's settings, which no test over HTTP can wait for."""

import datetime as dt

import pytest

from sandbox.apis.storage.bucket_settings import changed, defaults, reset
from sandbox.core.documents import Json
from sandbox.core.errors import ApiError

MADE = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
OPEN, LOCKED = MADE + dt.timedelta(days=89), MADE + dt.timedelta(days=91)
OFF: Json = {"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": False}}}


@pytest.fixture
def uniform() -> Json:
    """A bucket that has had uniform access since it was made."""
    wanted = {"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}}}
    return changed(defaults("bucket", "1", MADE), wanted, MADE)


def access(bucket: Json) -> bool:
    """Whether access is uniform."""
    return bool(bucket["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"])


def test_uniform_access_is_locked_after_90_days(uniform: Json) -> None:
    assert access(changed(uniform, OFF, OPEN)) is False
    with pytest.raises(ApiError, match="it is locked") as refused:
        changed(uniform, OFF, LOCKED)
    assert refused.value.code == 412
    assert (access(reset(uniform, OPEN)), access(reset(uniform, LOCKED))) == (False, True)


def test_saying_again_what_is_so_moves_no_date(uniform: Json) -> None:
    uniform = changed(uniform, {"retentionPolicy": {"retentionPeriod": "60"}}, MADE)
    said = {name: uniform[name] for name in ("iamConfiguration", "softDeletePolicy", "retentionPolicy")}
    assert changed(uniform, said, OPEN) == uniform
    longer = changed(uniform, {"retentionPolicy": {"retentionPeriod": "61"}}, OPEN)
    assert longer["retentionPolicy"]["effectiveTime"] == uniform["retentionPolicy"]["effectiveTime"]


def test_what_the_service_says_is_not_the_clients_to_change(uniform: Json) -> None:
    lies = {"projectNumber": "2", "timeCreated": "yesterday", "etag": "x", "name": "other", "locationType": "moon"}
    assert changed(uniform, lies, OPEN) == uniform
