"""The rules of a watch party, room by room; how its state begins and moves on is in `state`."""

from typing import assert_never

from events.contracts.party import (
    Appoint,
    Ban,
    ChangeMedia,
    ChangeRate,
    Close,
    Configure,
    Dequeue,
    Dismiss,
    Drop,
    Enqueue,
    Excuse,
    Expire,
    Find,
    HandOver,
    Hold,
    Join,
    Kick,
    Leave,
    Lock,
    Miss,
    MoveItem,
    Next,
    Open,
    PartyCommand,
    PartyEvent,
    Pause,
    Play,
    Profile,
    Ready,
    Rekey,
    Release,
    Seek,
    Skip,
    Succeed,
    Unban,
    Undo,
    Vote,
    WarnOfExpiry,
)
from events.decider import Decider
from events.messages import Context, Rejected
from parties import admission, course, people, playback, program
from parties.rules import Rules
from parties.state import Party, evolve


def decider(rules: Rules = Rules()) -> Decider[PartyCommand, Party, PartyEvent]:
    """The rule book under what an installation has set."""

    def decide(command: PartyCommand, party: Party, context: Context) -> list[PartyEvent]:
        if not context.actor:
            raise Rejected("not-signed-in")
        return _decide(command, party, context, rules)

    return Decider(Party(), decide, evolve)


def _decide(command: PartyCommand, party: Party, context: Context, rules: Rules) -> list[PartyEvent]:
    match command:
        case Open() | Join() | Leave():
            return admission.decide(command, party, context, rules)
        case Profile() | Kick() | Ban() | Unban() | Appoint() | Dismiss() | HandOver():
            return people.decide(command, party, context, rules)
        case Miss() | Find() | Succeed() | Drop():
            return people.decide(command, party, context, rules)
        case Lock() | Configure() | Rekey() | Close() | Expire() | WarnOfExpiry():
            return course.decide(command, party, context, rules)
        case Play() | Pause() | Seek() | ChangeRate() | Undo() | Ready() | Excuse() | Hold() | Release():
            return playback.decide(command, party, context, rules)
        case ChangeMedia() | Enqueue() | MoveItem() | Dequeue() | Vote() | Next() | Skip():
            return program.decide(command, party, context, rules)
        case _:
            assert_never(command)
