"""Secrets in requests and texts: how they are found, and their redaction."""

from pytest_streamval.http.secrets.known_secrets import Secrets, keys_in_environment, shown_address

__all__ = ["Secrets", "keys_in_environment", "shown_address"]
