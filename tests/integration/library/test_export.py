"""Everything that is kept about somebody, page by page, and nobody else's."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from tests.integration.readmodels import ReadModel, read_model

from events import cursor
from events.contracts.library import Export
from events.messages import Context, Rejected
from library.main import SERVICE
from library.queries import export
from ops.embedded import Embedded

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ANA, BEN = "ana", "ben"

ROWS = (
    """insert into profile select $1, '', 'Ana', 'a.png', 'Ana B.', 'b.png', 'ana@example.com', $2,
                                  '{"theme": "dark", "size": 3}', 1""",
    "insert into joined select $1, work, 'tt1', nth from (values ('tt1', 0), ('tmdb:movie:1', 1)) as j (work, nth)",
    """insert into title (uid, work, in_watchlist, status, reaction, favourite, hidden, watched_episodes, updated_at,
                          continues, film, details)
       select $1, 'tt' || n, true, 'watching', 'liked', false, false, 0, $2, false, true, '{"title": "A film"}'
         from generate_series(1, 230) as n""",
    """insert into item select $1, 'tt1', 1, n, true, true, 60.5, 600, 's', 'p', 60, $2, true, $2, 1, $2, null
         from generate_series(1, 150) as n""",
    "insert into item select $1, 'tt2', -1, -1, true, true, 60.5, 600, 's', 'p', 60, $2, true, $2, 1, $2, null",
    (
        "insert into play select $1, 'tt2', -1, -1, 'play' || n, 'tt2', $2, 'p', 'position', '', 60, 60"
        " from generate_series(1, 3) as n"
    ),
    "insert into device select $1, 'p', 'television' where $2::timestamptz is not null",
    "insert into list select $1, 'l' || n, 'List ' || n, $2, $2, true, 1 from generate_series(1, 3) as n",
    """insert into shelved select $1, 'l' || n, 'a' || n from generate_series(1, 3) as n
        where $2::timestamptz is not null""",
    """insert into list_item select $1, 'l' || n, 'tt' || m, 'b' || m, $2, '', 'movie', 'T', '', $2
         from generate_series(1, 3) as n, generate_series(1, 60) as m""",
    """insert into addon select $1, 'a' || n, '', 'https://a.example/' || n,
                               '{"id": "' || repeat('x', 60000) || '"}', '{}', false, true, 'p' || n, $2, $2, 1
         from generate_series(1, 12) as n""",
    """insert into import (uid, import_id, upload, format, file_name, state, dry_run, replace, confirmed, taken, share,
                           reasons, skipped, error, details, at, updated_at)
       select $1, 'i1', 'u', 'trakt', 'f.json', 'applied', false, false, false, 0, 0, '{}', '[]', '', '{}', $2, $2""",
    """insert into fact select $1, 'tt1', n, 0, $2, convert_to('{"type": "library.started", "n": ' || n || '}', 'UTF8')
         from generate_series(1, 120) as n""",
)


@pytest.fixture
async def model(servers: Embedded) -> AsyncIterator[ReadModel]:
    async with read_model(SERVICE, servers) as filled:
        for person in (ANA, BEN):
            for sql in ROWS:
                await filled.writer.execute(sql, *([person, NOW] if "$2" in sql else [person]))
        yield filled


async def pages(model: ReadModel, uid: str = ANA) -> list[list[dict[str, Any]]]:
    found, at = [], None
    while True:
        page = await export.export(model.reader, Export(cursor=at), Context(actor=uid, now=NOW))
        encoded = msgspec.json.encode(page.records)
        assert len(encoded) < 1_000_000
        found.append(msgspec.json.decode(encoded))
        if (at := page.cursor) is None:
            return found


async def test_all_parts_together_hold_each_record_once_and_in_order(model: ReadModel) -> None:
    records = [record for page in await pages(model) for record in page]

    kinds = [record["record"] for record in records]
    assert list(dict.fromkeys(kinds)) == [
        "matinee", "profile", "preference", "ids", "title", "item", "play", "list", "list-item", "addon", "import",
        "device", "fact",
    ]  # fmt: skip
    counted = {kind: kinds.count(kind) for kind in kinds}
    assert counted == {
        "matinee": 1, "profile": 1, "preference": 2, "ids": 1, "title": 230, "item": 151, "play": 3, "list": 3,
        "list-item": 180, "addon": 12, "import": 1, "device": 1, "fact": 120,
    }  # fmt: skip
    assert len({msgspec.json.encode(record) for record in records}) == len(records)


async def test_each_record_says_what_it_promises(model: ReadModel) -> None:
    by_kind: dict[str, dict[str, Any]] = {}
    for page in await pages(model):
        for record in page:
            by_kind.setdefault(record["record"], record)
    at = "2026-01-02T00:00:00Z"
    assert by_kind["matinee"] == {"record": "matinee", "version": 1}
    assert by_kind["profile"] == {
        "record": "profile", "display_name": "Ana", "avatar": "a.png", "claimed_name": "Ana B.",
        "claimed_picture": "b.png", "email": "ana@example.com", "created_at": at,
    }  # fmt: skip
    assert by_kind["preference"] == {"record": "preference", "key": "size", "value": 3}
    assert by_kind["ids"] == {"record": "ids", "works": ["tt1", "tmdb:movie:1"]}
    assert by_kind["title"] == {
        "record": "title", "work": "tt1", "in_watchlist": True, "status": "watching", "reaction": "liked",
        "favourite": False, "hidden": False, "progress": None, "updated_at": at, "details": {"title": "A film"},
    }  # fmt: skip
    assert by_kind["item"] == {
        "record": "item", "work": "tt1", "episode": {"season": 1, "episode": 1}, "position": 60.5, "duration": 600.0,
        "watched": True, "watched_at": at, "completed_at": at, "watched_seconds": 60.0, "device": "television",
        "session": "s", "updated_at": at,
    }  # fmt: skip
    assert by_kind["play"] == {
        "record": "play", "play": "play1", "work": "tt2", "episode": None, "watched_at": at, "rule": "position",
        "source": "", "device": "television", "watched_seconds": 60.0,
    }  # fmt: skip
    assert by_kind["list"] == {
        "record": "list", "list_id": "l1", "name": "List 1", "order": "a1", "created_at": at, "updated_at": at,
    }  # fmt: skip
    assert by_kind["list-item"] == {
        "record": "list-item", "list_id": "l1", "work": "tt1", "kind": "movie", "title": "T", "poster": "",
        "order": "b1", "added_at": at,
    }  # fmt: skip
    assert by_kind["addon"]["manifest"] == {"id": "x" * 60000}
    assert by_kind["addon"]["flags"] == {"official": False, "protected": True}
    assert by_kind["fact"] == {
        "record": "fact", "work": "tt1", "known_at": at, "fact": {"type": "library.started", "n": 1},
    }  # fmt: skip


async def test_items_of_a_list_follow_it(model: ReadModel) -> None:
    records = [r for page in await pages(model) for r in page if r["record"] in ("list", "list-item")]

    seen: list[str] = []
    for record in records:
        if record["record"] == "list":
            seen.append(record["list_id"])
        assert record["list_id"] == seen[-1]


async def test_who_has_nothing_gets_a_file_that_says_so(model: ReadModel) -> None:
    assert await pages(model, "nobody") == [[{"record": "matinee", "version": 1}]]


@pytest.mark.parametrize(
    "place",
    [
        "x", 7, [99, [""]], [-1, [""]], [0, []], [0, ["", ""]], [4, [1]], [5, ["", "", ""]], [5, ["", 10**9, 0]],
        [0, ["a\x00"]], [11, ["", 2**70, 0]], [4, ["x" * 600]], [4, {}], None,
    ],
)  # fmt: skip
async def test_a_cursor_that_was_never_given_out_is_refused(model: ReadModel, place: Any) -> None:
    with pytest.raises(Rejected, match="bad-cursor"):
        await export.export(model.reader, Export(cursor=cursor.write(place)), Context(actor=ANA, now=NOW))


async def test_what_comes_meanwhile_spoils_no_page(model: ReadModel) -> None:
    first = await export.export(model.reader, Export(), Context(actor=ANA, now=NOW))
    await model.writer.execute("update title set updated_at = $1 where uid = 'ana'", NOW + timedelta(days=1))
    second = await export.export(model.reader, Export(cursor=first.cursor), Context(actor=ANA, now=NOW))

    told = [(r["record"], r.get("work"), r.get("key")) for page in (first, second) for r in page.records]
    assert ("title", "tt1", None) in told


async def test_every_table_says_whose_each_row_is(model: ReadModel) -> None:
    """By `uid`, which is what goes when somebody is erased; `whom` is in the certificate, which stays."""
    rows = await model.reader.fetch(
        "select table_name, array_agg(column_name::text) as columns from information_schema.columns"
        " where table_schema = current_schema() group by 1"
    )
    chassis = {"checkpoint", "aggregate", "parked", "due"}
    without = {row["table_name"] for row in rows if not {"uid", "whom"} & set(row["columns"])} - chassis
    assert without == set()
