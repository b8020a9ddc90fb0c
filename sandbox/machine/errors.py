"""The one error that a user of the sandbox sees: a single line with the way out."""


class SandboxError(Exception):
    """What happened, to which object, why, and what to do about it."""
