"""HTTP: requests as values, the secrets they hold, and the one client that sends them."""
