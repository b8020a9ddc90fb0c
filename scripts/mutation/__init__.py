"""Flips small things in plugins/, one at a time, and sees whether a test notices: `make mutations`."""
