"""Who somebody is: what their tokens say, what they chose instead, and the settings of their apps.

What was chosen and each setting are registers: the greater (at, op) counts, in whatever order they are told. Names,
pictures and addresses are sealed before this sees them; keyed digests tell whether they are the same.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from events.contracts.library import (
    PREFERENCE_BYTES,
    PREFERENCES,
    PREFERENCES_BYTES,
    EditProfile,
    PreferencesChanged,
    ProfileClaimed,
    ProfileCommand,
    ProfileEdited,
    ProfileEvent,
    SetPreferences,
    SignIn,
    happened,
)
from events.decider import Decider
from events.messages import Context, Rejected
from library.rules import Rules

DEPTH = 16
"""Lists and objects within one another, in one setting."""
FORGOTTEN = 200
"""Settings that were taken away and are remembered, for what a device tells of them late."""
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)

Field = Literal["display_name", "avatar"]

_sorted = msgspec.json.Encoder(order="sorted")


class Told(Struct, frozen=True, array_like=True, order=True):
    """What a register holds: a digest of a text, or the JSON of a setting; empty for what was taken away."""

    at: datetime = NEVER
    op: str = ""
    value: str = ""


class Profile(Struct, frozen=True):
    """What decides about somebody's profile."""

    claimed: tuple[str, str, str] = ("", "", "")
    """Digests of the name, picture and address that tokens said last; empty for what none has spoken of."""
    claimed_at: datetime | None = None
    """Of the first one."""
    display_name: Told = Told()
    avatar: Told = Told()
    preferences: dict[str, Told] = {}

    def shown(self) -> dict[str, str]:
        """The settings that there are, as JSON each, by key."""
        return {key: told.value for key, told in sorted(self.preferences.items()) if told.value}


class _Wish(NamedTuple):
    uid: str
    at: datetime
    op: str
    told: bool
    """Whether the device told its own time."""

    def after(self, *known: Told) -> datetime:
        """As told; what is done now comes after what was done before, whatever the clocks said."""
        return self.at if self.told else max(self.at, *(told.at + TICK for told in (*known, Told())))


def decider(rules: Rules = Rules()) -> Decider[ProfileCommand, Profile, ProfileEvent]:
    """The rule book under what an installation has set."""

    def decide(command: ProfileCommand, state: Profile, context: Context) -> list[ProfileEvent]:
        if not context.actor:
            raise Rejected("not-signed-in")
        return [event for event in _decide(command, state, context, rules) if evolve(state, event) != state]

    return Decider(Profile(), decide, evolve)


def _decide(command: ProfileCommand, state: Profile, context: Context, rules: Rules) -> Iterator[ProfileEvent]:
    if isinstance(command, SignIn):
        return _sign_in(command, state, context, rules)
    at = happened(context, command.at, command.sent_at).at
    wish = _Wish(context.actor, at, command.operation(context), command.at is not None)
    if isinstance(command, EditProfile):
        return _edit(command, state, wish, rules)
    return _set(command, state, wish)


def _sign_in(command: SignIn, state: Profile, context: Context, rules: Rules) -> Iterator[ProfileEvent]:
    """Of two apps one may ask for an address and the other not: what a token does not speak of it does not deny."""
    digests = _of_claims(command, context.actor, rules)
    if state.claimed_at is None or any(new and new != old for new, old in zip(digests, state.claimed, strict=True)):
        yield ProfileClaimed(
            uid=context.actor,
            name=command.name,
            picture=command.picture,
            email=command.email,
            digest=rules.digest(context.actor, "claims", command.name, command.picture, command.email),
            digests=digests,
            at=context.now,
        )


def _of_claims(command: SignIn, uid: str, rules: Rules) -> tuple[str, str, str]:
    def digest(field: str, text: str) -> str:
        return rules.digest(uid, f"claimed {field}", text) if text else ""

    return digest("name", command.name), digest("picture", command.picture), digest("email", command.email)


def _edit(command: EditProfile, state: Profile, wish: _Wish, rules: Rules) -> Iterator[ProfileEvent]:
    name = _changed(state.display_name, "display_name", command.display_name, wish, rules)
    avatar = _changed(state.avatar, "avatar", command.avatar, wish, rules)
    cleared: list[Field] = []
    if name == "":
        cleared.append("display_name")
    if avatar == "":
        cleared.append("avatar")
    if name is None and avatar is None:
        return
    touched = [told for told, text in ((state.display_name, name), (state.avatar, avatar)) if text is not None]
    yield ProfileEdited(
        uid=wish.uid,
        at=wish.after(*touched),
        op=wish.op,
        display_name=name or None,
        avatar=avatar or None,
        digests=(_digest("display_name", name, wish, rules), _digest("avatar", avatar, wish, rules)),
        cleared=tuple(cleared),
    )


def _changed(known: Told, field: Field, text: str | UnsetType, wish: _Wish, rules: Rules) -> str | None:
    """What is to be told of a field; None if there is nothing new."""
    if text is UNSET:
        return None
    text = text.strip()
    return text if wish.told or _digest(field, text, wish, rules) != known.value else None


def _digest(field: Field, text: str | None, wish: _Wish, rules: Rules) -> str:
    return rules.digest(wish.uid, field, text) if text else ""


def _set(command: SetPreferences, state: Profile, wish: _Wish) -> Iterator[ProfileEvent]:
    told = {key: _checked(key, value) for key, value in command.changes.items()}
    fresh = {
        key: command.changes[key]
        for key, text in told.items()
        if wish.told or text != state.preferences.get(key, Told()).value
    }
    if not fresh:
        return
    at = wish.after(*(state.preferences.get(key, Told()) for key in fresh))
    event = PreferencesChanged(uid=wish.uid, changes=fresh, at=at, op=wish.op)
    _check_room(evolve(state, event).shown(), state.shown())
    yield event


def _checked(key: str, value: Any) -> str:
    """A setting as JSON, empty for one that is taken away."""
    if value is None:
        return ""
    if _is_deep(value):
        raise Rejected("invalid-argument", field=f"changes.{key}", reason=f"nested more than {DEPTH} deep")
    text = _sorted.encode(value).decode()
    if len(text.encode()) > PREFERENCE_BYTES:
        raise Rejected("preferences-too-large", key=key, limit=PREFERENCE_BYTES)
    return text


def _is_deep(value: Any) -> bool:
    """Level by level, since recursion would be what a deep value breaks."""
    level = [value]
    for _ in range(DEPTH):
        level = [part for each in level for part in _parts(each)]
        if not level:
            return False
    return any(isinstance(each, dict | list) for each in level)


def _parts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _check_room(after: Mapping[str, str], before: Mapping[str, str]) -> None:
    """Taking away is always possible, also by whom a lower limit found with more."""
    if len(after) > max(PREFERENCES, len(before)):
        raise Rejected("too-many-preferences", limit=PREFERENCES)
    if _size(after) > max(PREFERENCES_BYTES, _size(before)):
        raise Rejected("preferences-too-large", limit=PREFERENCES_BYTES)


def _size(shown: Mapping[str, str]) -> int:
    return sum(len(key) + len(text.encode()) for key, text in shown.items())


# Folding.


def evolve(state: Profile, event: ProfileEvent) -> Profile:
    match event:
        case ProfileClaimed():
            (name, picture, email), known = event.digests, state.claimed
            claimed = name or known[0], picture or known[1], email or known[2]
            return replace(state, claimed=claimed, claimed_at=state.claimed_at or event.at)
        case ProfileEdited():
            return replace(
                state,
                display_name=_taken("display_name", state.display_name, event),
                avatar=_taken("avatar", state.avatar, event),
            )
        case PreferencesChanged():
            return replace(state, preferences=_merged(state.preferences, event))


def _taken(field: Field, known: Told, event: ProfileEdited) -> Told:
    digest = event.digests[field == "avatar"]
    if not digest and field not in event.cleared:
        return known
    return max(known, Told(event.at, event.op, digest))


def _merged(known: dict[str, Told], event: PreferencesChanged) -> dict[str, Told]:
    told = {
        key: Told(event.at, event.op, "" if value is None else _sorted.encode(value).decode())
        for key, value in event.changes.items()
    }
    won = {key: each for key, each in told.items() if key not in known or known[key] < each}
    return _bounded({**known, **won}) if won else known


def _bounded(known: dict[str, Told]) -> dict[str, Told]:
    """Without what was taken away longest ago."""
    gone = sorted((told, key) for key, told in known.items() if not told.value)
    forgotten = {key for _, key in gone[: max(0, len(gone) - FORGOTTEN)]}
    return {key: told for key, told in known.items() if key not in forgotten}
