"""Several people at once in the same threads, through several replicas: whatever comes of it, the rows say what the log
does, and what was refused has changed nothing.

`MATINEE_HISTORIES` makes it more histories than the few of an ordinary run.
"""

import asyncio
import os
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random
from typing import Any

import asyncpg
import pytest
from prometheus_client import REGISTRY
from tests.integration.comments.plainly import says_what_was_told
from tests.integration.comments.town import MODERATOR, Refused, Town, town
from tests.wait import eventually

from events.log import Commit
from events.projection import LOG, Db
from events.service import Replica
from ops.embedded import Embedded

HISTORIES = int(os.environ.get("MATINEE_HISTORIES", "6"))
STEPS = 15
"""Of each person."""
PEOPLE = tuple(f"guest-{n}" for n in range(7))
MODERATORS = ("mod-0", "mod-1", "mod-2")
TEXTS = ("Whoa", "What a scene", "It's his best", "a sled", "a rosebud")
"""The last but one is held back, the last refused."""
EMOJI = ("👍", "🔥", "😂")
NEWEST = 4
"""Among so many comments people choose: they get in one another's way."""
Doing = Callable[["Crowd", Random, str], Awaitable[Any]]


class Crowd:
    """People who talk about one film, all at once, in its thread for everybody and in that of a party."""

    def __init__(self, at: Town, party_id: str) -> None:
        self.at = at
        self.about: list[dict[str, Any]] = [{"media": f"tt{secrets.randbelow(10**9)}"}]
        self.about.append({**self.about[0], "party_id": party_id})
        self.comments: list[tuple[str, str, str]] = []
        """Thread, comment and author, as they came to be known."""
        self.done: list[tuple[str, str]] = []
        """What was carried out, and under which id."""
        self.refused: list[tuple[str, str, str]] = []
        """The same of what was not, and the reason."""

    async def lives(self, uid: str, chance: Random) -> None:
        doing = DOING if uid in PEOPLE else (*DOING, *MODERATING * 2)
        for _ in range(STEPS):
            await chance.choice(doing)(self, chance, uid)

    async def do(self, fn: str, by: str, **args: Any) -> Any:
        id, roles = secrets.token_hex(16), MODERATOR if by in MODERATORS else ()
        try:
            answer = await self.at.do(fn, by, roles=roles, id=id, **args)
        except Refused as refused:
            self.refused.append((fn, id, refused.code))
            return None
        self.done.append((fn, id))
        return answer

    def one(self, chance: Random, by: str | None = None) -> dict[str, str] | None:
        """One of the newest comments, or of those of one person."""
        known = [one for one in self.comments if by is None or one[2] == by][-NEWEST:]
        thread_id, comment_id, _ = chance.choice(known) if known else ("", "", "")
        return {"thread_id": thread_id, "comment_id": comment_id} if known else None


async def _post(crowd: Crowd, chance: Random, uid: str) -> None:
    about, answering = chance.choice(crowd.about), {}
    if chance.random() < 0.7 and (to := crowd.one(chance)):
        party = "@" in to["thread_id"]
        about, answering = crowd.about[party], {"parent": to["comment_id"]}
    media_seconds = chance.choice((None, 0.0, 9.9, 125.0))
    text = chance.choice(TEXTS)
    posted = await crowd.do("comments.post", uid, text=text, media_seconds=media_seconds, **about, **answering)
    if posted:
        crowd.comments.append((posted["thread_id"], posted["comment_id"], uid))


async def _edit(crowd: Crowd, chance: Random, uid: str) -> None:
    """Now and then somebody else's."""
    if one := crowd.one(chance, uid if chance.random() < 0.8 else None):
        await crowd.do(
            "comments.edit", uid, **one, text=chance.choice(TEXTS), spoiler=chance.choice((None, True, False))
        )


async def _delete(crowd: Crowd, chance: Random, uid: str) -> None:
    if one := crowd.one(chance, uid if chance.random() < 0.8 else None):
        await crowd.do("comments.delete", uid, **one)


async def _react(crowd: Crowd, chance: Random, uid: str) -> None:
    """From two devices at once."""
    if one := crowd.one(chance):
        twice = [(chance.choice(EMOJI), chance.random() < 0.7) for _ in range(2)]
        await asyncio.gather(*(crowd.do("comments.react", uid, **one, emoji=emoji, on=on) for emoji, on in twice))


def _moderate(fn: str) -> Doing:
    async def moderate(crowd: Crowd, chance: Random, uid: str) -> None:
        if one := crowd.one(chance):
            await crowd.do(fn, uid, **one)

    return moderate


async def _lock(crowd: Crowd, chance: Random, uid: str) -> None:
    if one := crowd.one(chance):
        await crowd.do("comments.lock", uid, thread_id=one["thread_id"], locked=chance.random() < 0.3)


async def _mute(crowd: Crowd, chance: Random, uid: str) -> None:
    fn = chance.choice(("moderation.mute", "moderation.unmute", "moderation.unmute"))
    shadow = {"shadow": chance.random() < 0.5} if fn == "moderation.mute" else {}
    await crowd.do(fn, uid, where="site", uid=chance.choice(PEOPLE), **shadow)


_hide, _restore, _remove = map(_moderate, ("comments.hide", "comments.restore", "comments.remove"))
DOING: tuple[Doing, ...] = (_post, _post, _post, _post, _edit, _edit, _delete, _react, _react, _react, _hide)
MODERATING: tuple[Doing, ...] = (_hide, _hide, _hide, _restore, _restore, _restore, _remove, _lock, _mute)


@pytest.fixture
async def at(own_servers: Embedded) -> AsyncIterator[Town]:
    async with town(own_servers) as running:
        yield running


@pytest.fixture
async def db(own_servers: Embedded, at: Town) -> AsyncIterator[Db]:
    """The read models, as those who ask see them."""
    schema = {"role": "comments_reader", "search_path": at.replicas[0].models.schema}
    connection = await asyncpg.connect(own_servers.database_url("comments"), server_settings=schema)
    yield connection
    await connection.close()


def lost_races() -> Counter[str]:
    """How many decisions were overtaken and taken anew, by the kind of what they were about."""
    name, kinds = "matinee_append_conflicts_total", ("comment", "reaction", "thread")
    return Counter({kind: int(REGISTRY.get_sample_value(name, {"aggregate": kind}) or 0) for kind in kinds})


async def projected(running: Replica) -> list[Commit]:
    """All that is stored, once it is in the read models."""
    log, head = running.stores.log, await running.stores.log.head()

    async def there() -> bool:
        return (await running.stores.rebuild.reached(running.models.schema))[LOG] >= head

    await eventually(there, within=20.0)
    found: list[Commit] = []
    async for batch in log.tail(0):
        found += batch
        if batch[-1].sequence >= head:
            break
    return found


@pytest.mark.timeout(60 + 10 * HISTORIES)
async def test_what_many_do_at_once_reads_as_the_log_does(at: Town, db: Db) -> None:
    party_id = await at.open(*PEOPLE, *MODERATORS)
    running, refused, before = at.replicas[0], set[str](), lost_races()
    for seed in range(HISTORIES):
        crowd = Crowd(at, party_id)
        await asyncio.gather(*(crowd.lives(uid, Random(f"{seed} {uid}")) for uid in (*PEOPLE, *MODERATORS)))
        for uid in PEOPLE:
            await crowd.do("moderation.unmute", MODERATORS[0], where="site", uid=uid)
        commits = await projected(running)

        stored = {commit.command_id for commit in commits}
        assert not stored & {id for _, id, _ in crowd.refused}
        assert stored >= {id for fn, id in crowd.done if fn == "comments.post"}
        await says_what_was_told(db, commits)
        refused |= {code for *_, code in crowd.refused}

    assert refused >= {"not-yours", "no-such-comment", "not-a-moderator", "words-refused"}
    assert (lost_races() - before).keys() >= {"comment", "reaction"}
    scratch = running.stores.rebuild.new_name()
    await running.stores.rebuild.create(scratch)
    await running.stores.rebuild.fill(scratch)
    assert await running.stores.rebuild.differences(running.models.schema, scratch) == {}
