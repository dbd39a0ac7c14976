import pytest
from tests.unit.comments.examples import (
    ANA,
    BANNED,
    BOB,
    HOSTING,
    MUTED,
    OURS,
    ROOM,
    C,
    T,
    in_party,
    said,
    seeing,
)

from comments import reports
from comments.rooms import LINE, KeptLine, RecentLine, Room
from events.contracts.comments import LineReported, ReportComment, Reported, ReportLine, Veil, room_key
from events.testing import NOW, spec

reporting = spec(reports.decider())
command = ReportComment(thread_id=T, comment_id=C, why="spam", words="again")
reported = Reported(thread_id=T, comment_id=C, uid=BOB, why="spam", words="again", at=NOW)
of_line = ReportLine(room=ROOM, line=C, why="abuse")
line_reported = LineReported(room=ROOM, line=C, uid=BOB, why="abuse", at=NOW)


def lines(veil: Veil = "") -> Room:
    return Room(lines={C: RecentLine(ANA, 0.0, veil)})


class TestComments:
    there = seeing(comments={C: said(ANA)})

    def test_are_reported(self) -> None:
        reporting.when(command, by=BOB, **self.there).then(reported)

    def test_are_reported_once(self) -> None:
        reporting.given(reported).when(command, by=BOB, **self.there).then()
        reporting.given(reported).when(ReportComment(thread_id=T, comment_id=C, why="other"), by=BOB).then()

    def test_are_those_that_one_sees(self) -> None:
        for comments in ({}, {C: said(ANA, "shadow")}, {C: said(ANA, "held")}, {C: said(ANA, gone=True)}):
            reporting.when(command, by=BOB, **seeing(comments=comments)).then_rejected("no-such-comment")

    def test_are_of_this_thread(self) -> None:
        reporting.when(command, by=BOB, **seeing(OURS, comments={C: said(ANA)})).then_rejected("no-such-comment")

    def test_are_reported_by_those_who_read_them(self) -> None:
        reporting.when(command, **self.there).then_rejected("not-signed-in")
        reporting.when(command, by=BOB, **seeing(comments={C: said(ANA)}, site={BOB: BANNED})).then_rejected("banned")

    def test_are_reported_also_by_those_who_must_not_write(self) -> None:
        context = seeing(comments={C: said(ANA)}, site={BOB: MUTED}, locked=True)

        reporting.when(command, by=BOB, **context).then(reported)

    def test_of_a_party_are_reported_by_its_readers(self) -> None:
        own = seeing(OURS, comments={C: said(ANA)})
        ours = ReportComment(thread_id=OURS, comment_id=C, why="spam", words="again")

        reporting.when(ours, by=BOB, **own).then_rejected("not-a-member")
        reporting.when(ours, by=BOB, **own, **in_party(role=None)).then(
            Reported(thread_id=OURS, comment_id=C, uid=BOB, why="spam", words="again", at=NOW)
        )


class TestLines:
    def test_are_reported_once(self) -> None:
        context = {"by": BOB, **seeing(room=lines()), **in_party()}

        reporting.when(of_line, **context).then(line_reported)
        reporting.given(line_reported).when(of_line, **context).then()

    @pytest.mark.parametrize("veil", ["held", "shadow", "moderated"])
    def test_are_those_that_one_sees(self, veil: Veil) -> None:
        reporting.when(of_line, by=BOB, **seeing(room=lines(veil)), **in_party()).then_rejected("no-such-line")
        reporting.when(of_line, by=BOB, **seeing(room=lines(veil)), **HOSTING).then(line_reported)

    def test_are_reported_by_those_who_read_them(self) -> None:
        reporting.when(of_line, **seeing(room=lines()), **in_party()).then_rejected("not-signed-in")
        reporting.when(of_line, by=BOB, **seeing(room=lines())).then_rejected("not-a-member")
        reporting.when(of_line, by=BOB, **seeing(room=lines(), here={BOB: BANNED}), **in_party()).then_rejected(
            "banned"
        )

    def test_of_long_ago_are_known_from_what_is_kept(self) -> None:
        kept = KeptLine(uid=ANA, text="Boo", at=NOW, veil="", answers=None, media_seconds=None, mentions=())
        rights = in_party()["told"]

        reporting.when(of_line, by=BOB, told=rights).then_rejected("no-such-line")
        reporting.when(of_line, by=BOB, told={**rights, LINE: kept}).then(line_reported)

    def test_of_a_live_event_need_one(self) -> None:
        live = ReportLine(room="live:final", line=C, why="abuse")
        on = Room(owner=ANA, on=True, session=1, lines=lines().lines)

        reporting.when(live, by=BOB).then_rejected("no-such-live")
        reporting.when(live, by=BOB, seen={str(room_key("live:final")): on}).then(
            LineReported(room="live:final", line=C, uid=BOB, why="abuse", at=NOW)
        )
