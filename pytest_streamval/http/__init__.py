"""HTTP: requests as values, the secrets in them, and the one client that sends them."""
