"""Every exchange of every test against Google's discovery documents (from google-api-python-client)."""
