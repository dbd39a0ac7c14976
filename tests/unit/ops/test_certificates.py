"""Whom a restored backup has brought back, by a file of certificates that was kept apart."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from events.contracts.library import ErasureView
from ops.certificates import read, undone
from ops.problem import Problem

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def view(uid: str, hour: int = 0, *, done: bool = True) -> ErasureView:
    asked = NOON + timedelta(hours=hour)
    return ErasureView(
        uid=uid, erasure=f"{uid}{hour}", by="person", asked_at=asked, done_at=asked if done else None, services={}
    )


def written(folder: Path, *views: ErasureView) -> Path:
    file = folder / "erasures.ndjson"
    file.write_bytes(b"\n\n".join(map(msgspec.json.encode, views)) + b"\n")
    return file


def test_of_each_person_the_newest_counts_in_whatever_order(tmp_path: Path) -> None:
    file = written(tmp_path, view("ana", 2), view("ben"), view("ana"))
    assert read(file) == {"ana": view("ana", 2), "ben": view("ben")}


@pytest.mark.parametrize(
    ("known", "again"),
    [
        ([], ["ana"]),
        ([view("ben", 9)], ["ana"]),
        ([view("ana", 1)], ["ana"]),
        ([view("ana", 2)], []),
        ([view("ana", 3)], []),
        ([view("ana", 3, done=False)], ["ana"]),
    ],
)
def test_who_is_erased_again_are_those_whose_erasure_the_log_does_not_know(
    known: list[ErasureView], again: list[str]
) -> None:
    assert undone({"ana": view("ana", 2)}, {each.uid: each for each in known}) == again


def test_who_had_asked_and_was_still_waiting_is_not_left_out() -> None:
    assert undone({"ana": view("ana", done=False)}, {}) == ["ana"]


def test_a_file_of_something_else_is_refused_as_a_whole(tmp_path: Path) -> None:
    file = written(tmp_path, view("ana"))
    with file.open("ab") as more:
        more.write(b'{"uid": "ben"}\n')
    with pytest.raises(Problem, match="line 2: not a line of `matinee erasures`; nobody was erased"):
        read(file)
    with pytest.raises(Problem, match="cannot be read"):
        read(tmp_path / "nowhere")
