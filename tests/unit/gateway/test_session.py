"""The socket protocol as a state machine: what may be said when, and what is answered."""

import json
from typing import Any

import pytest

from events.messages import Rejected
from gateway import limits, protocol
from gateway.errors import EXPIRED, FLOOD, NOT_SIGNED_IN
from gateway.identity import Identity
from gateway.session import Rates, Session, ok

NOW = 1_800_000_000.0
ADA = Identity("ada", NOW + 3600)


def fresh() -> Session:
    return Session(Rates(), NOW)


def signed_in(expires: float = NOW + 3600) -> Session:
    session = fresh()
    session.signed_in(protocol.SignIn(id=0, token=""), Identity("ada", expires))
    return session


def said(frame: bytes) -> dict[str, Any]:
    """The JSON of a frame that the server would send."""
    size = frame[1] if frame[1] < 126 else int.from_bytes(frame[2:4], "big")
    body: dict[str, Any] = json.loads(frame[-size:])
    return body


def hear(session: Session, now: float = NOW, **frame: Any) -> Any:
    """What the session makes of a frame: a wish, or the answer as JSON."""
    effect = session.receive(json.dumps(frame).encode(), now)
    return said(effect) if isinstance(effect, bytes) else effect


def code(answer: Any) -> str:
    assert isinstance(answer, dict), answer
    return str(answer["error"]["code"])


def test_before_signing_in_only_auth_and_time_are_heard() -> None:
    session = fresh()
    assert isinstance(hear(session, op="auth", id=1, token="t"), protocol.SignIn)
    assert isinstance(hear(session, op="time", id=2), protocol.Time)
    answer = hear(session, op="call", id=3, fn="party.play")
    assert (code(answer), answer["id"]) == ("not-signed-in", 3)


def test_who_does_not_sign_in_is_sent_away_unless_it_asks_the_time() -> None:
    session = fresh()
    assert session.tick(NOW + 9) is None
    hear(session, NOW + 9, op="time", id=1)
    assert session.tick(NOW + 18) is None
    assert session.tick(NOW + 20) == NOT_SIGNED_IN


def test_signing_in_tells_who_and_until_when() -> None:
    session = fresh()
    frame = hear(session, op="auth", id=1, token="t")
    answer = said(session.signed_in(frame, ADA))
    assert answer == {"op": "ok", "id": 1, "user": "ada", "expires": "2027-01-15T09:00:00Z"}


def test_a_socket_keeps_its_user() -> None:
    session = signed_in()
    with pytest.raises(Rejected, match="other-user"):
        session.signed_in(protocol.SignIn(id=1, token=""), Identity("ben", NOW + 3600))
    assert session.identity is not None
    assert session.identity.uid == "ada"


def test_an_expired_token_stops_wishes_but_not_giving_up() -> None:
    session = signed_in(expires=NOW + 10)
    later = NOW + 11
    assert code(hear(session, later, op="call", id=1, fn="party.play")) == "token-expired"
    assert code(hear(session, later, op="watch", id=1, fn="party.state")) == "token-expired"
    assert isinstance(hear(session, later, op="unfollow", id=1, channel="party:x"), protocol.Unfollow)
    assert isinstance(hear(session, later, op="time", id=1), protocol.Time)


def test_an_expired_token_pauses_once_then_a_fresh_one_resumes() -> None:
    session = signed_in(expires=NOW + 10)
    assert session.tick(NOW + 9) is None
    assert session.tick(NOW + 10) == "pause"
    assert session.tick(NOW + 11) is None
    session.signed_in(protocol.SignIn(id=1, token=""), ADA)
    assert not session.paused
    assert isinstance(hear(session, NOW + 12, op="call", id=1, fn="party.play"), protocol.Call)


def test_a_token_expired_for_too_long_closes() -> None:
    session = signed_in(expires=NOW)
    assert session.tick(NOW + limits.EXPIRED_SECONDS - 1) == "pause"
    assert session.tick(NOW + limits.EXPIRED_SECONDS) == EXPIRED


def test_an_id_under_way_cannot_be_used_again() -> None:
    session = signed_in()
    session.begin_call(1, "parties", True)
    assert code(hear(session, op="call", id=1, fn="party.play")) == "id-in-use"
    assert isinstance(hear(session, op="call", id="1", fn="party.play"), protocol.Call)
    session.finish_call(1, "parties", True)
    assert isinstance(hear(session, op="call", id=1, fn="party.play"), protocol.Call)


def test_a_watch_keeps_its_id_until_it_is_unwatched() -> None:
    session = signed_in()
    session.watches = {7: object()}
    assert code(hear(session, op="watch", id=7, fn="party.state")) == "id-in-use"
    assert isinstance(hear(session, op="unwatch", id=7), protocol.Unwatch)
    session.unwatch(7)
    assert code(hear(session, op="unwatch", id=7)) == "no-such-watch"


def test_limits_of_a_socket() -> None:
    session = signed_in()
    session.watches = dict.fromkeys(range(limits.WATCHES))
    assert code(hear(session, op="watch", id="w", fn="party.state")) == "too-many-watches"
    session.tracked = {f"party:{n}" for n in range(limits.CHANNELS)}
    assert code(hear(session, op="follow", id="f", channel="party:new")) == "too-many-channels"
    assert code(hear(session, op="track", id="t", channel="party:new")) == "too-many-channels"
    assert isinstance(hear(session, op="track", id="t", channel="party:0"), protocol.Track)
    for number in range(limits.CALLS_IN_FLIGHT):
        session.begin_call(f"c{number}", "parties", False)
    assert code(hear(session, op="call", id="c", fn="party.play")) == "too-many-calls"


def test_sizes_of_broadcast_and_meta() -> None:
    session = signed_in()
    big = hear(session, op="send", id=1, channel="party:x", event="e", data="x" * limits.SEND_BYTES)
    assert (code(big), big["error"]["details"]["field"]) == ("data-too-large", "data")
    assert code(hear(session, op="track", id=1, channel="party:x", meta="x" * limits.META_BYTES)) == "data-too-large"


def test_broadcasts_have_a_rate_of_their_own() -> None:
    session = signed_in()
    sent = [hear(session, op="send", id=n, channel="party:x", event="e") for n in range(110)]
    assert sum(isinstance(effect, protocol.Send) for effect in sent) == limits.SENDS_BURST
    refused = sent[-1]
    assert code(refused) == "rate-limited"
    assert refused["error"]["details"]["retry_after"] == pytest.approx(1 / limits.SENDS_PER_SECOND)
    assert isinstance(hear(session, NOW + 1, op="send", id=1, channel="party:x", event="e"), protocol.Send)


def test_a_flood_is_refused_then_closed() -> None:
    session = signed_in()
    effects = [session.receive(b'{"op":"time","id":1}', NOW) for _ in range(int(limits.CALLS_BURST) + 1)]
    assert isinstance(effects[0], protocol.Time)
    assert code(said(effects[-1])) == "rate-limited"  # type: ignore[arg-type]  # the code says so
    for _ in range(limits.REFUSALS_IN_A_ROW - 1):
        assert isinstance(session.receive(b'{"op":"time","id":1}', NOW), bytes)
    assert session.receive(b'{"op":"time","id":1}', NOW) == FLOOD


@pytest.mark.parametrize(
    ("payload", "slug", "ref"),
    [
        (b"", "invalid-json", None),
        (b"null", "invalid-frame", None),
        (b'"time"', "invalid-frame", None),
        (b'{"op":"time"}', "invalid-frame", None),
        (b'{"id":1}', "invalid-frame", 1),
        (b'{"op":7,"id":1}', "invalid-frame", 1),
        (b'{"op":"sing","id":"a"}', "unknown-op", "a"),
        (b'{"op":"sing"}', "unknown-op", None),
        (b'{"op":"call","id":1}', "invalid-frame", 1),
        (b'{"op":"call","id":1,"fn":"x","key":""}', "invalid-frame", 1),
        (b'{"op":"call","id":true,"fn":"x"}', "invalid-frame", None),
        (b'{"op":"call","id":9007199254740992,"fn":"x"}', "invalid-frame", None),
        (b'{"op":"follow","id":1,"channel":"party:\\u0000"}', "invalid-frame", 1),
        (b'{"op":"time","id":1,"t0":1e999}', "invalid-frame", 1),
        (b"\xff\xff", "invalid-utf8", None),
        (b'{"op":"call","id":1,"fn":"x","args":{"a":"\xc3("}}', "invalid-utf8", None),
        (b'{"op":"call","id":1,"fn":"x","args":' + b"[" * 9000 + b"]" * 9000 + b"}", "invalid-json", None),
        (b" " * 65_537, "frame-too-large", None),
    ],
)
def test_what_cannot_be_read_is_answered(payload: bytes, slug: str, ref: int | str | None) -> None:
    effect = signed_in().receive(payload, NOW)
    assert isinstance(effect, bytes)
    answer = said(effect)
    assert (code(answer), answer.get("id")) == (slug, ref)


def test_binary_is_refused() -> None:
    assert code(said(fresh().receive_binary())) == "binary-frame"


def test_a_value_waits_behind_the_answer_of_a_command_of_its_context() -> None:
    session = signed_in()
    assert session.value(1, "parties", b"free") == b"free"
    session.begin_call(2, "parties", True)
    session.begin_call(3, "parties", True)
    assert session.value(1, "parties", b"old") is None
    assert session.value(1, "parties", b"new") is None
    assert session.value(9, "library", b"other") == b"other"
    assert session.finish_call(2, "parties", True) == b""
    assert session.finish_call(3, "parties", True) == b"new"
    assert session.value(1, "parties", b"free") == b"free"


def test_a_query_holds_nothing_back() -> None:
    session = signed_in()
    session.begin_call(2, "parties", False)
    assert session.value(1, "parties", b"free") == b"free"


def test_what_is_held_back_is_let_go_after_a_moment_and_forgotten_with_its_watch() -> None:
    session = signed_in()
    session.watches = {1: object(), 4: object()}
    session.begin_call(2, "parties", True)
    session.value(1, "parties", b"one")
    session.value(4, "parties", b"four")
    session.unwatch(4)
    assert session.holds("parties")
    assert session.release("parties") == b"one"
    assert session.finish_call(2, "parties", True) == b""


def test_what_a_socket_did_is_visible_to_what_it_asks_next() -> None:
    session = signed_in()
    assert session.after("parties", NOW) is None
    session.reached("parties", "parties:e:7", NOW)
    assert session.after("parties", NOW + 1) == "parties:e:7"
    assert session.after("library", NOW + 1) is None
    assert session.after("parties", NOW + limits.OWN_WRITES_SECONDS) is None


def test_ok_names_its_frame() -> None:
    assert said(ok("x")) == {"op": "ok", "id": "x"}
