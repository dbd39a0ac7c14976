"""A file of certificates, kept apart from the backups, and whom a restored backup has brought back."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from events.contracts.library import ErasureView
from ops.problem import Problem


def read(file: Path) -> dict[str, ErasureView]:
    """The newest erasure of each person that `matinee erasures` wrote into *file*, whether it was complete or not."""
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        raise Problem(f"{file} cannot be read: {error.strerror}") from None
    newest: dict[str, ErasureView] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            view = _view(line, file, number)
            if view.uid not in newest or newest[view.uid].asked_at < view.asked_at:
                newest[view.uid] = view
    return newest


def _view(line: bytes, file: Path, number: int) -> ErasureView:
    try:
        return msgspec.json.decode(line, type=ErasureView)
    except ValueError:
        raise Problem(f"{file}, line {number}: not a line of `matinee erasures`; nobody was erased") from None


def undone(kept: Mapping[str, ErasureView], known: Mapping[str, ErasureView]) -> list[str]:
    """Who has to be erased again: whose erasure, or a later one, the log does not *know* as complete.

    Who came back after an erasure that the log knows keeps what they have.
    """
    return [uid for uid, view in kept.items() if not _covers(known.get(uid), view)]


def _covers(known: ErasureView | None, kept: ErasureView) -> bool:
    return known is not None and known.done_at is not None and known.asked_at >= kept.asked_at
