"""Everything that is kept about the asker, part by part. All parts together, one record a line, are one file, which
`POST /v1/import/matinee` takes in again.

Each record is an object whose `record` says what it is. Times are ISO 8601 in UTC; a field that has no value is null or
left out. An importer passes over records and fields that it does not know. They come in this order:

    {"record": "matinee", "version": 1}
        Always the first line.
    {"record": "profile", "display_name", "avatar", "claimed_name", "claimed_picture", "email", "created_at"}
        Told to its owner only: whoever takes a file in keeps the profile that their own sign-in says. What was chosen
        is empty if nothing was.
    {"record": "preference", "key", "value"}
        `value` is any JSON.
    {"record": "ids", "works": [shown_as, …]}
        Ids that were joined to one work; the first is the one that it is shown under, and that other records name.
    {"record": "title", "work", "in_watchlist", "status", "reaction", "favourite", "hidden", "progress", "details",
     "updated_at"}
        What its owner decided about a title, or what follows from what was watched; one for every title that was ever
        touched. `status`, `reaction` and `progress` may be null, `details` is a `Details` or null. The status of what
        is watched again, or goes on though it is finished, is null: its plays say it, and as a choice made at
        `updated_at` it would end what is under way.
    {"record": "item", "work", "episode": null | {"season", "episode"}, "position", "duration", "watched",
     "watched_at", "completed_at", "watched_seconds", "device", "session", "updated_at"}
        How far one film or episode is: `position` and `updated_at` are where to resume.
    {"record": "play", "play", "work", "episode", "watched_at", "rule", "source", "device", "watched_seconds"}
        An entry of the history; `watched_at` null if nobody knows. `play` is its id: the same twice is one play.
    {"record": "list", "list_id", "name", "order", "created_at", "updated_at"}
    {"record": "list-item", "list_id", "work", "kind", "title", "poster", "order", "added_at"}
        Follow their list's record, in their order.
    {"record": "addon", "transport_url", "manifest": {…}, "flags": {"official", "protected"}, "order", "installed_at",
     "updated_at"}
        In their order. The URL is as it was given, credentials and all.
    {"record": "import", "import_id", "format", "file_name", "state", "at", "updated_at", "counts"}
        What was taken in here. For reading only.
    {"record": "device", "player", "name"}
        What devices are called. For reading only.
    {"record": "fact", "work", "known_at", "fact": {…}}
        Everything that was ever said of titles, from which all that follows above was reckoned; without a `work` it is
        about several. For reading only.

`GET /v1/export` adds records of other services behind them, and a last one that says how many there were.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Raw

from events import cursor
from events.contracts.library import Export, ExportPage
from events.definition import Answering
from events.messages import NO_NUL, Context, Query, Rejected
from events.projection import Db
from library.projections.rows import episode_at
from library.queries.common import Column, details

VERSION = 1
ON_ONE_LINE = str.maketrans("\r\n", "  ")
"""Between the parts of a JSON text; inside of one there are none."""
PAGE_BYTES = 400 * 1024
"""Of records; a page has at least one, however large."""
AT_ONCE = 100
"""Records read at once."""

Text = Annotated[str, Meta(max_length=500, pattern=NO_NUL)]
Number = Annotated[int, Meta(ge=-1, le=2**53)]
Record = dict[str, Any]


class Section(NamedTuple):
    """One kind of record: how to read some of them behind a place, in their order, and what is told of each."""

    sql: str
    """$1 is the person, $2 how many; the rest is the place behind which to go on."""
    place: Any
    """The type of a place."""
    first: tuple[Any, ...]
    at: Callable[[Any], tuple[Any, ...]]
    """The place of a row."""
    tell: Callable[[Any], Record]


def _head(row: Any) -> Record:
    return {"record": "matinee", "version": VERSION}


def _profile(row: Any) -> Record:
    return {"record": "profile", **_but(row, "uid")}


def _preference(row: Any) -> Record:
    return {"record": "preference", "key": row["key"], "value": Raw(row["value"].encode())}


def _ids(row: Any) -> Record:
    return {"record": "ids", "works": row["works"]}


def _title(row: Any) -> Record:
    return {"record": "title", **_but(row, "details"), "details": details(row["details"])}


def _item(row: Any) -> Record:
    return {"record": "item", **_of_episode(row)}


def _play(row: Any) -> Record:
    return {"record": "play", **_of_episode(row)}


def _listed(row: Any) -> Record:
    """A list, or one of its items behind it."""
    if row["work"] == "":
        fields = ("list_id", "name", "created_at", "updated_at")
        return {"record": "list", **{name: row[name] for name in fields}, "order": row["place"]}
    shown = ("list_id", "work", "kind", "title", "poster", "added_at")
    return {"record": "list-item", **{name: row[name] for name in shown}, "order": row["item_place"]}


def _addon(row: Any) -> Record:
    return {
        "record": "addon",
        "transport_url": row["transport_url"],
        "manifest": Raw(row["manifest"].translate(ON_ONE_LINE).encode()),
        "flags": {"official": row["official"], "protected": row["protected"]},
        "order": row["place"],
        "installed_at": row["installed_at"],
        "updated_at": row["updated_at"],
    }


def _import(row: Any) -> Record:
    counts = msgspec.json.decode(row["counts"]) if row["counts"] is not None else None
    return {"record": "import", **_but(row, "counts"), "counts": counts}


def _device(row: Any) -> Record:
    return {"record": "device", **row}


def _fact(row: Any) -> Record:
    return {"record": "fact", "work": row["work"], "known_at": row["known_at"], "fact": Raw(row["body"])}


def _of_episode(row: Any) -> Record:
    return {**_but(row, "season", "episode"), "episode": episode_at(row["season"], row["episode"])}


def _but(row: Any, *without: str) -> Record:
    return {name: value for name, value in row.items() if name not in without}


def _by(*names: str) -> Callable[[Any], tuple[Any, ...]]:
    return lambda row: tuple(row[name] for name in names)


DEVICE = "left join device on device.uid = {0}.uid and device.player = {0}.player"

SECTIONS: Sequence[Section] = (
    Section(
        "select 'x' as key where $1::text is not null and 'x' > $3 limit $2", tuple[Text], ("",), _by("key"), _head
    ),
    Section(
        """select uid, display_name, avatar, claimed_name, claimed_picture, email, created_at
             from profile where uid = $1 and uid > $3 limit $2""",
        tuple[Text],
        ("",),
        _by("uid"),
        _profile,
    ),
    Section(
        """select key, value::text as value from profile, json_each(preferences::json) as each (key, value)
            where uid = $1 and key collate "C" > $3 order by key collate "C" limit $2""",
        tuple[Text],
        ("",),
        _by("key"),
        _preference,
    ),
    Section(
        """select shown_as, array_agg(work order by work <> shown_as, nth) as works from joined
            where uid = $1 and shown_as > $3 group by shown_as order by shown_as limit $2""",
        tuple[Text],
        ("",),
        _by("shown_as"),
        _ids,
    ),
    Section(
        """select work, in_watchlist, case when status = 'finished' and continues then null else status end as status,
                  reaction, favourite, hidden, progress, details, updated_at
             from title where uid = $1 and work > $3 order by work limit $2""",
        tuple[Text],
        ("",),
        _by("work"),
        _title,
    ),
    Section(
        f"""select work, season, episode, media_seconds as position, duration, watched, watched_at, completed_at,
                   watched_seconds, coalesce(device.name, '') as device, session, updated_at
              from item {DEVICE.format("item")}
             where item.uid = $1 and (work, season, episode) > ($3, $4::int, $5::int)
             order by work, season, episode limit $2""",
        tuple[Text, Column, Column],
        ("", -1, -1),
        _by("work", "season", "episode"),
        _item,
    ),
    Section(
        f"""select play, work, season, episode, watched_at, rule, source, coalesce(device.name, '') as device,
                   watched_seconds
              from play {DEVICE.format("play")}
             where play.uid = $1 and (work, season, episode, play) > ($3, $4::int, $5::int, $6)
             order by work, season, episode, play limit $2""",
        tuple[Text, Column, Column, Text],
        ("", -1, -1, ""),
        _by("work", "season", "episode", "play"),
        _play,
    ),
    Section(
        """with mine as (
               select shelved."order" as place, list_id, name, created_at, updated_at
                 from list join shelved using (uid, list_id) where uid = $1 and shown),
           records as (
               select place, list_id, '' as item_place, '' as work, name, created_at, updated_at,
                      null as kind, null as title, null as poster, null::timestamptz as added_at from mine
               union all
               select place, list_id, "order", work, null, null, null, kind, title, poster, added_at
                 from mine join list_item using (list_id) where uid = $1)
           select * from records
            where (place, list_id, item_place, work) > ($3 collate "C", $4 collate "C", $5 collate "C", $6 collate "C")
            order by place, list_id, item_place, work limit $2""",
        tuple[Text, Text, Text, Text],
        ("", "", "", ""),
        _by("place", "list_id", "item_place", "work"),
        _listed,
    ),
    Section(
        """select * from addon where uid = $1 and (place, addon_id) > ($3, $4)
            order by place, addon_id limit least($2, 8)""",
        tuple[Text, Text],
        ("", ""),
        _by("place", "addon_id"),
        _addon,
    ),
    Section(
        """select import_id, format, file_name, state, at, updated_at, counts from import
            where uid = $1 and import_id > $3 order by import_id limit $2""",
        tuple[Text],
        ("",),
        _by("import_id"),
        _import,
    ),
    Section(
        "select player, name from device where uid = $1 and player > $3 order by player limit $2",
        tuple[Text],
        ("",),
        _by("player"),
        _device,
    ),
    Section(
        """select work, position, nth, known_at, body from fact
            where uid = $1 and (work, position, nth) > ($3, $4::bigint, $5::int)
            order by work, position, nth limit least($2, 50)""",
        tuple[Text, Number, Column],
        ("", -1, -1),
        _by("work", "position", "nth"),
        _fact,
    ),
)


class Place(NamedTuple):
    """A section, and where in it to go on."""

    section: Annotated[int, Meta(ge=0, lt=len(SECTIONS))]
    after: tuple[Any, ...]


async def export(db: Db, query: Export, context: Context) -> ExportPage:
    """As many records as fit, from one section after the other."""
    place = Place(0, SECTIONS[0].first) if query.cursor is None else _read(query.cursor)
    records: list[Record] = []
    room = PAGE_BYTES
    while True:
        section = SECTIONS[place.section]
        rows = await db.fetch(section.sql, context.actor, AT_ONCE, *place.after)
        for row in rows:
            record = section.tell(row)
            room -= len(msgspec.json.encode(record))
            if room < 0 and records:
                return ExportPage(records, cursor.write(place))
            records.append(record)
            place = Place(place.section, section.at(row))
        if not rows:
            if place.section + 1 == len(SECTIONS):
                return ExportPage(records, None)
            place = Place(place.section + 1, SECTIONS[place.section + 1].first)


def _read(written: str) -> Place:
    """Raise `Rejected("bad-cursor")` for a place that no section has."""
    place = cursor.read(written, Place)
    try:
        return Place(place.section, msgspec.convert(place.after, SECTIONS[place.section].place))
    except msgspec.ValidationError:
        raise Rejected("bad-cursor") from None


QUERIES: Mapping[type[Query], Answering] = {Export: export}
