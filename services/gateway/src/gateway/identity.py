"""Who somebody is: the opaque id that the log knows, and what a token said besides."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import NamedTuple

ID_CHARS = 26
_LETTERS = bytes(b"abcdefghijklmnopqrstuvwxyz234567"[byte % 32] for byte in range(256))
"""A letter or digit of base 32 for each byte: five of its eight random bits."""


class Claims(NamedTuple):
    """What a token says of its bearer that only the library keeps."""

    picture: str = ""
    email: str = ""


class Identity(NamedTuple):
    """A signed-in person, until *expires*."""

    uid: str
    expires: float
    """Unix seconds."""
    name: str = ""
    roles: tuple[str, ...] = ()
    address: str = ""
    """Where they speak from, see `addresses`."""


class Ids:
    """Makes ids that only this installation can make: keyed digests, 26 letters and digits."""

    def __init__(self, secret: bytes, entropy: Callable[[int], bytes]) -> None:
        self._secret = secret
        self._key = hashlib.blake2b(secret, digest_size=64, person=b"matinee-ids").digest()
        self._entropy = entropy

    def uid(self, issuer: str, subject: str) -> str:
        return _base32(hmac.digest(self._secret, f"{issuer}|{subject}".encode(), "sha256"))

    def command(self, uid: str, function: str, key: str | None) -> str:
        """The same for the same person, function and key; never the same twice without a key."""
        if key is None:
            return self.random()
        text = f"{uid}\0{function}\0{key}".encode()
        return _base32(hashlib.blake2b(text, digest_size=20, key=self._key, person=b"command").digest())

    def address(self, address: str) -> str:
        """For counting, where the address itself is nobody's business; empty for none."""
        if not address:
            return ""
        return _base32(hashlib.blake2b(address.encode(), digest_size=20, key=self._key, person=b"address").digest())

    def random(self) -> str:
        return self._entropy(ID_CHARS).translate(_LETTERS).decode()


def fingerprint(canonical: bytes) -> str:
    """Of arguments, so that a key used with others is noticed."""
    return hashlib.blake2b(canonical, digest_size=10).hexdigest()


def _base32(digest: bytes) -> str:
    return base64.b32encode(digest).decode()[:ID_CHARS].lower()
