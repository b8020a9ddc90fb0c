"""For clients whose addresses are fixed: a CONNECT proxy that ends TLS for Google's hosts and leads nowhere else."""
