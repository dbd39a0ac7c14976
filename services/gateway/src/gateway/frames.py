"""WebSocket framing of what the server sends: complete unmasked frames, made once and written to many transports."""

import struct

PING = b"\x89\x00"

_SHORT = 126
_MEDIUM = 1 << 16
_16 = struct.Struct("!BBH")
_64 = struct.Struct("!BBQ")
_TEXT = 0x81
_PONG = 0x8A
_HEADS = tuple(bytes((_TEXT, n)) for n in range(_SHORT))


def text(payload: bytes) -> bytes:
    """One text frame."""
    return head(len(payload)) + payload


def head(size: int) -> bytes:
    """What stands before *size* bytes of text."""
    if size < _SHORT:
        return _HEADS[size]
    return _16.pack(_TEXT, 126, size) if size < _MEDIUM else _64.pack(_TEXT, 127, size)


def pong(payload: bytes) -> bytes:
    return bytes((_PONG, len(payload))) + payload
