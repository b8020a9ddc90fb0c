"""What a secret looks like wherever it may have leaked to, and the one matcher that looks for it.

A text that escapes some characters of a secret (JSON, YAML, a shell, a passfile) leaves a run of others as they are, so
the two halves find it there; only encodings that touch every character need forms of their own.
"""

import base64
import math
from collections.abc import Iterator, Mapping
from urllib.parse import quote, quote_plus


def forms(secret: str) -> set[bytes]:
    """What to look for: the secret's halves, and how base64, a URL and hexadecimal digits spell the whole."""
    raw = secret.encode()
    middle = len(secret) // 2
    found = {secret[:middle].encode(), secret[middle:].encode(), raw.hex().encode(), raw.hex().upper().encode()}
    found |= {form.encode() for form in _in_urls(secret)}
    found |= set(_in_base64(raw))
    return found


def _in_urls(secret: str) -> Iterator[str]:
    """Percent-encoded as a part of a path and of a query."""
    for encoded in (quote(secret), quote(secret, safe=""), quote_plus(secret)):
        yield encoded
        yield _lower_case_escapes(encoded)


def _lower_case_escapes(encoded: str) -> str:
    first, *others = encoded.split("%")
    return "%".join([first, *(other[:2].lower() + other[2:] for other in others)])


def _in_base64(raw: bytes) -> Iterator[bytes]:
    """Inside a longer text a secret may begin at any of three offsets; what its neighbours decide is cut off."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for offset in range(3):
            encoded = encode(b"\0" * offset + raw).rstrip(b"=")
            whole = (offset + len(raw)) * 8 // 6  # characters of which every bit is known
            yield encoded[math.ceil(offset * 8 / 6) : whole]


class Matcher:
    """Names the secrets that a content holds."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self.forms = {form: name for name, secret in secrets.items() for form in forms(secret)}

    def names(self, content: bytes) -> set[str]:
        """Which of the secrets are in it, in whatever form."""
        return {name for form, name in self.forms.items() if form in content}
