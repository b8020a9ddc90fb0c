"""Google's own clients against the sandbox: they are the judges of its fidelity."""
