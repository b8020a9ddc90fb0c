# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a single setting of an instance may be, asked before anything is read or sent. Pure.

Ranges: the discovery document of the Cloud SQL Admin API, and of https://cloud.google.com/sql/docs/postgres the pages
instance-settings, backup-recovery/backups, configure-ip, maintenance, label-instance.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from ipaddress import IPv4Network, ip_network
from typing import Any

from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_fields import BY_OPTION, cidr, wanted_value
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.variables import setting

_NAME = re.compile(r"[a-z]([-a-z0-9]{0,96}[a-z0-9])?")
_LONGEST_CONNECTION_NAME = 98
_RANGES = {
    "data_disk_size_gb": (10, 65536),
    "storage_auto_resize_limit_gb": (0, 65536),
    "backup_configuration.retained_backups": (1, 365),
    "backup_configuration.transaction_log_retention_days": (1, 35),
    "maintenance_window.day": (1, 7),
    "maintenance_window.hour": (0, 23),
    "insights_config.query_string_length": (256, 4500),
    "insights_config.query_plans_per_minute": (0, 20),
    "password_validation_policy.min_length": (0, 100),
}
_PRIVATE = tuple(IPv4Network(network) for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
_MOST_LABELS = 64
_LONGEST_DENIAL = 90


def wrong_name(name: str, project: str) -> str:
    """Why an instance can't have that name; empty if it can."""
    correct = f"correct {setting('sql_instance', 'name')}"
    if ":" in name:
        alone = name.rpartition(":")[2]
        return f"name {name!r} is a connection name: set {setting('sql_instance', 'name')} to the name alone, {alone}"
    if not _NAME.fullmatch(name):
        return (
            f"name {name!r}: an instance's name starts with a letter and holds lower-case letters, digits and hyphens, "
            f"98 characters at most: {correct}"
        )
    if len(f"{project}:{name}") > _LONGEST_CONNECTION_NAME:
        most = _LONGEST_CONNECTION_NAME - len(project) - 1
        return f"name {name!r}: in project {project} an instance's name has {most} characters at most: {correct}"
    return ""


def wrong_settings(settings: Mapping[str, Any], name: str) -> Iterator[str]:
    """What these settings of an instance can never be, each as one sentence with the way out."""
    for option, (least, most) in _RANGES.items():
        value = wanted_value(settings, BY_OPTION[option])
        if value is not None and not least <= value <= most:
            yield f"{option} {value} of instance {name}: it is {least} to {most}: correct {_set(option)}"
    for option, wrong in _CHECKS.items():
        value = wanted_value(settings, BY_OPTION[option])
        if value not in (None, "") and (problem := wrong(value)):
            yield f"{option} {value!r} of instance {name}{problem}"
    yield from _wrong_networks(wanted_value(settings, BY_OPTION["ip_configuration.authorized_networks"]) or [], name)
    yield from _wrong_periods(settings.get("deny_maintenance_periods") or [], name)
    yield from _wrong_flags(settings.get("database_flags") or {}, name)
    yield from _wrong_labels(settings.get("user_labels") or {}, name)


def _set(option: str) -> str:
    return setting("sql_instance", option)


def _shaped(option: str, pattern: str, what: str) -> Callable[[str], str]:
    def wrong(value: str) -> str:
        return "" if re.fullmatch(pattern, value) else f": {what}: correct {_set(option)}"

    return wrong


def _wrong_tier(tier: str) -> str:
    if not re.fullmatch(r"db-[A-Za-z0-9-]+", tier):
        return (
            f" {_strange(tier)}, and Google's tiers are plain ASCII such as db-f1-micro or db-custom-2-7680: type "
            f"{_set('tier')} anew, do not copy it"
        )
    custom = re.fullmatch(r"db-custom-(\d+)-(\d+)", tier)
    if custom is None:
        return ""
    processors, memory = int(custom[1]), int(custom[2])
    if processors not in {1, *range(2, 97, 2)}:
        return f": a custom tier has 1 or an even number of CPUs up to 96: correct {_set('tier')}"
    # 0.9 to 6.5 GB for each CPU, in steps of 256 MB.
    least, most = max(3840, -(-processors * 922 // 256) * 256), processors * 6656
    if memory % 256 or not least <= memory <= most:
        nearest = min(max(-(-memory // 256) * 256, least), most)
        return (
            f": {processors} CPUs come with {least} to {most} MB in steps of 256: set {_set('tier')} to "
            f"db-custom-{processors}-{nearest}"
        )
    return ""


def _strange(text: str) -> str:
    """What is wrong with a text that should be plain: a copied one often holds other hyphens."""
    found = next((character for character in text if not character.isascii()), "")
    return f"holds {found!r} ({unicodedata.name(found, 'a character without a name')})" if found else "is no tier"


def _wrong_region(region: str) -> str:
    if re.fullmatch(r"[a-z]+-[a-z]+\d+-[a-z]", region):
        return f" is a zone: set {_set('region')} to {region[:-2]}"
    if re.fullmatch(r"(?i)[a-z]+-[a-z]+\d+", region):
        return ""
    return f" is no region: set {_set('region')} to one such as europe-west3"


def _wrong_time(value: str) -> str:
    if re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
        return ""
    quotes = " in quotes (YAML else makes a number of it)" if value.isdecimal() else ""
    return f": it is HH:MM in UTC: write {_set('backup_configuration.start_time')} such as '03:00'{quotes}"


_ZONE = r"[a-z]+-[a-z]+\d+-[a-z]"
_CHECKS: Mapping[str, Callable[[Any], str]] = {
    "tier": _wrong_tier,
    "database_version": _shaped(
        "database_version", r"POSTGRES_(9_6|\d+)", "only PostgreSQL is managed here, such as POSTGRES_14"
    ),
    "region": _wrong_region,
    "location_preference.zone": _shaped("location_preference.zone", _ZONE, "a zone is such as europe-west3-a"),
    "location_preference.secondary_zone": _shaped(
        "location_preference.secondary_zone", _ZONE, "a zone is such as europe-west3-b"
    ),
    "backup_configuration.start_time": _wrong_time,
    "backup_configuration.location": _shaped(
        "backup_configuration.location", r"[a-z][a-z0-9-]*", "it is a region such as europe-west3, or us, eu or asia"
    ),
    "ip_configuration.private_network": _shaped(
        "ip_configuration.private_network",
        r"(https://\S+/|/)?projects/[^/\s]+/global/networks/[^/\s]+",
        "a network is projects/PROJECT/global/networks/NAME",
    ),
    "ip_configuration.allocated_ip_range": _shaped(
        "ip_configuration.allocated_ip_range",
        r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?",
        "the name of a range holds lower-case letters, digits and hyphens, 63 at most, and is no address",
    ),
}


def _wrong_networks(networks: list[Mapping[str, Any]], name: str) -> Iterator[str]:
    option, seen = "ip_configuration.authorized_networks", set()
    for network in networks:
        value = str(network["value"])
        if problem := _wrong_network(value):
            yield f"{option} {value!r} of instance {name}{problem} in {_set(option)}"
        elif cidr(value) in seen:
            yield f"{option} {value!r} of instance {name} stands there twice: remove one from {_set(option)}"
        seen.add(cidr(value))


def _wrong_network(value: str) -> str:
    try:
        network = ip_network(value, strict=False)
    except ValueError:
        return " is no IPv4 network: write it as CIDR such as 203.0.113.0/24"
    if not isinstance(network, IPv4Network):
        return ": an instance has no IPv6: write an IPv4 network such as 203.0.113.0/24"
    if "/" in value and str(network.network_address) != value.partition("/")[0]:
        return f" is an address inside of a network: write {network} or {value.partition('/')[0]}/32"
    if any(network.subnet_of(private) for private in _PRIVATE):
        return ": Google authorizes public networks only: remove it, and use private_network instead"
    return ""


def _wrong_periods(periods: list[Mapping[str, Any]], name: str) -> Iterator[str]:
    option = "deny_maintenance_periods"
    if len(periods) > 1:
        yield f"{option} of instance {name}: Google takes one period: remove the others from {_set(option)}"
    for period in periods:
        start, end = period["start_date"], period["end_date"]
        if problem := _wrong_period(start, end, period.get("time") or "00:00:00"):
            yield f"{option} {start} to {end} of instance {name}: {problem} in {_set(option)}"


def _wrong_period(start: str, end: str, time: str) -> str:
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d", time):
        return f"time {time!r} is not HH:MM:SS: write it such as '00:00:00'"
    yearly = {len(moment) == len("mm-dd") for moment in (start, end)}
    first, last = _date_of(start), _date_of(end)
    if len(yearly) > 1 or first is None or last is None:
        return "its dates are both YYYY-MM-DD, or both MM-DD for every year: correct them"
    days = (last - first).days + (365 if yearly == {True} and last < first else 0)
    if not 0 <= days <= _LONGEST_DENIAL:
        return f"it lasts {days} days, and Google denies maintenance for {_LONGEST_DENIAL} at most: correct its dates"
    return ""


def _date_of(text: str) -> date | None:
    """A date; one of every year is taken of one without a leap day."""
    if not re.fullmatch(r"(\d{4}-)?\d\d-\d\d", text):
        return None
    try:
        return date.fromisoformat(text if len(text) > len("mm-dd") else f"2023-{text}")
    except ValueError:
        return None


def _wrong_flags(flags: Mapping[str, Any], name: str) -> Iterator[str]:
    for flag, value in flags.items():
        if isinstance(value, bool):
            yield (
                f"database_flags.{flag} of instance {name}: YAML reads on and off as booleans: write the value in "
                "quotes, 'on' or 'off'"
            )
        elif isinstance(value, list | dict):
            yield f"database_flags.{flag} of instance {name} is a {type(value).__name__}: write one value in quotes"


def _wrong_labels(labels: Mapping[str, Any], name: str) -> Iterator[str]:
    option = "user_labels"
    if len(labels) > _MOST_LABELS:
        yield f"{option} of instance {name}: an object has {_MOST_LABELS} labels at most: remove some"
    for key, value in labels.items():
        if not re.fullmatch(r"[^\W\d_][\w-]{0,62}", key) or key != key.lower():
            yield (
                f"{option}.{key} of instance {name}: a label's key starts with a letter and holds lower-case letters, "
                f"digits, _ and -, 63 at most: rename it in {_set(option)}"
            )
        if isinstance(value, bool | list | dict):
            yield f"{option}.{key} of instance {name} is no text: write the value in quotes"
        elif value is not None and (not re.fullmatch(r"[\w-]{0,63}", str(value)) or str(value) != str(value).lower()):
            yield (
                f"{option}.{key} {str(value)!r} of instance {name}: a label's value holds lower-case letters, digits, "
                f"_ and -, 63 at most: correct it in {_set(option)}"
            )
