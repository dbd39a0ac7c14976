"""`matinee erase`: erase a person from every service, and show the certificate; again, after a restore."""

import asyncio
import base64
import contextlib
import importlib
import re
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
import uvloop
from rich.console import Console
from rich.table import Table

from events.bus import Bus
from events.contracts.erased import ERASED
from events.contracts.library import Erase, ErasureView, ShowErasure
from events.messages import AFTER, CONTEXT, Answer, Context, Rejected
from ops.certificates import read, undone
from ops.commands.options import Data
from ops.commands.replay import AsJson
from ops.house import OPERATOR
from ops.problem import Problem
from ops.running import Running, running_or_elsewhere, setting_of
from ops.scrub import scrub as scrub_files

LOOK_SECONDS = 0.2
CONNECT_SECONDS = 5.0
TOMBSTONES = f"ev.library.{ERASED}.*"
UID = re.compile(r"[A-Za-z0-9-]{1,64}")

Uid = Annotated[str | None, typer.Option("--uid", help="Whom: the id that the log knows.")]
Issuer = Annotated[str | None, typer.Option("--issuer", help="Or the issuer of their tokens …")]
Subject = Annotated[str | None, typer.Option("--subject", help="… and its name for them (`sub`).")]
File = Annotated[
    Path | None,
    typer.Option("--from", help="Or all whom a restored backup has brought back, by a file of `matinee erasures`."),
]
Scrub = Annotated[bool, typer.Option("--scrub", help="Then write PostgreSQL's files anew without what was deleted.")]


def erase(
    uid: Uid = None,
    issuer: Issuer = None,
    subject: Subject = None,
    file: File = None,
    scrub: Scrub = False,
    data: Data = Path(".matinee"),
    as_json: AsJson = False,
) -> None:
    """Erase a person from every service and destroy their key. It goes on by itself if this command is cut off.

    Say whom by --uid, by --issuer and --subject together, or by --from. Asked again it erases what has come since.
    """
    if file is not None and (uid or issuer or subject):
        raise Problem("say whom: either --from alone, or one person")
    kept = None if file is None else read(file)
    running = running_or_elsewhere(data)
    url = setting_of(running, "NATS_URL")
    if kept is None:
        certificates = uvloop.run(_erase(url, [_whom(uid, issuer, subject, running)]))
    else:
        certificates = uvloop.run(_erase_again(url, kept))
    if scrub:
        asyncio.run(scrub_files(setting_of(running, "DATABASE_URL")))
    _tell(certificates, None if kept is None else len(kept), as_json)


def scrub(data: Data = Path(".matinee")) -> None:
    """Write PostgreSQL's files anew, so that nothing of deleted rows is left in them; tables are locked meanwhile."""
    tables = asyncio.run(scrub_files(setting_of(running_or_elsewhere(data), "DATABASE_URL")))
    print(f"{tables} tables and the write-ahead log are written anew")


def erasures(data: Data = Path(".matinee")) -> None:
    """Print the certificates of all who were erased, and who is being erased, one line of JSON each."""
    for view in uvloop.run(_erasures(setting_of(running_or_elsewhere(data), "NATS_URL"))):
        print(msgspec.json.encode(view).decode())


@contextlib.asynccontextmanager
async def _asking(nats_url: str) -> AsyncIterator[Bus]:
    """The operator's connection. Raise `Problem` when the library cannot be asked."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            bus = await Bus.connect(nats_url, OPERATOR)
    except (TimeoutError, Rejected):
        raise Problem("NATS does not answer; nothing was asked for") from None
    try:
        yield bus
    except Rejected as refusal:
        raise Problem(f"the library service answers: {refusal.code}. Whatever was begun goes on; ask again.") from None
    finally:
        await bus.close()


async def _erasures(nats_url: str) -> list[ErasureView]:
    async with _asking(nats_url) as bus:
        return [view for uid in await _erased(bus) if (view := await _show_of(bus, uid)) is not None]


async def _erased(bus: Bus) -> list[str]:
    """Who has a tombstone, or waits for one."""
    uids: list[str] = []
    while True:
        info = await bus.api("STREAM.INFO.EV_LIBRARY", {"subjects_filter": TOMBSTONES, "offset": len(uids)})
        found = info["state"].get("subjects") or {}
        uids += [subject.rpartition(".")[2] for subject in found]
        if not found or len(uids) >= info.get("total", 0):
            return sorted(uids)


async def _show_of(bus: Bus, uid: str, headers: Mapping[str, str] | None = None) -> ErasureView | None:
    answer = await _ask(bus, f"qry.library.{ShowErasure.function}", ShowErasure(), uid, headers)
    return msgspec.json.decode(answer.value, type=ErasureView | None)


async def _erase(nats_url: str, uids: Sequence[str]) -> list[ErasureView]:
    """All of them are asked for at once, and carried out one after the other."""
    async with _asking(nats_url) as bus:
        subject = f"cmd.library.{Erase.function}"
        asked = {uid: await _ask(bus, subject, Erase(uid=uid), "system:library") for uid in uids}
        return [await _certificate(bus, uid, answer.position) for uid, answer in asked.items()]


async def _erase_again(nats_url: str, kept: Mapping[str, ErasureView]) -> list[ErasureView]:
    known = {view.uid: view for view in await _erasures(nats_url)}
    return await _erase(nats_url, undone(kept, known))


async def _certificate(bus: Bus, uid: str, position: str) -> ErasureView:
    while True:
        view = await _show_of(bus, uid, {AFTER: position})
        if view is not None and view.done_at is not None:
            return view
        await asyncio.sleep(LOOK_SECONDS)


async def _ask(bus: Bus, subject: str, what: Any, actor: str, headers: Mapping[str, str] | None = None) -> Answer:
    context = Context(actor=actor, now=datetime.now(UTC), command_id=secrets.token_hex(16))
    told = {CONTEXT: msgspec.json.encode(context).decode(), **(headers or {})}
    answer = msgspec.json.decode((await bus.request(subject, msgspec.json.encode(what), told)).data, type=Answer)
    if answer.error is not None:
        raise Rejected(answer.error.code, **answer.error.details)
    return answer


def _whom(uid: str | None, issuer: str | None, subject: str | None, running: Running | None) -> str:
    """The uid that was given, or as the gateway derives it."""
    if uid is not None and issuer is None and subject is None:
        if not UID.fullmatch(uid):
            raise Problem(f"{uid!r} is not an id of a person")
        return uid
    if uid is not None or not issuer or not subject:
        raise Problem("say whom: --uid, or --issuer and --subject together, or --from")
    secret = base64.b64decode(setting_of(running, "MATINEE_UID_SECRET"))
    ids = importlib.import_module("gateway.identity").Ids(secret, secrets.token_bytes)
    found: str = ids.uid(issuer, subject)
    return found


def _tell(certificates: Sequence[ErasureView], wanted: int | None, as_json: bool) -> None:
    """*wanted*: how many a file named; then those who were erased again are a list."""
    for certificate in certificates:
        if as_json:
            print(msgspec.json.encode(certificate).decode())
        elif wanted is None:
            _show(certificate)
        else:
            print(f"person {certificate.uid} is erased again, erasure {certificate.erasure}")
    if wanted is not None and not as_json:
        print(f"{len(certificates)} erased again; of {wanted - len(certificates)} the log knows it already")


def _show(certificate: ErasureView) -> None:
    """As a table: what there was in each service."""
    services = sorted(certificate.services)
    table = Table(box=None, pad_edge=False)
    table.add_column("erased")
    for service in services:
        table.add_column(service, justify="right")
    for what in sorted({what for counts in certificate.services.values() for what in counts}):
        table.add_row(what, *(str(certificate.services[service].get(what, "-")) for service in services))
    console = Console(soft_wrap=True)
    console.print(f"person {certificate.uid}, erasure {certificate.erasure}, asked by the {certificate.by}")
    console.print(f"asked {certificate.asked_at:%Y-%m-%d %H:%M:%S}, done {certificate.done_at:%Y-%m-%d %H:%M:%S} UTC")
    console.print(table)
    console.print("The person's key is destroyed: whatever else was sealed for them stays closed.")
