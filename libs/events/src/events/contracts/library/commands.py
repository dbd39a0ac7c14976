"""What can be asked of a person's library. Everything is the asker's own: nobody names another person."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from events.contracts.library import erasures, works
from events.contracts.library.events import AddonFlags, Counts, Skipped, TakenPlay, TakenPosition
from events.contracts.library.words import (
    COLLECTION_BYTES,
    INSTALLATION_BYTES,
    LIST_ITEMS,
    Details,
    Device,
    Episode,
    Format,
    ItemChange,
    Kind,
    LegacyStatus,
    Length,
    Link,
    Name,
    Order,
    Percent,
    Progress,
    Reaction,
    Season,
    Seconds,
    Text,
    Work,
)
from events.messages import NO_NUL, Command, Context, Id, Key, MediaSeconds, Rejected

EPISODE = ("no-such-episode",)
"""The id names one episode and the arguments another."""


class _Told(Command, frozen=True, kw_only=True):
    """Something that a device may tell late: with its own time and an id of its own, it can be told again and again."""

    at: datetime | None = None
    """When it happened, by the device's clock; now if not given. 90 days ago at most."""
    sent_at: datetime | None = None
    """What the device's clock says as it sends this, so that a clock that goes wrong does no harm."""
    op: Id | None = None
    """The device's own id of this operation, so that it takes effect once however late it is repeated."""
    device: Device = ""
    """What its owner calls it."""

    def operation(self, context: Context) -> str:
        return self.op or context.command_id


class _OfTitle(_Told, frozen=True, kw_only=True):
    work: Work
    kind: Kind | None = None
    """Helps to read an id like `tmdb:603`."""

    def named(self) -> works.Named:
        return works.parse(self.work, self.kind)

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (title_key(context.actor, self.named().work),)

    def looks_at(self, context: Context) -> tuple[Key, ...]:
        """The shelf knows what a title does not: when the history was cleared, and the other ids of the work. Only who
        does something now is told that it is so already; what has a time of its own is put in its place."""
        return (shelf_key(context.actor),) if self.at is None and context.actor else ()


def title_key(uid: str, work: str) -> Key:
    """Of what a person did with one work, under one of its ids."""
    return Key.of("title", uid, work)


def shelf_key(uid: str) -> Key:
    """Of the order of a person's lists, and of which ids they hold for one work."""
    return Key.of("shelf", uid)


def list_key(uid: str, list_id: str) -> Key:
    return Key.of("list", uid, list_id)


def addons_key(uid: str) -> Key:
    return Key.of("addons", uid)


def profile_key(uid: str) -> Key:
    return Key.of("profile", uid)


def import_key(uid: str, import_id: str) -> Key:
    return Key.of("import", uid, import_id)


# What is watched.


class Report(_OfTitle, frozen=True, kw_only=True):
    """Tell where a device is in a title; players call it every few seconds and at each change of state.

    At 90 % of a known duration the film or episode counts as completed; playing on from before that point is a rewatch,
    and what was completed stays so. A position beyond the duration is the end. Of one session the newest report counts,
    by the device's own clock, whichever arrives last.
    """

    function: ClassVar[str] = "library.report"
    errors: ClassVar[tuple[str, ...]] = ("too-old", "too-many-episodes", *EPISODE)
    position: MediaSeconds
    duration: Length | None = None
    """Without it nothing is completed until one is known."""
    episode: Episode | None = None
    """Which episode of a series; not given for a film, or if the id names it."""
    next: Episode | None = None
    """The episode that follows, as far as the player knows; it takes the place of a completed one."""
    state: Literal["playing", "paused", "stopped"] = "playing"
    session: Id | None = None
    """One way through the film or episode, from start to stop, as the player names it. If not given, each device has
    one per film or episode."""
    watched: Seconds | None = None
    """Seconds of this session that really played, skipped parts left out; reckoned from the reports if not given."""

    def looks_at(self, context: Context) -> tuple[Key, ...]:
        return ()


class Mark(_OfTitle, frozen=True, kw_only=True):
    """Declare a film, or any number of episodes, watched or not watched, in one piece.

    A mark that says what is so already changes nothing, unless the device tells its own time: then the later one
    counts.
    """

    function: ClassVar[str] = "library.mark"
    errors: ClassVar[tuple[str, ...]] = ("too-old", "too-many-episodes", *EPISODE)
    watched: bool = True
    seasons: Annotated[tuple[Season, ...], Meta(max_length=200)] = ()
    """Which episodes; a film, or the episode that the id names, if there are none. 2,000 episodes at most."""
    watched_at: datetime | UnsetType | None = UNSET
    """When it was watched: the time of the mark if not given, null if nobody knows."""
    status: Progress | UnsetType | None = UNSET
    """Set the title's status as well."""


class SetItem(_OfTitle, frozen=True, kw_only=True):
    """Change what its owner decides about a title: each of these on its own, the others stay as they are."""

    function: ClassVar[str] = "library.set"
    errors: ClassVar[tuple[str, ...]] = ("too-old",)
    in_watchlist: bool | UnsetType = UNSET
    status: Progress | UnsetType | None = UNSET
    reaction: Reaction | UnsetType | None = UNSET
    favourite: bool | UnsetType = UNSET
    hidden: bool | UnsetType = UNSET
    """From continue watching, on every device, until it is taken back."""
    progress: Percent | UnsetType | None = UNSET
    details: Details | UnsetType | None = UNSET
    legacy_status: LegacyStatus | UnsetType = UNSET
    """The older combined status; sets status and reaction as the seed maps them, `dropped` by `progress`."""


class RemovePlays(_OfTitle, frozen=True, kw_only=True):
    """Take entries out of the history; what they alone showed as watched is so no longer."""

    function: ClassVar[str] = "library.remove_plays"
    errors: ClassVar[tuple[str, ...]] = ("no-such-play",)
    plays: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=500)]
    """Their ids, as `library.history` tells them."""

    def looks_at(self, context: Context) -> tuple[Key, ...]:
        return ()


class TakeIn(Command, frozen=True, kw_only=True):
    """Add what an import or a tracker found for one title."""

    function: ClassVar[str] = "library.take_in"
    internal: ClassVar[bool] = True
    uid: str
    work: str
    source: str
    format: str
    at: datetime
    plays: tuple[TakenPlay, ...] = ()
    change: ItemChange = ItemChange()
    resume: TakenPosition | None = None
    cleared: bool = False

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (title_key(self.uid, self.work),)


TitleCommand = Report | Mark | SetItem | RemovePlays | TakeIn


# Several ids of one work; the whole history; the order of lists.


class _OfShelf(_Told, frozen=True, kw_only=True):
    def keys(self, context: Context) -> tuple[Key, ...]:
        return (shelf_key(context.actor),)


class JoinIds(_OfShelf, frozen=True, kw_only=True):
    """Say that several ids name one work: what was done under any of them is shown as one, under the first. Takes
    effect when it arrives."""

    function: ClassVar[str] = "library.join_ids"
    errors: ClassVar[tuple[str, ...]] = ("too-many-ids", "too-many-joins", "too-old")
    works: Annotated[tuple[Work, ...], Meta(min_length=2, max_length=10)]


class TakeInIds(Command, frozen=True, kw_only=True):
    """Join ids that an import found to name one work. They stay joined until it is undone."""

    function: ClassVar[str] = "library.take_in_ids"
    internal: ClassVar[bool] = True
    uid: str
    works: tuple[str, ...]
    source: str
    at: datetime

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (shelf_key(self.uid),)


class SplitIds(_OfShelf, frozen=True, kw_only=True):
    """Take a join back for one id: it names a work of its own again, with all that was done under it. Takes effect
    when it arrives."""

    function: ClassVar[str] = "library.split_ids"
    errors: ClassVar[tuple[str, ...]] = ("not-joined", "too-old")
    work: Work


class ClearHistory(_OfShelf, frozen=True, kw_only=True):
    """Take all plays up to now, or up to when the device did this, out of the history, and with them what they showed
    as watched. Watchlist, reactions and lists stay."""

    function: ClassVar[str] = "library.clear_history"
    errors: ClassVar[tuple[str, ...]] = ("too-old",)


class MoveList(_OfShelf, frozen=True, kw_only=True):
    """Give a list another place: behind another one, first, or at a place that the device has reckoned itself."""

    function: ClassVar[str] = "library.move_list"
    errors: ClassVar[tuple[str, ...]] = ("no-such-list", "too-old")
    list_id: Id
    after: Id | None = None
    """First if not given."""
    order: Order | None = None
    """A fractional index; goes before `after`, and is how devices that were offline keep their places."""

    def looks_at(self, context: Context) -> tuple[Key, ...]:
        """What an import had begun that was undone is there still if the person has put something on it."""
        return (list_key(context.actor, self.list_id),) if context.actor else ()


ShelfCommand = JoinIds | TakeInIds | SplitIds | ClearHistory | MoveList


# Lists.


class CreatedList(Struct, frozen=True):
    """The answer to `library.create_list`."""

    list_id: str


class _OfList(_Told, frozen=True, kw_only=True):
    list_id: Id

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (list_key(context.actor, self.list_id),)

    def looks_at(self, context: Context) -> tuple[Key, ...]:
        """Which imports were undone tells whether the list is there. Who undoes one just now has not seen this yet."""
        return (shelf_key(context.actor),) if context.actor else ()


class CreateList(_Told, frozen=True, kw_only=True):
    """Begin a list, behind those that there are."""

    function: ClassVar[str] = "library.create_list"
    personal: ClassVar[bool] = True
    returns: ClassVar[Any] = CreatedList
    errors: ClassVar[tuple[str, ...]] = ("too-many-lists", "list-exists", "too-old")
    name: Name
    list_id: Id | None = None
    """A device that is offline may choose one, so that it can go on with its new list."""
    order: Order | None = None

    def new_id(self, context: Context) -> str:
        return self.list_id or context.command_id[:16]

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (list_key(context.actor, self.new_id(context)), shelf_key(context.actor))

    def result(self, context: Context) -> CreatedList:
        return CreatedList(self.new_id(context))


class RenameList(_OfList, frozen=True, kw_only=True):
    """Give a list another name."""

    function: ClassVar[str] = "library.rename_list"
    personal: ClassVar[bool] = True
    errors: ClassVar[tuple[str, ...]] = ("no-such-list", "too-old")
    name: Name


class DeleteList(_OfList, frozen=True, kw_only=True):
    """Delete a list with all that it holds. Takes effect when it arrives, over whatever was done before."""

    function: ClassVar[str] = "library.delete_list"
    errors: ClassVar[tuple[str, ...]] = ("no-such-list",)

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (list_key(context.actor, self.list_id), shelf_key(context.actor))

    def looks_at(self, context: Context) -> tuple[Key, ...]:
        """It decides over the shelf as well."""
        return ()


class Entry(Struct, frozen=True, forbid_unknown_fields=True):
    """A work to be put on a list."""

    work: Work
    kind: Kind | None = None
    title: Text = ""
    poster: Link = ""
    order: Order | None = None


class AddToList(_OfList, frozen=True, kw_only=True):
    """Put works on a list: behind `after`, or at its end. A work is on a list once, under whichever of its ids; what is
    there already stays where it is, unless the device tells late (`at`) at which `order` it has put it. The later word
    of two devices counts."""

    function: ClassVar[str] = "library.add_to_list"
    errors: ClassVar[tuple[str, ...]] = ("no-such-list", "no-such-item", "list-full", "too-old")
    items: Annotated[tuple[Entry, ...], Meta(min_length=1, max_length=100)]
    after: Work | None = None


class MoveInList(_OfList, frozen=True, kw_only=True):
    """Give a work another place on a list: behind `after`, first, or at a place that the device has reckoned itself."""

    function: ClassVar[str] = "library.move_in_list"
    errors: ClassVar[tuple[str, ...]] = ("no-such-list", "no-such-item", "too-old")
    work: Work
    after: Work | None = None
    order: Order | None = None


class RemoveFromList(_OfList, frozen=True, kw_only=True):
    """Take works off a list; one that is not there is passed over."""

    function: ClassVar[str] = "library.remove_from_list"
    errors: ClassVar[tuple[str, ...]] = ("no-such-list", "too-old")
    works: Annotated[tuple[Work, ...], Meta(min_length=1, max_length=LIST_ITEMS)]


class TakeInList(Command, frozen=True, kw_only=True):
    """Put what an import found on a list, and begin that if it is not there. It counts until the import is undone.

    Told again it adds what is missing, so that much can be told in parts: all that one adds has to fit into a message.
    """

    function: ClassVar[str] = "library.take_in_list"
    internal: ClassVar[bool] = True
    uid: str
    list_id: str
    name: str
    items: tuple[Entry, ...]
    source: str
    at: datetime

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (list_key(self.uid, self.list_id), shelf_key(self.uid))


ListCommand = CreateList | RenameList | DeleteList | AddToList | MoveInList | RemoveFromList | TakeInList


# Addons.


class _OfAddons(_Told, frozen=True, kw_only=True):
    def keys(self, context: Context) -> tuple[Key, ...]:
        return (addons_key(context.actor),)


TransportUrl = Annotated[str, Meta(min_length=1, max_length=4_000, pattern=NO_NUL)]


class InstallAddon(_OfAddons, frozen=True, kw_only=True):
    """Install an addon by its transport URL, or take over another manifest of one that is installed.

    Without a manifest the server fetches it. The same URL is never there twice. A manifest of nearly 64 KiB does not
    fit into a frame: send it over HTTP, or let the server fetch it.
    """

    function: ClassVar[str] = "library.install_addon"
    largest: ClassVar[int] = INSTALLATION_BYTES
    personal: ClassVar[bool] = True
    errors: ClassVar[tuple[str, ...]] = (
        "bad-transport-url",
        "manifest-invalid",
        "manifest-too-large",
        "manifest-unreachable",
        "private-address",
        "configuration-required",
        "too-many-addons",
        "too-old",
    )
    transport_url: TransportUrl
    """`https://…/manifest.json`, or the same with `stremio://`. A secret: it may hold credentials."""
    manifest: Raw = field(default_factory=lambda: Raw(b"null"))
    """If left out, or null, the server fetches it."""
    flags: AddonFlags = AddonFlags()
    after: Id | None = None
    order: Order | None = None


class MoveAddon(_OfAddons, frozen=True, kw_only=True):
    """Give an addon another place: behind another one, first, or at a place that the device has reckoned itself."""

    function: ClassVar[str] = "library.move_addon"
    errors: ClassVar[tuple[str, ...]] = ("no-such-addon", "too-old")
    addon_id: Id
    after: Id | None = None
    order: Order | None = None


class FlagAddon(_OfAddons, frozen=True, kw_only=True):
    """Set an addon's flags."""

    function: ClassVar[str] = "library.flag_addon"
    errors: ClassVar[tuple[str, ...]] = ("no-such-addon", "too-old")
    addon_id: Id
    flags: AddonFlags


class RemoveAddon(_OfAddons, frozen=True, kw_only=True):
    """Remove an addon, unless it is protected."""

    function: ClassVar[str] = "library.remove_addon"
    errors: ClassVar[tuple[str, ...]] = ("no-such-addon", "addon-protected", "too-old")
    addon_id: Id


class Descriptor(Struct, frozen=True, rename="camel"):
    """An addon in a Stremio collection. What else a collection says of it is passed over."""

    transport_url: TransportUrl
    manifest: Raw
    transport_name: str = "http"
    flags: AddonFlags = AddonFlags()


class ImportAddons(_OfAddons, frozen=True, kw_only=True):
    """Take over a Stremio addon collection, in its order, in one piece. What is there already takes over the manifest
    and stays where it is; with `replace` what the collection does not name is removed, unless it is protected.

    Over HTTP it may be of 352 KiB, in a frame of no more than any other.
    """

    function: ClassVar[str] = "library.import_addons"
    largest: ClassVar[int] = COLLECTION_BYTES
    personal: ClassVar[bool] = True
    errors: ClassVar[tuple[str, ...]] = (
        "bad-transport-url",
        "manifest-invalid",
        "manifest-too-large",
        "too-many-addons",
        "too-old",
    )
    addons: Annotated[tuple[Descriptor, ...], Meta(max_length=200)]
    replace: bool = False


class TakeInAddons(Command, frozen=True, kw_only=True):
    """Install addons that an import found, behind those that are there. They stay until it is undone."""

    function: ClassVar[str] = "library.take_in_addons"
    internal: ClassVar[bool] = True
    uid: str
    addons: tuple[Descriptor, ...]
    source: str
    at: datetime

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (addons_key(self.uid),)


AddonsCommand = InstallAddon | MoveAddon | FlagAddon | RemoveAddon | ImportAddons | TakeInAddons


# Who somebody is.


class _OfProfile(_Told, frozen=True, kw_only=True):
    def keys(self, context: Context) -> tuple[Key, ...]:
        return (profile_key(context.actor),)


class SignIn(Command, frozen=True, kw_only=True):
    """Tell what a token says of its bearer. Gateways do, at each first use of one. What is empty stays as it was."""

    function: ClassVar[str] = "library.sign_in"
    unlisted: ClassVar[bool] = True
    personal: ClassVar[bool] = True
    name: Annotated[str, Meta(max_length=200, pattern=NO_NUL)] = ""
    picture: Link = ""
    email: Annotated[str, Meta(max_length=320, pattern=NO_NUL)] = ""

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (profile_key(context.actor),)


class EditProfile(_OfProfile, frozen=True, kw_only=True):
    """Choose how one is shown. An empty text goes back to what the token says."""

    function: ClassVar[str] = "library.edit_profile"
    personal: ClassVar[bool] = True
    errors: ClassVar[tuple[str, ...]] = ("too-old",)
    display_name: Annotated[str, Meta(max_length=64, pattern=NO_NUL)] | UnsetType = UNSET
    avatar: Link | UnsetType = UNSET


PreferenceKey = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class SetPreferences(_OfProfile, frozen=True, kw_only=True):
    """Change settings, each key on its own: of two devices the later one counts for a key. Null takes a key away."""

    function: ClassVar[str] = "library.set_preferences"
    errors: ClassVar[tuple[str, ...]] = ("too-many-preferences", "preferences-too-large", "too-old")
    changes: Annotated[dict[PreferenceKey, Any], Meta(min_length=1, max_length=200)]


ProfileCommand = SignIn | EditProfile | SetPreferences


# Imports.


class Import(Struct, frozen=True):
    """The answer to what starts an import."""

    import_id: str


class _OfImport(Command, frozen=True, kw_only=True):
    import_id: Id

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (import_key(context.actor, self.import_id),)


class StartImport(Command, frozen=True, kw_only=True):
    """Take in a file that was uploaded (`POST /v1/import/{format}` does both). It is one unit: a report says what it
    brings, a dry run changes nothing, and all of it can be undone. One whose file is not there, or has gone since,
    fails with `no-such-upload` in its report."""

    function: ClassVar[str] = "library.import"
    personal: ClassVar[bool] = True
    returns: ClassVar[Any] = Import
    errors: ClassVar[tuple[str, ...]] = ("rate-limited",)
    upload: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$")]
    format: Format
    dry_run: bool = False
    replace: bool = False
    """What the file does not name is removed, as far as it was watched."""
    file_name: Annotated[str, Meta(max_length=200, pattern=NO_NUL)] = ""

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (import_key(context.actor, context.command_id[:16]),)

    def result(self, context: Context) -> Import:
        return Import(context.command_id[:16])


class ConfirmImport(_OfImport, frozen=True, kw_only=True):
    """Let an import go on that stopped because it would remove much, or make a dry run real."""

    function: ClassVar[str] = "library.confirm_import"
    errors: ClassVar[tuple[str, ...]] = ("no-such-import", "not-waiting")


class UndoImport(_OfImport, frozen=True, kw_only=True):
    """Take back all that an import brought. What was done since then stays."""

    function: ClassVar[str] = "library.undo_import"
    errors: ClassVar[tuple[str, ...]] = ("no-such-import", "import-under-way")

    def keys(self, context: Context) -> tuple[Key, ...]:
        """What came of it is known in all of these; they are told together or not at all."""
        uid = context.actor
        return (import_key(uid, self.import_id), addons_key(uid), shelf_key(uid))


class _OfTheImport(Command, frozen=True, kw_only=True):
    internal: ClassVar[bool] = True
    uid: str
    import_id: str

    def keys(self, context: Context) -> tuple[Key, ...]:
        return (import_key(self.uid, self.import_id),)


class PlanImport(_OfTheImport, frozen=True, kw_only=True):
    """Say what an import would do."""

    function: ClassVar[str] = "library.plan_import"
    plan: Raw
    """An `ImportPlanned`, as JSON without its time."""


class FinishImport(_OfTheImport, frozen=True, kw_only=True):
    """All of it is in, but for what the rules refused."""

    function: ClassVar[str] = "library.finish_import"
    counts: Counts
    """What was really done."""
    reasons: dict[str, int] = field(default_factory=dict)
    """Of what was planned, how much was refused with which slug."""
    skipped: tuple[Skipped, ...] = ()
    """The first of that."""


class FailImport(_OfTheImport, frozen=True, kw_only=True):
    """The file cannot be taken in."""

    function: ClassVar[str] = "library.fail_import"
    code: str
    details: dict[str, Any] = field(default_factory=dict)


ImportCommand = StartImport | ConfirmImport | UndoImport | PlanImport | FinishImport | FailImport

COMMANDS: tuple[type[Command], ...] = (
    Report,
    Mark,
    SetItem,
    RemovePlays,
    TakeIn,
    JoinIds,
    TakeInIds,
    SplitIds,
    ClearHistory,
    MoveList,
    CreateList,
    RenameList,
    DeleteList,
    AddToList,
    MoveInList,
    RemoveFromList,
    TakeInList,
    InstallAddon,
    MoveAddon,
    FlagAddon,
    RemoveAddon,
    ImportAddons,
    TakeInAddons,
    SignIn,
    EditProfile,
    SetPreferences,
    StartImport,
    ConfirmImport,
    UndoImport,
    PlanImport,
    FinishImport,
    FailImport,
    *erasures.ERASURE_COMMANDS,
)


def episode_named(named: works.Named, episode: Episode | None) -> Episode | None:
    """The episode of an id or of the arguments. Raise `Rejected` if they name two."""
    if named.episode is not None and episode is not None and named.episode != episode:
        raise Rejected("no-such-episode", field="episode", named=f"{named.episode.season}-{named.episode.episode}")
    return episode or named.episode
