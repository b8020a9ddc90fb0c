"""A local emulator of the Google APIs that mlflow_ops.gcp calls, and the machine around it (README.md)."""
