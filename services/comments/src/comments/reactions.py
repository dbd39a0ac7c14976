"""The rules of what one person puts on one comment."""

from msgspec import Struct

from comments.comment import may_take_part, seen_by
from comments.writing import one_emoji
from events.contracts.comments import EMOJI_EACH, React, Reacted
from events.decider import Decider
from events.messages import Context, Rejected


class Reaction(Struct, frozen=True):
    """The emoji of one person on one comment."""

    emoji: tuple[str, ...] = ()


def decider() -> Decider[React, Reaction, Reacted]:
    return Decider(Reaction(), decide, evolve)


def decide(command: React, reaction: Reaction, context: Context) -> list[Reacted]:
    """Taking one off is no secret, also in the shadow: what others see of it goes."""
    shadow = may_take_part(command.thread_id, context)
    emoji = one_emoji(command.emoji)
    seen_by(context, command.thread_id, command.comment_id)
    if (emoji in reaction.emoji) == command.on:
        return []
    if command.on and len(reaction.emoji) >= EMOJI_EACH:
        raise Rejected("too-many-reactions", limit=EMOJI_EACH)
    return [
        Reacted(
            thread_id=command.thread_id,
            comment_id=command.comment_id,
            uid=context.actor,
            emoji=emoji,
            on=command.on,
            veil=shadow if command.on else "",
            at=context.now,
        )
    ]


def evolve(reaction: Reaction, event: Reacted) -> Reaction:
    others = tuple(other for other in reaction.emoji if other != event.emoji)
    return Reaction((*others, event.emoji) if event.on else others)
