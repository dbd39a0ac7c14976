from datetime import timedelta
from random import Random
from typing import Any

import pytest
from msgspec import UNSET
from tests.integration.readmodels import ReadModel
from tests.integration.recording import Recording, cut

from events.contracts.library import (
    EditProfile,
    Profile,
    ProfileEdited,
    ProfileView,
    SetPreferences,
    SignIn,
    profile_key,
    profile_topic,
)
from events.messages import Context
from events.testing import NOW
from library.profile import decider
from library.queries.profile import profile
from library.rules import Rules

ANA, BOB = "ana", "bob"


@pytest.fixture
def story() -> Recording:
    return Recording(decider(Rules(pepper=b"pepper")))


async def shown(model: ReadModel, uid: str = ANA) -> ProfileView:
    return await profile(model.reader, Profile(), Context(actor=uid, now=NOW))


async def test_of_somebody_new_there_is_nothing(model: ReadModel) -> None:
    assert await shown(model) == ProfileView(
        uid=ANA,
        display_name="",
        avatar="",
        email="",
        claimed_name="",
        claimed_picture="",
        created_at=None,
        preferences={},
    )


async def test_what_was_chosen_stands_before_what_the_token_says(model: ReadModel, story: Recording) -> None:
    story.tell(SignIn(name="Ana", picture="https://p.example/a", email="ana@mail.example"), by=ANA)
    story.tell(EditProfile(display_name="Anna"), by=ANA)
    story.tell(SignIn(name="Ana Maria", picture="https://p.example/b", email="ana@mail.example"), by=ANA)
    story.tell(SignIn(name="Bob"), by=BOB)

    assert await model.apply(story.commits) == {profile_topic(ANA), profile_topic(BOB)}

    found = await shown(model)
    assert (found.display_name, found.avatar) == ("Anna", "https://p.example/b")
    assert (found.claimed_name, found.email) == ("Ana Maria", "ana@mail.example")
    assert found.created_at == NOW + timedelta(seconds=1)
    assert (await shown(model, BOB)).display_name == "Bob"


async def test_what_a_token_does_not_speak_of_stays(model: ReadModel, story: Recording) -> None:
    story.tell(SignIn(name="Ana", picture="https://p.example/a", email="ana@mail.example"), by=ANA)
    story.tell(SignIn(name="Ana Maria"), by=ANA)
    await model.apply(story.commits)

    found = await shown(model)
    assert (found.claimed_name, found.claimed_picture) == ("Ana Maria", "https://p.example/a")
    assert found.email == "ana@mail.example"


async def test_an_empty_name_goes_back_to_the_token(model: ReadModel, story: Recording) -> None:
    story.tell(SignIn(name="Ana"), by=ANA)
    story.tell(EditProfile(display_name="Anna", avatar="cat"), by=ANA)
    story.tell(EditProfile(display_name=""), by=ANA)
    await model.apply(story.commits)

    found = await shown(model)
    assert (found.display_name, found.avatar) == ("Ana", "cat")


async def test_settings_are_there_by_key(model: ReadModel, story: Recording) -> None:
    nested = {"a": [1, 2.5, None, {"b": "ä\u0000"}]}
    story.tell(SetPreferences(changes={"theme": "dark", "player.volume": 0.5, "nested": nested}), by=ANA)
    story.tell(SetPreferences(changes={"theme": None, "size": 10**30}), by=ANA)
    await model.apply(story.commits)

    assert (await shown(model)).preferences == {"player.volume": 0.5, "nested": nested, "size": 10**30}
    assert (await shown(model, BOB)).preferences == {}


async def test_what_can_no_longer_be_read_is_not_shown(model: ReadModel, story: Recording) -> None:
    story.tell(SignIn(name="Ana"), by=ANA)
    story.say(profile_key(ANA), ProfileEdited(uid=ANA, at=NOW, op="x", display_name="", digests=("d", "")))
    await model.apply(story.commits)

    assert (await shown(model)).display_name == "Ana"


@pytest.mark.parametrize("seed", range(3))
async def test_rows_do_not_depend_on_how_the_log_is_cut(model: ReadModel, story: Recording, seed: int) -> None:
    chance = Random(seed)
    for n in range(60):
        uid = chance.choice((ANA, BOB))
        late: dict[str, Any] = {"at": story.now - timedelta(minutes=chance.randrange(60)), "op": f"op{n}"}
        texts: list[Any] = [UNSET, "", "Ana", "Anna"]
        story.tell(
            chance.choice(
                [
                    SignIn(name=chance.choice(("Ana", "Bo")), email=chance.choice(("", "a@b.example"))),
                    EditProfile(display_name=chance.choice(texts), avatar=chance.choice(texts), **late),
                    SetPreferences(changes={chance.choice("abc"): chance.choice((None, 1, [2]))}, **late),
                ]
            ),
            by=uid,
        )
    await model.apply(story.commits)
    whole = await model.same()
    for size in (1, 7):
        await model.empty()
        await model.apply(*cut(story.commits, size))
        assert await model.same() == whole
