"""How a disk grows when the database does.

https://cloud.google.com/sql/docs/postgres/instance-settings#automatic-storage-increase-2ndgen
"""

LARGEST_THRESHOLD_GB = 25
THRESHOLD_BASE_GB, THRESHOLD_SHARE = 5, 25


def threshold(size: int) -> int:
    """When less than this is free, this much is added: 5 GB and 1/25 of the disk, 25 GB at most."""
    return min(LARGEST_THRESHOLD_GB, THRESHOLD_BASE_GB + size // THRESHOLD_SHARE)


def grown(size: int, used: int, limit: int) -> int:
    """The size of a disk that grows by itself; `limit` 0 is none. It never shrinks."""
    while size - used < threshold(size) and not (limit and size >= limit):
        size = size + threshold(size)
        size = min(size, limit) if limit else size
    return size
