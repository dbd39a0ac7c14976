"""What an installation may set about its libraries, as far as deciders need it."""

import hmac
from base64 import b32encode

from msgspec import Struct

from events.contracts.library import COMPLETED_AT, WATCHED_AT


class Rules(Struct, frozen=True, kw_only=True):
    """Thresholds, and the key of the digests that tell two secrets apart without showing them."""

    completed_at: float = COMPLETED_AT
    """Share of the duration from which on a position counts as the end."""
    watched_at: float = WATCHED_AT
    """Share of the duration that has to be really played to be told as really watched."""
    pepper: bytes = b""
    """Key of digests of addon URLs, manifests and claims."""
    private_addons: bool = False
    """Whether manifests may be fetched from addresses that are not public."""

    def really_watched(self, share: float | None) -> bool | None:
        """Whether so much was really played that it counts by the stricter measure; None if nobody knows the share."""
        return None if share is None else share >= self.watched_at

    def digest(self, uid: str, *texts: str) -> str:
        """Tells whether some texts of one person are the same as others, without showing them: 26 letters and digits.

        Of another person the same texts have another one, so that nobody can tell who has the same.
        """
        told = b"".join(b"%d:%b" % (len(part), part) for part in (text.encode() for text in (uid, *texts)))
        return b32encode(hmac.digest(self.pepper, told, "sha256")).decode()[:26].lower()
