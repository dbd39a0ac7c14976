"""One title of one person: what they watched of it, and what they decided about it."""

from events.contracts.library import (
    Mark,
    RemovePlays,
    Report,
    SetItem,
    TakeIn,
    TitleCommand,
    TitleEvent,
)
from events.decider import Decider
from events.messages import Context, Rejected
from library.rules import Rules
from library.title import marks, sessions, state


def decider(rules: Rules = Rules()) -> Decider[TitleCommand, state.Title, TitleEvent]:
    """The rule book under what an installation has set."""

    def decide(command: TitleCommand, title: state.Title, context: Context) -> list[TitleEvent]:
        if isinstance(command, TakeIn):
            return marks.take_in(command, title, context)
        if not context.actor:
            raise Rejected("not-signed-in")
        match command:
            case Report():
                return sessions.decide(command, title, context, rules)
            case Mark():
                return marks.mark(command, title, context)
            case SetItem():
                return marks.set_item(command, title, context)
            case RemovePlays():
                return marks.remove_plays(command, title, context)

    return Decider(state.Title(), decide, state.evolve)
