"""Database roles: a login per service that can act as its owner, writer or reader; and the vault they share."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from ops.house import SERVICES
from ops.problem import Problem

_VAULT = (Path(__file__).parent / "vault.sql").read_text()
_ONE_AT_A_TIME = 7_077_217  # advisory lock of whoever provisions


class PasswordMissing(Problem):
    """A login must be made and nobody said with which password."""


async def provision_database(url: str, passwords: Mapping[str, str]) -> None:
    """Make the database named in `url`, its roles and the vault. Repeating it changes nothing.

    A login gets its password from `passwords`; one that exists keeps its own when none is given.
    """
    await _create_database(url)
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute("select pg_advisory_xact_lock($1)", _ONE_AT_A_TIME)
            existing = {row["rolname"] for row in await connection.fetch("select rolname from pg_roles")}
            await _role(connection, "vault_owner", existing)
            for service in SERVICES:
                await _roles_of(connection, service.name, passwords.get(service.name), existing)
            await connection.execute(_VAULT)
            for service in SERVICES:
                await connection.execute(f"grant usage on schema vault to {service.name}_writer")
                await connection.execute(f"grant select, insert on vault.person_key to {service.name}_writer")
                if service.erases:
                    await connection.execute(f"grant delete on vault.person_key to {service.name}_writer")
    finally:
        await connection.close()


async def _create_database(url: str) -> None:
    parts = urlsplit(url)
    name = parts.path.lstrip("/")
    try:
        connection = await asyncpg.connect(url)
    except asyncpg.InvalidCatalogNameError:
        connection = await asyncpg.connect(urlunsplit(parts._replace(path="/postgres")))
        await connection.execute(f'create database "{name}"')
    await connection.close()


async def _roles_of(connection: asyncpg.Connection, service: str, password: str | None, existing: set[str]) -> None:
    owner, writer, reader = (f"{service}_{part}" for part in ("owner", "writer", "reader"))
    for role in (owner, writer, reader):
        await _role(connection, role, existing)
    await _login(connection, service, password, existing)
    database = await connection.fetchval("select quote_ident(current_database())")
    await connection.execute(f"""
        revoke all on database {database} from public;
        grant connect, temporary on database {database} to {service}, {owner}, {writer}, {reader};
        grant create on database {database} to {owner};
        grant {owner}, {writer}, {reader} to {service} with inherit false, set true;
        alter default privileges for role {owner} grant usage on schemas to {writer}, {reader};
        alter default privileges for role {owner} grant select on tables to {reader};
        alter default privileges for role {owner} grant select, insert, update, delete, truncate on tables to {writer};
        alter default privileges for role {owner} grant usage, select on sequences to {writer};
        alter default privileges for role {owner} revoke execute on functions from public;
        alter default privileges for role {owner} grant execute on functions to {writer}, {reader};
    """)


async def _role(connection: asyncpg.Connection, role: str, existing: set[str]) -> None:
    if role not in existing:
        await connection.execute(f"create role {role} nologin noinherit")
        await connection.execute(f"grant {role} to current_user with inherit true, set true")


async def _login(connection: asyncpg.Connection, service: str, password: str | None, existing: set[str]) -> None:
    if service not in existing:
        if password is None:
            raise PasswordMissing(
                f"role {service} does not exist yet; set MATINEE_DATABASE_PASSWORD_{service.upper()} to the password "
                "that it should get, or create the role first"
            )
        await connection.execute(f"create role {service} login noinherit")
    if password is not None:
        literal = await connection.fetchval("select quote_literal($1::text)", password)
        await connection.execute(f"alter role {service} with login noinherit password {literal}")
