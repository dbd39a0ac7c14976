"""What moderators see: what is to be looked at, who did what, and who is muted or banned."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from msgspec import Meta

from comments.queries.rights import fitting, moderating
from events import cursor
from events.contracts.comments import (
    CONTEXT,
    SITE,
    CasesPage,
    CaseView,
    Complaint,
    Deed,
    DeedsPage,
    ShowCases,
    ShowDeeds,
    ShowStandings,
    StandingsPage,
    StandingView,
    party_in,
)
from events.cursor import LAST, Instant
from events.definition import Answering
from events.messages import NO_NUL, Context, Position, Query
from events.projection import LOG, Db

COMPLAINTS = 5
"""Told of each case."""

# What is reported waits for a moderator, and what a rule holds back; what one hid, or is said in the shadow, is hidden.
# Each is looked up by itself: for a plain join, all comments that there are would be gone through.
CASES = """
    with reported as (
        select subject, id, count(*) as reports from report where place = $1 and open group by subject, id),
    listed as (
        select subject, id from reported where $3
        union
        select thread_id, comment_id from comment
         where coalesce(party_id, '') = $2 and veil <> '' and gone is null and (veil = 'held') = $3
        union
        select room, line from line where room = $1 and veil <> '' and (veil = 'held') = $3),
    found as (
        select 'comment' as kind, thread_id, null as room, comment_id as id, uid, name, text, veil, rule,
               posted_at as at, subject
          from listed, lateral (
            select * from comment where comment.thread_id = listed.subject and comment.comment_id = listed.id
             limit 1) as said
         where gone is null
        union all
        select 'line', null, room, line, uid, name, text, veil, rule, at, subject
          from listed, lateral (
            select * from line where line.room = listed.subject and line.line = listed.id limit 1) as said),
    cases as (
        select found.*, coalesce(reports, 0) as reports
          from found left join reported using (subject, id)
         where not $3 or veil <> 'moderated')
    select * from cases where (reports, at, subject, id) < ($4::bigint, $5::timestamptz, $6::text, $7::text)
     order by reports desc, at desc, subject desc, id desc limit $8
"""
LATEST_COMPLAINTS = """
    select subject, id, complaint.* from unnest($1::text[], $2::text[]) as asked (subject, id), lateral (
        select uid, why, words, at from report
         where report.subject = asked.subject and report.id = asked.id and open
         order by at desc, uid limit $3) as complaint
     order by at desc, uid
"""
DEEDS = """
    select * from deed where place = $1 and (position, nth) < ($2, $3) order by position desc, nth desc limit $4
"""
STANDINGS = """
    with holding as (
        select *, muted and coalesce(muted_until > $2, true) as mute_holds,
               banned and coalesce(banned_until > $2, true) as ban_holds
          from standing where place = $1),
    latest as (
        select *, ban_holds and (not mute_holds or banned_at >= muted_at) as by_ban
          from holding where mute_holds or ban_holds),
    found as (
        select uid, mute_holds as muted, case when mute_holds then muted_until end as muted_until,
               mute_holds and shadow as shadow,
               ban_holds as banned, case when ban_holds then banned_until end as banned_until,
               case when by_ban then banned_by else muted_by end as by,
               case when by_ban then banned_because else muted_because end as reason,
               case when by_ban then banned_at else muted_at end as at
          from latest)
    select * from found where (at, uid) < ($3::timestamptz, $4::text) order by at desc, uid desc limit $5
"""
NAMES = """
    select asked.uid, named.name from unnest($1::text[]) as asked (uid), lateral (
        select name from (
            (select name, at from person where person.uid = asked.uid order by at desc limit 1)
            union all
            (select name, posted_at from comment where comment.uid = asked.uid order by posted_at desc limit 1)
        ) as known order by at desc limit 1) as named
"""
EPOCH = "select epoch from checkpoint where source = $1"

Text = Annotated[str, Meta(max_length=400, pattern=NO_NUL)]
Number = Annotated[int, Meta(ge=0, le=2**62)]


class CasePlace(NamedTuple):
    """In the order of the cases."""

    reports: Number
    at: Instant
    subject: Text
    id: Text


class DeedPlace(NamedTuple):
    """In the log."""

    position: Number
    nth: Annotated[int, Meta(ge=0, le=2**31 - 1)]


class StandingPlace(NamedTuple):
    """In the order of when it was said."""

    at: Instant
    uid: Text


FIRST_CASE = CasePlace(2**62, LAST, "", "")
LATEST_DEED = DeedPlace(2**62, 0)
LATEST_STANDING = StandingPlace(LAST, "")


async def cases(db: Db, query: ShowCases, context: Context) -> CasesPage:
    after = FIRST_CASE if query.cursor is None else cursor.read(query.cursor, CasePlace)
    await moderating(db, query.where, context)
    place = after.reports, cursor.moment(after.at), after.subject, after.id
    # A live event has no threads; those for everybody have no party.
    party_id = "" if query.where == SITE else party_in(query.where)
    rows = await db.fetch(CASES, query.where, party_id, query.veil == "waiting", *place, query.limit + 1)
    complaints = await _complaints(db, rows[: query.limit])
    page = fitting([_case(row, complaints) for row in rows[: query.limit]])
    return CasesPage(page, cursor.write(_case_place(rows[len(page) - 1])) if len(rows) > len(page) else None)


async def deeds(db: Db, query: ShowDeeds, context: Context) -> DeedsPage:
    after = LATEST_DEED if query.cursor is None else cursor.read(query.cursor, DeedPlace)
    await moderating(db, query.where, context)
    rows = await db.fetch(DEEDS, query.where, *after, query.limit + 1)
    epoch = await db.fetchval(EPOCH, LOG)
    names = await names_of(db, {uid for row in rows for uid in (row["by"], row["uid"]) if uid})
    page = fitting([_deed(row, epoch, names) for row in rows[: query.limit]])
    last = rows[len(page) - 1] if len(rows) > len(page) else None
    return DeedsPage(page, cursor.write(DeedPlace(last["position"], last["nth"])) if last else None)


async def people(db: Db, query: ShowStandings, context: Context) -> StandingsPage:
    after = LATEST_STANDING if query.cursor is None else cursor.read(query.cursor, StandingPlace)
    await moderating(db, query.where, context)
    place = cursor.moment(after.at), after.uid
    rows = await db.fetch(STANDINGS, query.where, context.now, *place, query.limit + 1)
    names = await names_of(db, {row["uid"] for row in rows})
    page = fitting([StandingView(**row, name=names.get(row["uid"], "")) for row in rows[: query.limit]])
    last = page[-1] if len(rows) > len(page) else None
    return StandingsPage(page, cursor.write(StandingPlace(cursor.instant(last.at), last.uid)) if last else None)


async def names_of(db: Db, uids: Collection[str]) -> Mapping[str, str]:
    """As each of them called themselves last, anywhere."""
    return {row["uid"]: row["name"] for row in await db.fetch(NAMES, list(uids))} if uids else {}


async def _complaints(db: Db, rows: Sequence[Any]) -> Mapping[tuple[str, str], list[Complaint]]:
    subjects, ids = [row["subject"] for row in rows], [row["id"] for row in rows]
    found = defaultdict[tuple[str, str], list[Complaint]](list)
    for row in await db.fetch(LATEST_COMPLAINTS, subjects, ids, COMPLAINTS):
        found[row["subject"], row["id"]].append(
            Complaint(uid=row["uid"], why=row["why"], words=row["words"], at=row["at"])
        )
    return found


def _case(row: Any, complaints: Mapping[tuple[str, str], list[Complaint]]) -> CaseView:
    return CaseView(
        **{name: value for name, value in row.items() if name != "subject"},
        complaints=complaints.get((row["subject"], row["id"]), []),
    )


def _case_place(row: Any) -> CasePlace:
    return CasePlace(row["reports"], cursor.instant(row["at"]), row["subject"], row["id"])


def _deed(row: Any, epoch: str, names: Mapping[str, str]) -> Deed:
    return Deed(
        **{name: row[name] for name in ("type", "by", "uid", "thread_id", "room", "id", "reason", "until", "shadow")},
        position=str(Position(CONTEXT, epoch, row["position"])),
        by_name=names.get(row["by"], ""),
        uid_name=names.get(row["uid"] or "", ""),
        at=row["at"],
    )


QUERIES: Mapping[type[Query], Answering] = {ShowCases: cases, ShowDeeds: deeds, ShowStandings: people}
