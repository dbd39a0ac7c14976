"""What clients may name comes from the contracts alone, and so do the documents."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.gateway.test_frames import read

from events.contracts import CONTRACTS, party
from events.messages import PERSONAL, Command, Rejected, tag_of
from gateway.catalogue import Catalogue, canonical, position_text, split_position
from gateway.documents import asyncapi, openapi
from gateway.http import GuestAnswer, GuestRequest
from gateway.identity import Ids, fingerprint
from gateway.protocol import CLIENT_FRAMES, SERVER_FRAMES

NOW = datetime(2026, 1, 2, tzinfo=UTC)
catalogue = Catalogue()


def test_every_public_function_is_there_and_no_internal_one() -> None:
    declared = {
        kind
        for contract in CONTRACTS
        for kind in (*contract.COMMANDS, *contract.QUERIES, *getattr(contract, "REPORTS", ()))
    }
    hidden = {kind for kind in declared if getattr(kind, "internal", False) or getattr(kind, "unlisted", False)}
    assert set(catalogue.functions) == {kind.function for kind in declared - hidden}
    assert "party.expire" not in catalogue.functions


def test_what_the_gateway_sends_of_its_own_accord_can_be_named_by_nobody() -> None:
    assert catalogue.unlisted["library.sign_in"].subject == "cmd.library.library.sign_in"
    with pytest.raises(Rejected, match="unknown-function"):
        catalogue.function("library.sign_in")
    assert "sign_in" not in json.dumps([openapi(catalogue, GuestRequest, GuestAnswer), asyncapi(catalogue)])


def test_what_kind_a_function_is() -> None:
    kinds = {name: catalogue.function(name).kind for name in ("party.play", "party.state", "party.report")}
    assert kinds == {"party.play": "command", "party.state": "query", "party.report": "report"}
    assert catalogue.reporting == {"party": "parties", "live": "comments"}
    with pytest.raises(Rejected, match="not-a-query"):
        catalogue.query("party.report")


def test_a_channel_tells_of_what_can_happen_there() -> None:
    told = {kind: {tag_of(event) for event in catalogue.channels[kind].events} for kind in ("party", "chat", "live")}

    assert told["live"] - told["chat"] == {
        "comments.live-started",
        "comments.live-changed",
        "comments.live-ended",
        "comments.moderator-appointed",
    }
    assert told["chat"] < told["live"]
    assert not told["party"] & told["live"]


def test_where_functions_are_asked() -> None:
    assert catalogue.function("party.play").subject == "cmd.parties.party.play"
    assert catalogue.query("library.titles").subject == "qry.library.library.titles"


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("film:x", "unknown-channel"),
        ("party", "unknown-channel"),
        ("party:", "invalid-argument"),
        ("party:" + "x" * 129, "invalid-argument"),
    ],
)
def test_channels_that_cannot_be(name: str, slug: str) -> None:
    with pytest.raises(Rejected, match=slug):
        catalogue.channel(name)


def test_a_channels_id_never_adds_to_a_subject() -> None:
    kind, channel_id = catalogue.channel("party:a.b.*.> c:d")
    assert channel_id == "a.b.*.> c:d"
    assert str(kind.key(channel_id)) == "party.a=2eb=2e=2a=2e=3e=20c=3ad"


# Arguments.


def decoded(**args: Any) -> Command:
    found = catalogue.function("party.open").decode(json.dumps(args).encode())
    assert isinstance(found, Command)
    return found


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20)


@given(texts, texts, st.booleans(), st.randoms())
def test_arguments_have_one_canonical_form(title: str, media: str, private: bool, random: Any) -> None:
    args = {"title": title, "media": media, "private": private}
    shuffled = list(args.items())
    random.shuffle(shuffled)
    assert canonical(decoded(**args)) == canonical(decoded(**dict(shuffled)))
    without = {name: value for name, value in args.items() if value is not False}
    assert canonical(decoded(**args)) == canonical(decoded(**without))


@given(texts, texts)
def test_other_arguments_have_another_fingerprint(one: str, two: str) -> None:
    prints = [fingerprint(canonical(decoded(title=title, media="x"))) for title in (one, two)]
    assert (prints[0] == prints[1]) == (one == two)


def test_numbers_are_what_their_field_is() -> None:
    seek = catalogue.function("party.seek")
    assert canonical(seek.decode(b'{"party_id":"x","position":1}')) == canonical(
        seek.decode(b'{"position":1.0,"party_id":"x"}')
    )
    assert seek.from_text({"party_id": "7", "position": "1.5"}) == party.Seek(party_id="7", position=1.5)


def test_command_ids_depend_on_person_function_and_key_and_on_nothing_else() -> None:
    ids = Ids(b"s" * 32, lambda size: b"r" * size)
    one = ids.command("ada", "party.open", "k")
    assert len(one) == 26
    assert one == Ids(b"s" * 32, lambda size: b"q" * size).command("ada", "party.open", "k")
    others = [ids.command("ben", "party.open", "k"), ids.command("ada", "party.join", "k")]
    others += [ids.command("ada", "party.open", "l"), ids.command("ada", "party.open", None)]
    others += [Ids(b"t" * 32, lambda size: b"r" * size).command("ada", "party.open", "k")]
    assert len({one, *others}) == 6


def test_ids_of_people_are_opaque_and_of_subject_safe_letters() -> None:
    uid = Ids(b"s" * 32, lambda size: b"r" * size).uid("https://id.example", "a.b.*.> c")
    assert len(uid) == 26
    assert uid.isalnum()
    assert uid.islower() or uid.isdigit()


# Commits to frames.


def told(*events: Any, skip: int = 0) -> list[dict[str, Any]]:
    kind, _ = catalogue.channel("party:x")
    item = kind.item("party:x", "e1", 7, 3, NOW.isoformat(), msgspec.json.encode(events), skip)
    assert (item.sequence, item.previous) == (7, 3)
    return [json.loads(message.data) for message in read(item.frames)]


OPENED = party.Opened(party_id="x", host="ada", title="T", media="m", private=False, at=NOW)
JOINED = party.Joined(uid="ada", name="sealed", at=NOW)
PLAYED = party.Played(by="ada", position=3.0, at=NOW)


def test_followers_see_public_fields_only() -> None:
    (frame,) = told(JOINED)
    assert frame == {
        "op": "event",
        "channel": "party:x",
        "type": "party.joined",
        "data": {"uid": "ada", "at": "2026-01-02T00:00:00Z"},
        "position": "parties:e1:7",
        "at": "2026-01-02T00:00:00Z",
    }


def test_positions_inside_a_commit_lead_back_into_it() -> None:
    frames = told(OPENED, JOINED, PLAYED)
    positions = [frame["position"] for frame in frames]
    assert positions == ["parties:e1:7~1", "parties:e1:7~2", "parties:e1:7"]
    for number, position in enumerate(positions[:2], 1):
        assert split_position(position) == ("parties:e1:7", number)
        assert told(OPENED, JOINED, PLAYED, skip=number) == frames[number:]


@pytest.mark.parametrize("text", ["parties:e1:7", "parties:e1:7+4", "x~", "x~y", "x~-1", "x~9999", "x~\u0663"])
def test_positions_without_a_part(text: str) -> None:
    assert split_position(text)[1] == 0


def test_position_texts() -> None:
    assert position_text("parties", "e1", 7) == "parties:e1:7"
    assert position_text("parties", "e1", 7, 2) == "parties:e1:7~2"


def test_unknown_events_pass_by_and_unreadable_ones_are_not_told() -> None:
    kind, _ = catalogue.channel("party:x")
    unknown = b'[{"type":"party.danced","by":"ada"},' + msgspec.json.encode(PLAYED) + b"]"
    assert b"party.played" in kind.item("party:x", "e1", 7, 3, NOW, unknown).frames
    assert kind.item("party:x", "e1", 7, 3, NOW, b'[{"type":"party.played"}]').frames == b""


@pytest.mark.parametrize("event", [event for contract in CONTRACTS for event in contract.EVENTS])
def test_no_public_field_is_personal(event: type[msgspec.Struct]) -> None:
    info = msgspec.inspect.type_info(event)
    assert isinstance(info, msgspec.inspect.StructType)
    personal = {
        field.name
        for field in info.fields
        if isinstance(field.type, msgspec.inspect.Metadata) and (field.type.extra or {}).get(PERSONAL)
    }
    assert not personal & set(event.public)  # type: ignore[attr-defined]  # events have it


# Documents.


def references(document: Any) -> set[str]:
    if isinstance(document, dict):
        own = {document["$ref"]} if isinstance(document.get("$ref"), str) else set()
        return own.union(*(references(part) for part in document.values()))
    return set().union(*map(references, document)) if isinstance(document, list) else set()


def resolve(document: Any, reference: str) -> Any:
    for part in reference.removeprefix("#/").split("/"):
        document = document[part]
    return document


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(msgspec.json.encode(openapi(catalogue, GuestRequest, GuestAnswer)))
    return document


def test_openapi_names_every_function(described: dict[str, Any]) -> None:
    for name, function in catalogue.functions.items():
        call = described["paths"][f"/v1/call/{name}"]
        assert ("get" in call, f"/v1/watch/{name}" in described["paths"]) == (function.is_query,) * 2
        for slug in function.type.errors:
            assert any(f"`{slug}`" in answer["description"] for answer in call["post"]["responses"].values())


def test_openapi_says_which_answers_have_a_position(described: dict[str, Any]) -> None:
    for name, function in catalogue.functions.items():
        answer = described["paths"][f"/v1/call/{name}"]["post"]["responses"]["200"]["content"]["application/json"]
        position = answer["schema"]["properties"]["position"]["type"]
        assert position == ("null" if function.kind == "report" else "string")


def test_openapi_is_sound(described: dict[str, Any]) -> None:
    assert described["openapi"] == "3.1.0"
    for reference in references(described):
        resolve(described, reference)
    operations = [method for path in described["paths"].values() for method in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert operation["summary"]
        assert {"200", "202"} & operation["responses"].keys()
        assert all(answer["description"] for answer in operation["responses"].values())
        names = [parameter["name"] for parameter in operation.get("parameters", ())]
        assert len(set(names)) == len(names)


def test_asyncapi_names_every_frame_and_public_event() -> None:
    document = json.loads(msgspec.json.encode(asyncapi(catalogue)))
    for reference in references(document):
        resolve(document, reference)
    assert set(document["channels"]["socket"]["messages"]) == {f.__name__ for f in (*CLIENT_FRAMES, *SERVER_FRAMES)}
    assert set(document["x-events"]["party"]) >= {"party.played", "party.closed"}
    assert document["x-events"]["party"]["party.joined"]["fields"] == ["uid", "at"]
