"""Settings that fit together or do not, what a single one may be, and the flags as Google's catalog has them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_flags import read_catalog, wrong_flags
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_options import SETTINGS, choices_of
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_rules import RULES, after, broken, state_of
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_values import wrong_name, wrong_settings
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import Change

from tests.unit.fakes import NOT_FOUND, cloud, ok

BACKUP, IP = "backup_configuration", "ip_configuration"
NEW = {"database_version": "POSTGRES_14", "region": "europe-west3", "tier": "db-f1-micro"}
NETWORK = "projects/p/global/networks/n"


def complaints(**wanted: Any) -> list[str]:
    """What is wrong with a new instance of these settings."""
    state = after(state_of({}), {**NEW, **wanted})
    return list(broken(state, state.keys()))


@pytest.mark.parametrize(
    ("wrong", "fine", "words"),
    [
        (
            {"availability_type": "REGIONAL", BACKUP: {"enabled": True}},
            {"availability_type": "REGIONAL", BACKUP: {"enabled": True, "point_in_time_recovery_enabled": True}},
            "availability_type REGIONAL needs automated backups",
        ),
        (
            {BACKUP: {"point_in_time_recovery_enabled": True, "enabled": False}},
            {BACKUP: {"point_in_time_recovery_enabled": True, "enabled": True}},
            "needs automated backups: set backup_configuration.enabled",
        ),
        (
            {BACKUP: {"transaction_log_retention_days": 8}},
            {BACKUP: {"transaction_log_retention_days": 7}},
            "8 is too much for edition ENTERPRISE",
        ),
        (
            {"edition": "ENTERPRISE_PLUS", "tier": "db-custom-2-7680"},
            {
                "edition": "ENTERPRISE_PLUS",
                "tier": "db-perf-optimized-N-2",
                BACKUP: {"transaction_log_retention_days": 35},
            },
            "none of edition ENTERPRISE_PLUS",
        ),
        ({"tier": "db-c4a-highmem-4"}, {"tier": "db-custom-2-7680"}, "none of edition ENTERPRISE:"),
        (
            {"edition": "ENTERPRISE_PLUS", "tier": "db-perf-optimized-N-2", "database_version": "POSTGRES_11"},
            {"edition": "ENTERPRISE_PLUS", "tier": "db-perf-optimized-N-2", "database_version": "POSTGRES_12"},
            "starts with POSTGRES_12",
        ),
        ({"storage_auto_resize_limit_gb": 9}, {"storage_auto_resize_limit_gb": 10}, "below the disk's 10 GB"),
        (
            {"storage_auto_resize_limit_gb": 40, "data_disk_size_gb": 41},
            {"storage_auto_resize_limit_gb": 0, "data_disk_size_gb": 41},
            "or to 0 for no limit",
        ),
        (
            {IP: {"ipv4_enabled": False}},
            {IP: {"ipv4_enabled": False, "private_network": NETWORK}},
            "without any address",
        ),
        (
            {IP: {"ipv4_enabled": False, "private_network": NETWORK, "authorized_networks": [{"value": "192.0.2.1"}]}},
            {IP: {"ipv4_enabled": True, "private_network": NETWORK, "authorized_networks": [{"value": "192.0.2.1"}]}},
            "no effect without a public address",
        ),
        (
            {"connector_enforcement": "REQUIRED", IP: {"authorized_networks": [{"value": "192.0.2.1"}]}},
            {"connector_enforcement": "REQUIRED", IP: {"authorized_networks": []}},
            "no effect with connector_enforcement REQUIRED",
        ),
        (
            {IP: {"enable_private_path_for_google_cloud_services": True, "private_network": NETWORK}},
            {
                IP: {
                    "enable_private_path_for_google_cloud_services": True,
                    "private_network": NETWORK,
                    "ipv4_enabled": False,
                }
            },
            "is for instances without a public address",
        ),
        (
            {IP: {"allocated_ip_range": "sql-range"}},
            {IP: {"allocated_ip_range": "sql-range", "private_network": NETWORK}},
            "needs a private address",
        ),
        (
            {"location_preference": {"zone": "europe-west1-b"}},
            {"location_preference": {"zone": "europe-west3-b"}, "region": "EUROPE-west3"},
            "not in region europe-west3",
        ),
        (
            {"location_preference": {"zone": "europe-west3-b", "secondary_zone": "europe-west3-b"}},
            {"location_preference": {"zone": "europe-west3-b", "secondary_zone": "europe-west3-a"}},
            "the instance's first zone too",
        ),
        (
            {"maintenance_window": {"hour": 3}},
            {"maintenance_window": {"hour": 3, "day": 1}},
            "says nothing without a day",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_settings_that_do_not_fit_together(wrong: dict[str, Any], fine: dict[str, Any], words: str) -> None:
    (sentence,) = complaints(**wrong)
    assert words in sentence
    assert complaints(**fine) == []


def test_a_rule_asks_only_about_what_is_to_change() -> None:
    state = after(state_of({}), {**NEW, "availability_type": "REGIONAL"})
    assert list(broken(state, ["tier", "user_labels.a"])) == []
    assert len(list(broken(state, ["availability_type"]))) == 1


def test_rules_are_about_options_that_exist() -> None:
    for rule in RULES:
        assert [choices_of(option) for option in rule.options]


def test_a_disk_that_has_grown_counts_with_its_size() -> None:
    body = {"settings": {"dataDiskSizeGb": "60"}}
    state = after(state_of(body), {"data_disk_size_gb": 10, "storage_auto_resize_limit_gb": 50})
    assert "below the disk's 60 GB" in next(broken(state, ["storage_auto_resize_limit_gb"]))


@pytest.mark.parametrize(
    "settings",
    [
        {"tier": "db-custom-1-3840"},
        {"tier": "db-custom-2-13312"},
        {"tier": "db-custom-96-638976"},
        {"tier": "db-perf-optimized-N-2"},
        {"region": "northamerica-northeast1"},
        {"region": "US-Central1"},
        {"data_disk_size_gb": 10},
        {"storage_auto_resize_limit_gb": 0},
        {
            BACKUP: {
                "start_time": "23:59",
                "retained_backups": 365,
                "transaction_log_retention_days": 1,
                "location": "eu",
            }
        },
        {"maintenance_window": {"day": 1, "hour": 0}},
        {"deny_maintenance_periods": [{"start_date": "12-20", "end_date": "01-10"}]},
        {"deny_maintenance_periods": [{"start_date": "2026-10-01", "end_date": "2026-12-30", "time": "23:00:00"}]},
        {"deny_maintenance_periods": []},
        {"insights_config": {"query_string_length": 256, "query_plans_per_minute": 0}},
        {IP: {"authorized_networks": [{"value": "203.0.113.0/24"}, {"value": "198.51.100.7"}, {"value": "0.0.0.0/0"}]}},
        {IP: {"private_network": f"https://www.googleapis.com/compute/v1/{NETWORK}", "allocated_ip_range": "a"}},
        {IP: {"private_network": f"/{NETWORK}"}},
        {"user_labels": {"team": "ml", "cost-centre": 42, "übung": "naïve_1", "gone": None, "empty": ""}},
        {"user_labels": {f"k{n}": "x" for n in range(64)}},
        {"database_flags": {"max_connections": 40, "jit": "on", "work_mem": None}},
    ],
    ids=str,
)
def test_values_that_google_takes(settings: dict[str, Any]) -> None:
    assert list(wrong_settings(settings, "db")) == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"tier": "db-custom-2-13568"}, "to db-custom-2-13312"),
        ({"tier": "db-custom-8-3840"}, "to db-custom-8-7424"),
        ({"tier": "db-custom-2-7681"}, "to db-custom-2-7936"),
        ({"tier": "db-custom-98-98304"}, "even number of CPUs"),
        ({"tier": "f1-micro"}, "is no tier"),
        ({"data_disk_size_gb": 65537}, "10 to 65536"),
        ({BACKUP: {"start_time": "3:00"}}, "'03:00'"),
        ({BACKUP: {"retained_backups": 366}}, "1 to 365"),
        ({BACKUP: {"transaction_log_retention_days": 36}}, "1 to 35"),
        ({"maintenance_window": {"day": 8}}, "1 to 7"),
        ({"insights_config": {"query_string_length": 4501}}, "256 to 4500"),
        ({"insights_config": {"query_plans_per_minute": 21}}, "0 to 20"),
        ({"password_validation_policy": {"min_length": -1}}, "0 to 100"),
        ({"location_preference": {"secondary_zone": "europe-west3"}}, "such as europe-west3-b"),
        ({"deny_maintenance_periods": [{"start_date": "12-01", "end_date": "03-02"}]}, "91 days"),
        ({"deny_maintenance_periods": [{"start_date": "2026-02-02", "end_date": "2026-02-01"}]}, "lasts -1 days"),
        ({"deny_maintenance_periods": [{"start_date": "2026-13-01", "end_date": "2026-13-02"}]}, "YYYY-MM-DD"),
        ({"deny_maintenance_periods": [{"start_date": "20261201", "end_date": "20261202"}]}, "YYYY-MM-DD"),
        (
            {"deny_maintenance_periods": [{"start_date": "12-01", "end_date": "12-02", "time": "6:00"}]},
            "time '6:00' is not HH:MM:SS",
        ),
        ({"deny_maintenance_periods": [{"start_date": "12-01", "end_date": "12-02"}] * 2}, "takes one period"),
        ({IP: {"authorized_networks": [{"value": "203.0.113.7"}, {"value": "203.0.113.7/32"}]}}, "there twice"),
        ({IP: {"authorized_networks": [{"value": "172.20.0.0/16"}]}}, "public networks only"),
        ({IP: {"authorized_networks": [{"value": "192.168.1.1"}]}}, "public networks only"),
        ({IP: {"allocated_ip_range": "-range"}}, "name of a range"),
        ({"user_labels": {"1st": "x"}}, "key starts with a letter"),
        ({"user_labels": {"a" * 64: "x"}}, "63 at most"),
        ({"user_labels": {"a": "x" * 64}}, "63 at most"),
        ({"user_labels": {"a": True}}, "in quotes"),
        ({"user_labels": {f"k{n}": "x" for n in range(65)}}, "64 labels"),
        ({"database_flags": {"a": ["x"]}}, "is a list"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_values_that_google_does_not_take(settings: dict[str, Any], words: str) -> None:
    (sentence,) = wrong_settings(settings, "db")
    assert words in sentence
    assert "instance db" in sentence


def test_names() -> None:
    assert wrong_name("a", "p") == ""
    assert wrong_name("m" * 96, "p") == ""
    assert "96 characters at most" in wrong_name("m" * 97, "p")
    assert "name alone, db" in wrong_name("p:europe-west3:db", "p")
    for name in ("", "1a", "a-", "A", "a_b"):
        assert "starts with a letter" in wrong_name(name, "p")


CATALOG: dict[str, dict[str, Any]] = {
    "max_connections": {"type": "INTEGER", "minValue": "14", "maxValue": "262143"},
    "least": {"type": "INTEGER", "minValue": "1"},
    "some": {"type": "INTEGER", "allowedIntValues": ["1", "4"]},
    "some_more": {"type": "INTEGER", "allowedIntValues": ["-1"], "minValue": "10", "maxValue": "20"},
    "jit": {"type": "BOOLEAN"},
    "random_page_cost": {"type": "FLOAT"},
    "log_statement": {"type": "STRING", "allowedStringValues": ["none", "ddl", "mod", "all"]},
    "search": {"type": "STRING"},
    "several": {"type": "REPEATED_STRING", "allowedStringValues": ["a", "b"]},
}


@pytest.mark.parametrize(
    ("flag", "value", "words"),
    [
        ("max_connections", "14", ""),
        ("max_connections", "13", "out of range: set a number from 14 to 262143"),
        ("max_connections", "262143", ""),
        ("max_connections", "262144", "out of range"),
        ("max_connections", "many", "no whole number (Google takes no units): set one from 14 to 262143"),
        ("max_connections", "1.5", "no whole number"),
        ("least", "0", "set a number from 1 in"),
        ("some", "4", ""),
        ("some", "2", "set a number of 1, 4"),
        ("some_more", "-1", ""),
        ("some_more", "-2", "from 10 to 20"),
        ("jit", "off", ""),
        ("jit", "True", "set 'on'"),
        ("jit", "0", "set 'off'"),
        ("random_page_cost", "1.1", ""),
        ("random_page_cost", "x", "is no number"),
        ("log_statement", "ddl", ""),
        ("log_statement", "DLL", "none, ddl, mod, all: set 'ddl'"),
        ("log_statement", "zzz", "set one of them"),
        ("search", "anything", ""),
        ("several", "a, b", ""),
        ("several", "a,c", "is none of a, b"),
        (
            "max_conections",
            "14",
            "no flag of POSTGRES_14: correct database_flags (in backend_store_settings), perhaps to",
        ),
        ("zzzzzz", "1", "the names are on https://"),
    ],
)
def test_flags_are_held_to_googles_catalog(flag: str, value: str, words: str) -> None:
    found = list(wrong_flags([Change(f"database_flags.{flag}", None, value, "differs")], CATALOG, "POSTGRES_14"))
    assert len(found) == bool(words)
    assert words in "".join(found)


def test_a_flag_that_is_to_go_and_an_unknown_catalog_are_not_judged() -> None:
    gone, unknown = Change("database_flags.x", "1", None, "goes"), Change("database_flags.x", None, "1", "differs")
    assert list(wrong_flags([gone], CATALOG, "POSTGRES_14")) == []
    assert list(wrong_flags([unknown], {}, "POSTGRES_14")) == []


def test_the_catalog_is_read_once_for_a_version_and_without_the_pools_flags() -> None:
    flags = [
        {"name": "jit", "type": "BOOLEAN"},
        {"name": "jit", "type": "STRING", "flagScope": "SQL_FLAG_SCOPE_CONNECTION_POOL"},
    ]
    made = cloud({"GET v1/flags": ok({"items": flags})})
    for version in ("POSTGRES_14", "POSTGRES_14", "POSTGRES_15"):
        assert read_catalog(made.google, version)["jit"]["type"] == "BOOLEAN"
    assert [sent.params for sent in made.transport.sent] == [{"databaseVersion": f"POSTGRES_{n}"} for n in (14, 15)]
    assert read_catalog(cloud({"GET v1/flags": NOT_FOUND}).google, "POSTGRES_14") == {}


def test_choices() -> None:
    assert choices_of("ip_configuration.ssl_mode") == SETTINGS["ip_configuration"]["options"]["ssl_mode"]["choices"]
    assert choices_of("tier") is None
