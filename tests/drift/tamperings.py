"""What somebody changes behind our back: one entry each, with what a check must say of it.

That a tampering has done something, and that site.yml undoes it, is seen on the whole world (world.py), so an entry
says only what is special: parts that are another afterwards, leave that the repair needs. A new one is a new entry.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.drift.stage import COMPOSE, Stage
from tests.drift.world import ACCOUNT, BUCKET, INSTANCE, World

# Stages of a day on which all goes wrong: tamperings that can be done, and seen, together. 0: only alone.
FIRST, SECOND, THIRD, FOURTH, ALONE = 1, 2, 3, 4, 0
FOLDER = "/opt/mlflow"
COMPOSE_FILE, ENV_FILE, PASSFILE = f"{FOLDER}/compose.yml", f"{FOLDER}/.env", f"{FOLDER}/secrets/pg/passfile"
PROXY_IMAGE = "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2.25.3"
VIEWER, USER = "roles/storage.objectViewer", "roles/storage.objectUser"
ELSEWHERE = "Changed-Behind-Our-Back-0123456789-0123456789"
WHO = f"mlflow_user of mlflow-sandbox:europe-west3:{INSTANCE}"
PASSWORD_FILES = frozenset({"secret", f"file {ENV_FILE}", f"file {PASSFILE}"})


@dataclass(frozen=True)
class Tampering:
    """`how` is done to the cloud by a function, to the machine as root by a command; `says` is told of it by a check.

    `needs_leave`: without backend_store_allow_restart it is left, with a word. `moves`: parts that come to be another.
    `adopts`: parts that stay as they were tampered with. `is_seen`: whether the world's parts show it.
    """

    name: str
    how: Callable[[World, Stage], Any] | str
    says: tuple[str, ...]
    together: int = FIRST
    needs_leave: bool = False
    moves: frozenset[str] = frozenset()
    adopts: frozenset[str] = frozenset()
    is_seen: bool = True

    def happens(self, world: World, stage: Stage) -> None:
        """Do it."""
        if isinstance(self.how, str):
            world.host.check_output(self.how)
        else:
            self.how(world, stage)


def instance(words: str) -> tuple[str, ...]:
    """What a check says of a field of the instance."""
    return (f"Google Cloud: sql_instance {INSTANCE}: {words}",)


def recreated(edit: str, service: str) -> str:
    """A container that somebody made from a compose.yml of their own, which is gone."""
    up = f"{COMPOSE} up --detach --no-deps --wait {service} 2>&1"
    return (
        f"cp --preserve {COMPOSE_FILE} /run/ && sed -i {edit} {COMPOSE_FILE} && {up} && mv /run/compose.yml {FOLDER}/"
    )


def open_bucket(world: World, stage: Stage) -> None:
    """Everybody may read, which Google allows only without public access prevention."""
    del stage
    world.call("PATCH", world.bucket, {"iamConfiguration": {"publicAccessPrevention": "inherited"}})
    world.bind_bucket(VIEWER, "allUsers", bound=True)


def rotate(world: World, stage: Stage) -> None:
    """Both sides know the new password."""
    del stage
    world.set_secret(ELSEWHERE)
    world.set_password(ELSEWHERE)


CLOUD = (
    Tampering(
        "tier",
        lambda world, _: world.set_instance(tier="db-g1-small"),
        instance("tier: db-g1-small -> db-f1-micro (differs) [restarts the database]; refused: "),
        needs_leave=True,
    ),
    Tampering(
        "flag that restarts",
        lambda world, _: world.set_flags(track_commit_timestamp="off"),
        instance("database_flags.track_commit_timestamp: off -> on (differs) [restarts the database]; refused: "),
        needs_leave=True,
    ),
    Tampering(
        "flag",
        lambda world, _: world.set_flags(work_mem="65536"),
        instance("database_flags.work_mem: 65536 -> 8192 (differs)"),
    ),
    Tampering(
        "disk auto-resize",
        lambda world, _: world.set_instance(storageAutoResize=False),
        instance("storage_auto_resize: False -> True (differs)"),
    ),
    Tampering(
        "label",
        lambda world, _: world.set_instance(userLabels={"service": "somebody-elses"}),
        instance("user_labels.service: somebody-elses -> mlflow (differs)"),
    ),
    Tampering(
        "backups off",
        lambda world, _: world.set_instance(backupConfiguration={"enabled": False}),
        instance("backup_configuration.enabled: False -> True (differs)"),
    ),
    Tampering(
        "time of backups",
        lambda world, _: world.set_instance(backupConfiguration={"startTime": "12:00"}),
        instance("backup_configuration.start_time: 12:00 -> 03:00 (differs)"),
    ),
    Tampering(
        "deletion protection",
        lambda world, _: world.set_instance(deletionProtectionEnabled=False),
        instance("deletion_protection_enabled: False -> True (differs)"),
    ),
    Tampering(
        "0.0.0.0/0 authorised",
        lambda world, _: world.set_instance(ipConfiguration={"authorizedNetworks": [{"value": "0.0.0.0/0"}]}),
        instance("ip_configuration.authorized_networks: "),
    ),
    Tampering(
        "connectors not enforced",
        lambda world, _: world.set_instance(connectorEnforcement="NOT_REQUIRED"),
        instance("connector_enforcement: NOT_REQUIRED -> REQUIRED "),
    ),
    Tampering(
        "password of the database user",
        lambda world, _: world.set_password(ELSEWHERE),
        (f"PostgreSQL refuses the password of {WHO}",),
        is_seen=False,
    ),
    Tampering(
        "login of the database user disabled",
        lambda _, stage: stage.as_database_user("ALTER ROLE mlflow_user NOLOGIN"),
        (f"PostgreSQL does not let {WHO} log in any more",),
        SECOND,
    ),
    Tampering(
        "project role",
        lambda world, _: world.bind_project("roles/cloudsql.client", world.member, bound=False),
        (f"Google Cloud: project_iam_member roles/cloudsql.client for serviceAccount:{ACCOUNT}@",),
    ),
    Tampering(
        "display name of the account",
        lambda world, _: world.call(
            "PATCH", world.account, {"serviceAccount": {"displayName": "x"}, "updateMask": "displayName"}
        ),
        (": display_name: x -> MLflow tracking server (differs)",),
    ),
    Tampering(
        "setting of the bucket",
        lambda world, _: world.call("PATCH", world.bucket, {"versioning": {"enabled": False}}),
        (f"Google Cloud: bucket {BUCKET}: versioning_enabled: False -> True (differs)",),
    ),
    Tampering(
        "binding of the bucket",
        lambda world, _: world.bind_bucket(USER, world.member, bound=False),
        (f"Google Cloud: bucket_iam_member {USER} for serviceAccount:{ACCOUNT}@", f" on bucket {BUCKET} is not there"),
    ),
    Tampering(
        "allUsers on the bucket",
        open_bucket,
        (
            f"Google Cloud: bucket {BUCKET}: public_access_prevention: inherited -> enforced (differs)",
            f"Google Cloud: bucket {BUCKET}: public_bindings: {VIEWER} to allUsers -> (none)",
        ),
    ),
    Tampering(
        "secret version disabled",
        lambda world, _: world.disable_secret(),
        (", the newest, is DISABLED)", f"{ENV_FILE} differs: content", f"{PASSFILE} differs: content"),
        FOURTH,
        moves=PASSWORD_FILES,
    ),
    Tampering(
        "password and secret rotated elsewhere",
        rotate,
        (f"{ENV_FILE} differs: content", f"{PASSFILE} differs: content"),
        THIRD,
        moves=PASSWORD_FILES,
        adopts=frozenset({"secret"}),
    ),
)
MACHINE = (
    Tampering(
        "value in .env",
        f"sed -i s/mlflow_user/postgres/ {ENV_FILE}",
        (f"mlflow-vm: {ENV_FILE} differs: content",),
        SECOND,
    ),
    Tampering("mode of .env", f"chmod 644 {ENV_FILE}", (f"mlflow-vm: {ENV_FILE} differs: mode 644",)),
    Tampering(
        "compose file",
        f"sed -i 's/pids_limit: 128/pids_limit: 64/' {COMPOSE_FILE}",
        (f"mlflow-vm: {COMPOSE_FILE} has another content", "- pids_limit: 64 + pids_limit: 128"),
    ),
    Tampering("passfile", f"printf x >>{PASSFILE}", (f"mlflow-vm: {PASSFILE} differs: content",)),
    Tampering(
        "command mlflow-health",
        "echo 'print(1)' >>/usr/local/bin/mlflow-health",
        ("mlflow-vm: /usr/local/bin/mlflow-health has another content",),
    ),
    Tampering(
        "port opened to everybody",
        "iptables --wait --table raw --flush MLFLOW-CLIENTS",
        ("mlflow-vm: who may reach MLflow is not limited as tracking_server_allowed_networks says",),
    ),
    Tampering(
        "folder of the passfile",
        f"chmod 755 {FOLDER}/secrets/pg",
        (f"mlflow-vm: {FOLDER}/secrets/pg has mode 755 and owner 10001 instead of 700 and 10001",),
    ),
    Tampering(
        "image tag in compose.yml",
        f"sed -i 's/mlflow-tracking-server:.*/ghcr.io\\/mlflow\\/mlflow:v2.22.0/' {COMPOSE_FILE}",
        (f"mlflow-vm: {COMPOSE_FILE} has another content", "- image: ghcr.io/mlflow/mlflow:v2.22.0"),
        FOURTH,
    ),
    Tampering(
        "another image by the proxy's name",
        f"docker tag ghcr.io/mlflow/mlflow:v2.22.0 {PROXY_IMAGE}",
        (f"mlflow-vm: the image {PROXY_IMAGE} is not the one that the container cloud-sql-proxy was made from",),
        SECOND,
    ),
    Tampering(
        "another image by the server's name",
        "docker tag ghcr.io/mlflow/mlflow:v2.22.0 $(docker inspect --format '{{.Config.Image}}' mlflow-mlflow-1)",
        ("mlflow-vm: the image mlflow-tracking-server:", " is another one by that name"),
        ALONE,
    ),
    Tampering(
        "image removed",
        "docker image rm --force $(docker inspect --format '{{.Config.Image}}' mlflow-mlflow-1)",
        ("mlflow-vm: the image mlflow-tracking-server:", " is not there"),
        ALONE,
    ),
    Tampering("server stopped", "docker stop mlflow-mlflow-1", ("the container mlflow does not run (exited)",), FOURTH),
    Tampering("server removed", "docker rm --force mlflow-mlflow-1", ("mlflow-vm: the container mlflow is not there",)),
    Tampering(
        "proxy stopped",
        "docker stop mlflow-cloud-sql-proxy-1",
        (
            "mlflow-vm: the container cloud-sql-proxy does not run (exited)",
            f"whether {WHO} can log in is not known while the Cloud SQL Auth Proxy, the image or docker compose is",
        ),
        ALONE,
    ),
    Tampering(
        "proxy removed",
        "docker rm --force mlflow-cloud-sql-proxy-1",
        ("the container cloud-sql-proxy is not there",),
        FOURTH,
    ),
    Tampering(
        "arguments of the proxy",
        recreated("'s/--structured-logs/--quiet/'", "cloud-sql-proxy"),
        ("mlflow-vm: the container cloud-sql-proxy was made from another compose.yml",),
    ),
    Tampering(
        "environment of the server",
        recreated("'s/PGAPPNAME: mlflow/PGAPPNAME: other/'", "mlflow"),
        ("mlflow-vm: the container mlflow was made from another compose.yml",),
        SECOND,
    ),
    Tampering(
        "a container more",
        "printf '%s' 'services: {stranger: {image: \"ghcr.io/mlflow/mlflow:v2.22.0\", entrypoint: [sleep, infinity],"
        " network_mode: none}}' | docker compose --project-name mlflow --file - up --detach stranger 2>&1",
        ("mlflow-vm: the container stranger is not wanted",),
    ),
    Tampering(
        "Docker stopped",
        "systemctl stop docker.socket docker 2>&1",
        (
            " and inactive instead of enabled and active",
            "Docker does not answer, so its images and containers are not known",
        ),
        THIRD,
    ),
    Tampering(
        "package removed",
        "dpkg --remove --force-depends docker-compose",
        ("mlflow-vm: the package docker-compose is not installed",),
        THIRD,
    ),
    Tampering(
        "unit disabled", "systemctl disable docker 2>&1", ("mlflow-vm: the unit docker is disabled and ",), THIRD
    ),
)
# The machine first: without its role, a proxy that is made again would not come up.
TABLE = (*MACHINE, *CLOUD)
