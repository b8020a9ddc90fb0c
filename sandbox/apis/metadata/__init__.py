"""The metadata server of Compute Engine, for application default credentials of an attached service account."""
