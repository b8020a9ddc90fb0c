"""Google's OAuth 2.0 token endpoint, where service account keys become access tokens."""
