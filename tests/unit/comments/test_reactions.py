from typing import Any

import pytest
from tests.unit.comments.examples import (
    ANA,
    BANNED,
    BOB,
    HOSTING,
    MUTED,
    OURS,
    SHADOWED,
    C,
    T,
    in_party,
    said,
    seeing,
)

from comments import reactions
from events.contracts.comments import EMOJI_EACH, React, Reacted, Veil
from events.testing import NOW, spec

reaction = spec(reactions.decider())
there = seeing(comments={C: said(ANA)})
EMOJI = ("😀", "❤️", "👍🏽", "🇩🇪", "🎬", "🍿")


def react(emoji: str = "😀", on: bool = True, thread_id: str = T) -> React:
    return React(thread_id=thread_id, comment_id=C, emoji=emoji, on=on)


def reacted(emoji: str = "😀", **changes: Any) -> Reacted:
    told: dict[str, Any] = {"thread_id": T, "uid": BOB, "on": True, "at": NOW, **changes}
    return Reacted(comment_id=C, emoji=emoji, **told)


def test_an_emoji_is_put_on_and_taken_off() -> None:
    reaction.when(react(), by=BOB, **there).then(reacted())
    reaction.given(reacted()).when(react(on=False), by=BOB, **there).then(reacted(on=False))
    reaction.given(reacted(), reacted(on=False)).when(react(), by=BOB, **there).then(reacted())


def test_again_changes_nothing() -> None:
    reaction.given(reacted()).when(react(), by=BOB, **there).then()
    reaction.when(react(on=False), by=BOB, **there).then()


def test_of_one_emoji_there_is_one_however_it_is_typed() -> None:
    reaction.when(react("❤"), by=BOB, **there).then(reacted("❤️"))
    reaction.given(reacted("❤️")).when(react("❤"), by=BOB, **there).then()
    reaction.given(reacted("❤️")).when(react("❤", on=False), by=BOB, **there).then(reacted("❤️", on=False))


@pytest.mark.parametrize("text", ["a", "😀😀", "<b>", ":smile:", "\u202e"])
def test_nothing_else_is_put_on(text: str) -> None:
    reaction.when(react(text), by=BOB, **there).then_rejected("not-an-emoji")


def test_a_few_of_each_person_find_room() -> None:
    full = [reacted(emoji) for emoji in EMOJI[:EMOJI_EACH]]

    reaction.given(*full).when(react(EMOJI[-1]), by=BOB, **there).then_rejected("too-many-reactions", limit=EMOJI_EACH)
    reaction.given(*full).when(react(EMOJI[0]), by=BOB, **there).then()
    reaction.given(*full, reacted(EMOJI[0], on=False)).when(react(EMOJI[-1]), by=BOB, **there).then(reacted(EMOJI[-1]))


def test_there_must_be_a_comment_of_this_thread() -> None:
    reaction.when(react(), by=BOB, **seeing()).then_rejected("no-such-comment")
    reaction.when(react(), by=BOB, **seeing(OURS, comments={C: said(ANA)})).then_rejected("no-such-comment")
    reaction.when(react(), by=BOB, **seeing(comments={C: said(ANA, gone=True)})).then_rejected("no-such-comment")


@pytest.mark.parametrize("veil", ["held", "shadow", "moderated"])
def test_it_is_put_on_what_one_sees(veil: Veil) -> None:
    veiled = seeing(comments={C: said(ANA, veil)})

    reaction.when(react(), by=BOB, **veiled).then_rejected("no-such-comment")
    reaction.when(react(), by=ANA, **veiled).then(reacted(uid=ANA))
    reaction.when(react(), by=BOB, roles=("moderator",), **veiled).then(reacted())


def test_in_the_shadow_nobody_else_sees_it() -> None:
    shadow = seeing(comments={C: said(ANA)}, site={BOB: SHADOWED})

    reaction.when(react(), by=BOB, **shadow).then(reacted(veil="shadow"))
    reaction.given(reacted()).when(react(on=False), by=BOB, **shadow).then(reacted(on=False))
    reaction.given(reacted(veil="shadow")).when(react(), by=BOB, **there).then()


def test_it_is_for_those_who_may_write() -> None:
    comments = {C: said(ANA)}

    reaction.when(react(), **there).then_rejected("not-signed-in")
    reaction.when(react(), by=BOB, **seeing(comments=comments, site={BOB: MUTED})).then_rejected("muted")
    reaction.when(react(), by=BOB, **seeing(comments=comments, site={BOB: BANNED})).then_rejected("banned")
    reaction.when(react(), by=BOB, **seeing(comments=comments, locked=True)).then_rejected("thread-locked")


def test_in_a_party_it_is_for_members() -> None:
    own, put = seeing(OURS, comments={C: said(ANA)}), react(thread_id=OURS)

    reaction.when(put, by=BOB, **own).then_rejected("not-a-member")
    reaction.when(put, by=BOB, **own, **in_party(role=None)).then_rejected("not-a-member")
    reaction.when(put, by=BOB, **own, **in_party()).then(reacted(thread_id=OURS))


def test_a_locked_thread_is_for_moderators() -> None:
    own = seeing(OURS, comments={C: said(ANA)}, locked=True)

    reaction.when(react(thread_id=OURS), by=BOB, **own, **in_party()).then_rejected("thread-locked")
    reaction.when(react(thread_id=OURS), by=BOB, **own, **HOSTING).then(reacted(thread_id=OURS))
