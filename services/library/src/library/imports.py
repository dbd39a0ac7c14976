"""The rules of an import: asked for, planned, applied, and taken back as a whole."""

from collections.abc import Mapping
from typing import Any, Literal, assert_never

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from events.contracts.library import (
    ConfirmImport,
    Counts,
    FailImport,
    FinishImport,
    ImportApplied,
    ImportAsked,
    ImportCommand,
    ImportConfirmed,
    ImportEvent,
    ImportFailed,
    ImportPlanned,
    ImportUndone,
    PlanImport,
    Skipped,
    StartImport,
    UndoImport,
)
from events.decider import Decider, Pact
from events.messages import Command, Context, Key, Rejected
from library import addons, shelf

Stage = Literal["", "reading", "planned", "stopped", "applying", "applied", "failed", "undone"]
UNDER_WAY = ("reading", "applying")
WAITING = ("planned", "stopped")
TOLD = 1_000
"""Entries that were passed over, with their reasons."""


class Plan(Struct, frozen=True):
    """What an import would do: an `ImportPlanned` without whose and when."""

    counts: Counts = Counts()
    reasons: dict[str, int] = {}
    skipped: tuple[Skipped, ...] = ()
    share: float = 0.0
    stopped: bool = False


class Import(Struct, frozen=True):
    """As much of an import's history as its rules need."""

    stage: Stage = ""
    upload: str = ""
    format: str = ""
    dry_run: bool = False
    replace: bool = False
    confirmed: bool = False
    counts: Counts = Counts()


def decide(command: ImportCommand, state: Import, context: Context) -> list[ImportEvent]:
    if not context.actor:
        raise Rejected("not-signed-in")
    match command:
        case StartImport():
            return _start(command, state, context)
        case ConfirmImport():
            return _confirm(command, state, context)
        case UndoImport():
            return _undo(command, state, context)
        case PlanImport():
            return _plan(command, state, context)
        case FinishImport():
            return _finish(command, state, context)
        case FailImport(uid=uid, import_id=import_id, code=code, details=details):
            if state.stage not in UNDER_WAY:
                return []
            return [ImportFailed(uid=uid, import_id=import_id, code=code, details=details, at=context.now)]
        case _:
            assert_never(command)


def _start(command: StartImport, state: Import, context: Context) -> list[ImportEvent]:
    if state.stage:
        return []
    return [
        ImportAsked(
            uid=context.actor,
            import_id=command.result(context).import_id,
            upload=command.upload,
            format=command.format,
            at=context.now,
            dry_run=command.dry_run,
            replace=command.replace,
            file_name=command.file_name,
        )
    ]


def _confirm(command: ConfirmImport, state: Import, context: Context) -> list[ImportEvent]:
    _known(command.import_id, state)
    if state.stage not in WAITING:
        raise Rejected("not-waiting", state=state.stage)
    return [ImportConfirmed(uid=context.actor, import_id=command.import_id, at=context.now)]


def _undo(command: UndoImport, state: Import, context: Context) -> list[ImportEvent]:
    """Of one that waits for a confirmation, it is given up; of one that failed, what it had brought until then goes."""
    _known(command.import_id, state)
    if state.stage in UNDER_WAY:
        raise Rejected("import-under-way", state=state.stage)
    if state.stage == "undone":
        return []
    return [ImportUndone(uid=context.actor, import_id=command.import_id, at=context.now)]


def _plan(command: PlanImport, state: Import, context: Context) -> list[ImportEvent]:
    """Also once it is being applied: a confirmation may come long after the first look."""
    if state.stage not in UNDER_WAY:
        return []
    plan = msgspec.json.decode(command.plan, type=Plan)
    if state.stage == "applying" and plan.counts == state.counts:
        return []
    said = {field: getattr(plan, field) for field in Plan.__struct_fields__}
    return [ImportPlanned(uid=command.uid, import_id=command.import_id, at=context.now, **said)]


def _finish(command: FinishImport, state: Import, context: Context) -> list[ImportEvent]:
    if state.stage != "applying":
        return []
    return [
        ImportApplied(
            uid=command.uid,
            import_id=command.import_id,
            counts=command.counts,
            at=context.now,
            reasons=command.reasons,
            skipped=command.skipped,
        )
    ]


def undo(command: UndoImport, states: Mapping[Key, Any], context: Context) -> Mapping[Key, list[Any]]:
    """One fact, told at once wherever something of it is known. Of one that waits, nothing is."""
    keys = command.keys(context)
    state = states[keys[0]]
    assert isinstance(state, Import)
    undone = decide(command, state, context)
    return dict.fromkeys(keys[:1] if state.stage in WAITING else keys, undone)


def _known(import_id: str, state: Import) -> None:
    if not state.stage:
        raise Rejected("no-such-import", import_id=import_id)


def evolve(state: Import, event: ImportEvent) -> Import:
    match event:
        case ImportAsked(upload=upload, format=format, dry_run=dry_run, replace=replacing):
            return Import("reading", upload, format, dry_run, replacing)
        case ImportPlanned(counts=counts):
            return replace(state, stage=after_planning(state, event), counts=counts)
        case ImportConfirmed():
            return replace(state, stage="applying", confirmed=True)
        case ImportApplied():
            return replace(state, stage="applied")
        case ImportFailed():
            return replace(state, stage="failed")
        case ImportUndone():
            return replace(state, stage="undone")
        case _:
            assert_never(event)


def after_planning(state: Import, event: ImportPlanned) -> Stage:
    """A plan waits for its owner if it was all that they wanted, or if it would remove much."""
    if state.confirmed:
        return "applying"
    if event.stopped:
        return "stopped"
    return "planned" if state.dry_run else "applying"


decider: Decider[ImportCommand, Import, ImportEvent] = Decider(Import(), decide, evolve)

_ALL: Mapping[str, Decider[Any, Any, Any]] = {"import": decider, "addons": addons.decider(), "shelf": shelf.decider}
PACTS: Mapping[type[Command], Pact[Any, Any, Any]] = {UndoImport: Pact(_ALL, undo)}
