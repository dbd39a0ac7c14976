"""Every slug that the contracts or the code can say has a status and words, and nothing else is in the table."""

import re
from pathlib import Path

import msgspec
import pytest

import events
import gateway
from events.messages import Rejected, invalid
from gateway import errors
from gateway.catalogue import Catalogue

SAID = re.compile(r"""(?:Rejected|Fault|invalid|PASSING|_bad)\(\s*\n?\s*"([a-z0-9-]+)\"""")
CONTRACT = {slug for function in Catalogue().functions.values() for slug in function.errors}
BY_SERVICES = {"bad-cursor", "party-full", "name-missing", "no-such-party", "party-closed", "not-the-host"}
NOT_TOLD = {"bad-context"}
"""A gateway that garbles a context is broken; its client is told of an unknown refusal."""
INDIRECT = {
    "not-found",
    "bad-request",
    "body-too-large",
    "frame-too-large",
    "bad-position",
    "busy",
    "key-reused",
    "too-many-sockets",
}
"""Said through a table of HTTP statuses, by a close code, or by services in other words."""


def said_in(package: object) -> set[str]:
    (folder,) = package.__path__  # type: ignore[attr-defined]  # a package has one
    texts = [path.read_text() for path in Path(folder).rglob("*.py") if path.name != "auth.py"]
    texts += [text.replace("_bad(", "") for text in [(Path(gateway.__path__[0]) / "auth.py").read_text()]]
    return {slug for text in texts for slug in SAID.findall(text)}


def test_every_slug_has_a_status_and_words() -> None:
    said = said_in(gateway) | said_in(events) | CONTRACT
    assert said - NOT_TOLD <= set(errors.ERRORS), said - NOT_TOLD - set(errors.ERRORS)


def test_no_slug_in_the_table_is_never_said() -> None:
    said = said_in(gateway) | said_in(events) | CONTRACT | BY_SERVICES | INDIRECT
    assert set(errors.ERRORS) <= said, set(errors.ERRORS) - said


@pytest.mark.parametrize(("slug", "meaning"), errors.ERRORS.items())
def test_slugs_and_words_are_well_formed(slug: str, meaning: errors.Meaning) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug)
    assert 400 <= meaning.status < 600
    assert meaning.words.endswith(".")


def test_close_codes_are_distinct_and_short_enough_for_their_frame() -> None:
    closings = (*errors.CLOSINGS, *errors.OTHER_CLOSINGS)
    assert len({closing.code for closing in closings}) == len(closings)
    assert all(len(closing.reason.encode()) <= 123 for closing in closings)
    assert all(closing.then for closing in closings)


def test_an_unknown_slug_is_still_told() -> None:
    told = errors.body(Rejected("too-sleepy", hours=3))
    assert (told.status, told.code, told.details) == (409, "too-sleepy", {"hours": 3})


@pytest.mark.parametrize("slug", ["unavailable", "timeout", "internal"])
def test_what_happens_inside_is_not_told(slug: str) -> None:
    error = Rejected(slug, subject="cmd.parties.party.play", server="nats")
    assert errors.body(error).details == {}
    assert b"nats" not in msgspec.json.encode(errors.problem(error))


def test_a_problem_says_the_field_and_the_reason() -> None:
    told = errors.problem(Rejected("invalid-argument", field="position", reason="Expected `float`"))
    assert (told.status, told.detail, told.type) == (422, "position: Expected `float`", "/docs#invalid-argument")


def test_when_to_try_again() -> None:
    assert errors.retry_after(Rejected("busy")) == 1
    assert errors.retry_after(Rejected("rate-limited", retry_after=2.3)) == 3
    assert errors.retry_after(Rejected("not-the-host")) is None


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (b'{"a":{"b":"x"}}', "a.b"),
        (b'{"a":{}}', "a.b"),
        (b'{"a":{"b":1,"c":2}}', "a.c"),
        (b"{}", "a"),
        (b"[]", ""),
    ],
)
def test_the_field_of_a_mistake(document: bytes, field: str) -> None:
    class Inner(msgspec.Struct, forbid_unknown_fields=True):
        b: int

    class Outer(msgspec.Struct):
        a: Inner

    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(document, type=Outer)
    assert invalid("invalid-argument", caught.value).details["field"] == field
