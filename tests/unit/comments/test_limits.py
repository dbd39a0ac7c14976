import pytest

from comments.limits import Limits, charging
from comments.settings import CommentsSettings
from events.contracts.comments import (
    Edit,
    HideLine,
    Post,
    React,
    ReportComment,
    ReportLine,
    Say,
    StartLive,
)
from events.messages import Command, Context
from events.settings import BadSettings, load
from events.testing import NOW

THREAD = "a" * 26
context = Context(actor="ana", now=NOW)
NEEDED = {"NATS_URL": "nats://x", "DATABASE_URL": "postgresql://x", "MATINEE_MASTER_KEY": "x"}

CHARGED: list[tuple[Command, str, int, float]] = [
    (Post(media="tt0133093", text="hi"), "comments", 5, 60),
    (Edit(thread_id=THREAD, comment_id="c", text="hi"), "edits", 20, 60),
    (React(thread_id=THREAD, comment_id="c", emoji="👍"), "reactions", 30, 60),
    (Say(room="party:p1", text="hi"), "chat", 5, 5),
    (ReportComment(thread_id=THREAD, comment_id="c", why="spam"), "reports", 10, 3600),
    (ReportLine(room="party:p1", line="l", why="spam"), "reports", 10, 3600),
    (StartLive(live_id="final", title="The final"), "lives", 10, 3600),
]


@pytest.mark.parametrize(("command", "name", "limit", "seconds"), CHARGED, ids=lambda value: str(value)[:12])
def test_what_people_may_do_so_often(command: Command, name: str, limit: int, seconds: float) -> None:
    (charge,) = charging(Limits())(command, context)

    assert (charge.quota.name, charge.quota.limit, charge.quota.seconds) == (name, limit, seconds)
    assert charge.subject == "ana"


def test_moderation_is_not_counted() -> None:
    assert charging(Limits())(HideLine(room="party:p1", line="l"), context) == ()


def test_all_of_it_can_be_set_and_0_is_none() -> None:
    settings = load(CommentsSettings, {**NEEDED, "MATINEE_CHAT_PER_SECOND": "2", "MATINEE_COMMENTS_PER_MINUTE": "0"})

    (chat,) = charging(settings.limits())(Say(room="party:p1", text="hi"), context)
    (comments,) = charging(settings.limits())(Post(media="tt0133093", text="hi"), context)

    assert (chat.quota.limit, chat.quota.seconds, comments.quota.limit) == (10, 5, 0)


def test_words_are_listed_between_commas() -> None:
    settings = load(CommentsSettings, {**NEEDED, "MATINEE_WORDS_REFUSED": "rosebud, ,sled*,", "MATINEE_LINKS": "hold"})

    rules = settings.rules()

    assert (rules.words_refused, rules.words_held, rules.links) == (("rosebud", "sled*"), (), "hold")


def test_chats_are_kept_as_long_as_is_said() -> None:
    settings = load(CommentsSettings, {**NEEDED, "MATINEE_CHAT_LINES": "200", "MATINEE_CHAT_DAYS": "0.5"})

    assert (settings.retention().lines, settings.retention().days) == (200, 0.5)
    with pytest.raises(BadSettings, match="MATINEE_CHAT_LINES"):
        load(CommentsSettings, {**NEEDED, "MATINEE_CHAT_LINES": "5001"})
