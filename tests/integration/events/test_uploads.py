"""Files on their way: by a gateway's rights in, by a service's rights out, whole or not at all."""

import io
import secrets
from collections.abc import AsyncIterator

import pytest

from events import uploads
from events.bus import ApiError, Bus
from events.messages import Rejected
from events.uploads import Gone, Uploads
from ops.embedded import Embedded

MIB = 1024 * 1024


@pytest.fixture
async def door(servers: Embedded) -> AsyncIterator[Uploads]:
    bus = await Bus.connect(servers.nats_url("gateway"), "gateway")
    yield Uploads(bus, "library")
    await bus.close()


@pytest.fixture
async def inside(servers: Embedded) -> AsyncIterator[Uploads]:
    bus = await Bus.connect(servers.nats_url("library"), "library")
    yield Uploads(bus, "library")
    await bus.close()


async def parts(body: bytes, size: int = 70_000) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def fetched(inside: Uploads, upload: str) -> bytes:
    into = io.BytesIO()
    await inside.fetch(upload, into)
    return into.getvalue()


@pytest.mark.parametrize("size", [0, 1, uploads.PIECE_BYTES, uploads.PIECE_BYTES + 1, 2 * MIB])
async def test_a_file_arrives_as_it_was_sent_and_can_be_purged(door: Uploads, inside: Uploads, size: int) -> None:
    upload, body = secrets.token_hex(16), secrets.token_bytes(size)

    about = await door.send(upload, "ana", parts(body), 4 * MIB)

    assert (about.owner, about.bytes) == ("ana", size)
    assert await inside.about(upload) == about
    assert await fetched(inside, upload) == body
    await inside.purge(upload)
    assert await inside.about(upload) is None
    with pytest.raises(Gone):
        await fetched(inside, upload)


async def test_of_what_was_purged_nothing_can_be_read_in_any_file_though_others_stand_beside_it(
    door: Uploads, inside: Uploads, servers: Embedded
) -> None:
    before, upload, behind = (secrets.token_hex(16) for _ in range(3))
    body = secrets.token_hex(16).encode() * 50_000
    for name, owner, what in ((before, "ben", b"ben"), (upload, "ana", body), (behind, "ben", b"ben")):
        await door.send(name, owner, parts(what), 4 * MIB)
    assert readable(servers, body[:32])

    await inside.purge(upload)

    assert not readable(servers, body[:32])
    assert [await fetched(inside, name) for name in (before, behind)] == [b"ben", b"ben"]


def readable(servers: Embedded, text: bytes) -> bool:
    """Whether any of JetStream's files has it."""
    return any(text in path.read_bytes() for path in servers.folder.rglob("*.blk"))


async def test_the_same_name_again_replaces_the_file(door: Uploads, inside: Uploads) -> None:
    upload = secrets.token_hex(16)
    await door.send(upload, "ana", parts(b"first" * 300_000), 4 * MIB)
    await door.send(upload, "ana", parts(b"second"), 4 * MIB)

    assert await fetched(inside, upload) == b"second"


async def test_what_is_too_large_never_becomes_a_file(door: Uploads, inside: Uploads) -> None:
    upload = secrets.token_hex(16)
    with pytest.raises(Rejected) as refused:
        await door.send(upload, "ana", parts(bytes(MIB + 1)), MIB)

    assert (refused.value.code, refused.value.details) == ("body-too-large", {"limit": MIB})
    assert await inside.about(upload) is None


async def held(servers: Embedded, upload: str) -> int:
    """Bytes that are kept of a file."""
    bus = await Bus.connect(servers.nats_url("library"), "library")
    try:
        pieces = [(await bus.direct("UP_LIBRARY", {"last_by_subj": f"up.library.{upload}.{n}"})) for n in range(4)]
    finally:
        await bus.close()
    return sum(len(found[0].data) for found in pieces if found)


async def test_nothing_is_kept_of_what_is_too_large_or_breaks_off(door: Uploads, servers: Embedded) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield secrets.token_bytes(MIB)
        raise ConnectionError

    large, lost, whole = (secrets.token_hex(16) for _ in range(3))
    with pytest.raises(Rejected, match="body-too-large"):
        await door.send(large, "ana", parts(secrets.token_bytes(2 * MIB)), MIB)
    with pytest.raises(ConnectionError):
        await door.send(lost, "ana", broken(), 4 * MIB)
    about = await door.send(whole, "ana", parts(secrets.token_bytes(MIB)), 4 * MIB)

    assert [await held(servers, upload) for upload in (large, lost, whole)] == [0, 0, MIB]
    await door.discard(whole, about.pieces)
    assert await held(servers, whole) == 0


async def test_half_of_one_file_and_half_of_another_are_no_file(door: Uploads, inside: Uploads) -> None:
    upload = secrets.token_hex(16)
    await door.send(upload, "ana", parts(b"a" * MIB), 4 * MIB)
    await door.bus.store(f"up.library.{upload}.1", b"b" * uploads.PIECE_BYTES, {})

    with pytest.raises(Gone):
        await fetched(inside, upload)


async def test_a_full_stream_says_so(inside: Uploads, door: Uploads, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*sent: object) -> None:
        raise ApiError(400, uploads.FULL, "maximum bytes exceeded")

    monkeypatch.setattr(door.bus, "store", full)
    with pytest.raises(Rejected) as refused:
        await door.send(secrets.token_hex(16), "ana", parts(b"x"), MIB)
    assert refused.value.code == "uploads-full"
