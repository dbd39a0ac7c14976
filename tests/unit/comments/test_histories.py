"""One comment, whatever its author, others and moderators do to it in whichever order."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.unit.comments.examples import ANA, BOB, CYD, MEDIA, MEG, MUTED, RULES, SHADOWED, C, T, later, seeing

from comments import comment
from comments.guards import Standing
from comments.state import Comment
from events.contracts.comments import (
    CommentCommand,
    CommentEvent,
    Delete,
    Deleted,
    Edit,
    Edited,
    Hidden,
    Hide,
    Post,
    Posted,
    Remove,
    Removed,
    Restore,
    Restored,
    Review,
)
from events.messages import Context, Rejected

PEOPLE = (ANA, BOB, CYD, MEG)
TEXTS = ("Look!", "Look there!", "Cafe\u0301", "drat", "hmm", "example.com", "\u202e")
SHARED = {"not-signed-in", "invalid-argument"}
decider = comment.decider(RULES)
people = st.sampled_from(PEOPLE)
reasons = st.sampled_from(("", "rude"))


class Histories(RuleBasedStateMachine):
    """Commands come from several people; some were decided over an older state, and are decided again as they are when
    somebody else was faster."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[CommentEvent] = []
        self.states = [decider.initial]
        self.refusals: list[tuple[type[CommentCommand], str]] = []
        self.standings: dict[str, Standing] = {}
        self.locked = False
        self.now = 0.0

    @initialize(text=st.sampled_from(TEXTS[:3]))
    def begin(self, text: str) -> None:
        self.carry_out(Post(media=MEDIA, text=text), ANA)

    @rule(by=people, text=st.sampled_from((*TEXTS, None)), spoiler=st.sampled_from((None, True, False)))
    def edit(self, by: str, text: str | None, spoiler: bool | None) -> None:
        self.carry_out(Edit(thread_id=T, comment_id=C, text=text, spoiler=spoiler), by)

    @rule(by=people)
    def delete(self, by: str) -> None:
        self.carry_out(Delete(thread_id=T, comment_id=C), by)

    @rule(by=people, kind=st.sampled_from((Hide, Restore, Review)), reason=reasons)
    def moderate(self, by: str, kind: type[Hide | Restore | Review], reason: str) -> None:
        self.carry_out(kind(thread_id=T, comment_id=C, reason=reason), by)

    @rule(by=people)
    def remove(self, by: str) -> None:
        self.carry_out(Remove(thread_id=T, comment_id=C), by)

    @rule(by=people)
    def post_again(self, by: str) -> None:
        before = self.state
        self.carry_out(Post(media=MEDIA, text="Look!"), by)
        assert self.state == before

    @rule(uid=people, standing=st.sampled_from((Standing(), MUTED, SHADOWED, Standing(banned=True))))
    def say_of(self, uid: str, standing: Standing) -> None:
        self.standings[uid] = standing

    @rule(locked=st.booleans())
    def lock(self, locked: bool) -> None:
        self.locked = locked

    @invariant()
    def folds_to_the_same(self) -> None:
        assert decider.fold(self.events) == self.state

    @invariant()
    def is_one_persons(self) -> None:
        assert self.state.uid == (ANA if self.events else "")

    @invariant()
    def says_nothing_once_it_is_gone(self) -> None:
        gone = any(isinstance(event, Deleted | Removed) for event in self.events)
        assert self.state.gone == gone
        assert not (gone and self.state.text)

    @invariant()
    def is_gone_at_the_end_if_at_all(self) -> None:
        assert not any(isinstance(event, Deleted | Removed) for event in self.events[:-1])

    @invariant()
    def is_veiled_since_something_veiled_it(self) -> None:
        """And it is seen only since a moderator restored it, or since it was never veiled."""
        veil = ""
        for event in self.events:
            match event:
                case Posted(veil=put):
                    veil = put
                case Edited(veil=put):
                    assert not (put and veil)
                    veil = put or veil
                case Hidden():
                    assert veil != "moderated"
                    veil = "moderated"
                case Restored():
                    assert veil
                    veil = ""
        assert veil == self.state.veil

    @invariant()
    def says_what_no_rule_refuses(self) -> None:
        for event in self.events:
            if isinstance(event, Posted | Edited) and event.text is not None:
                assert event.text not in ("drat", "\u202e", "Cafe\u0301")
                assert event.rule in ("", "words", "links")
                assert (event.veil == "held") == bool(event.rule)

    @property
    def state(self) -> Comment:
        return self.states[-1]

    def carry_out(self, command: CommentCommand, by: str) -> None:
        self.now += 1.0
        context = self.context(by)
        self.try_earlier(command, context)
        events = self.decided(command, self.state, context)
        state = decider.fold(events, self.state)
        for event in events:
            self.check(command, event, by)
        if not isinstance(command, Review):
            assert self.decided(command, state, context) == []
        if events:
            self.events += events
            self.states.append(state)

    def try_earlier(self, command: CommentCommand, context: Context) -> None:
        """What it would have led to before somebody else was faster is thrown away, and does no harm."""
        if len(self.states) > 1:
            self.decided(command, self.states[-2], context)

    def decided(self, command: CommentCommand, state: Comment, context: Context) -> list[CommentEvent]:
        try:
            return decider.decide(command, state, context)
        except Rejected as refusal:
            self.refusals.append((type(command), refusal.code))
            return []

    @invariant()
    def is_refused_as_it_is_published(self) -> None:
        assert all(code in {*command.errors, *SHARED} for command, code in self.refusals)

    def check(self, command: CommentCommand, event: CommentEvent, by: str) -> None:
        """Nobody acts against what is said of them."""
        standing = self.standings.get(by, Standing())
        assert not standing.banned
        if isinstance(event, Posted | Edited | Deleted):
            assert event.uid == by == ANA
        else:
            assert event.by == by == MEG
        if isinstance(event, Posted | Edited):
            assert not (standing.muted and not standing.shadow)
            assert not self.locked
            if standing.shadow:
                assert (event.veil or self.state.veil) != ""

    def context(self, by: str) -> Context:
        told: dict[str, Any] = seeing(locked=self.locked, site=self.standings)
        roles = ("moderator",) if by == MEG else ()
        return Context(
            actor=by, now=later(self.now), command_id="c0mmand0c0mmand0c0mmand0cc", name=by, roles=roles, **told
        )


Histories.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestHistories = Histories.TestCase
