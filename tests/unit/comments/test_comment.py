from typing import Any

import pytest
from tests.unit.comments.examples import (
    ANA,
    BANNED,
    BOB,
    CYD,
    HOSTING,
    MEDIA,
    MEG,
    MODERATOR,
    MUTED,
    OURS,
    SHADOWED,
    C,
    D,
    P,
    T,
    in_party,
    later,
    posted,
    said,
    seeing,
    talk,
    until,
)

from comments.guards import Standing
from comments.rooms import Room
from events.contracts.comments import (
    DEEPEST,
    CommentCommand,
    Delete,
    Deleted,
    Edit,
    Edited,
    Hidden,
    Hide,
    Post,
    Remove,
    Removed,
    Restore,
    Restored,
    Review,
    Reviewed,
    RoomSettings,
    Veil,
)
from events.testing import NOW

post = Post(media=MEDIA, text="Look!")
edit = Edit(thread_id=T, comment_id=C, text="Look there!")
delete = Delete(thread_id=T, comment_id=C)
hide = Hide(thread_id=T, comment_id=C, reason="rude")
restore = Restore(thread_id=T, comment_id=C)
remove = Remove(thread_id=T, comment_id=C)
review = Review(thread_id=T, comment_id=C)
MODERATING = (hide, restore, remove, review)
WRITING = (post, edit)
ALL = (*WRITING, delete, *MODERATING)

hidden = Hidden(thread_id=T, comment_id=C, by=MEG, at=NOW)
restored = Restored(thread_id=T, comment_id=C, by=MEG, at=NOW)
removed = Removed(thread_id=T, comment_id=C, by=MEG, at=NOW)
reviewed = Reviewed(thread_id=T, comment_id=C, by=MEG, at=NOW)
deleted = Deleted(thread_id=T, comment_id=C, uid=ANA, at=NOW)
edited = Edited(thread_id=T, comment_id=C, uid=ANA, at=NOW, text="Look there!")

each = pytest.mark.parametrize("command", ALL, ids=lambda command: command.function)
each_writing = pytest.mark.parametrize("command", WRITING, ids=lambda command: command.function)
each_moderating = pytest.mark.parametrize("command", MODERATING, ids=lambda command: command.function)


def given(command: CommentCommand, **changes: Any) -> Any:
    """The examples' comment is there, unless the command posts it."""
    return talk if isinstance(command, Post) else talk.given(posted(**changes))


def ours(command: Any) -> CommentCommand:
    """The same wish in the party's own thread."""
    if isinstance(command, Post):
        return Post(media=MEDIA, party_id=P, text=command.text)
    told = {name: getattr(command, name) for name in command.__struct_fields__}
    wish: CommentCommand = type(command)(**{**told, "thread_id": OURS})
    return wish


class TestPost:
    def test_is_about_one_episode(self) -> None:
        both = Post(media="tt0903747:1:2", season=1, episode=3, text="x")

        talk.when(both, by=ANA, name="Ana").then_rejected("no-such-episode", field="episode", named="1-2")

    def test_says_something_for_everybody(self) -> None:
        talk.when(post, by=ANA, name="Ana").then(posted())

    def test_says_who_where_and_to_whom(self) -> None:
        command = Post(
            media="tt0903747", season=1, episode=2, text="Caf\u0065\u0301\r\n", media_seconds=12.5, spoiler=True,
            mentions=(BOB, CYD, BOB, ANA), language="fr", name="  Anita ", avatar="https://a.example/a.png",
        )  # fmt: skip

        talk.when(command, by=ANA, name="Ana").then(
            posted(
                name="Anita",
                text="Café\n",
                media_seconds=12.5,
                spoiler=True,
                mentions=(BOB, CYD),
                language="fr",
                avatar="https://a.example/a.png",
            )
        )

    def test_is_for_who_has_a_name(self) -> None:
        talk.when(post, by=ANA).then_rejected("name-missing")
        talk.when(Post(media=MEDIA, text="Look!", name=" \u200b"), by=ANA, name="Ana").then_rejected("name-missing")

    def test_is_for_who_is_signed_in(self) -> None:
        talk.when(post, name="Ana").then_rejected("not-signed-in")

    def test_again_changes_nothing(self) -> None:
        talk.given(posted()).when(post, by=ANA, name="Ana").then()
        talk.given(posted(), deleted).when(post, by=ANA, name="Ana").then()

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("a\ud800", "half-character"),
            ("a\x07", "control-character"),
            ("\u202eabc", "direction-override"),
            ("\u2066abc", "direction-left-open"),
            ("\u200b", "nothing-visible"),
        ],
    )
    def test_says_what_can_be_read(self, text: str, reason: str) -> None:
        talk.when(Post(media=MEDIA, text=text), by=ANA, name="Ana").then_rejected("text-unreadable", reason=reason)

    def test_says_no_more_than_fits(self) -> None:
        longer = Post(media=MEDIA, text="\ufb2c" * 1_999)

        talk.when(longer, by=ANA, name="Ana").then_rejected("invalid-argument", field="text")

    def test_markup_is_text(self) -> None:
        text = "<script>alert(1)</script><img src=x onerror=alert(1)>[a](javascript:alert(1)) \U0001f600"

        talk.when(Post(media=MEDIA, text=text), by=ANA, name="Ana").then(posted(text=text))


class TestReplies:
    answer = Post(media=MEDIA, text="Look!", parent=D)
    answered = posted(parent=D, parent_uid=BOB, root=D, depth=1)

    def replying(self, parent: Any, by: str = ANA, **context: Any) -> Any:
        return talk.when(self.answer, by=by, name="Ana", **seeing(comments={D: parent}), **context)

    def test_hang_from_what_they_answer(self) -> None:
        self.replying(said(BOB)).then(self.answered)

    def test_keep_the_comment_at_the_top_in_mind(self) -> None:
        self.replying(said(BOB, parent="m1ddle", root="t0p", depth=4)).then(
            posted(parent=D, parent_uid=BOB, root="t0p", depth=5)
        )

    def test_go_as_deep_as_a_thousand(self) -> None:
        deep: dict[str, Any] = {"parent": "m1ddle", "root": "t0p"}

        self.replying(said(BOB, depth=DEEPEST - 1, **deep)).then(
            posted(parent=D, parent_uid=BOB, root="t0p", depth=DEEPEST)
        )
        self.replying(said(BOB, depth=DEEPEST, **deep)).then_rejected("too-deep", limit=DEEPEST)

    def test_answer_what_is_there(self) -> None:
        talk.when(self.answer, by=ANA, name="Ana", **seeing()).then_rejected("no-such-comment")
        self.replying(said(BOB, gone=True)).then_rejected("no-such-comment")

    def test_answer_in_the_same_thread(self) -> None:
        elsewhere = seeing(OURS, comments={D: said(BOB)})

        talk.when(self.answer, by=ANA, name="Ana", **elsewhere).then_rejected("no-such-comment")

    @pytest.mark.parametrize("veil", ["held", "shadow", "moderated"])
    def test_answer_what_one_sees(self, veil: Veil) -> None:
        self.replying(said(BOB, veil)).then_rejected("no-such-comment")

    @pytest.mark.parametrize("veil", ["held", "shadow"])
    def test_to_what_others_do_not_see_stay_with_it(self, veil: Veil) -> None:
        own = posted(uid=BOB, parent=D, parent_uid=BOB, root=D, depth=1, veil=veil)
        moderators = posted(uid=MEG, parent=D, parent_uid=BOB, root=D, depth=1, veil=veil)

        self.replying(said(BOB, veil), by=BOB).then(own)
        self.replying(said(BOB, veil), by=MEG, roles=("moderator",)).then(moderators)

    def test_to_what_was_hidden_hang_from_its_place(self) -> None:
        self.replying(said(BOB, "moderated"), by=BOB).then(posted(uid=BOB, parent=D, parent_uid=BOB, root=D, depth=1))

    def test_in_a_party_are_told_to_whom_they_answer_if_they_may_still_read_it(self) -> None:
        ours = Post(media=MEDIA, party_id=P, text="Look!", parent=D)
        for by, readers, reads in ((ANA, (BOB,), True), (ANA, (), False), (BOB, (), True)):
            context = {**seeing(OURS, comments={D: said(BOB)}), **in_party(readers=readers)}
            talk.when(ours, by=by, name="Ana", **context).then(
                posted(OURS, uid=by, parent=D, parent_uid=BOB, answered_reads=reads, root=D, depth=1)
            )


class TestMentions:
    command = Post(media=MEDIA, party_id=P, text="Look!", mentions=(BOB, CYD))

    def test_in_a_party_are_of_those_who_may_read_it(self) -> None:
        talk.when(self.command, by=ANA, name="Ana", **in_party(readers=(CYD,))).then(posted(OURS, mentions=(CYD,)))

    def test_are_of_nobody_if_nobody_knows(self) -> None:
        talk.when(self.command, by=ANA, name="Ana", **in_party()).then(posted(OURS))


@each
class TestParties:
    """A party's own thread, with the party's answer about who asks."""

    def test_must_have_answered(self, command: CommentCommand) -> None:
        given(command, thread_id=OURS).when(ours(command), by=ANA, name="Ana").then_rejected("not-a-member")

    def test_are_for_members(self, command: CommentCommand) -> None:
        context = in_party("people", role="cohost")

        given(command, thread_id=OURS).when(ours(command), by=ANA, name="Ana", **context).outcome()

    def test_stay_when_the_party_is_over(self, command: CommentCommand) -> None:
        context = in_party("people", role="host", closed=True)

        given(command, thread_id=OURS).when(ours(command), by=ANA, name="Ana", **context).outcome()


class TestPublicParties:
    stranger = in_party(role=None)

    @each_writing
    def test_are_written_in_by_members_alone(self, command: CommentCommand) -> None:
        told = given(command, thread_id=OURS)

        told.when(ours(command), by=ANA, name="Ana", **self.stranger).then_rejected("not-a-member")
        told.when(ours(command), by=ANA, name="Ana", roles=("operator",), **self.stranger).then_rejected("not-a-member")

    def test_give_back_what_was_said_there(self) -> None:
        talk.given(posted(OURS)).when(ours(delete), by=ANA, **self.stranger).then(
            Deleted(thread_id=OURS, comment_id=C, uid=ANA, at=NOW)
        )

    @each_moderating
    def test_are_moderated_by_moderators_of_everything(self, command: CommentCommand) -> None:
        talk.given(posted(OURS)).when(ours(command), **MODERATOR, **self.stranger).outcome()


@each
class TestStandings:
    def test_who_is_banned_everywhere_does_nothing(self, command: CommentCommand) -> None:
        for roles in ((), ("moderator",)):
            given(command).when(
                command, by=ANA, name="Ana", roles=roles, **seeing(site={ANA: BANNED})
            ).then_rejected("banned")  # fmt: skip

    def test_until_it_is_over(self, command: CommentCommand) -> None:
        context = {"by": ANA, "name": "Ana", "roles": ("moderator",), **seeing(site={ANA: until(60, banned=True)})}

        given(command).when(command, after=59.9, **context).then_rejected("banned")
        given(command).when(command, after=60, **context).outcome()

    def test_who_is_banned_from_a_room_does_nothing_there(self, command: CommentCommand) -> None:
        context = {**seeing(OURS, here={ANA: BANNED}), **in_party()}

        given(command, thread_id=OURS).when(ours(command), by=ANA, name="Ana", **context).then_rejected("banned")

    def test_what_is_said_of_others_is_about_others(self, command: CommentCommand) -> None:
        context = seeing(site={BOB: BANNED}, here={ANA: BANNED})

        given(command).when(command, by=ANA, name="Ana", roles=("operator",), **context).outcome()

    def test_a_room_does_not_bind_its_own_moderators(self, command: CommentCommand) -> None:
        context = {**seeing(OURS, here={ANA: Standing(banned=True, muted=True)}), **HOSTING}
        stranger = {**context, **in_party()}

        given(command, thread_id=OURS).when(ours(command), by=ANA, name="Ana", **context).outcome()
        given(command, thread_id=OURS).when(
            ours(command), by=ANA, name="Ana", roles=("moderator",), **stranger
        ).outcome()  # fmt: skip


class TestMuted:
    @each_writing
    def test_do_not_write(self, command: CommentCommand) -> None:
        given(command).when(command, by=ANA, name="Ana", **seeing(site={ANA: MUTED})).then_rejected("muted")

    @each_writing
    def test_in_a_room_do_not_write_there(self, command: CommentCommand) -> None:
        context = {**seeing(OURS, here={ANA: MUTED}), **in_party()}

        given(command, thread_id=OURS).when(ours(command), by=ANA, name="Ana", **context).then_rejected("muted")

    @each_writing
    def test_write_again_when_it_is_over(self, command: CommentCommand) -> None:
        context = {"by": ANA, "name": "Ana", **seeing(site={ANA: until(60, muted=True)})}

        given(command).when(command, after=59.9, **context).then_rejected("muted")
        given(command).when(command, after=60, **context).outcome()

    def test_take_back_what_they_said(self) -> None:
        talk.given(posted()).when(delete, by=ANA, **seeing(site={ANA: MUTED})).then(deleted)

    @each_moderating
    def test_moderate_all_the_same(self, command: CommentCommand) -> None:
        talk.given(posted()).when(command, **MODERATOR, **seeing(site={MEG: MUTED})).outcome()

    @each_writing
    def test_openly_notice_it_also_if_they_are_in_the_shadow_elsewhere(self, command: CommentCommand) -> None:
        context = {**seeing(OURS, site={ANA: SHADOWED}, here={ANA: MUTED}), **in_party()}

        given(command, thread_id=OURS).when(ours(command), by=ANA, name="Ana", **context).then_rejected("muted")


class TestShadow:
    """Whoever is in it notices nothing, and nobody else sees what they write."""

    shadow = seeing(site={ANA: SHADOWED})

    def test_falls_on_what_is_posted(self) -> None:
        talk.when(post, by=ANA, name="Ana", **self.shadow).then(posted(veil="shadow"))

    def test_falls_on_it_in_one_room(self) -> None:
        context = {**seeing(OURS, here={ANA: SHADOWED}), **in_party()}

        talk.when(ours(post), by=ANA, name="Ana", **context).then(posted(OURS, veil="shadow"))

    def test_lifts_in_time(self) -> None:
        context = seeing(site={ANA: until(60, muted=True, shadow=True)})

        talk.when(post, by=ANA, name="Ana", after=60, **context).then(posted(at=later(60)))

    def test_falls_on_what_is_changed_since_it_would_be_seen(self) -> None:
        talk.given(posted()).when(edit, by=ANA, **self.shadow).then(
            Edited(thread_id=T, comment_id=C, uid=ANA, at=NOW, text="Look there!", veil="shadow")
        )
        talk.given(posted(veil="shadow")).when(edit, by=ANA, **self.shadow).then(edited)

    def test_rules_refuse_there_what_they_refuse_anywhere(self) -> None:
        talk.when(Post(media=MEDIA, text="drat"), by=ANA, name="Ana", **self.shadow).then_rejected("words-refused")
        talk.when(Post(media=MEDIA, text="hmm"), by=ANA, name="Ana", **self.shadow).then(
            posted(text="hmm", veil="shadow")
        )

    def test_stays_on_what_was_said_in_it(self) -> None:
        talk.given(posted(veil="shadow")).when(edit, by=ANA).then(edited)

    @pytest.mark.parametrize("command", [edit, delete], ids=lambda command: command.function)
    def test_others_do_not_learn_of_it(self, command: CommentCommand) -> None:
        talk.given(posted(veil="shadow")).when(command, by=BOB).then_rejected("no-such-comment")

    def test_nobody_moderates_themselves_out_of_it(self) -> None:
        host = {**seeing(OURS, site={ANA: SHADOWED}), **HOSTING}
        said_in_shadow = posted(OURS, veil="shadow")

        talk.given(said_in_shadow).when(ours(restore), by=ANA, **host).then()
        talk.given(said_in_shadow).when(ours(restore), by=ANA, **HOSTING).then()
        talk.given(said_in_shadow, hidden).when(ours(restore), by=ANA, **host).then()
        talk.given(said_in_shadow).when(ours(restore), by=BOB, **HOSTING).then(
            Restored(thread_id=OURS, comment_id=C, by=BOB, at=NOW)
        )


class TestLocked:
    locked = seeing(locked=True)

    @each_writing
    def test_threads_are_written_in_by_moderators_alone(self, command: CommentCommand) -> None:
        given(command).when(command, by=ANA, name="Ana", **self.locked).then_rejected("thread-locked")
        given(command).when(command, by=ANA, name="Ana", roles=("moderator",), **self.locked).outcome()

    @each_writing
    def test_threads_of_parties_by_their_own(self, command: CommentCommand) -> None:
        told, locked = given(command, thread_id=OURS), seeing(OURS, locked=True)

        told.when(ours(command), by=ANA, name="Ana", **locked, **in_party("media")).then_rejected("thread-locked")
        told.when(ours(command), by=ANA, name="Ana", **locked, **HOSTING).outcome()

    def test_threads_give_back_what_was_said_there(self) -> None:
        talk.given(posted()).when(delete, by=ANA, **self.locked).then(deleted)


class TestRules:
    @pytest.mark.parametrize("text", ["Drat!", "ZOUNDSERY", "dr\u200bat"])
    def test_refuse_words(self, text: str) -> None:
        talk.when(Post(media=MEDIA, text=text), by=ANA, name="Ana").then_rejected("words-refused")
        talk.given(posted()).when(Edit(thread_id=T, comment_id=C, text=text), by=ANA).then_rejected("words-refused")

    @pytest.mark.parametrize(("text", "rule"), [("hmm...", "words"), ("see example.com", "links")])
    def test_hold_back_until_a_moderator_has_looked(self, text: str, rule: str) -> None:
        talk.when(Post(media=MEDIA, text=text), by=ANA, name="Ana").then(posted(text=text, veil="held", rule=rule))
        talk.given(posted()).when(Edit(thread_id=T, comment_id=C, text=text), by=ANA).then(
            Edited(thread_id=T, comment_id=C, uid=ANA, at=NOW, text=text, veil="held", rule=rule)
        )

    def test_of_a_party_come_on_top_in_its_own_threads(self) -> None:
        room = Room(settings=RoomSettings(words=("fie",), links="refuse"))
        context = {"by": ANA, "name": "Ana", **seeing(OURS, room=room), **in_party()}

        talk.when(Post(media=MEDIA, party_id=P, text="Fie!"), **context).then_rejected("words-refused")
        talk.when(Post(media=MEDIA, party_id=P, text="a.com"), **context).then_rejected("links-refused")
        talk.when(Post(media=MEDIA, party_id=P, text="drat"), **context).then_rejected("words-refused")
        talk.given(posted(OURS)).when(Edit(thread_id=OURS, comment_id=C, text="fie"), **context).then_rejected(
            "words-refused"
        )
        talk.when(Post(media=MEDIA, text="Fie!"), by=ANA, name="Ana").then(posted(text="Fie!"))

    def test_do_not_become_milder_there(self) -> None:
        context = {"by": ANA, "name": "Ana", **seeing(OURS, room=Room()), **in_party()}

        talk.when(Post(media=MEDIA, party_id=P, text="a.com"), **context).then(
            posted(OURS, text="a.com", veil="held", rule="links")
        )

    @pytest.mark.parametrize("text", ["drat", "hmm", "example.com"])
    def test_do_not_bind_moderators(self, text: str) -> None:
        host = {**seeing(OURS), **HOSTING}

        talk.when(Post(media=MEDIA, text=text), by=MEG, name="Meg", roles=("operator",)).then(
            posted(uid=MEG, name="Meg", text=text)
        )
        talk.when(Post(media=MEDIA, party_id=P, text=text), by=ANA, name="Ana", **host).then(posted(OURS, text=text))


class TestEdit:
    def test_changes_the_text(self) -> None:
        talk.given(posted()).when(edit, by=ANA).then(edited)

    def test_changes_what_is_given(self) -> None:
        marked = Edit(thread_id=T, comment_id=C, spoiler=True)

        talk.given(posted()).when(marked, by=ANA).then(Edited(thread_id=T, comment_id=C, uid=ANA, at=NOW, spoiler=True))

    @pytest.mark.parametrize(
        "changes", [{}, {"text": "Look!"}, {"spoiler": False}, {"text": "Look!", "spoiler": False}], ids=str
    )
    def test_to_what_it_says_already_changes_nothing(self, changes: dict[str, Any]) -> None:
        talk.given(posted()).when(Edit(thread_id=T, comment_id=C, **changes), by=ANA).then()

    def test_to_the_same_in_another_form_changes_nothing(self) -> None:
        talk.given(posted(text="Café\n")).when(
            Edit(thread_id=T, comment_id=C, text="Cafe\u0301\r\n"), by=ANA
        ).then()  # fmt: skip

    def test_looks_at_what_it_says_now(self) -> None:
        talk.given(posted(), edited).when(edit, by=ANA).then()
        talk.given(posted(), edited).when(Edit(thread_id=T, comment_id=C, text="Look!"), by=ANA).then(
            Edited(thread_id=T, comment_id=C, uid=ANA, at=NOW, text="Look!")
        )

    def test_says_what_can_be_read(self) -> None:
        talk.given(posted()).when(Edit(thread_id=T, comment_id=C, text="\u202e"), by=ANA).then_rejected(
            "text-unreadable", reason="direction-override"
        )

    def test_is_for_its_author(self) -> None:
        talk.given(posted()).when(edit, by=BOB).then_rejected("not-yours")
        talk.given(posted()).when(edit, **MODERATOR).then_rejected("not-yours")

    @pytest.mark.parametrize("gone", [deleted, removed])
    def test_needs_a_comment(self, gone: Deleted | Removed) -> None:
        talk.when(edit, by=ANA).then_rejected("no-such-comment")
        talk.given(posted(), gone).when(edit, by=ANA).then_rejected("no-such-comment")

    @pytest.mark.parametrize("veil", ["held", "shadow", "moderated"])
    def test_lifts_no_veil(self, veil: Veil) -> None:
        assert talk.given(posted(veil=veil), edited).state().veil == veil
        talk.given(posted(veil=veil)).when(Edit(thread_id=T, comment_id=C, text="hmm"), by=ANA).then(
            Edited(thread_id=T, comment_id=C, uid=ANA, at=NOW, text="hmm")
        )

    def test_of_the_mark_alone_asks_no_rule_about_the_text(self) -> None:
        talk.given(posted(text="hmm", uid=ANA)).when(Edit(thread_id=T, comment_id=C, spoiler=True), by=ANA).then(
            Edited(thread_id=T, comment_id=C, uid=ANA, at=NOW, spoiler=True)
        )


class TestDelete:
    def test_takes_it_back(self) -> None:
        talk.given(posted()).when(delete, by=ANA).then(deleted)
        assert talk.given(posted(), deleted).state().text == ""

    @pytest.mark.parametrize("veil", ["held", "shadow", "moderated"])
    def test_takes_back_what_others_do_not_see(self, veil: Veil) -> None:
        talk.given(posted(veil=veil)).when(delete, by=ANA).then(deleted)

    @pytest.mark.parametrize("gone", [deleted, removed])
    def test_of_what_is_gone_changes_nothing(self, gone: Deleted | Removed) -> None:
        talk.given(posted(), gone).when(delete, by=ANA).then()
        talk.given(posted(), gone).when(delete, by=BOB).then_rejected("no-such-comment")

    def test_is_for_its_author(self) -> None:
        talk.given(posted()).when(delete, by=BOB).then_rejected("not-yours")
        talk.given(posted()).when(delete, **MODERATOR).then_rejected("not-yours")

    def test_needs_a_comment(self) -> None:
        talk.when(delete, by=ANA).then_rejected("no-such-comment")


class TestModerating:
    @each_moderating
    def test_is_for_moderators(self, command: CommentCommand) -> None:
        talk.given(posted()).when(command).then_rejected("not-signed-in")
        talk.given(posted()).when(command, by=BOB).then_rejected("not-a-moderator")
        talk.given(posted()).when(command, by=ANA).then_rejected("not-a-moderator")
        talk.given(posted()).when(command, by=BOB, roles=("broadcaster",)).then_rejected("not-a-moderator")

    @each_moderating
    def test_of_a_party_is_for_those_who_may_manage_its_people(self, command: CommentCommand) -> None:
        told = talk.given(posted(OURS))

        told.when(ours(command), by=BOB, **in_party("play", "media")).then_rejected("not-a-moderator")
        told.when(ours(command), by=BOB, **in_party("people", role="cohost")).outcome()

    @each_moderating
    def test_of_a_party_is_of_its_own_threads(self, command: CommentCommand) -> None:
        talk.given(posted()).when(command, by=BOB, **HOSTING).then_rejected("not-a-moderator")

    @each_moderating
    def test_needs_a_comment(self, command: CommentCommand) -> None:
        talk.when(command, **MODERATOR).then_rejected("no-such-comment")

    @pytest.mark.parametrize("gone", [deleted, removed])
    @each_moderating
    def test_leaves_alone_what_is_gone(self, command: CommentCommand, gone: Deleted | Removed) -> None:
        told = talk.given(posted(), gone).when(command, **MODERATOR)

        if isinstance(command, Remove):
            told.then()
        else:
            told.then_rejected("no-such-comment")

    @pytest.mark.parametrize("veil", ["", "held", "shadow"])
    def test_hides_what_can_be_seen_or_not(self, veil: Veil) -> None:
        talk.given(posted(veil=veil)).when(hide, **MODERATOR).then(
            Hidden(thread_id=T, comment_id=C, by=MEG, reason="rude", at=NOW)
        )
        talk.given(posted(veil=veil), hidden).when(hide, **MODERATOR).then()

    @pytest.mark.parametrize("veil", ["held", "shadow", "moderated"])
    def test_restores_whatever_veils_it(self, veil: Veil) -> None:
        talk.given(posted(veil=veil)).when(restore, **MODERATOR).then(restored)
        talk.given(posted(veil=veil), restored).when(restore, **MODERATOR).then()
        assert talk.given(posted(veil=veil), restored).state().veil == ""

    def test_restores_nothing_that_is_seen(self) -> None:
        talk.given(posted()).when(restore, **MODERATOR).then()

    def test_removes_for_good(self) -> None:
        talk.given(posted(), hidden).when(remove, **MODERATOR).then(removed)
        assert not talk.given(posted(), removed).state().there

    def test_finds_nothing_wrong_each_time_it_looks(self) -> None:
        """It cannot know whether there were reports in between."""
        talk.given(posted()).when(review, **MODERATOR).then(reviewed)
        talk.given(posted(), reviewed).when(review, **MODERATOR).then(reviewed)
        assert talk.given(posted(veil="held"), reviewed).state().veil == "held"

    @each_moderating
    def test_is_allowed_on_ones_own(self, command: CommentCommand) -> None:
        talk.given(posted(uid=MEG)).when(command, **MODERATOR).outcome()


class TestRaces:
    """Of two who act at once, the second one is decided anew over what the first one did."""

    def test_what_was_removed_meanwhile_is_not_changed(self) -> None:
        talk.given(posted(), removed).when(edit, by=ANA).then_rejected("no-such-comment")

    def test_what_was_hidden_meanwhile_is_changed_unseen(self) -> None:
        talk.given(posted(), hidden).when(edit, by=ANA).then(edited)

    def test_what_was_taken_back_meanwhile_is_not_hidden(self) -> None:
        talk.given(posted(), deleted).when(hide, **MODERATOR).then_rejected("no-such-comment")

    def test_what_was_taken_back_while_answered_is_not_answered(self) -> None:
        answer = Post(media=MEDIA, text="Look!", parent=D)

        talk.when(answer, by=ANA, name="Ana", **seeing(comments={D: said(BOB, gone=True)})).then_rejected(
            "no-such-comment"
        )


def test_a_state_is_moved_on_by_each_event() -> None:
    state = talk.given(posted(text="hmm", veil="held"), edited, hidden, restored, reviewed).state()

    assert (state.uid, state.text, state.veil, state.there) == (ANA, "Look there!", "", True)
