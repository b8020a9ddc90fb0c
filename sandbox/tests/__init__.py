"""The sandbox's own tests: its parts, its replies over HTTP, and Google's real clients against it."""
