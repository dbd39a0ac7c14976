"""Hears many sockets without being in the way: the kernel notes when something arrived, and it is read later."""

import os
import select
import socket
import struct
import time
from collections.abc import Callable

Heard = Callable[[bytes, float], None]
"""Gets what arrived, and when by `time.time`. Of several pieces that wait in one socket, when the last of them did."""

MOST = 256 * 1024
SO_TIMESTAMPNS = getattr(socket, "SO_TIMESTAMPNS", 35)
_timespec = struct.Struct("@qq")
_SPACE = socket.CMSG_SPACE(_timespec.size)


class Ears:
    """Sockets that nobody else reads. A client that reads at once takes the processor from whom it measures."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._open: dict[int, tuple[socket.socket, Heard]] = {}

    def add(self, fileno: int, heard: Heard) -> None:
        """Hear this one, too; whoever had it until now must have stopped reading."""
        own = socket.socket(fileno=os.dup(fileno))
        own.setblocking(False)
        own.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._open[own.fileno()] = own, heard
        self._epoll.register(own, select.EPOLLIN)

    def hear(self) -> None:
        """Read what has arrived."""
        for fileno, _ in self._epoll.poll(0, max(1, len(self._open))):
            own, heard = self._open[fileno]
            data, notes, _, _ = own.recvmsg(MOST, _SPACE)
            if not data:
                self._epoll.unregister(own)
                continue
            heard(data, _noted(notes[0][2]) if notes else time.time())

    def close(self) -> None:
        for own, _ in self._open.values():
            own.close()
        self._epoll.close()


def _noted(note: bytes) -> float:
    """What the kernel wrote down, unless the socket had the data before it was asked to."""
    seconds, nanoseconds = _timespec.unpack(note)
    return float(seconds + nanoseconds / 1e9)
