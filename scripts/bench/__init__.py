"""`make bench`: what a run with nothing to change costs, next to today's tools; how that grows; how long a wait is."""

from pathlib import Path

from ansible.plugins.loader import init_plugin_loader

# The checkout as its own installed collection: PyPI's ansible package has an ansible_collections that would hide it.
init_plugin_loader([str(Path(__file__).resolve().parents[2] / ".ansible" / "collections")])
