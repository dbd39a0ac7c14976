"""Erasing a person from everywhere: how it is asked for, what remains of it, and how it is read."""

from datetime import datetime
from typing import Any, ClassVar, Literal

from msgspec import Struct, field

from events.contracts.erased import Counts, Entomb, Erased, Uid, erased_key
from events.messages import Command, Context, Event, Key, Query


def erasure_topic(uid: str) -> str:
    return f"erasure:{uid}"


class LibraryErased(Erased, frozen=True, kw_only=True, tag="library.erased"):
    """A tombstone in the library: what stood there of a person's own before a final one is gone."""


class ErasureAsked(Event, frozen=True, kw_only=True, tag="library.erasure-asked"):
    """A person is to be erased, from everywhere."""

    uid: str
    erasure: str
    at: datetime
    by: Literal["person", "operator"]


class ErasureCertified(Event, frozen=True, kw_only=True, tag="library.erasure-certified"):
    """A person was erased from every service, and their key was destroyed: the certificate."""

    uid: str
    erasure: str
    at: datetime
    services: dict[str, Counts]
    """How much there was in each, by what it was."""


class EraseMe(Command, frozen=True, kw_only=True):
    """Erase everything that is kept about me, everywhere: it cannot be taken back. It goes on in the background, see
    `library.erasure`; in parties that I was in somebody without a name remains, and what I wrote in
    threads and chats stays, without my name."""

    function: ClassVar[str] = "library.erase_me"
    confirm: Literal["erase everything"]
    """Just these words."""

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (erased_key(context.actor),)


class Erase(Command, frozen=True, kw_only=True):
    """Erase a person, as the operator wishes."""

    function: ClassVar[str] = "library.erase"
    internal: ClassVar[bool] = True
    uid: Uid

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (erased_key(self.uid),)


class EntombInLibrary(Entomb, frozen=True, kw_only=True):
    """Say in the library's log that a person is being erased, or was."""

    function: ClassVar[str] = "library.entomb"


class CertifyErasure(Command, frozen=True, kw_only=True):
    """Say that nothing is left to erase, in any service."""

    function: ClassVar[str] = "library.certify_erasure"
    internal: ClassVar[bool] = True
    uid: Uid
    erasure: str
    services: dict[str, Counts] = field(default_factory=dict)

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (erased_key(self.uid),)


class ErasureView(Struct, frozen=True, kw_only=True):
    """An erasure, and how far it is. When it is done this is its certificate, which names nobody."""

    uid: str
    erasure: str
    by: Literal["person", "operator"]
    asked_at: datetime
    done_at: datetime | None
    """Null while it goes on."""
    services: dict[str, Counts]
    """How much there was in each service, by what it was; told when it is done."""


class ShowErasure(Query, frozen=True, kw_only=True):
    """My newest erasure, under way or done; null if I never asked for one."""

    function: ClassVar[str] = "library.erasure"
    returns: ClassVar[Any] = ErasureView | None

    def topics(self, uid: str) -> tuple[str, ...]:
        return (erasure_topic(uid),)


ErasureCommand = EraseMe | Erase | EntombInLibrary | CertifyErasure
ErasureEvent = LibraryErased | ErasureAsked | ErasureCertified

ERASURE_COMMANDS: tuple[type[Command], ...] = (EraseMe, Erase, EntombInLibrary, CertifyErasure)
ERASURE_EVENTS: tuple[type[Event], ...] = (LibraryErased, ErasureAsked, ErasureCertified)
ERASURE_QUERIES: tuple[type[Query], ...] = (ShowErasure,)
