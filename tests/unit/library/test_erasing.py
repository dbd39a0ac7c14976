"""Who may ask to be erased, how often, and what is written down of it."""

from typing import Literal

import msgspec
import pytest

from events.contracts.library import (
    CertifyErasure,
    EntombInLibrary,
    Erase,
    EraseMe,
    ErasureAsked,
    ErasureCertified,
    LibraryErased,
)
from events.messages import Context, Rejected
from events.testing import NOW
from library.erasing import decider

ANA = "ana"
CONFIRM: Literal["erase everything"] = "erase everything"
ASKED = ErasureAsked(uid=ANA, erasure="e1", at=NOW, by="person")
BEGUN = LibraryErased(uid=ANA, erasure="e1", at=NOW, counts={"commits": 3})
OVER = LibraryErased(uid=ANA, erasure="e1", at=NOW, counts={"commits": 3}, final=True)
CERTIFIED = ErasureCertified(uid=ANA, erasure="e1", at=NOW, services={"library": {"commits": 3}})


def state(*events: object) -> object:
    return decider.fold(list(events))  # type: ignore[arg-type]


def decide(command: object, *events: object, actor: str = ANA, id: str = "e2" * 16) -> list[object]:
    context = Context(actor=actor, now=NOW, command_id=id)
    return [*decider.decide(command, state(*events), context)]  # type: ignore[arg-type]


def test_who_asks_is_written_down_with_an_id_of_the_command() -> None:
    (asked,) = decide(EraseMe(confirm=CONFIRM))
    assert asked == ErasureAsked(uid=ANA, erasure="e2" * 8, at=NOW, by="person")


def test_the_operator_asks_for_somebody_else() -> None:
    (asked,) = decide(Erase(uid="ben"), actor="system:library")
    assert asked == ErasureAsked(uid="ben", erasure="e2" * 8, at=NOW, by="operator")


def test_nobody_is_no_person() -> None:
    with pytest.raises(Rejected, match="not-signed-in"):
        decide(EraseMe(confirm=CONFIRM), actor="")


@pytest.mark.parametrize("past", [(ASKED,), (ASKED, BEGUN), (ASKED, BEGUN, OVER)])
@pytest.mark.parametrize("command", [EraseMe(confirm=CONFIRM), Erase(uid=ANA)])
def test_while_one_is_under_way_another_wish_is_silence(past: tuple[object, ...], command: object) -> None:
    assert decide(command, *past) == []


def test_after_the_certificate_one_may_ask_again() -> None:
    assert len(decide(EraseMe(confirm=CONFIRM), ASKED, BEGUN, OVER, CERTIFIED)) == 1


def test_a_tombstone_is_put_once_and_its_counts_stay_those_of_the_first() -> None:
    first = EntombInLibrary(uid=ANA, erasure="e1", counts={"commits": 3})
    assert decide(first, ASKED) == [BEGUN]
    assert decide(first, ASKED, BEGUN) == []
    later = EntombInLibrary(uid=ANA, erasure="e1", counts={}, final=True)
    assert decide(later, ASKED, BEGUN) == [OVER]
    assert decide(later, ASKED, BEGUN, OVER) == []


def test_a_final_tombstone_can_be_followed_by_another_round() -> None:
    assert decide(EntombInLibrary(uid=ANA, erasure="e1"), ASKED, BEGUN, OVER) == [BEGUN]


def test_another_erasure_counts_anew() -> None:
    (begun,) = decide(EntombInLibrary(uid=ANA, erasure="e9", counts={"commits": 1}), ASKED, BEGUN, OVER, CERTIFIED)
    assert isinstance(begun, LibraryErased)
    assert begun.counts == {"commits": 1}


def test_it_is_certified_once_and_only_what_was_asked() -> None:
    certify = CertifyErasure(uid=ANA, erasure="e1", services={"library": {"commits": 3}})
    assert decide(certify, ASKED, BEGUN, OVER) == [CERTIFIED]
    assert decide(certify, ASKED, BEGUN, OVER, CERTIFIED) == []
    assert decide(certify) == []
    assert decide(CertifyErasure(uid=ANA, erasure="other"), ASKED, BEGUN, OVER) == []


@pytest.mark.parametrize("words", ["", "yes", "Erase everything", "erase everything ", None, True, 1])
def test_only_just_these_words_confirm(words: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode({"confirm": words}), type=EraseMe)


@pytest.mark.parametrize("uid", ["", "a.b", ">", "*", "a_b", "x" * 65])
def test_what_is_no_uid_names_nobody(uid: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode({"uid": uid}), type=Erase)
