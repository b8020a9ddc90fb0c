"""Makes the checkout importable as its own installed collection."""

from __future__ import annotations

from pathlib import Path

from ansible.plugins.loader import init_plugin_loader

ROOT = Path(__file__).resolve().parents[1]

# PyPI's ansible package brings an ansible_collections of its own, which would hide ours.
init_plugin_loader([str(ROOT / ".ansible" / "collections")])
