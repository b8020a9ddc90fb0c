"""Faults of the APIs on demand: README.md ("Faults") has the language with examples.

Those of port 3307 are /data-plane's.
"""

from sandbox.management.rules import Rules

ROUTES = Rules("/faults", lambda world: world.faults).routes()
