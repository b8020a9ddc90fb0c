"""Marks of the machine's tests."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "docker: starts sandboxes of its own (Docker engine, images; minutes when cold)")
