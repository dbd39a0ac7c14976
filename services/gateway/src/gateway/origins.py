"""Which web pages may talk to this gateway from a browser."""

from urllib.parse import urlsplit

from gateway.issuers import LOOPBACK


class Origins:
    """The same host and this machine always; others as the settings say. No origin means no browser: allowed."""

    def __init__(self, allowed: frozenset[str]) -> None:
        self._allowed = allowed
        self._all = "*" in allowed

    def allows(self, origin: str | None, host: str | None) -> bool:
        if origin is None or self._all or origin in self._allowed:
            return True
        try:
            parts = urlsplit(origin)
            return parts.scheme in ("http", "https") and (parts.netloc == host or parts.hostname in LOOPBACK)
        except ValueError:
            return False
