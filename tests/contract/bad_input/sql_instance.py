"""Rows of sql_instance: values that a setting can't have, settings that do not fit together, and Google's own flags."""

from __future__ import annotations

from typing import Any

from tests.contract.bad_input import INSTANCE, BadInput

# A new instance that would be fine.
NEW: dict[str, Any] = {
    "name": "another",
    "database_version": "POSTGRES_14",
    "region": "europe-west3",
    "tier": "db-f1-micro",
}
BACKUP, IP = "backup_configuration", "ip_configuration"


def new(option: str, rule: str, words: tuple[str, ...], **settings: Any) -> BadInput:
    """A row about an instance that is yet to be made."""
    return BadInput(option, rule, {**NEW, **settings}, words)


def there(option: str, rule: str, words: tuple[str, ...], **settings: Any) -> BadInput:
    """A row about the instance that exists."""
    return BadInput(option, rule, {"name": INSTANCE, **settings}, words)


def flag(name: str, value: Any, rule: str, *words: str) -> BadInput:
    """A row about a database flag of the instance that exists; leave to restart would not help."""
    return there(f"database_flags.{name}", rule, words, database_flags={name: value}, allow_restart=True)


def network(value: str, rule: str, *words: str) -> BadInput:
    """A row about an authorized network."""
    option = f"{IP}.authorized_networks"
    return there(option, rule, (repr(value), *words), ip_configuration={"authorized_networks": [{"value": value}]})


def denied(start: str, end: str, rule: str, *words: str) -> BadInput:
    """A row about a time without maintenance."""
    periods = [{"start_date": start, "end_date": end}]
    return there("deny_maintenance_periods", rule, words, deny_maintenance_periods=periods)


VALUES = (
    new("name", "is no name", ("'Mlflow_DB'", "lower-case letters"), name="Mlflow_DB"),
    new("name", "is too long with the project", ("83 characters at most",), name="m" * 90),
    new("tier", "has another hyphen", ("NON-BREAKING HYPHEN", "do not copy it"), tier="db\u2011f1\u2011micro"),
    new("tier", "has an odd number of CPUs", ("1 or an even number",), tier="db-custom-3-7680"),
    new("tier", "has memory that is not sold", ("to db-custom-2-3840",), tier="db-custom-2-1024"),
    new("database_version", "is another database", ("only PostgreSQL",), database_version="MYSQL_8_0"),
    new("region", "is a zone", ("to europe-west3",), region="europe-west3-a"),
    new("region", "is no region", ("'Frankfurt'", "such as europe-west3"), region="Frankfurt"),
    there("data_disk_size_gb", "is too small", ("it is 10 to 65536",), data_disk_size_gb=5),
    there("storage_auto_resize_limit_gb", "is negative", ("it is 0 to",), storage_auto_resize_limit_gb=-1),
    there("location_preference.zone", "is no zone", ("europe-west3-a",), location_preference={"zone": "a"}),
    there(f"{BACKUP}.start_time", "is a number", ("in quotes",), backup_configuration={"start_time": 720}),
    there(f"{BACKUP}.start_time", "is no time", ("HH:MM",), backup_configuration={"start_time": "24:00"}),
    there(f"{BACKUP}.retained_backups", "is none", ("1 to 365",), backup_configuration={"retained_backups": 0}),
    there(f"{BACKUP}.location", "is no location", ("or us, eu or asia",), backup_configuration={"location": "EU!"}),
    there("maintenance_window.day", "is no day", ("1 to 7",), maintenance_window={"day": 0, "hour": 3}),
    there("maintenance_window.hour", "is no hour", ("0 to 23",), maintenance_window={"day": 1, "hour": 24}),
    denied("2026-12-01", "2027-04-01", "is too long", "121 days", "90 at most"),
    denied("2026-12-01", "01-10", "mixes two forms", "both MM-DD"),
    there("insights_config.query_string_length", "is short", ("256",), insights_config={"query_string_length": 10}),
    network("203.0.113.7/24", "has host bits", "203.0.113.0/24 or 203.0.113.7/32"),
    network("2001:db8::/32", "is IPv6", "no IPv6"),
    network("10.0.0.0/8", "is private", "public networks only"),
    network("office", "is no network", "as CIDR"),
    there(
        *(f"{IP}.private_network", "is no path", ("projects/PROJECT/global/networks/NAME",)),
        ip_configuration={"private_network": "default"},
    ),
    there(
        *(f"{IP}.allocated_ip_range", "is an address", ("is no address",)),
        ip_configuration={"allocated_ip_range": "10.7.0.0/16"},
    ),
    there("user_labels.Team", "has capitals in its key", ("rename it",), user_labels={"Team": "ml"}),
    there("user_labels.team", "has spaces in its value", ("'data science'",), user_labels={"team": "data science"}),
)
TOGETHER = (
    new("availability_type", "needs backups", ("needs automated backups",), availability_type="REGIONAL"),
    new(
        *(f"{BACKUP}.point_in_time_recovery_enabled", "needs backups", ("to true",)),
        backup_configuration={"point_in_time_recovery_enabled": True},
    ),
    there(
        *(f"{BACKUP}.transaction_log_retention_days", "is too much for the edition", ("edition ENTERPRISE", "to 7")),
        backup_configuration={"transaction_log_retention_days": 14},
    ),
    there("edition", "does not have the tier", ("db-perf-optimized-N-2",), edition="ENTERPRISE_PLUS"),
    there("tier", "is none of the edition", ("db-custom-2-7680",), tier="db-perf-optimized-N-4", allow_restart=True),
    there("storage_auto_resize_limit_gb", "is below the size", ("10 GB", "0 for no"), storage_auto_resize_limit_gb=9),
    there(
        *(f"{IP}.ipv4_enabled", "leaves no address", ("without any address", "private_network")),
        ip_configuration={"ipv4_enabled": False},
    ),
    new(
        *(f"{IP}.authorized_networks", "has no effect", ("connector_enforcement REQUIRED",)),
        ip_configuration={"authorized_networks": [{"value": "203.0.113.0/24"}]},
        connector_enforcement="REQUIRED",
    ),
    there(
        *(f"{IP}.allocated_ip_range", "needs a network", ("needs a private address",)),
        ip_configuration={"allocated_ip_range": "sql-range"},
    ),
    there(
        *("location_preference.zone", "is in another region", ("not in region europe-west3",)),
        location_preference={"zone": "europe-west1-b"},
    ),
    there("maintenance_window.hour", "has no day", ("without a day",), maintenance_window={"hour": 4}),
)
FLAGS = (
    flag("wrok_mem", "64", "is misspelled", "no flag of POSTGRES_14", "perhaps to work_mem"),
    flag("max_connections", "5", "is below its range", "'5' is out of range", "from 14 to 262143"),
    flag("work_mem", "8MB", "has a unit", "no whole number", "no units"),
    flag("log_statement", "MOD", "is none of its values", "none, ddl, mod, all", "set 'mod'"),
    flag("autovacuum", "true", "is no switch", "set 'on'"),
    flag("random_page_cost", "cheap", "is no number", "is no number"),
    flag("cloudsql.iam_authentication", True, "is a boolean", "in quotes", "'on' or 'off'"),
    BadInput(
        "database_flags.idle_session_timeout",
        "is too new for the version",
        {**NEW, "database_version": "POSTGRES_13", "database_flags": {"idle_session_timeout": "1000"}},
        ("no flag of POSTGRES_13",),
    ),
)
RUNS = (
    BadInput("tier", "is missing for a new instance", {"name": "another", "region": "europe-west3"}, ("tier",)),
    there("final_backup_retention_days", "is too long", ("1 to 365",), state="absent", final_backup_retention_days=900),
    there("timeout", "is no time", ("1 or more",), timeout=0),
    there("confirm_delete", "is missing", ("set confirm_delete: db",), state="absent"),
    there(
        "confirm_delete", "is another name", ("'db2'", "set confirm_delete: db"), state="absent", confirm_delete="db2"
    ),
)
ROWS = VALUES + TOGETHER + FLAGS + RUNS
