"""Streams and roles are made from their declaration once, and later only compared with it."""

import json

import asyncpg
import nats
import pytest

from events.contracts import CONTRACTS
from events.contracts.party import SYNC_KEPT
from library import erasing
from ops.embedded import Embedded
from ops.house import SERVICES
from ops.provision import provision
from ops.roles import PasswordMissing, provision_database
from ops.streams import EPOCH, compare, declared_streams


async def _ask(servers: Embedded, subject: str, body: object = None) -> dict[str, object]:
    bus = await nats.connect(servers.nats_url())
    answer = await bus.request(subject, json.dumps(body).encode() if body else b"", timeout=5)
    await bus.close()
    found: dict[str, object] = json.loads(answer.data)
    return found


async def _configuration(servers: Embedded, stream: str) -> dict[str, object]:
    found = (await _ask(servers, f"$JS.API.STREAM.INFO.{stream}"))["config"]
    assert isinstance(found, dict)
    return found


async def _again(servers: Embedded) -> list[str]:
    drifts = await provision(servers.nats_url(), servers.admin_database_url, servers.keys.database)
    return [str(drift) for drift in drifts]


async def test_a_second_time_changes_nothing_and_keeps_each_stream_s_epoch(servers: Embedded) -> None:
    before = {name: await _configuration(servers, name) for name in declared_streams()}
    assert await _again(servers) == []
    assert {name: await _configuration(servers, name) for name in declared_streams()} == before
    epochs = [configuration["metadata"][EPOCH] for configuration in before.values()]  # type: ignore[index]  # raw JSON
    assert all(epochs)
    assert len(set(epochs)) == len(epochs)


async def test_a_log_refuses_to_forget(servers: Embedded) -> None:
    log = await _configuration(servers, "EV_PARTIES")
    assert (log["storage"], log["discard"], log["deny_purge"]) == ("file", "new", True)
    assert (log["max_age"], log["max_msgs"], log["max_bytes"]) == (0, -1, -1)
    assert not log["allow_rollup_hdrs"]
    refusal = await _ask(servers, "$JS.API.STREAM.PURGE.EV_PARTIES")
    assert "error" in refusal


async def test_telemetry_is_kept_as_the_house_says(servers: Embedded) -> None:
    samples, positions = [await _configuration(servers, f"TEL_{name}") for name in ("PARTIES", "LIBRARY")]
    assert samples["max_age"] == SYNC_KEPT.total_seconds() * 1_000_000_000
    assert (samples["max_msgs_per_subject"], samples["max_bytes"], samples["discard"]) == (-1, 1024**3, "old")
    assert (positions["max_age"], positions["max_msgs_per_subject"]) == (0, 1)


async def test_telemetry_that_is_kept_otherwise_is_reported(own_servers: Embedded) -> None:
    changed = {**await _configuration(own_servers, "TEL_PARTIES"), "max_age": 3_600_000_000_000}
    assert "error" not in await _ask(own_servers, "$JS.API.STREAM.UPDATE.TEL_PARTIES", changed)
    assert await _again(own_servers) == ["TEL_PARTIES: max_age is 3600000000000, declared 21600000000000"]


def test_services_call_on_the_channels_of_their_contracts() -> None:
    declared = {contract.CONTEXT: tuple(channel.kind for channel in contract.CHANNELS) for contract in CONTRACTS}
    assert {service.name: service.channels for service in SERVICES} == declared


def test_people_are_erased_from_every_service() -> None:
    assert set(erasing.SERVICES) == {service.name for service in SERVICES}


def test_services_ask_questions_that_there_are() -> None:
    there = {f"{contract.CONTEXT}.{query.function}" for contract in CONTRACTS for query in contract.QUERIES}
    assert {question for service in SERVICES for question in service.asks} <= there


async def test_a_stream_that_differs_is_reported_field_by_field_and_left_alone(own_servers: Embedded) -> None:
    changed = {**await _configuration(own_servers, "EV_LIBRARY"), "max_age": 3_600_000_000_000, "discard": "old"}
    assert "error" not in await _ask(own_servers, "$JS.API.STREAM.UPDATE.EV_LIBRARY", changed)
    assert await _again(own_servers) == [
        'EV_LIBRARY: discard is "old", declared "new"',
        "EV_LIBRARY: max_age is 3600000000000, declared 0",
    ]
    assert (await _configuration(own_servers, "EV_LIBRARY"))["discard"] == "old"


def test_a_stream_without_an_epoch_is_reported() -> None:
    declared = declared_streams()["EV_PARTIES"]
    assert [drift.field for drift in compare("EV_PARTIES", declared, declared)] == [f"metadata.{EPOCH}"]


async def _as(servers: Embedded, login: str, role: str) -> asyncpg.Connection:
    return await asyncpg.connect(servers.database_url(login), server_settings={"role": role})


@pytest.mark.parametrize(
    ("login", "role", "forbidden"),
    [
        ("parties", "parties_writer", "create table probe.more (a int)"),
        ("parties", "parties_writer", "create schema more"),
        ("parties", "parties_reader", "insert into probe.rows values (1)"),
        ("parties", "parties", "select * from probe.rows"),
        ("library", "library_owner", "select * from probe.rows"),
        ("library", "library_reader", "select * from vault.person_key"),
        ("parties", "parties_writer", "delete from vault.person_key"),
        ("parties", "parties_writer", "update vault.person_key set wrapped = ''"),
        ("parties", "parties_owner", "select * from vault.person_key"),
    ],
)
async def test_a_role_may_not(servers: Embedded, login: str, role: str, forbidden: str) -> None:
    owner = await _as(servers, "parties", "parties_owner")
    await owner.execute("create schema if not exists probe; create table if not exists probe.rows (a int)")
    connection = await _as(servers, login, role)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(forbidden)
    await connection.close()
    await owner.close()


async def test_a_service_cannot_act_as_another(servers: Embedded) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await _as(servers, "library", "parties_reader")


async def test_what_the_owner_makes_the_writer_writes_and_the_reader_reads(servers: Embedded) -> None:
    owner = await _as(servers, "library", "library_owner")
    await owner.execute("create schema library_probe; create table library_probe.rows (a int)")
    writer = await _as(servers, "library", "library_writer")
    await writer.execute("insert into library_probe.rows values (1)")
    reader = await _as(servers, "library", "library_reader")
    assert await reader.fetchval("select a from library_probe.rows") == 1
    for connection in (owner, writer, reader):
        await connection.close()


async def test_writers_keep_keys_in_the_vault(servers: Embedded) -> None:
    writer = await _as(servers, "library", "library_writer")
    await writer.execute("insert into vault.person_key (uid, wrapped) values ('u-provision', $1)", b"wrapped")
    assert await writer.fetchval("select wrapped from vault.person_key where uid = 'u-provision'") == b"wrapped"
    await writer.close()


async def test_no_login_is_a_superuser(servers: Embedded) -> None:
    admin = await asyncpg.connect(servers.admin_database_url)
    names = [service.name for service in SERVICES]
    rows = await admin.fetch("select rolname from pg_roles where rolsuper or rolcreaterole or rolbypassrls")
    assert not {row["rolname"] for row in rows} & set(names)
    await admin.close()


async def test_a_login_without_a_password_is_not_made(own_servers: Embedded) -> None:
    admin = await asyncpg.connect(own_servers.admin_database_url)
    await admin.execute("drop owned by library; drop role library")
    await admin.close()
    with pytest.raises(PasswordMissing, match="MATINEE_DATABASE_PASSWORD_LIBRARY"):
        await provision_database(own_servers.admin_database_url, {})
