"""The database flags that the sandbox knows, out of https://cloud.google.com/sql/docs/postgres/flags.

Those that are PostgreSQL's own have its type, restart and range; a test compares them with a real PostgreSQL 14.
Google's page raises the least value of max_connections, max_wal_senders, max_worker_processes, max_replication_slots
and temp_file_limit.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Flag:
    """A database flag.

    `parameter` says whether PostgreSQL itself has it (cloudsql.* flags are the service's), `since` from which major
    version on.
    """

    name: str
    type: str
    restart: bool = False
    minimum: int | None = None
    maximum: int | None = None
    values: tuple[str, ...] = ()
    since: int = 0
    parameter: bool = True


SEVERITIES = (
    *("debug5", "debug4", "debug3", "debug2", "debug1"),
    *("info", "notice", "warning", "error", "log", "fatal", "panic"),
)
TABLE = (
    Flag("cloudsql.iam_authentication", "BOOLEAN", restart=True, parameter=False),
    Flag("cloudsql.logical_decoding", "BOOLEAN", restart=True, parameter=False),
    Flag("autovacuum", "BOOLEAN"),
    Flag("autovacuum_analyze_scale_factor", "FLOAT"),
    Flag("autovacuum_analyze_threshold", "INTEGER", minimum=0, maximum=2147483647),
    Flag("autovacuum_freeze_max_age", "INTEGER", restart=True, minimum=100000, maximum=2000000000),
    Flag("autovacuum_max_workers", "INTEGER", restart=True, minimum=1, maximum=262143),
    Flag("autovacuum_multixact_freeze_max_age", "INTEGER", restart=True, minimum=10000, maximum=2000000000),
    Flag("autovacuum_naptime", "INTEGER", minimum=1, maximum=2147483),
    Flag("autovacuum_vacuum_cost_delay", "FLOAT"),
    Flag("autovacuum_vacuum_cost_limit", "INTEGER", minimum=-1, maximum=10000),
    Flag("autovacuum_vacuum_insert_scale_factor", "FLOAT", since=13),
    Flag("autovacuum_vacuum_insert_threshold", "INTEGER", minimum=-1, maximum=2147483647, since=13),
    Flag("autovacuum_vacuum_scale_factor", "FLOAT"),
    Flag("autovacuum_vacuum_threshold", "INTEGER", minimum=0, maximum=2147483647),
    Flag("autovacuum_work_mem", "INTEGER", minimum=-1, maximum=2147483647),
    Flag("checkpoint_completion_target", "FLOAT"),
    Flag("checkpoint_timeout", "INTEGER", minimum=30, maximum=86400),
    Flag("checkpoint_warning", "INTEGER", minimum=0, maximum=2147483647),
    Flag(
        "client_min_messages",
        "STRING",
        values=("debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error"),
    ),
    Flag("constraint_exclusion", "STRING", values=("partition", "on", "off")),
    Flag("cursor_tuple_fraction", "FLOAT"),
    Flag("deadlock_timeout", "INTEGER", minimum=1, maximum=2147483647),
    Flag("default_statistics_target", "INTEGER", minimum=1, maximum=10000),
    Flag("default_transaction_deferrable", "BOOLEAN"),
    Flag(
        "default_transaction_isolation",
        "STRING",
        values=("serializable", "repeatable read", "read committed", "read uncommitted"),
    ),
    Flag("effective_cache_size", "INTEGER", minimum=1, maximum=2147483647),
    Flag("effective_io_concurrency", "INTEGER", minimum=0, maximum=1000),
    Flag("enable_bitmapscan", "BOOLEAN"),
    Flag("enable_hashagg", "BOOLEAN"),
    Flag("enable_hashjoin", "BOOLEAN"),
    Flag("enable_indexonlyscan", "BOOLEAN"),
    Flag("enable_indexscan", "BOOLEAN"),
    Flag("enable_material", "BOOLEAN"),
    Flag("enable_mergejoin", "BOOLEAN"),
    Flag("enable_nestloop", "BOOLEAN"),
    Flag("enable_seqscan", "BOOLEAN"),
    Flag("enable_sort", "BOOLEAN"),
    Flag("enable_tidscan", "BOOLEAN"),
    Flag("from_collapse_limit", "INTEGER", minimum=1, maximum=2147483647),
    Flag("geqo", "BOOLEAN"),
    Flag("idle_in_transaction_session_timeout", "INTEGER", minimum=0, maximum=2147483647),
    Flag("idle_session_timeout", "INTEGER", minimum=0, maximum=2147483647, since=14),
    Flag("jit", "BOOLEAN", since=11),
    Flag("join_collapse_limit", "INTEGER", minimum=1, maximum=2147483647),
    Flag("lock_timeout", "INTEGER", minimum=0, maximum=2147483647),
    Flag("log_autovacuum_min_duration", "INTEGER", minimum=-1, maximum=2147483647),
    Flag("log_checkpoints", "BOOLEAN"),
    Flag("log_connections", "BOOLEAN"),
    Flag("log_disconnections", "BOOLEAN"),
    Flag("log_duration", "BOOLEAN"),
    Flag("log_error_verbosity", "STRING", values=("terse", "default", "verbose")),
    Flag("log_lock_waits", "BOOLEAN"),
    Flag("log_min_duration_statement", "INTEGER", minimum=-1, maximum=2147483647),
    Flag(
        "log_min_error_statement",
        "STRING",
        values=SEVERITIES,
    ),
    Flag(
        "log_min_messages",
        "STRING",
        values=SEVERITIES,
    ),
    Flag("log_statement", "STRING", values=("none", "ddl", "mod", "all")),
    Flag("log_temp_files", "INTEGER", minimum=-1, maximum=2147483647),
    Flag("logical_decoding_work_mem", "INTEGER", minimum=64, maximum=2147483647, since=13),
    Flag("maintenance_work_mem", "INTEGER", minimum=1024, maximum=2147483647),
    Flag("max_connections", "INTEGER", restart=True, minimum=14, maximum=262143),
    Flag("max_locks_per_transaction", "INTEGER", restart=True, minimum=10, maximum=2147483647),
    Flag("max_logical_replication_workers", "INTEGER", restart=True, minimum=0, maximum=262143),
    Flag("max_parallel_maintenance_workers", "INTEGER", minimum=0, maximum=1024, since=11),
    Flag("max_parallel_workers", "INTEGER", minimum=0, maximum=1024),
    Flag("max_parallel_workers_per_gather", "INTEGER", minimum=0, maximum=1024),
    Flag("max_pred_locks_per_transaction", "INTEGER", restart=True, minimum=10, maximum=2147483647),
    Flag("max_prepared_transactions", "INTEGER", restart=True, minimum=0, maximum=262143),
    Flag("max_replication_slots", "INTEGER", restart=True, minimum=10, maximum=262143),
    Flag("max_sync_workers_per_subscription", "INTEGER", minimum=0, maximum=262143),
    Flag("max_wal_senders", "INTEGER", restart=True, minimum=10, maximum=262143),
    Flag("max_wal_size", "INTEGER", minimum=2, maximum=2147483647),
    Flag("max_worker_processes", "INTEGER", restart=True, minimum=8, maximum=262143),
    Flag("min_wal_size", "INTEGER", minimum=2, maximum=2147483647),
    Flag("parallel_setup_cost", "FLOAT"),
    Flag("parallel_tuple_cost", "FLOAT"),
    Flag("random_page_cost", "FLOAT"),
    Flag("seq_page_cost", "FLOAT"),
    Flag("shared_buffers", "INTEGER", restart=True, minimum=16, maximum=1073741823),
    Flag("statement_timeout", "INTEGER", minimum=0, maximum=2147483647),
    Flag("synchronous_commit", "STRING", values=("local", "remote_write", "remote_apply", "on", "off")),
    Flag("tcp_keepalives_count", "INTEGER", minimum=0, maximum=2147483647),
    Flag("tcp_keepalives_idle", "INTEGER", minimum=0, maximum=2147483647),
    Flag("tcp_keepalives_interval", "INTEGER", minimum=0, maximum=2147483647),
    Flag("temp_buffers", "INTEGER", minimum=100, maximum=1073741823),
    Flag("temp_file_limit", "INTEGER", minimum=1048576, maximum=2147483647),
    Flag("track_activity_query_size", "INTEGER", restart=True, minimum=100, maximum=1048576),
    Flag("track_commit_timestamp", "BOOLEAN", restart=True),
    Flag("track_functions", "STRING", values=("none", "pl", "all")),
    Flag("track_io_timing", "BOOLEAN"),
    Flag("vacuum_cost_delay", "FLOAT"),
    Flag("vacuum_cost_limit", "INTEGER", minimum=1, maximum=10000),
    Flag("vacuum_cost_page_dirty", "INTEGER", minimum=0, maximum=10000),
    Flag("vacuum_cost_page_hit", "INTEGER", minimum=0, maximum=10000),
    Flag("vacuum_cost_page_miss", "INTEGER", minimum=0, maximum=10000),
    Flag("vacuum_freeze_min_age", "INTEGER", minimum=0, maximum=1000000000),
    Flag("vacuum_freeze_table_age", "INTEGER", minimum=0, maximum=2000000000),
    Flag("wal_compression", "BOOLEAN"),
    Flag("wal_receiver_timeout", "INTEGER", minimum=0, maximum=2147483647),
    Flag("wal_sender_timeout", "INTEGER", minimum=0, maximum=2147483647),
    Flag("work_mem", "INTEGER", minimum=64, maximum=2147483647),
)
