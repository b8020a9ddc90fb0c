"""The real half of Cloud SQL: a PostgreSQL cluster an instance, its operations, the TLS listener in front."""
