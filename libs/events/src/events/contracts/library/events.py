"""What can have happened in a person's library.

Three times can be in an event: `at` is when it happened, by the server's clock as well as that can be known, and
decides between what several devices did; `own` is the same by the device's clock and orders what one session did;
`told_at` is when the server learnt of it.
"""

from datetime import datetime
from typing import Any, ClassVar, Literal

from msgspec import Struct, field

from events.contracts.library import erasures
from events.contracts.library.words import Episode, Format, ItemChange, slot
from events.messages import Event, Personal, token


class _OfSession(Event, frozen=True, kw_only=True):
    """Something that a play session told: one way through a film or an episode on one device."""

    uid: str
    work: str
    position: float
    at: datetime
    duration: float | None = None
    episode: Episode | None = None
    device: Personal[str] = ""
    """What its owner calls it."""
    player: str = ""
    """Tells a person's devices apart, see `player`."""
    session: str = ""
    """Empty in what was stored before sessions had ids: the player is the session then."""
    own: datetime | None = None
    watched: float | None = None
    """Seconds actually watched in this session so far; null if nobody knows."""


class Started(_OfSession, frozen=True, kw_only=True, tag="library.started"):
    """Playback of a title began or went on on a device, before the point at which it counts as completed."""


class Stopped(_OfSession, frozen=True, kw_only=True, tag="library.stopped"):
    """Playback on a device was paused or stopped before the end: from here it can be resumed."""


class Completed(_OfSession, frozen=True, kw_only=True, tag="library.completed"):
    """A film or an episode was watched to the end, or near enough."""

    next: Episode | None = None
    """What follows, as far as the player knew."""
    play: str = ""
    """Id of the play in the history; empty in what was stored before plays had ids."""
    told_at: datetime | None = None
    """Null in what was stored before reports could be late."""


class Progressed(_OfSession, frozen=True, kw_only=True, tag="library.progressed"):
    """A heartbeat: the position now. Telemetry: only the newest one per title, episode and session is kept."""

    telemetry: ClassVar[bool] = True

    def slot(self) -> str:
        return f"{slot(self.episode)}.{token(self.session)}" if self.session else slot(self.episode)

    def recency(self) -> float:
        return (self.own or self.at).timestamp()


class Marked(Event, frozen=True, kw_only=True, tag="library.marked"):
    """Films or episodes were declared watched, or not watched, all at once."""

    uid: str
    work: str
    watched: bool
    slots: tuple[str, ...]
    at: datetime
    told_at: datetime
    op: str
    """Of the device that did it: the same mark told twice has the same."""
    watched_at: datetime | None = None
    """When it was watched; null if nobody knows."""
    device: Personal[str] = ""
    player: str = ""


class ItemChanged(Event, frozen=True, kw_only=True, tag="library.item-changed"):
    """Something about a title that its owner decides: watchlist, status, reaction, favourite, hidden, what it is."""

    uid: str
    work: str
    change: ItemChange
    at: datetime
    told_at: datetime
    op: str
    device: Personal[str] = ""
    player: str = ""


class PlaysRemoved(Event, frozen=True, kw_only=True, tag="library.plays-removed"):
    """Entries were taken out of the history; what they alone showed as watched is so no longer."""

    uid: str
    work: str
    plays: tuple[str, ...]
    at: datetime


class TakenPlay(Struct, frozen=True, array_like=True):
    """A play that an import brought: its slot, an id by its content, and when it was watched if that is known."""

    slot: str
    id: str
    watched_at: datetime | None = None


class TakenPosition(Struct, frozen=True):
    """Where to resume, as an import knew it."""

    slot: str
    position: float
    at: datetime
    duration: float | None = None


class TakenIn(Event, frozen=True, kw_only=True, tag="library.taken-in"):
    """What an import or a tracker brought for one title. It counts until `source` is undone."""

    uid: str
    work: str
    source: str
    """Id of the import, or `trakt`."""
    format: str
    at: datetime
    told_at: datetime
    plays: tuple[TakenPlay, ...] = ()
    change: ItemChange = ItemChange()
    resume: TakenPosition | None = None
    cleared: bool = False
    """Whatever else was known before `at` about what was watched does not count: the import replaces it."""


class HistoryCleared(Event, frozen=True, kw_only=True, tag="library.history-cleared"):
    """All plays up to now were taken out of the history, of all titles."""

    uid: str
    at: datetime
    op: str = ""
    """Of the device that did it, so that it does so once; empty if it has told none. The same below."""


class IdsJoined(Event, frozen=True, kw_only=True, tag="library.ids-joined"):
    """Several ids were declared to name one work; by an import, if `source` names one. The first is the one that it is
    shown under."""

    uid: str
    works: tuple[str, ...]
    at: datetime
    source: str = ""
    op: str = ""


class IdsSplit(Event, frozen=True, kw_only=True, tag="library.ids-split"):
    """An id names a work of its own again."""

    uid: str
    work: str
    at: datetime
    op: str = ""


class ListShelved(Event, frozen=True, kw_only=True, tag="library.list-shelved"):
    """A list took its place among the others. One that an import (`source`) brings once more stays at its place."""

    uid: str
    list_id: str
    order: str
    at: datetime
    op: str
    source: str = ""


class ListMoved(Event, frozen=True, kw_only=True, tag="library.list-moved"):
    """A list took another place among the others."""

    uid: str
    list_id: str
    order: str
    at: datetime
    op: str


class ListUnshelved(Event, frozen=True, kw_only=True, tag="library.list-unshelved"):
    """A list is no longer among the others."""

    uid: str
    list_id: str
    at: datetime


class ListCreated(Event, frozen=True, kw_only=True, tag="library.list-created"):
    """A list was begun; by an import, if `source` names one."""

    uid: str
    list_id: str
    name: Personal[str]
    at: datetime
    op: str
    source: str = ""


class ListRenamed(Event, frozen=True, kw_only=True, tag="library.list-renamed"):
    """A list has another name; by an import, if `source` names one, which only undone ones had begun before."""

    uid: str
    list_id: str
    name: Personal[str]
    at: datetime
    op: str
    source: str = ""


class ListDeleted(Event, frozen=True, kw_only=True, tag="library.list-deleted"):
    """A list is gone, and all that it held."""

    uid: str
    list_id: str
    at: datetime


class ListItem(Struct, frozen=True, omit_defaults=True):
    """What a list holds, as shown."""

    work: str
    order: str
    kind: str | None = None
    title: str = ""
    poster: str = ""


class ListItemsPut(Event, frozen=True, kw_only=True, tag="library.list-items-put"):
    """Works were put on a list, or given another place on it."""

    uid: str
    list_id: str
    items: tuple[ListItem, ...]
    at: datetime
    op: str
    source: str = ""


class ListItemsRemoved(Event, frozen=True, kw_only=True, tag="library.list-items-removed"):
    """Works were taken off a list."""

    uid: str
    list_id: str
    works: tuple[str, ...]
    at: datetime
    op: str


class AddonFlags(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a collection says of an addon."""

    official: bool = False
    protected: bool = False
    """Cannot be removed until this is taken back."""


class AddonInstalled(Event, frozen=True, kw_only=True, tag="library.addon-installed"):
    """An addon was installed, or installed anew with another manifest."""

    uid: str
    addon_id: str
    """A keyed digest of the transport URL: the same URL is the same addon."""
    transport_url: Personal[str]
    manifest: Personal[str]
    """As JSON."""
    order: str
    at: datetime
    op: str
    digest: str = ""
    """Of the manifest, keyed: tells whether a later one differs."""
    flags: AddonFlags = AddonFlags()
    source: str = ""


class AddonMoved(Event, frozen=True, kw_only=True, tag="library.addon-moved"):
    """An addon took another place among the others."""

    uid: str
    addon_id: str
    order: str
    at: datetime
    op: str


class AddonFlagged(Event, frozen=True, kw_only=True, tag="library.addon-flagged"):
    """An addon's flags are others now."""

    uid: str
    addon_id: str
    flags: AddonFlags
    at: datetime
    op: str


class AddonRemoved(Event, frozen=True, kw_only=True, tag="library.addon-removed"):
    """An addon was removed."""

    uid: str
    addon_id: str
    at: datetime
    op: str


class ProfileClaimed(Event, frozen=True, kw_only=True, tag="library.profile-claimed"):
    """What a token says of its bearer, at the first sign-in and whenever one says something else; what is empty it does
    not speak of."""

    uid: str
    name: Personal[str]
    picture: Personal[str]
    email: Personal[str]
    digest: str
    """Of the three, keyed."""
    at: datetime
    digests: tuple[str, str, str] = ("", "", "")
    """Of each, keyed; empty for what it does not speak of, and in what was stored before."""


class ProfileEdited(Event, frozen=True, kw_only=True, tag="library.profile-edited"):
    """A person chose how they are shown; an empty text goes back to what their token says, null was not touched."""

    uid: str
    at: datetime
    op: str
    display_name: Personal[str] | None = None
    avatar: Personal[str] | None = None
    digests: tuple[str, str] = ("", "")
    """Of the name and the avatar that were told, keyed; empty for what was not, or was cleared."""
    cleared: tuple[Literal["display_name", "avatar"], ...] = ()


class PreferencesChanged(Event, frozen=True, kw_only=True, tag="library.preferences-changed"):
    """Settings of an app, each key on its own; null takes one away."""

    uid: str
    changes: dict[str, Any]
    at: datetime
    op: str


class ImportAsked(Event, frozen=True, kw_only=True, tag="library.import-asked"):
    """Somebody sent a file to be taken in."""

    uid: str
    import_id: str
    upload: str
    format: Format
    at: datetime
    dry_run: bool = False
    replace: bool = False
    file_name: Personal[str] = ""


class Counts(Struct, frozen=True):
    """What an import finds in its file, or what it did."""

    total: int = 0
    """Entries of the file."""
    added: int = 0
    changed: int = 0
    skipped: int = 0
    removed: int = 0


class Skipped(Struct, frozen=True, array_like=True):
    """An entry that was not taken in, and why: a slug."""

    line: int
    what: str
    reason: str


class ImportPlanned(Event, frozen=True, kw_only=True, tag="library.import-planned"):
    """The file was read and compared with what is there. Nothing has changed yet."""

    uid: str
    import_id: str
    counts: Counts
    at: datetime
    reasons: dict[str, int] = field(default_factory=dict)
    """How many were skipped for which reason."""
    skipped: tuple[Skipped, ...] = ()
    """The first 1,000 of them."""
    share: float = 0.0
    """Of what is there, how much it would remove."""
    stopped: bool = False
    """It would remove too much and waits for a confirmation."""


class ImportConfirmed(Event, frozen=True, kw_only=True, tag="library.import-confirmed"):
    """Its owner let an import go on that had stopped, or a dry run become real."""

    uid: str
    import_id: str
    at: datetime


class ImportApplied(Event, frozen=True, kw_only=True, tag="library.import-applied"):
    """All of the file has been taken in, but for what the rules refused."""

    uid: str
    import_id: str
    counts: Counts
    at: datetime
    reasons: dict[str, int] = field(default_factory=dict)
    """Of what was planned, how much was refused with which slug."""
    skipped: tuple[Skipped, ...] = ()
    """The first of that."""


class ImportFailed(Event, frozen=True, kw_only=True, tag="library.import-failed"):
    """The file cannot be taken in."""

    uid: str
    import_id: str
    code: str
    at: datetime
    details: dict[str, Any] = field(default_factory=dict)


class ImportUndone(Event, frozen=True, kw_only=True, tag="library.import-undone"):
    """Nothing that an import brought counts any more. Stands in every aggregate that has to know."""

    uid: str
    import_id: str
    at: datetime


TitleEvent = Started | Stopped | Completed | Progressed | Marked | ItemChanged | PlaysRemoved | TakenIn
ShelfEvent = HistoryCleared | IdsJoined | IdsSplit | ListShelved | ListMoved | ListUnshelved | ImportUndone
ListEvent = ListCreated | ListRenamed | ListDeleted | ListItemsPut | ListItemsRemoved
AddonsEvent = AddonInstalled | AddonMoved | AddonFlagged | AddonRemoved | ImportUndone
ProfileEvent = ProfileClaimed | ProfileEdited | PreferencesChanged
ImportEvent = ImportAsked | ImportPlanned | ImportConfirmed | ImportApplied | ImportFailed | ImportUndone

EVENTS: tuple[type[Event], ...] = (
    Started,
    Stopped,
    Completed,
    Progressed,
    Marked,
    ItemChanged,
    PlaysRemoved,
    TakenIn,
    HistoryCleared,
    IdsJoined,
    IdsSplit,
    ListShelved,
    ListMoved,
    ListUnshelved,
    ListCreated,
    ListRenamed,
    ListDeleted,
    ListItemsPut,
    ListItemsRemoved,
    AddonInstalled,
    AddonMoved,
    AddonFlagged,
    AddonRemoved,
    ProfileClaimed,
    ProfileEdited,
    PreferencesChanged,
    ImportAsked,
    ImportPlanned,
    ImportConfirmed,
    ImportApplied,
    ImportFailed,
    ImportUndone,
    *erasures.ERASURE_EVENTS,
)
