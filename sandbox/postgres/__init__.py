"""PostgreSQL itself: where its binaries come from and how one cluster is run."""
