"""Keys for one purpose each, made of a service's master key: whoever learns one learns no other."""

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32


def derived(master: bytes, service: str, purpose: str) -> bytes:
    """The same on every replica and after every restart. Services that share a master key have keys of their own."""
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=f"matinee {service} {purpose}".encode()).derive(master)
