"""What somebody declares about a title, and what an import brings: marks, choices, and what leaves the history."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from events.contracts.library import (
    EPISODES_AT_ONCE,
    FILM,
    NO_OFFSET,
    Happened,
    ItemChange,
    ItemChanged,
    Mark,
    Marked,
    PlaysRemoved,
    Progress,
    RemovePlays,
    SetItem,
    TakeIn,
    TakenIn,
    TitleEvent,
    happened,
    player,
    slot,
    slots,
)
from events.messages import Context, Rejected
from library.shelf import looked_at
from library.title.sessions import check_room
from library.title.state import (
    Register,
    Resume,
    Slot,
    Stamp,
    Title,
    changed,
    digest,
    mark_id,
    marking,
    setting,
    stamp,
)
from library.title.summary import summary

FINISHED_AT = 90.0
"""Per cent. Who dropped something that late had finished it."""
DEFAULTS: dict[str, Any] = {"in_watchlist": False, "favourite": False, "hidden": False}
"""What a choice is that nobody has made; the others are nothing."""


def mark(command: Mark, title: Title, context: Context) -> list[TitleEvent]:
    targets = _targets(command)
    check_room(title, targets)
    when = happened(context, command.at, command.sent_at)
    op = _operation(command, context)
    watched_at = _watched_at(command, when, context)
    events: list[TitleEvent] = []
    if not _known(title, marking(op)):
        news = targets if command.at is not None else tuple(_news(command, title, targets, context))
        if news:
            events.append(
                Marked(
                    uid=context.actor,
                    work=command.named().work,
                    watched=command.watched,
                    slots=news,
                    at=when.at,
                    told_at=context.now,
                    op=op,
                    watched_at=watched_at,
                    device=command.device,
                    player=player(context.actor, command.device),
                )
            )
    if command.status is not UNSET:
        events += _change(command, ItemChange(status=command.status), when, title, context)
    return events


def set_item(command: SetItem, title: Title, context: Context) -> list[TitleEvent]:
    when = happened(context, command.at, command.sent_at)
    values = _legacy(command, title)
    for field in ItemChange.__struct_fields__:
        if (value := getattr(command, field)) is not UNSET:
            values[field] = value
    return _change(command, ItemChange(**values), when, title, context)


def remove_plays(command: RemovePlays, title: Title, context: Context) -> list[TitleEvent]:
    entries = dict(_entries(title))
    for id in command.plays:
        if id not in entries:
            raise Rejected("no-such-play", play=id)
    plays = dict.fromkeys(id for entry in command.plays for id in entries[entry])
    news = tuple(id for id in plays if id not in title.removed)
    if not news:
        return []
    return [PlaysRemoved(uid=context.actor, work=command.named().work, plays=news, at=context.now)]


def take_in(command: TakeIn, title: Title, context: Context) -> list[TitleEvent]:
    """What this source has not brought before; asked again after a crash, it is silence."""
    plays = tuple(play for play in command.plays if command.source not in _taken(title, play.slot, play.id))
    change = {
        field: value
        for field, value in changed(command.change).items()
        if not _says(_registers(title, field).get(command.source), value)
    }
    resume = command.resume
    if resume is not None:
        known = title.slots.get(resume.slot, Slot()).resumes.get(command.source)
        news = known is None or known.at < stamp(resume.at)
        resume = resume if news and known != Resume(stamp(resume.at), resume.position, resume.duration) else None
    cleared = command.cleared and command.source not in title.clears
    if not (plays or change or resume or cleared):
        return []
    check_room(title, [play.slot for play in plays] + ([resume.slot] if resume else []))
    return [
        TakenIn(
            uid=command.uid,
            work=command.work,
            source=command.source,
            format=command.format,
            at=command.at,
            told_at=context.now,
            plays=plays,
            change=ItemChange(**change),
            resume=resume,
            cleared=cleared,
        )
    ]


# Marks.


def _targets(command: Mark) -> tuple[str, ...]:
    if sum(len(season.episodes) for season in command.seasons) > EPISODES_AT_ONCE:
        raise Rejected("too-many-episodes", limit=EPISODES_AT_ONCE)
    given, by_id = slots(command.seasons), command.named().episode
    if by_id is None:
        return given or (FILM,)
    if given not in ((), (slot(by_id),)):
        raise Rejected("no-such-episode", work=command.work)
    return (slot(by_id),)


def _watched_at(command: Mark, when: Happened, context: Context) -> datetime | None:
    if not command.watched or command.watched_at is None:
        return None
    if command.watched_at is UNSET:
        return when.at
    if command.watched_at.tzinfo is None:
        raise Rejected("invalid-argument", field="watched_at", reason=NO_OFFSET)
    return min(command.watched_at, context.now)


def _news(command: Mark, title: Title, targets: Iterable[str], context: Context) -> Iterator[str]:
    """Of what is marked now, that which is not so already."""
    if _has_several_ids(command, context):
        yield from targets
        return
    if not command.watched:
        yield from (name for name in targets if _ever_watched(title.slots.get(name, Slot())))
        return
    shelf = looked_at(context)
    floor = max(shelf.cleared, *title.clears.values(), 0)
    own_time = command.watched_at is not UNSET
    yield from (name for name in targets if own_time or not _watched_here(title, name, floor))


def _has_several_ids(command: Mark | SetItem, context: Context) -> bool:
    """Whether what is shown of the work may stand under another of its ids, of which this title knows nothing."""
    shelf = looked_at(context)
    return len(shelf.group(command.named().work)) > 1


def _watched_here(title: Title, name: str, floor: Stamp) -> bool:
    """Whether the person's own plays and marks after *floor* say that it is watched. What an import says does not
    count: it may have been undone, which a title does not know."""
    known = title.slots.get(name, Slot())
    floor = max([floor, *(mark.at for mark in known.marks if not mark.watched)])
    marks = (mark.at for mark in known.marks if mark.watched and mark_id(mark, name) not in title.removed)
    plays = (play.at for id, play in known.plays.items() if id not in title.removed)
    return any(at > floor for at in (*marks, *plays))


def _ever_watched(known: Slot) -> bool:
    """Whether anything since the newest un-mark says that it was watched, removed or not, undone or not."""
    overtaken = max((mark.at for mark in known.marks if not mark.watched), default=None)
    times = [play.until for play in known.plays.values()]
    times += [mark.at for mark in known.marks if mark.watched]
    times += [taken.at for sources in known.taken.values() for taken in sources.values()]
    return any(overtaken is None or at > overtaken for at in times)


# Choices.


def _change(
    command: Mark | SetItem, change: ItemChange, when: Happened, title: Title, context: Context
) -> list[TitleEvent]:
    op = _operation(command, context)
    if _known(title, setting(op)):
        return []
    told, live = stamp(when.at), command.at is None
    news = {
        field: value
        for field, value in changed(change).items()
        if _chooses(_registers(title, field), value, DEFAULTS.get(field), told, setting(op), live)
        or (live and (_has_several_ids(command, context) or _has_moved_on(title, field, value)))
    }
    if not news:
        return []
    return [
        ItemChanged(
            uid=context.actor,
            work=command.named().work,
            change=ItemChange(**news),
            at=when.at,
            told_at=context.now,
            op=op,
            device=command.device,
            player=player(context.actor, command.device),
        )
    ]


def _chooses(registers: dict[str, Register[Any]], value: Any, default: Any, at: Stamp, op: str, live: bool) -> bool:
    """Whether a choice makes a difference: now, or, if a device told its time, among those of all times."""
    mine = registers.get("")
    if not live:
        return mine is None or (mine.at, mine.op) < (at, op)
    if mine is None:
        return bool(registers) or bool(value != default)
    latest = max((register.at, register.op) for register in registers.values()) == (mine.at, mine.op)
    return not (latest and mine.value == value)


def _has_moved_on(title: Title, field: str, value: Any) -> bool:
    """Whether a status that was chosen shows no longer, because more was watched since."""
    return field == "status" and summary(title, frozenset(), None).status != value


def _legacy(command: SetItem, title: Title) -> dict[str, Any]:
    """What the older combined status stands for; how far somebody was who dropped it decides whether they finished."""
    match command.legacy_status:
        case "plan-to-watch":
            return {"status": "want-to-watch"}
        case "watching":
            return {"status": "watching"}
        case "completed":
            return {"status": "finished"}
        case "liked":
            return {"status": "finished", "reaction": "liked"}
        case "dropped":
            told = command.progress if command.progress is not UNSET else None
            progress = told if told is not None else summary(title, frozenset(), None).progress
            return {"status": _dropped(progress or 0.0), "reaction": "not-for-me"}
        case _:
            return {}


def _dropped(progress: float) -> Progress:
    if progress >= FINISHED_AT:
        return "finished"
    return "watching" if progress > 0 else "want-to-watch"


def _registers(title: Title, field: str) -> dict[str, Register[Any]]:
    registers: dict[str, Register[Any]] = getattr(title.choices, field)
    return registers


def _says(register: Register[Any] | None, value: Any) -> bool:
    return register is not None and bool(register.value == value)


def _operation(command: Mark | SetItem, context: Context) -> str:
    """The same for whatever a device tells twice; if it gave no id, by what it tells."""
    if command.op is not None or command.at is None:
        return command.operation(context)
    return digest(msgspec.json.encode(replace(command, sent_at=None)).decode())


def _known(title: Title, op: str) -> bool:
    return any(operation.op == op for operation in title.operations)


# The history.


def _entries(title: Title) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each entry of the history, and what goes with it: the history shows one of an episode's marks alone."""
    for name, known in title.slots.items():
        marks = tuple(mark_id(mark, name) for mark in known.marks if mark.watched)
        yield from ((id, marks) for id in marks)
        yield from ((id, (id,)) for id in known.plays)
        yield from ((id, (id,)) for id in known.taken)


def _taken(title: Title, name: str, id: str) -> dict[str, Any]:
    known = title.slots.get(name)
    return dict(known.taken.get(id, {})) if known is not None else {}
