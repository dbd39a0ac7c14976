"""The tables of the guides that the code itself knows; `python -m tests.docs.tables` writes them anew."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from types import ModuleType
from typing import Any, Literal, get_args, get_origin

import msgspec
import typer
from prometheus_client.metrics import MetricWrapperBase
from tests.docs import pages
from typer.core import TyperGroup, TyperOption

from comments import limits as comments_limited
from comments import settings as comments_settings
from events import (
    ambient,
    group,
    handle,
    jetstream,
    lanes,
    quotas,
    readmodel,
    runner,
    serving,
    settings,
    telemetry,
    timers,
    together,
    vault,
)
from events.contracts import CONTRACTS
from events.contracts import comments as comments_contract
from events.contracts import library as library_contract
from events.contracts import party as party_contract
from events.messages import Event, tag_of
from gateway import limits, metrics, protocol
from gateway.catalogue import COMMAND_ERRORS, QUERY_ERRORS, Catalogue
from gateway.errors import CLOSINGS, ERRORS, OTHER_CLOSINGS
from gateway.issuers import Issuer
from gateway.settings import Settings
from library import fetching, order, profile
from library import metrics as library_metrics
from library import settings as library_settings
from library.formats import bitfield, reading
from library.queries import addons as addon_queries
from library.queries import common, statistics, why
from library.queries import lists as list_queries
from library.queries import titles as title_queries
from library.title import sessions, state
from ops import child, streams
from ops.cli import app
from parties import ambient as party_ambient
from parties import heard
from parties import settings as party_settings
from parties.limits import HOUR, TRY_SECONDS
from parties.queries import following, history, rights
from parties.state import UNSEEN

Row = Sequence[str]

INVALID = "`invalid-argument`"
FUNCTIONS_NAMED = 12
"""That may answer an error; of more than so many the table says only that they are many."""


def table(headings: Row, rows: Iterable[Row]) -> str:
    lines = [headings, ["---"] * len(headings), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


# Limits.


def _size(count: int) -> str:
    for unit, size in (("GiB", 1024**3), ("MiB", 1024**2)):
        if count >= size:
            return f"{count // size} {unit}"
    return f"{count // 1024} KiB"


def _hours(time: timedelta) -> str:
    return f"{time.total_seconds() / 3600:.0f} h"


def _most(kind: type, field: str) -> int:
    """The bound that a contract sets on a field."""
    described = msgspec.json.schema(kind)["$defs"][kind.__name__]["properties"][field]
    bounds = [part for part in (described, *described.get("anyOf", ())) if {"maxLength", "maximum"} & part.keys()]
    return int(bounds[0].get("maxLength") or bounds[0]["maximum"])


def service_limits() -> Iterator[Row]:
    """What the services and what they stand on are bounded by."""
    presence = streams.declared_streams()["KV_PRESENCE"]["max_bytes"]
    yield "Commands that wait for one aggregate, per replica", f"{lanes.QUEUE}", "`busy`"
    yield (
        "Of these, carried out with one append",
        f"{handle.LONGEST_ROW}, {_size(group.LARGEST_BYTES)}",
        "the others follow with the next one; if they are too large together, one by one",
    )
    waits = f"after {jetstream.ROW_SECONDS:.0f} s its commands go one by one"
    yield "Such appends under way per replica", f"{jetstream.ROWS_AT_ONCE}", f"the next one waits; {waits}"
    yield "Requests that one replica works on at once", f"{serving.IN_FLIGHT:,}", "`busy`"
    yield "Races that one command may lose against other replicas", f"{handle.RACE_SECONDS:.0f} s", "`busy`"
    yield "Wait for the log to take a commit", f"{jetstream.APPEND_SECONDS:.0f} s", "`timeout`"
    yield "Commit", _size(jetstream.LARGEST_COMMIT), "`too-large`; nothing is stored"
    yield "State of one aggregate", _size(handle.LARGEST_STATE), "a warning in the service's log"
    yield "Snapshot of one aggregate", _size(handle.LARGEST_SNAPSHOT), "not kept: loading takes longer"
    yield "Aggregates in memory per replica", f"{handle.CACHED:,}", "the least recently used one is loaded again"
    yield (
        "Command ids remembered per aggregate",
        "; ".join(
            (
                f"{handle.REMEMBERED} per person, {handle.ACTORS:,} people, {_hours(handle.REMEMBERED_FOR)}",
                f"for a minute all, {handle.MOST_EVER:,} at most",
            )
        ),
        "an older key is decided anew",
    )
    yield "Followers of one channel whose rights are read together", f"{together.MOST}", "the others are next"
    missed = f"{serving.MISSED:,}, {_size(serving.MISSED_BYTES)}; less beside a large state"
    yield "Commits handed to who resumes", missed, "`recovered: false`: start from `state`"
    yield "Wait of a query for `after`", f"{readmodel.WAIT_SECONDS:.0f} s", "`position-not-reached`"
    yield "Time for one query's SQL", f"{readmodel.QUERY_SECONDS:.0f} s", "`unavailable`"
    yield "Database connections for queries per replica", f"{readmodel.POOL}", "the others wait their turn"
    yield "Timers sent at once", "100", f"the rest in the next {timers_pause()} ms"
    yield "Parties concluded about in one second", f"{ambient.LOOKED_AT}", "with more of them active, they take turns"
    yield "Keys of people in memory", f"{vault.REMEMBERED:,}, {vault.FRESH_FOR:.0f} s", "read again from the vault"
    yield "Presence bucket", _size(presence), "the oldest rosters go and are written again"
    yield "Log file of a process on one machine", f"{child._LOG_LIMIT // 1_000_000} MB", "moved to `<name>.log.1`"
    uncounted = "it passes uncounted; an access key is not tried: `unavailable`"
    yield "Wait for the database to count a command", f"{quotas.ANSWER_SECONDS:.0f} s", uncounted
    yield from party_limits()
    yield from library_limits()
    yield from comments_limits()


def party_limits() -> Iterator[Row]:
    """What people may do in parties, and how much of it."""
    yield from party_quotas()
    yield "Members of a party", f"{party_contract.MEMBERS:,}, or its own `capacity`", "`party-full`"
    yield "People banned from a party", f"{party_contract.BANNED}", "`too-many-bans`"
    queued = f"{party_contract.QUEUED}, {party_contract.QUEUED_EACH} of one member"
    yield "Items in a queue", queued, "`queue-full`; one more if an undo puts it back"
    yield "What is queued, without its sources, as JSON", _size(party_contract.QUEUED_BYTES), "`queue-full`"
    yield "Members up to whom presence lists people", f"{party_contract.LISTED}", "above, presence is a count"
    yield "Members in the state of `followed`", f"{following.ROOM_MEMBERS}", "the rest by `party.members`"
    yield "Page of `party.members`", f"{_most(party_contract.Members, 'limit')}", "`invalid-argument`"
    yield from party_answers()
    lengths = [f"{_most(party_contract.Open, field):,}" for field in ("title", "media", "source", "name", "avatar")]
    yield "Title, media, source, name, avatar in a party", f"{', '.join(lengths)} characters", "`invalid-argument`"
    status = f"{_most(party_contract.Profile, 'status')}, {_most(party_contract.Kick, 'reason')} characters"
    yield "Status of a member, reason of a kick", status, "`invalid-argument`"
    yield "Countdown of `party.play`", f"{_most(party_contract.Play, 'countdown')} s", "`invalid-argument`"
    common = party_contract.Settings()
    longest = {name: f"{_most(party_contract.Configure, name):,}" for name in ("wait_seconds", "grace_seconds")}
    waits = f"{common.wait_seconds:.0f} s, by `party.configure` up to {longest['wait_seconds']} s"
    yield "Wait for who is not ready or stalls", waits, "it plays without them"
    graces = f"{common.grace_seconds:.0f} s, by `party.configure` up to {longest['grace_seconds']} s or for ever"
    yield "Absence of a host", graces, "a co-host or the earliest member in sight becomes host"
    yield "Silence of who has reported", f"{heard.GONE_SECONDS:.0f} s", "counts as gone"
    absence = f"{party_ambient.DROPPED_SECONDS / 60:.0f} min"
    yield "Absence of a member while others are there", absence, "the seat is free: `unseen`; back without a key"
    yield (
        "Members remembered who dropped out of sight",
        f"{UNSEEN:,}, the latest",
        "an earlier one joins like anybody else",
    )
    leads = f"{heard.LEAST_LEAD:.1f} to {heard.MOST_LEAD:.0f} s"
    yield "By how much controls are scheduled ahead", leads, "who is further away starts a little late"
    yield "Telemetry of who is in sync", _hours(party_contract.SYNC_KEPT), "older samples go"
    yield "Party in which nothing happens and nobody is", _hours(party_contract.EXPIRES_AFTER), "it closes: `expired`"


def party_answers() -> Iterator[Row]:
    """Where answers end that other people's texts could make larger than a message."""
    page, state, lines = (
        f"{size // 1000} KB" for size in (rights.PAGE_BYTES, following.ROOM_BYTES, history.HAPPENED_BYTES)
    )
    yield "Page of members, of a queue or of parties, as JSON", page, "it ends there; `cursor` goes on"
    yield "Members and queue in the state of `followed`", f"{state} each", "the rest by `party.members`, `party.queue`"
    yield "Lines in one answer of `party.timeline`", lines, "it ends there; `cursor` goes on"
    samples = f"{history.SAMPLES} samples, {history.DRIFTS:,} drifts"
    yield "Drift in one answer of `party.timeline`", samples, "the latest ones are told; ask for fewer lines at a time"


def party_quotas() -> Iterator[Row]:
    most, told = party_settings.LIMITS, "with `retry_after`"
    managing = "Kicks, bans, locks, roles, settings and keys by one person, in all parties"
    controls = f"{party_settings.RULES.controls_per_second} a second"
    yield "Controls of a party by one person", controls, f"429 `rate-limited` {told} (`MATINEE_CONTROLS_PER_SECOND`)"
    for what, limit, seconds, slug, variable in (
        ("Parties that one person opens", most.rooms_per_hour, HOUR, "rate-limited", "ROOMS_PER_HOUR"),
        (managing, most.management_per_hour, HOUR, "rate-limited", "MANAGEMENT_PER_HOUR"),
        ("Wrong keys from one address", most.key_tries, TRY_SECONDS, "key-locked", "KEY_TRIES"),
        ("Wrong keys for one party", most.key_tries_per_party, TRY_SECONDS, "key-locked", "KEY_TRIES_PER_PARTY"),
    ):
        yield (
            what,
            f"{limit} at once, then one every {seconds // limit} s",
            f"429 `{slug}` {told} (`MATINEE_{variable}`)",
        )


def library_limits() -> Iterator[Row]:
    """What people may keep in their libraries, and how late their devices may tell of it."""
    yield from library_quotas()
    yield "Position or length in a video", f"{_most(library_contract.Report, 'position'):,} s", "`invalid-argument`"
    yield "What a device tells late", f"{library_contract.LATE.days} days", "`too-old`"
    yield (
        "Player's own count of what was watched",
        f"{sessions.FASTEST} times the time that went by, and {sessions.GRACE:.0f} s",
        "as much counts",
    )
    yield "Episodes in one mark", f"{library_contract.EPISODES_AT_ONCE:,}", "`too-many-episodes`"
    yield "Episodes known of one title", f"{sessions.EPISODES:,}", "`too-many-episodes`"
    known = f"{state.POINTS} facts of sessions, {state.MARKS} marks per episode, {state.OPERATIONS} operations"
    yield "Plays remembered per film or episode", f"{state.PLAYS:,}", "the oldest go"
    yield "Remembered per title", known, "a repeat of an older one without its time may count again"
    yield "Ids of one work", f"{library_contract.JOINED}", "`too-many-ids`"
    yield "Works of one person with several ids", f"{library_contract.JOINS:,}", "`too-many-joins`"
    yield "Plays in one `library.remove_plays`", f"{_longest(library_contract.RemovePlays, 'plays')}", INVALID
    yield from library_lists()
    yield from library_addons()
    yield from library_imports()
    yield "Settings of one person", f"{library_contract.PREFERENCES}", "`too-many-preferences`"
    sizes = f"{_size(library_contract.PREFERENCE_BYTES)}, all together {_size(library_contract.PREFERENCES_BYTES)}"
    yield "One setting, as JSON", sizes, "`preferences-too-large`"
    yield "Lists and objects within one another in a setting", f"{profile.DEPTH}", INVALID
    yield "Page of a library list", f"{_most(library_contract.ContinueWatching, 'limit')}", INVALID
    yield "Page of titles or of the history, as JSON", _size(common.PAGE_BYTES), "it ends there; `cursor` goes on"
    yield "Episodes in one `library.title`", f"{title_queries.ITEMS:,}", "the first ones are shown"
    yield "Reasons in one `library.why`", f"{why.REASONS}", "the newest are shown"
    months = f"{statistics.MONTHS} months, {statistics.GENRES} genres"
    yield "Statistics", months, "the latest months, the genres most watched"
    yield "Name of a device", f"{_most(library_contract.Report, 'device')} characters", INVALID


def library_quotas() -> Iterator[Row]:
    most, told = library_settings.LIMITS, "429 `rate-limited` with `retry_after`"
    for what, limit, variable in (
        ("Imports that one person starts", most.imports_per_hour, "IMPORTS_PER_HOUR"),
        ("Addons that one person installs", most.addons_per_hour, "ADDONS_PER_HOUR"),
    ):
        yield what, f"{limit} at once, then one every {HOUR // limit} s", f"{told} (`MATINEE_{variable}`)"


def library_lists() -> Iterator[Row]:
    yield "Lists of one person", f"{library_contract.LISTS}", "`too-many-lists`"
    yield "Works on a list", f"{library_contract.LIST_ITEMS:,}", "`list-full`"
    yield "Works in one `library.add_to_list`", f"{_longest(library_contract.AddToList, 'items')}", INVALID
    yield "Page of a list, as JSON", _size(list_queries.PAGE_BYTES), "it ends there; `cursor` goes on"
    traces = f"{order.TRACES:,} works taken off a list, {order.OPERATIONS} operations"
    yield "Remembered of what was done to a list", traces, "what is told later than that may bring one back"


def library_addons() -> Iterator[Row]:
    yield "Addons of one person", f"{library_contract.ADDONS}", "`too-many-addons`"
    sizes = f"{_size(library_contract.MANIFEST_BYTES)}; from {_size(library_contract.MANIFEST_WARNING_BYTES)} a warning"
    yield "Manifest of an addon", sizes, "`manifest-too-large`"
    bounds = f"{fetching.SECONDS:.0f} s, {fetching.REDIRECTS} redirects, {_size(library_contract.MANIFEST_BYTES)}"
    yield "Asking an addon for its manifest", bounds, "`manifest-unreachable`, `manifest-too-large`"
    yield "Manifests that one replica asks for at once", f"{fetching.AT_ONCE}", "`busy`"
    yield "Page of addons, as JSON", _size(addon_queries.PAGE_BYTES), "it ends there; `cursor` goes on"


FORGOTTEN_UNDO = "items that an earlier one had put on somebody's own list count towards its limit"


def library_imports() -> Iterator[Row]:
    uploads = streams.declared_streams()["UP_LIBRARY"]
    yield "File to take in", _size(library_contract.UPLOAD_BYTES), "413 `body-too-large`"
    waits = f"{uploads['max_age'] // 10**9 // 60} min, {_size(uploads['max_bytes'])} of all people together"
    yield "Files on their way into a library", waits, "`no-such-upload`, `uploads-full`"
    yield "Undone imports of one person that are remembered", f"{library_contract.UNDONE:,}, the latest", FORGOTTEN_UNDO
    share = f"{library_contract.REMOVES_MOST * 100:.0f} % of what is there"
    yield "What an import removes unasked", share, "it stops, until `library.confirm_import`"
    yield "Unpacked files of a zip", f"{_size(reading.UNPACKED_BYTES)}, {reading.FILES:,} files", "`zip-too-large`"
    yield "One item of a JSON file", f"{_size(reading.ITEM_BYTES)}, {reading.DEPTH} deep", "`item-too-large`"
    yield (
        "Rows and columns of a CSV file",
        f"{reading.ROWS:,}, {reading.COLUMNS}",
        "`too-many-rows`, `too-many-columns`",
    )
    yield "Videos in one of Stremio's bitfields", f"{bitfield.MOST_VIDEOS:,}", "skipped: `bitfield-too-large`"
    yield "Entries that were skipped, in a report", "1,000", "`reasons` counts them all"


def comments_limits() -> Iterator[Row]:
    """What people may say, and how much of it is kept."""
    yield from comments_quotas()
    said = f"{comments_contract.LONGEST_TEXT:,}, {comments_contract.LONGEST_LINE} characters"
    yield "Text of a comment, line of a chat", said, INVALID
    yield "People mentioned in one of them", f"{comments_contract.MENTIONED}", INVALID
    yield "Replies under replies", f"{comments_contract.DEEPEST:,}", "`too-deep`"
    yield "Emoji of one person on one comment", f"{comments_contract.EMOJI_EACH}", "`too-many-reactions`"
    yield "Comments pinned in a thread", f"{comments_contract.PINNED}", "`too-many-pins`"
    recent = "an older one can be taken back, hidden, reported or answered no more: `no-such-line`"
    yield "Lines of a room that its rules know", f"the newest {comments_contract.RECENT_LINES}", recent
    authors = "who spoke longest ago is forgotten first"
    yield "People whose last line a room's slow mode knows", f"{comments_contract.AUTHORS:,}", authors
    yield "Words that a room does not want", f"{comments_contract.WORDS}", INVALID
    yield "Moderators of a live event", f"{comments_contract.APPOINTED}", "`too-many-moderators`"
    yield "Silence of a live event's owner", f"{comments_contract.LOST_AFTER:.0f} s", "it ends: `lost`"
    told = "the others see it with the next look at their list"
    yield "People told at once that a thread of theirs goes on", f"the last {comments_contract.TOLD} who spoke", told
    yield "Unread comments that are counted", f"{comments_contract.UNREAD}", "so many or more"


def comments_quotas() -> Iterator[Row]:
    most, told = comments_settings.LIMITS, "429 `rate-limited` with `retry_after`"
    minute, hour, burst = comments_limited.MINUTE, comments_limited.HOUR, comments_limited.BURST
    for what, limit, seconds, variable in (
        ("Comments that one person posts", most.comments_per_minute, minute, "COMMENTS_PER_MINUTE"),
        ("Comments that one person changes", most.edits_per_minute, minute, "EDITS_PER_MINUTE"),
        ("Emoji that one person puts or takes off", most.reactions_per_minute, minute, "REACTIONS_PER_MINUTE"),
        ("Lines that one person says", burst * most.chat_per_second, burst, "CHAT_PER_SECOND"),
        ("Comments and lines that one person reports", most.reports_per_hour, hour, "REPORTS_PER_HOUR"),
        ("Sessions of live events that one person begins", most.lives_per_hour, hour, "LIVES_PER_HOUR"),
    ):
        yield what, f"{limit} at once, then one every {seconds // limit} s", f"{told} (`MATINEE_{variable}`)"


def _longest(kind: type, field: str) -> int:
    """How many items a contract lets a field have."""
    return int(msgspec.json.schema(kind)["$defs"][kind.__name__]["properties"][field]["maxItems"])


def timers_pause() -> str:
    assert "limit 100" in timers.DUE
    return f"{runner.TIMER_SECONDS * 1000:.0f}"


def limits_table() -> str:
    return table(("what", "limit", "at the limit"), [*limits.TABLE, *service_limits()])


# Settings.


def _described(kind: type) -> dict[str, str]:
    """The docstring below each field."""
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
            assert isinstance(field.target, ast.Name)
            found[field.target.id] = " ".join(str(below.value.value).split())
    return found


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.default_factory is not msgspec.NODEFAULT:
        return "the host's name"
    if field.default is msgspec.NODEFAULT:
        return "required"
    if isinstance(field.default, bool):
        return f"`{str(field.default).lower()}`"
    return "" if field.default in (None, "") else f"`{_plain(field.default)}`"


def _plain(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _choices(kind: Any) -> str:
    return f"{' or '.join(f'`{choice}`' for choice in get_args(kind))}." if get_origin(kind) is Literal else ""


def settings_table(kind: type[msgspec.Struct], beyond: type[msgspec.Struct] | None = None) -> str:
    known = {field.name for field in msgspec.structs.fields(beyond)} if beyond else set()
    described: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        if issubclass(each, msgspec.Struct) and each is not msgspec.Struct:
            described |= _described(each)
    rows = [
        (f"`{field.encode_name}`", _default(field), described.get(field.name) or _choices(field.type))
        for field in msgspec.structs.fields(kind)
        if field.name not in known
    ]
    return table(("variable", "default", "meaning"), rows)


def issuers_table() -> str:
    """What an entry of `MATINEE_ISSUERS` may say."""
    described = _described(Issuer)
    rows = [
        (f"`{field.name}`", "required" if field.required else _as_json(field.default), described[field.name])
        for field in msgspec.structs.fields(Issuer)
    ]
    return table(("field", "default", "meaning"), rows)


def _as_json(value: Any) -> str:
    """Empty for what is simply not given."""
    return "" if value is msgspec.NODEFAULT or value in (None, (), {}) else f"`{msgspec.json.encode(value).decode()}`"


def commands_table() -> str:
    """Every command of `matinee` with what it takes."""
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    rows = []
    for name, command in group.commands.items():
        for option in command.params:
            if not isinstance(option, TyperOption) or option.name == "help":
                continue
            default = "" if option.default in (None, False) else f"`{option.default}`"
            default = "required" if option.required else default
            variable = f"`{option.envvar}`" if option.envvar else ""
            rows.append((f"`{name}`", f"`{option.opts[-1]}`", variable, default, option.help or ""))
    return table(("command", "option", "variable", "default", "meaning"), rows)


# Errors and close codes.


def _whose(code: str) -> str:
    """The functions that name it, unless all of them may answer it."""
    functions = Catalogue().functions.values()
    named = [f"`{function.name}`" for function in functions if code in function.type.errors]
    if code in COMMAND_ERRORS and code in QUERY_ERRORS:
        return "any function"
    if code in COMMAND_ERRORS:
        return "any command"
    if code in QUERY_ERRORS:
        return "any query"
    if len(named) > FUNCTIONS_NAMED:
        return f"most functions of {', '.join(sorted({name.partition('.')[0] + '`' for name in named}))}"
    return ", ".join(named)


def errors_table() -> str:
    """The last column is the page's own, see `pages.with_tables`."""
    rows = [(f"`{code}`", str(status), words, _whose(code), "") for code, (status, words) in ERRORS.items()]
    return table(("code", "status", "words", "from", "what a client does"), rows)


def closings_table() -> str:
    rows = [(str(code), f"`{reason}`" if reason else "", then) for code, reason, then in (*OTHER_CLOSINGS, *CLOSINGS)]
    return table(("code", "reason", "what a client does"), sorted(rows))


# Frames, functions and events.


def _first(words: str | None) -> str:
    return " ".join((words or "").split("\n\n")[0].split())


def _fields(frame: type[msgspec.Struct]) -> str:
    optional = {field.name for field in msgspec.structs.fields(frame) if not field.required}
    names = [
        f"`{field.encode_name}`{'?' if field.name in optional and issubclass(frame, protocol.ClientFrame) else ''}"
        for field in sorted(msgspec.structs.fields(frame), key=lambda field: field.name != "id")
    ]
    return ", ".join(names)


def frames_table(frames: Iterable[type[msgspec.Struct]]) -> str:
    rows = [(f"`{frame.__struct_config__.tag}`", _fields(frame), _first(frame.__doc__)) for frame in frames]
    return table(("op", "fields", "meaning"), rows)


def functions_table() -> str:
    functions = Catalogue().functions.values()
    rows = [(f"`{function.name}`", function.kind, _first(function.type.__doc__)) for function in functions]
    return table(("function", "kind", "meaning"), rows)


def _public_events(contract: ModuleType) -> Iterator[Row]:
    events: tuple[type[Event], ...] = contract.EVENTS
    for event in events:
        if event.public:
            kinds = [each.kind for each in contract.CHANNELS if not event.channels or each.kind in event.channels]
            fields = ", ".join(f"`{field}`" for field in event.public)
            yield ", ".join(f"`{kind}`" for kind in kinds), f"`{tag_of(event)}`", fields, _first(event.__doc__)


def events_table() -> str:
    rows = [row for contract in CONTRACTS for row in _public_events(contract)]
    return table(("channel", "type", "data", "meaning"), rows)


# Metrics.


def metrics_table(module: ModuleType) -> str:
    rows = []
    for metric in vars(module).values():
        if isinstance(metric, MetricWrapperBase):
            family = next(iter(metric.describe()))
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = ", ".join(f"`{label}`" for label in metric._labelnames)
            rows.append((f"`{name}`", family.type, labels, family.documentation))
    return table(("metric", "kind", "labels", "meaning"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "limits": limits_table,
    "settings": lambda: settings_table(settings.Common),
    "service-settings": lambda: settings_table(settings.ServiceSettings, beyond=settings.Common),
    "parties-settings": lambda: settings_table(party_settings.PartiesSettings, beyond=settings.ServiceSettings),
    "library-settings": lambda: settings_table(library_settings.LibrarySettings, beyond=settings.ServiceSettings),
    "comments-settings": lambda: settings_table(comments_settings.CommentsSettings, beyond=settings.ServiceSettings),
    "gateway-settings": lambda: settings_table(Settings, beyond=settings.Common),
    "issuers": issuers_table,
    "commands": commands_table,
    "errors": errors_table,
    "closings": closings_table,
    "client-frames": lambda: frames_table(protocol.CLIENT_FRAMES),
    "server-frames": lambda: frames_table(protocol.SERVER_FRAMES),
    "functions": functions_table,
    "events": events_table,
    "service-metrics": lambda: metrics_table(telemetry),
    "library-metrics": lambda: metrics_table(library_metrics),
    "gateway-metrics": lambda: metrics_table(metrics),
}


def made() -> dict[str, str]:
    return {name: make() for name, make in TABLES.items()}


if __name__ == "__main__":
    for page in pages.GUIDES:
        page.write_text(pages.with_tables(page, made()))
