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


class Ear:
    """One socket that is heard, and that nobody else reads."""

    def __init__(self, fileno: int, heard: Heard) -> None:
        self.socket = socket.socket(fileno=os.dup(fileno))
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._heard = heard

    def hear(self) -> None:
        """Read what has arrived, if anything has."""
        try:
            data, notes, _, _ = self.socket.recvmsg(MOST, _SPACE)
        except BlockingIOError:
            return
        self._heard(data, _noted(notes[0][2]) if notes else time.time())


class Ears:
    """Many of them. A client that reads at once takes the processor from whom it measures."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._open: dict[int, Ear] = {}

    def add(self, fileno: int, heard: Heard) -> Ear:
        """Hear this one, too; whoever had it until now must have stopped reading."""
        ear = Ear(fileno, heard)
        self._open[ear.socket.fileno()] = ear
        self._epoll.register(ear.socket, select.EPOLLIN)
        return ear

    def remove(self, ear: Ear) -> None:
        """Hear this one no longer. Its connection ends once its first owner has closed it, too."""
        self._epoll.unregister(ear.socket)
        del self._open[ear.socket.fileno()]
        ear.socket.close()

    def hear(self) -> None:
        """Read what has arrived anywhere."""
        for fileno, _ in self._epoll.poll(0, max(1, len(self._open))):
            if (ear := self._open.get(fileno)) is not None:  # what one says may end another
                ear.hear()

    def close(self) -> None:
        for ear in self._open.values():
            ear.socket.close()
        self._epoll.close()


def _noted(note: bytes) -> float:
    """What the kernel wrote down, unless the socket had the data before it was asked to."""
    seconds, nanoseconds = _timespec.unpack(note)
    return float(seconds + nanoseconds / 1e9)
