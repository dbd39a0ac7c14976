"""Frames that are made by hand read back as what they were, by a decoder that is not ours."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import WSMsgType
from aiohttp._websocket.reader import WebSocketDataQueue
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import WebSocketReader
from hypothesis import example, given
from hypothesis import strategies as st

from gateway import frames, protocol


def read(stream: bytes) -> list[Any]:
    """Every message in *stream*, as aiohttp understands it."""
    loop = asyncio.new_event_loop()
    try:
        queue = WebSocketDataQueue(BaseProtocol(loop, None), 2**24, loop=loop)
        WebSocketReader(queue, 2**24, compress=False, decode_text=True).feed_data(stream)
        return [message for message, _ in queue._buffer]
    finally:
        loop.close()


@given(st.lists(st.text(max_size=200), max_size=5))
@example(["x" * 125, "x" * 126, "x" * 65_535, "x" * 65_536, ""])
def test_text_frames(texts: list[str]) -> None:
    messages = read(b"".join(frames.text(text.encode()) for text in texts))
    assert [(message.type, message.data) for message in messages] == [(WSMsgType.TEXT, text) for text in texts]


@given(st.one_of(st.integers(0, 2**53 - 1), st.text(min_size=1, max_size=128)), st.integers(), st.text(max_size=300))
def test_value_frames(ref: int | str, value: int, position: str) -> None:
    tail = protocol.value_tail(json.dumps(value).encode(), position)
    (message,) = read(protocol.value_frame(ref, tail))
    assert json.loads(message.data) == {"op": "value", "id": ref, "value": value, "position": position}


def test_control_frames() -> None:
    ping, pong = read(frames.PING + frames.pong(b"abc"))
    assert (ping.type, pong.type, pong.data) == (WSMsgType.PING, WSMsgType.PONG, b"abc")


@pytest.mark.parametrize("kind", protocol.SERVER_FRAMES)
def test_every_server_frame_says_its_op_first(kind: type[protocol.ServerFrame]) -> None:
    assert kind.__struct_config__.tag_field == "op"
