"""Whose tokens are trusted, and under which rules: one `Issuer` per entry of the settings, checked at the start."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct

Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
    "HS256", "HS384", "HS512",
]  # fmt: skip
Texts = str | tuple[str, ...]
Path = str | tuple[str, ...]
"""Where a claim is: `app_metadata.role`, or a list of names if they contain dots themselves."""

UUID = r"^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$"
GUESTS = "matinee:guest"
OPERATORS = "matinee:operator"
"""Of tokens that `matinee token` signs, in the operator's hands."""
SHORTEST_SECRET = 32
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class Roles(Struct, frozen=True, forbid_unknown_fields=True):
    """Which claim gives which roles. What the map does not name gives none."""

    claim: Path
    map: Mapping[str, Texts]


class Preset(Struct, frozen=True):
    """What is known of a vendor's tokens."""

    audience: Texts = ()
    required: Mapping[str, Texts] = {}
    refused: Mapping[str, Texts] = {}
    subject: str | None = None
    azp_is_audience: bool = False


PRESETS: Mapping[str, Preset] = {
    "oidc": Preset(),
    # Sessions that still miss a second factor are `pending`; machine tokens say so in the header, see `auth`.
    "clerk": Preset(refused={"sts": "pending"}),
    # The anon and service keys are signed with the same secret and have no subject and another role.
    "supabase": Preset(audience="authenticated", required={"role": "authenticated"}, subject=UUID),
    # The access token's audience is the issuer itself; only the id token is a login.
    "ave": Preset(azp_is_audience=True, subject=UUID),
}


class Issuer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One issuer. The algorithms are fixed here and never taken from a token."""

    issuer: Annotated[str, Meta(min_length=1, max_length=512)]
    """Compared to `iss` exactly."""
    kind: Literal["oidc", "clerk", "supabase", "ave"] = "oidc"
    """Brings along what is known of a vendor's tokens."""
    algorithms: Annotated[tuple[Algorithm, ...], Meta(min_length=1)] = ("RS256",)
    """With which a token may be signed, whatever it says itself."""
    audience: Texts = ()
    """One or several; `aud` must name one of them."""
    any_audience: bool = False
    """Accept tokens that were made for anybody; needed where there is neither an audience nor authorized parties."""
    authorized_parties: tuple[str, ...] = ()
    """Once given, `azp` must be there and be one of them."""
    azp_optional: bool = False
    """Native apps send no origin, so that Clerk leaves `azp` out."""
    required: Mapping[str, Texts] = {}
    """Claims that must have one of these values."""
    refused: Mapping[str, Texts] = {}
    """Claims that must not."""
    subject: str | None = None
    """A pattern for `sub`."""
    name: Path = "name"
    """The claim with the display name."""
    picture: Path = "picture"
    """The claim with the address of a picture."""
    email: Path = "email"
    """The claim with the e-mail address; shown to its owner alone."""
    roles: tuple[Roles, ...] = ()
    """Which claims give which roles: `claim`, and a `map` from its values to roles."""
    leeway: Annotated[float, Meta(ge=0, le=60)] = 5.0
    """Seconds by which the issuer's clock may differ."""
    jwks: str | Mapping[str, Any] | None = None
    """A URL, a `data:` URL, or the key set itself. Without any source of keys the discovery document tells it."""
    pem: str | None = None
    """The public key itself, instead of `jwks`."""
    secret: str | None = None
    """For HS algorithms alone; 32 bytes at least."""

    def __post_init__(self) -> None:
        if self.issuer in (GUESTS, OPERATORS):
            raise ValueError(f"{self.issuer} is the gateway's own")
        self._check_keys()
        if not (self.audiences or self.authorized_parties or self.any_audience):
            raise ValueError("give audience or authorized_parties, or say any_audience")
        if any(path_of(role.claim)[0] == "user_metadata" for role in self.roles):
            raise ValueError("people edit user_metadata themselves; roles cannot come from it")

    def _check_keys(self) -> None:
        symmetric = {algorithm for algorithm in self.algorithms if algorithm.startswith("HS")}
        if self.secret is not None:
            if symmetric != set(self.algorithms):
                raise ValueError("a secret goes with HS algorithms only")
            if len(self.secret.encode()) < SHORTEST_SECRET:
                raise ValueError(f"the secret is shorter than {SHORTEST_SECRET} bytes")
        elif symmetric:
            raise ValueError("HS algorithms need a secret and are never checked with public keys")
        if sum(source is not None for source in (self.secret, self.pem, self.jwks)) > 1:
            raise ValueError("give one of jwks, pem and secret")
        for source in (self.jwks, self.discovery):
            if isinstance(source, str) and not source.startswith("data:") and not is_safe(source):
                raise ValueError("keys come by https, except from this machine")

    @property
    def preset(self) -> Preset:
        return PRESETS[self.kind]

    @property
    def audiences(self) -> tuple[str, ...]:
        return texts(self.audience) or texts(self.preset.audience)

    @property
    def parties(self) -> tuple[str, ...]:
        return self.authorized_parties or (self.audiences if self.preset.azp_is_audience else ())

    @property
    def all_required(self) -> dict[str, Texts]:
        return {**self.preset.required, **self.required}

    @property
    def all_refused(self) -> dict[str, Texts]:
        return {**self.preset.refused, **self.refused}

    @property
    def discovery(self) -> str | None:
        """Where the discovery document is, if that is where the keys come from."""
        if self.jwks is not None or self.pem is not None or self.secret is not None:
            return None
        return f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"


def is_safe(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)


def texts(value: Texts) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def path_of(path: Path) -> tuple[str, ...]:
    return tuple(path.split(".")) if isinstance(path, str) else tuple(path)
