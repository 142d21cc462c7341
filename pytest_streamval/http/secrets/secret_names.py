"""Names of secrets: of headers, of parameters of addresses, of fields and of variables."""

from __future__ import annotations

import re
from functools import lru_cache

REDACTED = "[redacted]"
"""The text in place of a secret."""

# A name is secret if its last words are one of these, and in a response too. Words on their own, such as `key`, `token`
# and `signature`, are secret in requests only: in responses they belong to the protocols, for log probabilities and
# thinking.
_QUALIFIED = (
    r"(?:access|account|admin|api|app|application|auth|bearer|bot|client|consumer|deploy|encryption|id|jwt|master|oauth|"
    r"private|refresh|root|secret|security|service|session|shared|signing|ssh|storage|subscription|vault|webhook)"
    r"[-_.]?(?:key|token|secret)s?"
)
_WORDS_ANYWHERE = (
    rf"authorization|cookies?|credentials?|creds|passwords?|passwd|passphrase|passcode|connection[-_.]?string|"
    rf"secret[-_.]?access[-_.]?key|{_QUALIFIED}"
)
_WORDS_IN_REQUESTS = rf"{_WORDS_ANYWHERE}|auth|pwd|pass|secrets?|signature|sig|jwt|tokens?|bearer|keys?|otp|sid"
_ANYWHERE, _IN_REQUESTS = (
    re.compile(rf"(?:^|[-_.\[])(?:{words})\]?$", re.IGNORECASE) for words in (_WORDS_ANYWHERE, _WORDS_IN_REQUESTS)
)
_LIMIT = re.compile(r"rate-?limit", re.IGNORECASE)  # x-ratelimit-remaining-tokens counts tokens
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LONGEST = 100  # characters of a name; a longer one is a value
STEMS = ("auth", "connection", "cookie", "cred", "key", "pass", "secret", "token")
"""Every secret name in a response contains one of these, in any case."""
STEMS_IN_REQUESTS = (*STEMS, "pwd", "sig")
"""Secret names in the texts of requests contain one of these, in any case. To search for each word costs time."""
_PLURAL = "tokens"  # usually a number of tokens

own_names: set[str] = set()
"""Names that the user has declared, in lower case. `forget_names` must be called after a change."""


@lru_cache(maxsize=4096)
def is_secret_name(name: str, *, in_response: bool = False) -> bool:
    """Return whether a value with this name is a secret: `x-api-key`, `apiKey`, `password`, in a request also `key`.

    Args:
        name: The name of a header, of a parameter of an address, of a field or of a variable.
        in_response: Whether it is a field of a provider's response.
    """
    if len(name) > _LONGEST:
        return False
    if own_names and name.lower() in own_names:
        return True
    pattern = _ANYWHERE if in_response else _IN_REQUESTS
    return pattern.search(_CAMEL.sub("-", name)) is not None and _LIMIT.search(name) is None


def forget_names() -> None:
    """Decide about every name anew."""
    is_secret_name.cache_clear()


def is_counted(name: str) -> bool:
    """Return whether a number with this name counts tokens, such as `max_tokens`."""
    return name.lower().endswith(_PLURAL)
