"""Sockets that are heard late, and yet timed by when something came."""

import socket
from collections.abc import Iterator

import pytest
from bench.ears import Ears


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    yield one, other
    one.close()
    other.close()


def test_what_arrived_is_heard_until_the_ear_is_taken_back(pair: tuple[socket.socket, socket.socket]) -> None:
    speaker, listener = pair
    heard: list[bytes] = []
    ears = Ears()
    ear = ears.add(listener.fileno(), lambda data, at: heard.append(data))

    speaker.send(b"one")
    ears.hear()
    ears.hear()
    ears.remove(ear)
    speaker.send(b"two")
    ears.hear()

    assert heard == [b"one"]
    assert listener.recv(3) == b"two"


def test_an_ear_may_take_back_another_one_while_it_hears() -> None:
    pairs = [socket.socketpair() for _ in range(2)]
    ears = Ears()
    heard: list[int] = []

    def hear(number: int) -> None:
        heard.append(number)
        ears.remove(open_ears[1 - number])

    open_ears = [ears.add(each[1].fileno(), lambda data, at, n=n: hear(n)) for n, each in enumerate(pairs)]  # type: ignore[misc]
    for one, _ in pairs:
        one.send(b"x")
    ears.hear()

    assert len(heard) == 1
    for each in pairs:
        for end in each:
            end.close()
