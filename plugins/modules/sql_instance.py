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
  - What can't be changed in place (O(region), a lower O(database_version), a smaller disk) is refused with the way
    out. It never deletes and makes an instance anew.
  - A change that restarts the database is refused unless O(allow_restart=true). Changes that do no harm are made
    first, then the task fails once and lists what it refused.
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
      - Such as V(POSTGRES_14). A higher one is a major version upgrade in place, which can't be undone and counts
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
      - Cloud SQL edition. A new instance gets V(ENTERPRISE) if it is not set, since newer PostgreSQL versions else
        default to V(ENTERPRISE_PLUS), which refuses small tiers.
    type: str
    choices: [ENTERPRISE, ENTERPRISE_PLUS]
  tier: &tier
    description:
      - Machine type, such as V(db-f1-micro) or V(db-custom-2-7680). Changing it restarts the database.
      - Needed to create the instance.
    type: str
  data_disk_size_gb: &data_disk_size_gb
    description:
      - Size of the disk in GB. It can grow only.
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
    description: Size in GB up to which the disk grows by itself; V(0) is no limit.
    type: int
  availability_type: &availability_type
    description: V(REGIONAL) keeps a standby in another zone. Changing it counts as a restart.
    type: str
    choices: [ZONAL, REGIONAL]
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
        description: Start of the backup window in UTC, C(HH:MM).
        type: str
      point_in_time_recovery_enabled:
        description: Whether the instance can be restored to any moment. Enabling it later restarts the database.
        type: bool
      retained_backups:
        description: Number of backups to keep.
        type: int
      transaction_log_retention_days:
        description: Days for which O(backup_configuration.point_in_time_recovery_enabled) reaches back.
        type: int
  database_flags: &database_flags
    description:
      - PostgreSQL settings, name and value. Flags that are not listed stay as they are; a null value removes a flag.
      - Whether a flag needs a restart is asked of Google.
    type: dict
  ip_configuration: &ip_configuration
    description: How the instance is reached.
    type: dict
    suboptions:
      ipv4_enabled:
        description: Whether the instance has a public address.
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
            description: The network as CIDR.
            type: str
            required: true
      ssl_mode:
        description: Which connections are taken.
        type: str
        choices: [ALLOW_UNENCRYPTED_AND_ENCRYPTED, ENCRYPTED_ONLY, TRUSTED_CLIENT_CERTIFICATE_REQUIRED]
      private_network:
        description: VPC network for a private address, as C(projects/P/global/networks/N). It can be set later,
          with a restart.
        type: str
  connector_enforcement: &connector_enforcement
    description: V(REQUIRED) takes connections through the Cloud SQL Auth Proxy and connectors alone.
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
      - So a instance that somebody else has made keeps its own.
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
      activation_policy: *activation_policy
      backup_configuration: *backup_configuration
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
  timeout:
    description: Seconds to wait for Google. A small instance can take 25 minutes to be created.
    type: int
    default: 2700
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
    deletion_protection_enabled: true

- name: Give it more memory at night
  mlflow_ops.gcp.sql_instance:
    project: my-project
    name: mlflow-metadata
    tier: db-g1-small
    allow_restart: true

- name: Delete it for good
  mlflow_ops.gcp.sql_instance:
    project: my-project
    name: mlflow-metadata
    state: absent
    confirm_delete: mlflow-metadata
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
  contains:
    field:
      description: Name of the option.
      type: str
      sample: tier
    before:
      description: What it is; null if it is not there.
      type: raw
    after:
      description: What it becomes.
      type: raw
    reason:
      description: Why it changes.
      type: str
      sample: differs
    blast_radius:
      description: What the change does to those who use the resource.
      type: str
      choices: [safe, restarts the database, destroys data]
    refusal:
      description: Why it is not done, and the explicit way; null if it is done.
      type: str
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
