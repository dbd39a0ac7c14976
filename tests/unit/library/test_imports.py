"""An import is asked for, planned, maybe confirmed, applied, and taken back as a whole."""

from typing import Any

import msgspec
import pytest

from events.contracts.library import (
    ConfirmImport,
    Counts,
    FailImport,
    FinishImport,
    ImportApplied,
    ImportAsked,
    ImportConfirmed,
    ImportEvent,
    ImportFailed,
    ImportPlanned,
    ImportUndone,
    PlanImport,
    Skipped,
    StartImport,
    UndoImport,
    addons_key,
    import_key,
    shelf_key,
)
from events.messages import Context, Rejected, arguments
from events.testing import NOW, spec
from library.decider import PACTS, deciders
from library.imports import Plan, decider

ANA, ID, UPLOAD = "ana", "c0mmand0c0mmand0", "0123456789abcdef" * 2
COUNTS = Counts(total=3, added=2, skipped=1)

import_ = spec(decider)


def asked(**more: Any) -> ImportAsked:
    return ImportAsked(**{"uid": ANA, "import_id": ID, "upload": UPLOAD, "format": "trakt", "at": NOW, **more})


def planned(**more: Any) -> ImportPlanned:
    return ImportPlanned(**{"uid": ANA, "import_id": ID, "counts": COUNTS, "at": NOW, **more})


def plan(**more: Any) -> PlanImport:
    said = Plan(**{"counts": COUNTS, **more})
    return PlanImport(uid=ANA, import_id=ID, plan=msgspec.Raw(msgspec.json.encode(said)))


CONFIRMED = ImportConfirmed(uid=ANA, import_id=ID, at=NOW)
APPLIED = ImportApplied(uid=ANA, import_id=ID, counts=COUNTS, at=NOW)
FAILED = ImportFailed(uid=ANA, import_id=ID, code="not-json", at=NOW, details={"line": 3})
UNDONE = ImportUndone(uid=ANA, import_id=ID, at=NOW)
FINISH = FinishImport(uid=ANA, import_id=ID, counts=COUNTS)
FAIL = FailImport(uid=ANA, import_id=ID, code="not-json", details={"line": 3})
START = StartImport(upload=UPLOAD, format="trakt")
CONFIRM, UNDO = ConfirmImport(import_id=ID), UndoImport(import_id=ID)

READING: tuple[ImportEvent, ...] = (asked(),)
APPLYING = (*READING, planned())
STOPPED = (*READING, planned(stopped=True, share=0.4))
TRIED = (asked(dry_run=True), planned())
DONE = (*APPLYING, APPLIED)
TAKEN_BACK = (*DONE, UNDONE)
BROKEN = (*READING, FAILED)


def test_asking_begins_it_once() -> None:
    import_.when(START, by=ANA).then(asked())
    import_.given(*READING).when(START, by=ANA).then()
    import_.given(*DONE).when(START, by=ANA).then()


def test_it_keeps_how_it_was_asked_for() -> None:
    wish = StartImport(upload=UPLOAD, format="imdb", dry_run=True, replace=True, file_name="ratings.csv")
    import_.when(wish, by=ANA).then(asked(format="imdb", dry_run=True, replace=True, file_name="ratings.csv"))


def test_a_plan_is_applied_at_once_unless_it_is_a_dry_run_or_removes_much() -> None:
    skipped = (Skipped(2, "The Matrix", "already-there"),)
    told = plan(skipped=skipped, reasons={"already-there": 1})
    import_.given(*READING).when(told, by="system:library").then(planned(skipped=skipped, reasons={"already-there": 1}))
    assert import_.given(*APPLYING).state().stage == "applying"
    assert import_.given(*STOPPED).state().stage == "stopped"
    assert import_.given(*TRIED).state().stage == "planned"


def test_a_plan_told_again_after_a_crash_is_silence_and_a_better_one_after_a_confirmation_is_not() -> None:
    import_.given(*APPLYING).when(plan(), by="system:library").then()
    better = Counts(total=3, added=1, skipped=2)
    import_.given(*STOPPED, CONFIRMED).when(plan(counts=better, stopped=True), by="system:library").then(
        planned(counts=better, stopped=True)
    )
    assert import_.given(*STOPPED, CONFIRMED, planned(counts=better, stopped=True)).state().stage == "applying"


def test_the_end_is_told_once_and_only_of_what_was_applied() -> None:
    import_.given(*APPLYING).when(FINISH, by="system:library").then(APPLIED)
    for events in (READING, STOPPED, TRIED, DONE, TAKEN_BACK, BROKEN):
        import_.given(*events).when(FINISH, by="system:library").then()


def test_it_fails_while_it_is_under_way_and_never_afterwards() -> None:
    import_.given(*READING).when(FAIL, by="system:library").then(FAILED)
    import_.given(*APPLYING).when(FAIL, by="system:library").then(FAILED)
    for events in (STOPPED, TRIED, DONE, TAKEN_BACK, BROKEN):
        import_.given(*events).when(FAIL, by="system:library").then()


def test_a_confirmation_makes_what_waits_real() -> None:
    for events in (STOPPED, TRIED):
        import_.given(*events).when(CONFIRM, by=ANA).then(CONFIRMED)
        assert import_.given(*events, CONFIRMED).state().stage == "applying"
    for events in (READING, APPLYING, DONE, TAKEN_BACK, BROKEN, (*STOPPED, CONFIRMED)):
        import_.given(*events).when(CONFIRM, by=ANA).then_rejected("not-waiting")


def test_undo_is_one_event_and_twice_is_once() -> None:
    import_.given(*DONE).when(UNDO, by=ANA).then(UNDONE)
    import_.given(*TAKEN_BACK).when(UNDO, by=ANA).then()


def test_undo_is_told_wherever_something_of_the_import_is_known() -> None:
    context = Context(actor=ANA, now=NOW, command_id="c")
    initial = {key: deciders()[key.aggregate].initial for key in UNDO.keys(context)}

    def undo(*events: ImportEvent) -> Any:
        states = {**initial, import_key(ANA, ID): import_.given(*events).state()}
        return {key: told for key, told in PACTS[UndoImport].decide(UNDO, states, context).items() if told}

    assert undo(*DONE) == {import_key(ANA, ID): [UNDONE], addons_key(ANA): [UNDONE], shelf_key(ANA): [UNDONE]}
    assert undo(*TRIED) == {import_key(ANA, ID): [UNDONE]}, "which has brought nothing"
    assert undo(*TAKEN_BACK) == {}


def test_the_end_tells_what_was_really_done() -> None:
    counts, skipped = Counts(total=3, added=1, skipped=2), (Skipped(2, "Naruto", "too-large"),)
    finish = FinishImport(uid=ANA, import_id=ID, counts=counts, reasons={"too-large": 1}, skipped=skipped)
    applied = ImportApplied(uid=ANA, import_id=ID, counts=counts, at=NOW, reasons={"too-large": 1}, skipped=skipped)
    import_.given(*APPLYING).when(finish, by="system:library").then(applied)


def test_what_is_under_way_cannot_be_undone_and_what_waits_is_given_up() -> None:
    for events in (READING, APPLYING, (*STOPPED, CONFIRMED)):
        import_.given(*events).when(UNDO, by=ANA).then_rejected("import-under-way")
    for events in (STOPPED, TRIED, BROKEN):
        import_.given(*events).when(UNDO, by=ANA).then(UNDONE)


def test_an_unknown_import_and_nobody() -> None:
    for wish in (CONFIRM, UNDO):
        import_.when(wish, by=ANA).then_rejected("no-such-import", import_id=ID)
        import_.when(wish).then_rejected("not-signed-in")
    import_.when(START).then_rejected("not-signed-in")


def test_somebody_elses_import_is_another_aggregate() -> None:
    context = Context(actor="bob", now=NOW, command_id="c")
    assert UNDO.keys(context)[:1] == CONFIRM.keys(context) == (import_key("bob", ID),)
    assert set(UNDO.keys(context)[1:]) == {addons_key("bob"), shelf_key("bob")}
    assert FINISH.keys(context) == (import_key(ANA, ID),)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"upload":"x","format":"trakt"}', "upload"),
        (b'{"upload":"%s","format":"plex"}' % UPLOAD.encode(), "format"),
        (b'{"format":"trakt"}', "upload"),
        (b'{"upload":"%s","format":"trakt","dry_run":"yes"}' % UPLOAD.encode(), "dry_run"),
        (b'{"upload":"%s","format":"trakt","file_name":"%s"}' % (UPLOAD.encode(), b"n" * 201), "file_name"),
        (b'{"upload":"%s","format":"trakt","undo":true}' % UPLOAD.encode(), "undo"),
    ],
)
def test_wrong_arguments(body: bytes, field: str) -> None:
    with pytest.raises(Rejected) as refused:
        arguments(StartImport, body)
    assert (refused.value.code, refused.value.details["field"]) == ("invalid-argument", field)
