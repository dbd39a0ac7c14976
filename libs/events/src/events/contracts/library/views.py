"""What can be asked about a person's library, and the shapes of the answers."""

from datetime import date, datetime
from typing import Any, ClassVar, Literal

from msgspec import Raw, Struct

from events.contracts.library import erasures, works
from events.contracts.library.events import AddonFlags, Counts, Skipped
from events.contracts.library.words import (
    Cursor,
    Details,
    Episode,
    Format,
    Kind,
    LegacyStatus,
    Number,
    PageSize,
    Progress,
    Reaction,
    Work,
    addons_topic,
    imports_topic,
    list_topic,
    lists_topic,
    profile_topic,
    title_topic,
    topic,
)
from events.messages import Id, Query

BAD_CURSOR = ("bad-cursor",)


class ItemProgress(Struct, frozen=True):
    """How far one film or episode is, in the session that was heard of last."""

    work: str
    episode: Episode | None
    position: float
    duration: float | None
    percent: float | None
    """0 to 100, one decimal; null while the duration is unknown."""
    completed_at: datetime | None
    """When it was last watched to the end."""
    device: str
    updated_at: datetime
    watched: bool = False
    """By a play, a mark or an import that counts."""
    watched_at: datetime | None = None
    """Of the newest of these; null if nobody knows."""
    plays: int = 0
    """In the history; more than one means that it was watched again."""
    watched_seconds: float | None = None
    """Really played in that session, skipped parts left out; null if nobody knows."""
    session: str = ""
    watched_share: float | None = None
    """Of the duration, how much that is: 0 to 1; null if either is not known."""
    really_watched: bool | None = None
    """Whether that is enough to count as watched by the stricter measure, 0.7 of it or as the operator says; null if
    the share is. `watched` does not ask for it."""


class ContinueItem(Struct, frozen=True):
    """A title to go on with, at the film or episode that comes now."""

    work: str
    episode: Episode | None
    position: float
    duration: float | None
    percent: float | None
    device: str
    updated_at: datetime
    details: Details | None = None


class ContinuePage(Struct, frozen=True):
    """Latest first; `cursor` asks for the next page, null when there is none."""

    items: list[ContinueItem]
    cursor: str | None


class TitlesPage(Struct, frozen=True):
    """Latest first; `cursor` asks for the next page, null when there is none."""

    items: list[ItemProgress]
    cursor: str | None


class TitleProgress(Struct, frozen=True):
    """Everything known of one title; `items` in the order of season and episode, the first 2,000."""

    work: str
    items: list[ItemProgress]


class ItemView(Struct, frozen=True, kw_only=True):
    """What its owner decided about a title, and what follows from what was watched."""

    work: str
    """The id that it is shown under."""
    ids: list[str]
    """Every id that was joined to it, its own included."""
    in_watchlist: bool
    status: Progress | None
    """As it was set, or as it follows from what was watched since."""
    reaction: Reaction | None
    favourite: bool
    hidden: bool
    progress: float | None
    """Percentage: of a film how far it is, of a series how many of the episodes that are known to exist are watched;
    else as somebody told it."""
    legacy_status: LegacyStatus | None
    """The older combined status."""
    details: Details | None
    watched_episodes: int
    updated_at: datetime


class ItemsPage(Struct, frozen=True):
    """Latest first; `cursor` asks for the next page, null when there is none."""

    items: list[ItemView]
    cursor: str | None


class EpisodeView(Struct, frozen=True):
    """Whether an episode was watched."""

    season: int
    episode: int
    watched: bool
    watched_at: datetime | None
    percent: float | None
    updated_at: datetime


class EpisodesPage(Struct, frozen=True):
    """In the order of season and episode."""

    work: str
    items: list[EpisodeView]
    cursor: str | None


class PlayView(Struct, frozen=True, kw_only=True):
    """An entry of the history."""

    play: str
    work: str
    episode: Episode | None
    watched_at: datetime | None
    """Null if nobody knows; such entries come last."""
    device: str
    rule: str
    """`position`, `mark`, or `import`."""
    source: str
    """Id of the import, or the tracker, that brought it; empty for what was done here."""
    watched_seconds: float | None
    """Really played on the way to it; null if nobody knows."""
    details: Details | None
    watched_share: float | None = None
    """Of the duration, how much that is, as `ItemProgress` has it."""
    really_watched: bool | None = None


class HistoryPage(Struct, frozen=True):
    """Latest first; `cursor` asks for the next page, null when there is none."""

    items: list[PlayView]
    cursor: str | None


class Reason(Struct, frozen=True, kw_only=True):
    """One thing that speaks for, or against, a film or an episode being watched."""

    what: Literal["played", "marked", "unmarked", "imported", "removed", "cleared"]
    rule: str
    """In words of the rule: `90 % of its length`, `marked by hand`, `import from trakt`."""
    device: str
    source: str
    play: str
    at: datetime | None
    """When it happened."""
    known_at: datetime
    """When the server learnt of it."""
    counts: bool
    """Whether it is among what decides now; not so if it was removed, undone or overtaken."""
    watched_share: float | None = None
    """Of the duration, how much was really played."""
    really_watched: bool | None = None
    """Whether that is enough by the stricter measure, as `ItemProgress` has it."""


class Explanation(Struct, frozen=True):
    """Why a film or an episode is shown as it is; newest reason first, the newest 200."""

    work: str
    episode: Episode | None
    watched: bool
    reasons: list[Reason]


class AsOfPage(Struct, frozen=True):
    """The library as it was; in the order of the works' ids."""

    items: list[ItemView]
    cursor: str | None


class MonthStatistics(Struct, frozen=True):
    """What was watched in a month (UTC)."""

    month: str
    """`2026-11`."""
    hours: float
    plays: int
    titles: int


class GenreStatistics(Struct, frozen=True):
    """What was watched of a genre, as far as the titles' details say."""

    genre: str
    hours: float
    plays: int


class Statistics(Struct, frozen=True, kw_only=True):
    """What a person watched. Hours are of time really played where it is known, also of what was left in the middle;
    else of the length of what was watched to the end."""

    hours: float
    plays: int
    titles: int
    """That were ever begun, watched or set."""
    finished: int
    watching: int
    want_to_watch: int
    completion: float | None
    """Of what was begun, the share that was watched to the end; null if nothing was."""
    months: list[MonthStatistics]
    """Latest first, 120 at most."""
    genres: list[GenreStatistics]
    """Most watched first, 50 at most."""


class ListView(Struct, frozen=True, kw_only=True):
    """One of my lists."""

    list_id: str
    name: str
    order: str
    items: int
    created_at: datetime
    updated_at: datetime


class ListsPage(Struct, frozen=True):
    """In their order."""

    items: list[ListView]
    cursor: str | None


class ListEntry(Struct, frozen=True, kw_only=True):
    """A work on a list."""

    work: str
    order: str
    kind: Kind | None
    title: str
    poster: str
    added_at: datetime


class ListPage(Struct, frozen=True):
    """A list and some of its items, in their order."""

    about: ListView
    items: list[ListEntry]
    cursor: str | None


class Holding(Struct, frozen=True):
    """A list that holds a work."""

    list_id: str
    name: str


class ListsHolding(Struct, frozen=True):
    """Which of my lists hold a work, under any of its ids."""

    work: str
    lists: list[Holding]


class Lint(Struct, frozen=True):
    """What is wrong with a manifest, in the words of a linter."""

    valid: bool
    errors: list[str]
    warnings: list[str]


class AddonView(Struct, frozen=True, kw_only=True):
    """An addon that I have installed."""

    addon_id: str
    transport_url: str
    manifest: Raw
    flags: AddonFlags
    order: str
    warnings: list[str]
    installed_at: datetime
    updated_at: datetime


class AddonsPage(Struct, frozen=True):
    """In their order."""

    items: list[AddonView]
    cursor: str | None


class CollectedAddon(Struct, frozen=True, kw_only=True, rename="camel"):
    """An addon as Stremio's collections hold it."""

    transport_url: str
    transport_name: str
    manifest: Raw
    flags: AddonFlags


class Collection(Struct, frozen=True):
    """A Stremio addon collection; `cursor` asks for what did not fit, null when all of it is here."""

    addons: list[CollectedAddon]
    cursor: str | None


class ProfileView(Struct, frozen=True, kw_only=True):
    """Who I am, as I am shown."""

    uid: str
    display_name: str
    avatar: str
    email: str
    claimed_name: str
    claimed_picture: str
    created_at: datetime | None
    """Of the first sign-in; null without one, as for guests, of whom nothing is kept until they say something."""
    preferences: dict[str, Any]


class ImportView(Struct, frozen=True, kw_only=True):
    """An import and how far it is."""

    import_id: str
    format: Format
    file_name: str
    state: Literal["reading", "planned", "stopped", "applying", "applied", "failed", "undone"]
    """`planned`: a dry run is done; `stopped`: it would remove much and waits for `library.confirm_import`."""
    dry_run: bool
    replace: bool
    counts: Counts | None
    taken: int
    """Titles and lists that are in already."""
    share: float
    """Of what is there, how much it would remove."""
    reasons: dict[str, int]
    skipped: list[Skipped]
    """The first 1,000, in `library.import_report` alone."""
    error: str
    details: dict[str, Any]
    at: datetime
    updated_at: datetime


class ImportsPage(Struct, frozen=True):
    """Latest first; `cursor` asks for the next page, null when there is none."""

    items: list[ImportView]
    cursor: str | None


class ExportPage(Struct, frozen=True):
    """Part of everything that is kept about me: what `POST /v1/import/matinee` takes. All parts together are one file,
    each line one of these records."""

    records: list[dict[str, Any]]
    cursor: str | None


class _Mine(Query, frozen=True, kw_only=True):
    def topics(self, uid: str) -> tuple[str, ...]:
        return (topic(uid),)


class _Paged(_Mine, frozen=True, kw_only=True):
    errors: ClassVar[tuple[str, ...]] = BAD_CURSOR
    limit: PageSize = 20
    cursor: Cursor | None = None


class _OfTitle(Query, frozen=True, kw_only=True):
    work: Work
    kind: Kind | None = None

    def topics(self, uid: str) -> tuple[str, ...]:
        return (topic(uid),)


class ContinueWatching(_Paged, frozen=True, kw_only=True):
    """What I was watching, latest first: completed titles are gone, the next episode has taken its predecessor's place.

    The next episode begins at 0, or where it was left if it was begun before. What is hidden stays away.
    """

    function: ClassVar[str] = "library.continue_watching"
    returns: ClassVar[Any] = ContinuePage


class Titles(_Paged, frozen=True, kw_only=True):
    """The film or episode that I touched last of every title that was played, finished ones too, latest first."""

    function: ClassVar[str] = "library.titles"
    returns: ClassVar[Any] = TitlesPage


class Title(_OfTitle, frozen=True, kw_only=True):
    """My progress in one title, by episode; empty if I never watched it."""

    function: ClassVar[str] = "library.title"
    returns: ClassVar[Any] = TitleProgress

    def topics(self, uid: str) -> tuple[str, ...]:
        return (title_topic(uid, works.parse(self.work, self.kind).work),)


class Items(_Paged, frozen=True, kw_only=True):
    """My titles with what I decided about them, latest first; each condition that is given must hold."""

    function: ClassVar[str] = "library.items"
    returns: ClassVar[Any] = ItemsPage
    in_watchlist: bool | None = None
    status: Progress | None = None
    reaction: Reaction | None = None
    favourite: bool | None = None
    hidden: bool | None = None
    kind: Kind | None = None


class Item(_OfTitle, frozen=True, kw_only=True):
    """What I decided about one title; null if I never touched it."""

    function: ClassVar[str] = "library.item"
    returns: ClassVar[Any] = ItemView | None


class Episodes(_OfTitle, frozen=True, kw_only=True):
    """Which episodes of a series I watched, or of one season, or one alone; those that I never touched are left out."""

    function: ClassVar[str] = "library.episodes"
    returns: ClassVar[Any] = EpisodesPage
    errors: ClassVar[tuple[str, ...]] = BAD_CURSOR
    season: Number | None = None
    episode: Number | None = None
    limit: PageSize = 100
    cursor: Cursor | None = None


class AllEpisodes(_Paged, frozen=True, kw_only=True):
    """Every episode that I watched or began, of all series, in the order of work, season and episode."""

    function: ClassVar[str] = "library.all_episodes"
    returns: ClassVar[Any] = TitlesPage


class History(_Paged, frozen=True, kw_only=True):
    """What I watched to the end, or said that I had, latest first; `since` and `until` bound when, `work` which."""

    function: ClassVar[str] = "library.history"
    returns: ClassVar[Any] = HistoryPage
    since: datetime | None = None
    until: datetime | None = None
    work: Work | None = None


class Why(_OfTitle, frozen=True, kw_only=True):
    """Why a film or an episode is shown as watched, or not: each play, mark and import, with its device and time."""

    function: ClassVar[str] = "library.why"
    returns: ClassVar[Any] = Explanation
    errors: ClassVar[tuple[str, ...]] = ("no-such-episode",)
    episode: Episode | None = None


class AsOf(_Paged, frozen=True, kw_only=True):
    """My library as the server knew it at a time in the past."""

    function: ClassVar[str] = "library.as_of"
    returns: ClassVar[Any] = AsOfPage
    at: datetime


class ShowStatistics(_Mine, frozen=True, kw_only=True):
    """Hours watched by month, genres and completion; `since` and `until` bound the plays that are counted."""

    function: ClassVar[str] = "library.statistics"
    returns: ClassVar[Any] = Statistics
    since: date | None = None
    until: date | None = None


class Lists(Query, frozen=True, kw_only=True):
    """My lists, in their order."""

    function: ClassVar[str] = "library.lists"
    returns: ClassVar[Any] = ListsPage
    errors: ClassVar[tuple[str, ...]] = BAD_CURSOR
    limit: PageSize = 100
    cursor: Cursor | None = None

    def topics(self, uid: str) -> tuple[str, ...]:
        return (lists_topic(uid),)


class ShowList(Query, frozen=True, kw_only=True):
    """One of my lists with its items, in their order."""

    function: ClassVar[str] = "library.list"
    returns: ClassVar[Any] = ListPage
    errors: ClassVar[tuple[str, ...]] = ("no-such-list", *BAD_CURSOR)
    list_id: Id
    limit: PageSize = 100
    cursor: Cursor | None = None

    def topics(self, uid: str) -> tuple[str, ...]:
        return (list_topic(uid, self.list_id),)


class ShowListsHolding(Query, frozen=True, kw_only=True):
    """Which of my lists hold a work, under any of its ids."""

    function: ClassVar[str] = "library.lists_holding"
    returns: ClassVar[Any] = ListsHolding
    work: Work
    kind: Kind | None = None

    def topics(self, uid: str) -> tuple[str, ...]:
        return (lists_topic(uid),)


class Addons(Query, frozen=True, kw_only=True):
    """My addons, in their order."""

    function: ClassVar[str] = "library.addons"
    returns: ClassVar[Any] = AddonsPage
    errors: ClassVar[tuple[str, ...]] = BAD_CURSOR
    limit: PageSize = 10
    cursor: Cursor | None = None

    def topics(self, uid: str) -> tuple[str, ...]:
        return (addons_topic(uid),)


class LintManifest(Query, frozen=True, kw_only=True):
    """What Stremio's linter would say of a manifest."""

    function: ClassVar[str] = "library.lint_manifest"
    returns: ClassVar[Any] = Lint
    manifest: Raw

    def topics(self, uid: str) -> tuple[str, ...]:
        return ()


class ExportAddons(Query, frozen=True, kw_only=True):
    """My addons as a Stremio addon collection."""

    function: ClassVar[str] = "library.addon_collection"
    returns: ClassVar[Any] = Collection
    errors: ClassVar[tuple[str, ...]] = BAD_CURSOR
    cursor: Cursor | None = None

    def topics(self, uid: str) -> tuple[str, ...]:
        return (addons_topic(uid),)


class Profile(Query, frozen=True, kw_only=True):
    """Who I am, and the settings of my apps."""

    function: ClassVar[str] = "library.profile"
    returns: ClassVar[Any] = ProfileView

    def topics(self, uid: str) -> tuple[str, ...]:
        return (profile_topic(uid),)


class Imports(Query, frozen=True, kw_only=True):
    """My imports, latest first."""

    function: ClassVar[str] = "library.imports"
    returns: ClassVar[Any] = ImportsPage
    errors: ClassVar[tuple[str, ...]] = BAD_CURSOR
    limit: PageSize = 20
    cursor: Cursor | None = None

    def topics(self, uid: str) -> tuple[str, ...]:
        return (imports_topic(uid),)


class ImportReport(Query, frozen=True, kw_only=True):
    """One of my imports, with what it passed over."""

    function: ClassVar[str] = "library.import_report"
    returns: ClassVar[Any] = ImportView
    errors: ClassVar[tuple[str, ...]] = ("no-such-import",)
    import_id: Id

    def topics(self, uid: str) -> tuple[str, ...]:
        return (imports_topic(uid),)


class Export(Query, frozen=True, kw_only=True):
    """Everything that the library keeps about me, part by part; `GET /v1/export` gives all of it as one file."""

    function: ClassVar[str] = "library.export"
    returns: ClassVar[Any] = ExportPage
    errors: ClassVar[tuple[str, ...]] = BAD_CURSOR
    cursor: Cursor | None = None

    def topics(self, uid: str) -> tuple[str, ...]:
        return (topic(uid), lists_topic(uid), addons_topic(uid), profile_topic(uid), imports_topic(uid))


QUERIES: tuple[type[Query], ...] = (
    ContinueWatching,
    Titles,
    Title,
    Items,
    Item,
    Episodes,
    AllEpisodes,
    History,
    Why,
    AsOf,
    ShowStatistics,
    Lists,
    ShowList,
    ShowListsHolding,
    Addons,
    LintManifest,
    ExportAddons,
    Profile,
    Imports,
    ImportReport,
    Export,
    *erasures.ERASURE_QUERIES,
)
