"""The environment in which clients with fixed addresses find the sandbox: what `env --https-proxy` prints."""

import requests

from sandbox.machine.environment import by_proxy


def through_the_proxy(management: str) -> dict[str, str]:
    """The variables, of the emulator with this management port."""
    health = requests.get(f"{management.rstrip('/')}/health", timeout=10).json()
    return by_proxy({"https_proxy": health["https_proxy"], "network": "127.0.0.0/8"})
