#!/usr/bin/python
# Copyright: (c) 2026, mlflow_ops developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module mlflow_ops.gcp.sql_instance."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sql_instance
version_added: "0.1.0"
author:
  - mlflow_ops developers (@mlflow-ops)
short_description: Manage a Cloud SQL for PostgreSQL instance
description:
  - Creates, changes and deletes a Cloud SQL instance, and waits until it is done.
  - Only the options that are set are managed; what Google fills in by itself is never a difference.
  - What Google would refuse (settings that do not fit together, a database flag that it does not know or a value out
    of its range) fails before anything is sent, with the way out.
  - What can't be changed in place (O(region), O(data_disk_type), a lower O(database_version), a smaller disk) is
    refused with the way out. It never deletes and makes an instance anew.
  - A change that restarts the database is refused unless O(allow_restart=true). Changes that do no harm are made
    first, then the task fails once and lists what it refused.
  - Everything that restarts the database goes in one request, so that it restarts once; only starting, stopping, a
    major version upgrade and a change of edition are requests of their own. Each request carries the version of the
    settings that it was planned from, so what somebody else changes meanwhile is never overwritten.
  - An operation that is already running on the instance, from an interrupted run or from somebody else, is waited
    for.
options:
  name:
    description: Name of the instance.
    type: str
    required: true
  state:
    description: Whether the instance should be there.
    type: str
    choices: [present, absent]
    default: present
  database_version: &database_version
    description:
      - Such as V(POSTGRES_16). A higher one is a major version upgrade in place, which can't be undone and counts
        as a restart.
      - Needed to create the instance.
    type: str
  region: &region
    description:
      - Such as V(europe-west3). It can't be changed later.
      - Needed to create the instance.
    type: str
  edition: &edition
    description:
      - Cloud SQL edition; the tier must be one of it. Changing it restarts the database.
      - A new instance gets V(ENTERPRISE) if it is not set, since newer PostgreSQL versions else default to
        V(ENTERPRISE_PLUS), which refuses small tiers.
    type: str
    choices: [ENTERPRISE, ENTERPRISE_PLUS]
  tier: &tier
    description:
      - Machine type, such as V(db-f1-micro) or V(db-custom-2-7680). Changing it restarts the database.
      - Needed to create the instance.
    type: str
  data_disk_size_gb: &data_disk_size_gb
    description:
      - Size of the disk in GB, 10 or more. It can grow only.
      - A disk that has grown by itself (O(storage_auto_resize)) is no difference.
    type: int
  data_disk_type: &data_disk_type
    description: Kind of disk. It can't be changed later.
    type: str
    choices: [PD_SSD, PD_HDD, HYPERDISK_BALANCED]
  storage_auto_resize: &storage_auto_resize
    description: Whether the disk grows by itself. A new instance gets V(true) if it is not set.
    type: bool
  storage_auto_resize_limit_gb: &storage_auto_resize_limit_gb
    description: Size in GB up to which the disk grows by itself, not below its size; V(0) is no limit.
    type: int
  availability_type: &availability_type
    description:
      - V(REGIONAL) keeps a standby in another zone, and needs O(backup_configuration.enabled) and
        O(backup_configuration.point_in_time_recovery_enabled). Changing it counts as a restart.
    type: str
    choices: [ZONAL, REGIONAL]
  location_preference: &location_preference
    description: Zones of the region to be in. Changing one counts as a restart.
    type: dict
    suboptions:
      zone:
        description: Zone such as V(europe-west3-a).
        type: str
      secondary_zone:
        description: Zone of the standby, another one, for O(availability_type=REGIONAL).
        type: str
  activation_policy: &activation_policy
    description: V(NEVER) stops the instance, V(ALWAYS) starts it. Stopping counts as a restart.
    type: str
    choices: [ALWAYS, NEVER]
  backup_configuration: &backup_configuration
    description: Automated backups.
    type: dict
    suboptions:
      enabled:
        description: Whether backups are made daily.
        type: bool
      start_time:
        description: Start of the backup window in UTC, C(HH:MM), in quotes.
        type: str
      location:
        description: Region, or V(us), V(eu) or V(asia), where backups are kept.
        type: str
      point_in_time_recovery_enabled:
        description:
          - Whether the instance can be restored to any moment, which needs O(backup_configuration.enabled). Enabling it
            later restarts the database; disabling it deletes the logs.
        type: bool
      retained_backups:
        description: Number of backups to keep, 1 to 365. With a lower one Google deletes the oldest.
        type: int
      transaction_log_retention_days:
        description:
          - Days for which O(backup_configuration.point_in_time_recovery_enabled) reaches back, 1 to 7, and up to 35
            with O(edition=ENTERPRISE_PLUS).
        type: int
  retain_backups_on_delete: &retain_backups_on_delete
    description: Whether Google keeps the backups when the instance is deleted.
    type: bool
  maintenance_window: &maintenance_window
    description: When Google may restart the instance for maintenance.
    type: dict
    suboptions:
      day:
        description: Day of the week in UTC, 1 (Monday) to 7 (Sunday).
        type: int
      hour:
        description: Hour of that day in UTC, 0 to 23.
        type: int
      update_track:
        description: Which week of a rollout; V(canary) is the first, V(stable) the second, V(week5) the fifth.
        type: str
        choices: [canary, stable, week5]
  deny_maintenance_periods: &deny_maintenance_periods
    description: A time without maintenance; Google takes one, of 90 days at most. An empty list removes it.
    type: list
    elements: dict
    suboptions:
      start_date:
        description: First day, C(YYYY-MM-DD), or C(MM-DD) for every year.
        type: str
        required: true
      end_date:
        description: Last day, in the same form.
        type: str
        required: true
      time:
        description: Time of day in UTC at which it starts and ends, C(HH:MM:SS). Without it midnight.
        type: str
  insights_config: &insights_config
    description: Query Insights.
    type: dict
    suboptions:
      query_insights_enabled:
        description: Whether it is on.
        type: bool
      query_string_length:
        description: Bytes of a query that are kept, 256 to 4500. Changing it restarts the database.
        type: int
      query_plans_per_minute:
        description: Plans that are sampled in a minute, 0 to 20.
        type: int
      record_application_tags:
        description: Whether tags in comments of queries are kept.
        type: bool
      record_client_address:
        description: Whether the clients' addresses are kept.
        type: bool
  password_validation_policy: &password_validation_policy
    description: What Google asks of the passwords of built-in users.
    type: dict
    suboptions:
      enable_password_policy:
        description: Whether the policy holds.
        type: bool
      min_length:
        description: Least number of characters.
        type: int
      complexity:
        description: V(COMPLEXITY_DEFAULT) asks for lower-case, upper-case, numeric and other characters.
        type: str
        choices: [COMPLEXITY_DEFAULT, COMPLEXITY_UNSPECIFIED]
      disallow_username_substring:
        description: Whether a password must not hold the user's name.
        type: bool
  database_flags: &database_flags
    description:
      - PostgreSQL settings, name and value. Flags that are not listed stay as they are; a null value removes a flag.
      - Google is asked which flags the version has, what each takes and whether it needs a restart.
      - Switches are V('on') and V('off'), in quotes.
    type: dict
  ip_configuration: &ip_configuration
    description: How the instance is reached.
    type: dict
    suboptions:
      ipv4_enabled:
        description: Whether the instance has a public address. Taking it away ends connections and counts as a restart.
        type: bool
      authorized_networks:
        description: >-
          All networks that may connect without the Cloud SQL Auth Proxy or a connector. The list replaces what is
          there; an empty one removes all.
        type: list
        elements: dict
        suboptions:
          name:
            description: A name for people.
            type: str
          value:
            description: The public IPv4 network as CIDR.
            type: str
            required: true
      ssl_mode:
        description: Which connections are taken. It holds for new connections.
        type: str
        choices: [ALLOW_UNENCRYPTED_AND_ENCRYPTED, ENCRYPTED_ONLY, TRUSTED_CLIENT_CERTIFICATE_REQUIRED]
      private_network:
        description: VPC network for a private address, as C(projects/P/global/networks/N). It can be set later,
          with a restart, and not be taken away.
        type: str
      allocated_ip_range:
        description: Name of the range that the private address comes from. Changing it counts as a restart.
        type: str
      enable_private_path_for_google_cloud_services:
        description: >-
          Whether Google's services such as BigQuery reach the private address of an instance that has no public one.
        type: bool
  connector_enforcement: &connector_enforcement
    description:
      - V(REQUIRED) takes connections through the Cloud SQL Auth Proxy and connectors alone, and ignores
        O(ip_configuration.authorized_networks).
    type: str
    choices: [NOT_REQUIRED, REQUIRED]
  user_labels: &user_labels
    description: Labels. Those that are not listed stay as they are; a null value removes a label.
    type: dict
  deletion_protection_enabled: &deletion_protection_enabled
    description:
      - Google's own protection of the instance against deletion.
      - The modules of this collection then refuse to delete its databases and users too.
    type: bool
  on_create:
    description:
      - Settings that a new instance gets and that are never compared afterwards; what is set outside of it wins.
      - So an instance that somebody else has made keeps its own.
    type: dict
    suboptions:
      database_version: *database_version
      region: *region
      edition: *edition
      tier: *tier
      data_disk_size_gb: *data_disk_size_gb
      data_disk_type: *data_disk_type
      storage_auto_resize: *storage_auto_resize
      storage_auto_resize_limit_gb: *storage_auto_resize_limit_gb
      availability_type: *availability_type
      location_preference: *location_preference
      activation_policy: *activation_policy
      backup_configuration: *backup_configuration
      retain_backups_on_delete: *retain_backups_on_delete
      maintenance_window: *maintenance_window
      deny_maintenance_periods: *deny_maintenance_periods
      insights_config: *insights_config
      password_validation_policy: *password_validation_policy
      database_flags: *database_flags
      ip_configuration: *ip_configuration
      connector_enforcement: *connector_enforcement
      user_labels: *user_labels
      deletion_protection_enabled: *deletion_protection_enabled
  allow_restart:
    description: Whether changes that restart the database may be made now.
    type: bool
    default: false
  confirm_delete:
    description: Deleting an instance destroys its data and its backups, so O(state=absent) needs its name here once
      more.
    type: str
  final_backup:
    description:
      - Whether O(state=absent) first makes a backup that outlives the instance, and from which a new one can be made
        (C(gcloud sql backups list) shows it).
    type: bool
    default: true
  final_backup_retention_days:
    description: Days for which Google keeps the final backup, 1 to 365.
    type: int
    default: 30
  timeout:
    description:
      - Seconds to wait for an operation of Google. Without it as long as that kind of operation may take, which is
        45 minutes for creating, cloning, backing up, restoring and upgrading an instance and 20 minutes for the rest.
      - An operation that takes longer goes on at Google's side, and the next run waits for it.
    type: int
extends_documentation_fragment:
  - mlflow_ops.gcp.auth
  - mlflow_ops.gcp.endpoints
  - mlflow_ops.gcp.attributes
seealso:
  - module: mlflow_ops.gcp.sql_instance_info
  - module: mlflow_ops.gcp.sql_database
  - module: mlflow_ops.gcp.sql_user
  - name: Cloud SQL Admin API, instances
    description: Google's reference.
    link: https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/instances
"""

EXAMPLES = r"""
- name: Make the metadata database's instance
  mlflow_ops.gcp.sql_instance:
    project: my-project
    name: mlflow-metadata
    database_version: POSTGRES_16
    region: europe-west3
    tier: db-f1-micro
    data_disk_size_gb: 10
    backup_configuration:
      enabled: true
      start_time: "03:00"
      point_in_time_recovery_enabled: true
    maintenance_window:
      day: 7
      hour: 4
      update_track: stable
    database_flags:
      log_min_duration_statement: 1000
    deletion_protection_enabled: true

- name: Give it more memory at night
  mlflow_ops.gcp.sql_instance:
    project: my-project
    name: mlflow-metadata
    tier: db-g1-small
    allow_restart: true

- name: Let it be deleted
  mlflow_ops.gcp.sql_instance:
    project: my-project
    name: mlflow-metadata
    deletion_protection_enabled: false

- name: Delete it for good, with a last backup that is kept for a year
  mlflow_ops.gcp.sql_instance:
    project: my-project
    name: mlflow-metadata
    state: absent
    confirm_delete: mlflow-metadata
    final_backup_retention_days: 365
"""

RETURN = r"""
action:
  description: What was done, or in check mode would be done.
  returned: always
  type: str
  sample: create
  choices: [none, create, update, delete, refuse, unknown]
changes:
  description: Each field that differs.
  returned: always
  type: list
  elements: dict
  sample:
    - {field: data_disk_size_gb, before: 10, after: 20, reason: differs, blast_radius: safe, refusal: null}
  contains:
    field:
      description: Name of the option.
      type: str
      sample: tier
    before:
      description: What it is; null if it is not there.
      type: raw
      sample: db-f1-micro
    after:
      description: What it becomes.
      type: raw
      sample: db-g1-small
    reason:
      description: Why it changes.
      type: str
      sample: differs
    blast_radius:
      description: What the change does to those who use the resource.
      type: str
      sample: restarts the database
      choices: [safe, restarts the database, destroys data]
    refusal:
      description: Why it is not done, and the explicit way; null if it is done.
      type: str
      sample: "this restarts the database: set allow_restart to true when that is fine"
resource:
  description: The instance as Google describes it; null if it is absent.
  returned: always
  type: dict
  sample: {"name": "mlflow-metadata", "connectionName": "my-project:europe-west3:mlflow-metadata", "state":
    "RUNNABLE"}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_instance import SqlInstance
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.module import module_spec, run_resource


def main() -> None:
    """Run the module."""
    run_resource(AnsibleModule(**module_spec(SqlInstance)), SqlInstance)


if __name__ == "__main__":
    main()
