"""What every emulated API stands on: routes, errors, state, the recorder and the two HTTP listeners."""
