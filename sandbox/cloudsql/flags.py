"""The database flags the sandbox knows: what MLflow's operators touch, out of flags.list of the Cloud SQL Admin API."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Flag:
    """A database flag. `parameter` says whether PostgreSQL itself has it (cloudsql.* flags are the service's)."""

    name: str
    type: str
    requires_restart: bool
    minimum: int | None = None
    maximum: int | None = None
    values: tuple[str, ...] = ()
    parameter: bool = True


FLAGS = {
    flag.name: flag
    for flag in (
        Flag("max_connections", "INTEGER", True, 14, 262143),
        Flag("cloudsql.iam_authentication", "BOOLEAN", True, parameter=False),
        Flag("cloudsql.enable_pgaudit", "BOOLEAN", True, parameter=False),
        Flag("autovacuum", "BOOLEAN", False),
        Flag("deadlock_timeout", "INTEGER", False, 1, 2147483647),
        Flag("default_statistics_target", "INTEGER", False, 1, 10000),
        Flag("idle_in_transaction_session_timeout", "INTEGER", False, 0, 2147483647),
        Flag("lock_timeout", "INTEGER", False, 0, 2147483647),
        Flag("log_checkpoints", "BOOLEAN", False),
        Flag("log_connections", "BOOLEAN", False),
        Flag("log_disconnections", "BOOLEAN", False),
        Flag("log_lock_waits", "BOOLEAN", False),
        Flag("log_min_duration_statement", "INTEGER", False, -1, 2147483647),
        Flag("log_statement", "STRING", False, values=("none", "ddl", "mod", "all")),
        Flag("log_temp_files", "INTEGER", False, -1, 2147483647),
        Flag("maintenance_work_mem", "INTEGER", False, 1024, 2147483647),
        Flag("max_wal_senders", "INTEGER", True, 10, 262143),
        Flag("max_worker_processes", "INTEGER", True, 8, 262143),
        Flag("random_page_cost", "FLOAT", False),
        Flag("statement_timeout", "INTEGER", False, 0, 2147483647),
        Flag("work_mem", "INTEGER", False, 64, 2147483647),
    )
}


def problem_with(name: str, value: str) -> str | None:
    """Why Cloud SQL would refuse the flag; None when it would not."""
    flag = FLAGS.get(name)
    if flag is None:
        return f"Invalid flag name ({name})."
    if flag.type == "BOOLEAN" and value not in ("on", "off"):
        return f"Invalid flag value ({value}) for {name}: expected on or off."
    if flag.values and value not in flag.values:
        return f"Invalid flag value ({value}) for {name}: expected one of {', '.join(flag.values)}."
    if flag.type == "INTEGER":
        return _problem_with_integer(flag, value)
    return None


def _problem_with_integer(flag: Flag, value: str) -> str | None:
    try:
        number = int(value)
    except ValueError:
        return f"Invalid flag value ({value}) for {flag.name}: expected an integer."
    if (flag.minimum is not None and number < flag.minimum) or (flag.maximum is not None and number > flag.maximum):
        return f"Invalid flag value ({value}) for {flag.name}: expected {flag.minimum} to {flag.maximum}."
    return None
