"""What an installation may set about the rules of parties; deciders get it passed in and read no environment."""

import hmac
from hashlib import sha256

from msgspec import Struct


class Rules(Struct, frozen=True, kw_only=True):
    """The limits that deciders themselves keep, and the secret behind the digests of access keys."""

    controls_per_second: int = 2
    """Of one person in one party (the anime seed); 0 for no limit."""
    pepper: bytes = b""
    """Without it, six digits could be found by trying them all against a digest in the log."""

    def sealed(self, party_id: str, key: str) -> str:
        """The digest under which a party's access key is kept."""
        return hmac.digest(self.pepper, f"{party_id}:{key}".encode(), sha256).hex()[:32]
