from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from events.codec import NEVER, Codec, headers_of
from events.messages import Context, Event, Key

NOW = datetime(2026, 1, 2, 20, 15, 0, 123456, tzinfo=UTC)
KEY = Key.of("tea", "pot")
CONTEXT = Context(actor="ana", now=NOW, command_id="c", fingerprint="f", correlation_id="o", causation_id="u")


class Poured(Event, frozen=True, tag="tea.poured"):
    cups: int
    at: datetime
    sugar: bool = False


class Spilt(Event, frozen=True, tag="tea.spilt"):
    millilitres: float


def in_litres(fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "tea.spilled", "litres": fields["l"]}


def in_millilitres(fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "tea.spilt", "millilitres": fields["litres"] * 1000}


def poured_once(fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "tea.poured", "cups": 1, "at": fields["at"]}


codec = Codec([Poured, Spilt], {"tea.dropped": in_litres, "tea.spilled": in_millilitres, "tea.filled": poured_once})


def test_events_come_back_as_they_were() -> None:
    events = (Poured(cups=2, at=NOW, sugar=True), Spilt(millilitres=1.5))
    assert codec.decode(codec.encode(events)) == events


def test_an_unknown_tag_passes_by_and_the_others_stay_in_order() -> None:
    body = b'[{"type":"tea.spilt","millilitres":1},{"type":"tea.sung","to":"us"},{"type":"tea.spilt","millilitres":2}]'
    assert codec.decode(body) == (Spilt(millilitres=1), Spilt(millilitres=2))


def test_a_field_that_came_later_has_its_default() -> None:
    assert codec.decode(b'[{"type":"tea.poured","cups":1,"at":"2026-01-02T20:15:00.123456Z"}]') == (
        Poured(cups=1, at=NOW),
    )


def test_a_field_that_this_code_does_not_know_is_passed_over() -> None:
    assert codec.decode(b'[{"type":"tea.spilt","millilitres":1,"by":"ana"}]') == (Spilt(millilitres=1),)


def test_an_old_tag_is_read_in_its_new_meaning() -> None:
    assert codec.decode(b'[{"type":"tea.spilled","litres":0.25}]') == (Spilt(millilitres=250),)
    assert codec.decode(b'[{"type":"tea.filled","at":"2026-01-02T20:15:00.123456Z"}]') == (Poured(cups=1, at=NOW),)


def test_an_old_tag_may_go_through_several_meanings() -> None:
    assert codec.decode(b'[{"type":"tea.dropped","l":0.25}]') == (Spilt(millilitres=250),)


def test_every_tag_that_decodes_is_named() -> None:
    assert codec.tags == {"tea.poured", "tea.spilt", "tea.spilled", "tea.dropped", "tea.filled"}


@pytest.mark.parametrize(
    "body",
    [
        b'[{"type":"tea.spilt","millilitres":"much"}]',
        b'[{"type":"tea.spilt"}]',
        b'[{"type":"tea.sung"},{"type":"tea.poured","cups":1,"at":"yesterday"}]',
        b'[{"type":"tea.filled","at":"yesterday"}]',
        b'[{"cups":1}]',
        b"{}",
        b"",
    ],
)
def test_what_should_be_known_but_is_not_readable_is_loud(body: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        codec.decode(body)


def test_two_events_never_share_a_tag() -> None:
    class Again(Event, frozen=True, tag="tea.spilt"):
        pass

    with pytest.raises(AssertionError):
        Codec([Spilt, Again])
    with pytest.raises(AssertionError):
        Codec([Spilt], {"tea.spilt": in_litres})


def test_a_context_with_one_event_is_a_context_too() -> None:
    one = Codec([Spilt])
    assert one.decode(b'[{"type":"tea.spilt","millilitres":1},{"type":"tea.sung"}]') == (Spilt(millilitres=1),)


def test_the_headers_say_who_when_why_and_which_versions() -> None:
    headers = headers_of(KEY, 4, 2, CONTEXT, "00-trace")
    commit = codec.commit(9, KEY, codec.encode([Spilt(millilitres=1), Spilt(millilitres=2)]), headers)

    assert (commit.sequence, commit.key, commit.first, commit.last) == (9, KEY, 5, 6)
    assert (commit.actor, commit.at, commit.command_id, commit.fingerprint) == ("ana", NOW, "c", "f")
    assert (commit.correlation_id, commit.causation_id, commit.trace) == ("o", "u", "00-trace")
    assert all(value.isascii() for value in headers.values())


def test_headers_are_ascii_whoever_asks() -> None:
    headers = headers_of(KEY, 0, 1, msgspec.structs.replace(CONTEXT, actor="é\r\n😀", correlation_id="ñ"))

    assert all(value.isascii() and "\n" not in value for value in headers.values())
    assert codec.commit(1, KEY, b"[]", headers).actor == "é\r\n😀"


def test_a_commit_without_events_guards_a_version() -> None:
    commit = codec.commit(9, KEY, codec.encode([]), headers_of(KEY, 4, 0, CONTEXT))
    assert (commit.first, commit.last, commit.events) == (5, 4, ())


@pytest.mark.parametrize(
    ("body", "headers"), [(b"[", headers_of(KEY, 0, 1, CONTEXT)), (b"[]", {}), (b"[]", {"x": "y"})]
)
def test_who_follows_the_log_is_told_what_cannot_be_read(body: bytes, headers: dict[str, str]) -> None:
    commit = codec.followed(9, KEY, body, headers)

    assert commit.unreadable
    assert (commit.sequence, commit.key, commit.events, commit.at) == (9, KEY, (), NEVER)


def test_the_same_attempt_has_the_same_id_and_no_other_has() -> None:
    ids = {
        headers_of(key, version, 1, msgspec.structs.replace(CONTEXT, command_id=command))["Nats-Msg-Id"]
        for key in (KEY, Key.of("tea", "cup"))
        for version in (0, 1)
        for command in ("c", "d")
        for _ in range(2)
    }
    assert len(ids) == 8
