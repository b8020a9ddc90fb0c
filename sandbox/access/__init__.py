"""Who calls and what they may do: accounts, tokens, policies and the one place that enforces IAM."""
