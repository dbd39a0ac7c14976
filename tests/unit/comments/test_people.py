from comments.people import KNOWN_SECONDS, SPEAKERS, Known, Person, cast
from events.ambient import Cast

ANA = Person("party:p1", "ana", "Ana", "cat")


def test_who_speaks_for_the_first_time_is_told_of_once() -> None:
    known = Known()

    assert known.news(ANA, 0.0)
    assert not known.news(ANA, 1.0)


def test_each_room_is_told_for_itself() -> None:
    known = Known()
    known.news(ANA, 0.0)

    assert known.news(ANA._replace(room="live:final"), 1.0)


def test_another_name_or_picture_is_told() -> None:
    known = Known()
    known.news(ANA, 0.0)

    assert known.news(ANA._replace(name="Anna"), 1.0)
    assert known.news(ANA._replace(name="Anna", avatar="dog"), 1.0)
    assert not known.news(ANA._replace(name="Anna", avatar="dog"), 1.0)


def test_after_a_while_it_is_told_again_for_who_was_away() -> None:
    known = Known()
    known.news(ANA, 0.0)
    known.news(ANA, KNOWN_SECONDS)

    assert known.news(ANA, KNOWN_SECONDS + 0.1)


def test_what_is_remembered_is_bounded() -> None:
    known = Known()
    crowd = [ANA._replace(uid=f"u{number}") for number in range(SPEAKERS)]

    assert all(known.news(person, 0.0) for person in crowd)
    assert not any(known.news(person, 10.0) for person in crowd)
    assert known.news(ANA, 10.0)
    assert known.news(crowd[0], 10.0)


def test_the_rooms_channel_is_told() -> None:
    person = {"uid": "ana", "name": "Ana", "avatar": "cat"}

    assert cast(ANA) == Cast("chat", "p1", "person", person)
    assert cast(ANA._replace(room="live:a:b")) == Cast("live", "a:b", "person", person)
