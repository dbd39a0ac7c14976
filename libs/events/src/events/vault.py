"""A key per person: seals the personal fields of events, and forgets a person when the key is destroyed."""

import base64
import os
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Protocol, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec.inspect import Metadata, StructType, Type, UnionType, type_info

from events.messages import PERSONAL, Event, Rejected, tag_of
from events.schema import is_away
from events.together import Together

E = TypeVar("E", bound=Event)

KEY_BYTES = 32
NONCE_BYTES = 12
SEALED = "v1:"
REMEMBERED = 10_000
"""Unwrapped keys kept in memory; the least recently used one goes first."""
FRESH_FOR = 60.0
"""Seconds after which a key is asked for again, so that an erasure is felt everywhere within a minute."""
SURE_FOR = 1.0
"""A key that is older, and does not open a text, is asked for again at once: somebody was erased and came back."""

ADD = """
    insert into vault.person_key (uid, wrapped)
    select * from unnest($1::text[], $2::bytea[]) as new (uid, wrapped) order by uid
    on conflict do nothing returning uid, wrapped
"""
"""In one order: no two replicas wait for each other."""


class Keys(Protocol):
    """Where wrapped keys live. They are never rebuilt from the log."""

    async def fetch(self, uids: Sequence[str]) -> Mapping[str, bytes]:
        """The wrapped keys of those who have one."""

    async def add(self, wrapped: Mapping[str, bytes]) -> Mapping[str, bytes]:
        """Keep these, but for persons who have a key already; return the ones that are kept."""

    async def remove(self, uid: str) -> None:
        """Keep none for this person."""


class MemoryKeys:
    """Keys in a dict, for unit tests."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    async def fetch(self, uids: Sequence[str]) -> Mapping[str, bytes]:
        return {uid: self.kept[uid] for uid in uids if uid in self.kept}

    async def add(self, wrapped: Mapping[str, bytes]) -> Mapping[str, bytes]:
        return {uid: self.kept.setdefault(uid, key) for uid, key in wrapped.items()}

    async def remove(self, uid: str) -> None:
        self.kept.pop(uid, None)


class PostgresKeys:
    """Keys in the `vault` schema. Raises `Rejected("unavailable")` while the database is away."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def fetch(self, uids: Sequence[str]) -> Mapping[str, bytes]:
        with _reachable():
            rows = await self._pool.fetch("select uid, wrapped from vault.person_key where uid = any($1::text[])", uids)
        return {row["uid"]: row["wrapped"] for row in rows}

    async def add(self, wrapped: Mapping[str, bytes]) -> Mapping[str, bytes]:
        kept: dict[str, bytes] = {}
        while missing := [uid for uid in wrapped if uid not in kept]:  # an erasure may come between the two
            with _reachable():
                rows = await self._pool.fetch(ADD, missing, [wrapped[uid] for uid in missing])
            kept |= {row["uid"]: row["wrapped"] for row in rows}
            if others := [uid for uid in missing if uid not in kept]:
                kept |= await self.fetch(others)
        return kept

    async def remove(self, uid: str) -> None:
        with _reachable():
            await self._pool.execute("delete from vault.person_key where uid = $1", uid)


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if is_away(error):
            raise Rejected("unavailable", server="database") from error
        raise


@cache
def personal_fields(event: type[Event]) -> tuple[str, ...]:
    """The fields of *event* that are sealed."""
    info = type_info(event)
    assert isinstance(info, StructType)
    return tuple(field.name for field in info.fields if _is_personal(field.type))


def _is_personal(kind: Type) -> bool:
    """Whether a field of this type is sealed; `Personal[str] | None` is, too."""
    if isinstance(kind, UnionType):
        return any(map(_is_personal, kind.types))
    return isinstance(kind, Metadata) and bool((kind.extra or {}).get(PERSONAL))


class UnknownKey(ValueError):
    """A person's key is wrapped with another master key, or damaged."""


class Vault:
    """Seals and opens personal fields. The master key wraps the persons' keys and stays in the settings."""

    def __init__(self, keys: Keys, master: bytes) -> None:
        self._keys = keys
        self._master = AESGCM(master)
        self._known: OrderedDict[str, tuple[float, AESGCM]] = OrderedDict()
        self._newcomers = Together(self._meet)

    async def know(self, uid: str) -> None:
        """Have a person's key at hand; make one for who has none. Many who come at once are seen to together."""
        if self._remembered(uid) is None:
            await self._newcomers.ask("people", uid)

    async def seal(self, events: Sequence[E]) -> Sequence[E]:
        """The events with personal fields sealed; makes a key for a person who has none."""
        people = _people(events)
        if not people:
            return events
        keys = await self._keys_of(people)
        return [_with(event, lambda text, place, uid: _seal(keys[uid], text, place)) for event in events]

    async def open(self, events: Sequence[E]) -> list[E]:
        """The events with personal fields in clear, or empty where the key is gone. One query for all of them."""
        people = _people(events)
        keys = await self._find(people) if people else {}
        found, closed = _opened(events, keys)
        if doubtful := {uid for uid in closed if self._is_old(uid)}:
            for uid in doubtful:
                self.forget(uid)
            found, _ = _opened(events, {**keys, **dict.fromkeys(doubtful), **await self._find(doubtful)})
        return found

    async def destroy(self, uid: str) -> None:
        """Nothing that was sealed for this person can be opened again. Other processes are told by `forget`."""
        await self._keys.remove(uid)
        self.forget(uid)

    def forget(self, uid: str) -> None:
        """Ask anew for a person's key the next time."""
        self._known.pop(uid, None)

    def forget_everybody(self) -> None:
        """Ask anew for all keys: it may have been missed that some were destroyed."""
        self._known.clear()

    def _is_old(self, uid: str) -> bool:
        known = self._known.get(uid)
        return known is not None and time.monotonic() - known[0] >= SURE_FOR

    async def _meet(self, about: str, uids: Sequence[str]) -> Sequence[Exception | None]:
        try:
            await self._keys_of(set(uids))
        except UnknownKey:
            return [await self._met(uid) for uid in uids]
        return [None] * len(uids)

    async def _met(self, uid: str) -> UnknownKey | None:
        try:
            await self._keys_of({uid})
        except UnknownKey as unknown:
            return unknown
        return None

    async def _keys_of(self, uids: set[str]) -> dict[str, AESGCM]:
        """Everybody's; made for who has none."""
        keys = await self._find(uids)
        if new := uids - keys.keys():
            kept = await self._keys.add({uid: self._made(uid) for uid in new})
            keys |= {uid: self._unwrap(uid, wrapped) for uid, wrapped in kept.items()}
        return keys

    def _remembered(self, uid: str) -> AESGCM | None:
        known = self._known.get(uid)
        if known is None or time.monotonic() - known[0] >= FRESH_FOR:
            return None
        self._known.move_to_end(uid)
        return known[1]

    async def _find(self, uids: set[str]) -> dict[str, AESGCM]:
        found = {uid: key for uid in uids if (key := self._remembered(uid)) is not None}
        missing = [uid for uid in uids if uid not in found]
        if missing:
            wrapped = await self._keys.fetch(missing)
            found.update({uid: self._unwrap(uid, kept) for uid, kept in wrapped.items()})
        return found

    def _made(self, uid: str) -> bytes:
        """A new key, wrapped."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._master.encrypt(nonce, os.urandom(KEY_BYTES), uid.encode())

    def _unwrap(self, uid: str, wrapped: bytes) -> AESGCM:
        try:
            key = AESGCM(self._master.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], uid.encode()))
        except InvalidTag:
            raise UnknownKey(
                "a person's key does not open: MATINEE_MASTER_KEY is not the one it was wrapped with"
            ) from None
        self._known[uid] = (time.monotonic(), key)
        self._known.move_to_end(uid)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return key


def _people(events: Iterable[Event]) -> set[str]:
    """Whose keys it takes; who has left all personal fields empty needs none."""
    return {
        getattr(event, event.person)
        for event in events
        if any(getattr(event, name) for name in personal_fields(type(event)))
    }


def _opened(events: Iterable[E], keys: Mapping[str, AESGCM | None]) -> tuple[list[E], set[str]]:
    """The events in clear, and those whose key does not open all that is sealed for them."""
    closed: set[str] = set()

    def clear(text: str, place: bytes, uid: str) -> str:
        try:
            return _open(keys.get(uid), text, place)
        except InvalidTag:
            # The person was erased and came back: what the old key sealed stays closed.
            closed.add(uid)
            return ""

    return [_with(event, clear) for event in events], closed


def _with(event: E, change: Any) -> E:
    """A copy with each personal text replaced; bound to its place, so that sealed texts cannot be swapped around."""
    fields = personal_fields(type(event))
    if not fields:
        return event
    uid = getattr(event, event.person)
    changed = {
        name: change(text, f"{tag_of(type(event))}.{name}.{uid}".encode(), uid)
        for name in fields
        if (text := getattr(event, name))
    }
    return msgspec.structs.replace(event, **changed) if changed else event


def _seal(key: AESGCM, text: str, place: bytes) -> str:
    nonce = os.urandom(NONCE_BYTES)
    return SEALED + base64.urlsafe_b64encode(nonce + key.encrypt(nonce, text.encode(), place)).decode()


def _open(key: AESGCM | None, text: str, place: bytes) -> str:
    if key is None or not text.startswith(SEALED):
        return ""
    sealed = base64.urlsafe_b64decode(text.removeprefix(SEALED))
    return key.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place).decode()
