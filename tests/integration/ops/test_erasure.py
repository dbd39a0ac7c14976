"""A person is erased from a whole Matinee, and nothing readable of them is left in any of its files."""

import asyncio
import json
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from tests.e2e.client import Client
from tests.system import System, system_over
from tests.wait import eventually

from events.bus import Bus
from events.contracts.library import SignIn
from events.messages import CONTEXT, Answer, Context
from events.uploads import Uploads
from ops.ports import free_port

ISSUER = "https://erased.example"
SECRET = secrets.token_hex(32)
SUPERVISOR = ("run.json", "secrets.json", "lock")


def secret(kind: str) -> str:
    """A text that nobody else writes anywhere."""
    return f"{kind}{secrets.token_hex(8)}"


class Person:
    """Somebody with an issuer's token, and all that must not be found afterwards."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.subject, self.name, self.email = secret("subject"), secret("Ana"), f"{secret('ana')}@example.com"
        self.picture = f"https://pictures.example/{secret('face')}.png"
        self.url = f"https://addons.example/{secret('credentials')}/manifest.json"
        self.source = f"https://films.example/{secret('film')}.mp4"
        self.list, self.setting, self.file = secret("list"), secret("setting"), secret("file")
        self.device, self.status, self.chosen = secret("television"), secret("status"), secret("chosen")
        self.token = self._token()
        self.uid = ""

    def _token(self) -> str:
        now = int(time.time())
        claims = {"iss": ISSUER, "sub": self.subject, "aud": "app", "iat": now, "exp": now + 3600, "jti": secret("jti")}
        told = {"name": self.name, "email": self.email, "picture": self.picture}
        return jwt.encode({"alg": "HS256"}, claims | told, OctKey.import_key(SECRET))

    @property
    def secrets(self) -> list[str]:
        texts = (self.subject, self.name, self.email, self.picture, self.url, self.source, self.list, self.setting)
        return [*texts, self.file, self.device, self.status, self.chosen, *self.token.split(".")[1:]]

    def sign_in_anew(self) -> None:
        self.token = self._token()

    async def call(self, function: str, **args: Any) -> Any:
        """The value of the answer, as new as it can be."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with aiohttp.ClientSession(self.system.http, headers=headers) as http:
            answer = await (await http.post(f"/v1/call/{function}", json=args)).json()
        if "value" not in answer:
            raise Refused(answer["code"], answer.get("details"))
        return answer["value"]


class Refused(Exception):
    pass


def trusting(folder: Path) -> AbstractContextManager[System]:
    """A Matinee over *folder* that takes the issuer's tokens."""
    issuers = [{
        "issuer": ISSUER, "kind": "oidc", "algorithms": ["HS256"], "secret": SECRET, "audience": "app",
    }]  # fmt: skip
    return system_over(folder, MATINEE_ISSUERS=json.dumps(issuers))


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with trusting(tmp_path_factory.mktemp("erased")) as running:
        yield running


async def lives(person: Person) -> str:
    """Whatever somebody may do that leaves something behind; the id of the party that they host."""
    bus = await Bus.connect(person.system.running.nats_url, "ops")
    party: str = (await person.call("party.open", title="Friday film", media="tt1", source=person.source))["party_id"]
    person.uid = (await person.call("library.profile"))["uid"]
    claims = SignIn(name=person.name, picture=person.picture, email=person.email)
    await _as(bus, person.uid, "cmd.library.library.sign_in", claims)
    await person.call("party.profile", party_id=party, status=person.status, avatar=person.picture)
    await person.call("party.enqueue", party_id=party, media="tt2", source=person.source)
    await person.call("library.edit_profile", display_name=person.chosen)
    await person.call("library.set_preferences", changes={"theme": person.setting})
    manifest = {"id": "org.example", "version": "1.0.0", "name": person.url, "types": [], "resources": [],
                "description": "x", "catalogs": []}  # fmt: skip
    await person.call("library.install_addon", transport_url=person.url, manifest=manifest)
    created = await person.call("library.create_list", name=person.list)
    await person.call("library.add_to_list", list_id=created["list_id"], items=[{"work": "tt1", "title": person.list}])
    for position in (10, 600, 1200):
        for state in ("playing", "paused"):
            await person.call(
                "library.report", work="tt1", position=position, duration=6000, device=person.device, state=state
            )
    await person.call("library.set", work="tt1", reaction="liked", details={"title": person.setting})
    upload = secrets.token_hex(16)

    async def body() -> Any:
        yield f'{{"record": "list", "list_id": "{person.file}", "name": "{person.file}"}}\n'.encode()

    await Uploads(bus, "library").send(upload, person.uid, body(), 10_000)
    await person.call("library.import", upload=upload, format="matinee", file_name=person.file)
    await bus.close()
    return party


async def park(person: Person) -> None:
    """Commits of theirs that the projection sets aside, with what it says of them."""
    db = await asyncpg.connect(person.system.running.database_url)
    schema = await db.fetchval("select schema from library.pointer")
    await db.execute(f"alter table {schema}.profile add constraint sane check (display_name <> '{person.list}')")
    await person.call("library.edit_profile", display_name=person.list)
    await eventually(lambda: db.fetchval(f"select count(*) from {schema}.parked"))
    await db.execute(f"alter table {schema}.profile drop constraint sane")
    await db.close()


async def tables_with(system: System, uid: str) -> set[str]:
    """Tables of the library in which some column says a person's id."""
    db = await asyncpg.connect(system.running.database_url)
    schema = await db.fetchval("select schema from library.pointer")
    tables = await db.fetch(
        f"select relname from pg_class where relkind = 'r' and relnamespace = '{schema}'::regnamespace"
    )
    found = {
        table
        for (table,) in tables
        if table != "aggregate"
        and await db.fetchval(f"select exists (select from {schema}.{table} as t where strpos(t::text, $1) > 0)", uid)
    }
    await db.close()
    return found


async def _as(bus: Bus, uid: str, subject: str, what: msgspec.Struct) -> None:
    context = Context(actor=uid, now=datetime.now(UTC), command_id=secrets.token_hex(16))
    headers = {CONTEXT: msgspec.json.encode(context).decode()}
    answer = msgspec.json.decode((await bus.request(subject, msgspec.json.encode(what), headers)).data, type=Answer)
    assert answer.error is None, answer.error


def found(system: System, texts: list[str]) -> dict[str, list[str]]:
    """In which files of the installation each text can be read."""
    places: dict[str, list[str]] = {}
    for path in [*system.folder.rglob("*"), system.output]:
        if path.is_file() and path.name not in SUPERVISOR:
            body = path.read_bytes()
            for text in texts:
                if text.encode() in body:
                    places.setdefault(text, []).append(str(path.relative_to(system.folder.parent)))
    return places


async def test_nothing_readable_of_an_erased_person_is_left_in_any_file(system: System) -> None:
    ana, ben = Person(system), Person(system)
    party = await lives(ana)
    await lives(ben)
    await ben.call("party.join", party_id=party)
    await park(ana)
    written = found(system, ana.secrets)
    assert {ana.email, ana.url, ana.list} <= written.keys(), "the test finds what is there"

    erased = system.matinee("erase", "--issuer", ISSUER, "--subject", ana.subject, "--scrub", "--json")

    assert erased.returncode == 0, erased.stderr
    certificate = json.loads(erased.stdout)
    assert certificate["uid"] == ana.uid
    assert certificate["services"]["library"]["commits"] > 10
    assert certificate["services"]["parties"]["rows"] == 1
    assert not any(text in erased.stdout for text in ana.secrets)
    assert found(system, ana.secrets) == {}
    assert ben.list in found(system, ben.secrets)

    assert await tables_with(system, ana.uid) == {"erased", "erasure"}
    verified = system.matinee("verify", "--json")
    assert verified.returncode == 0, verified.stdout
    assert json.loads(verified.stdout) == {"parties": {}, "library": {}, "comments": {}}


def copy(source: Path, target: Path) -> None:
    """With owners and modes, as a backup of a folder is made."""
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)


@pytest.mark.thorough
async def test_who_was_erased_after_a_backup_is_erased_again_when_it_was_put_back(tmp_path: Path) -> None:
    folder, backup, kept = tmp_path / "matinee", tmp_path / "backup", tmp_path / "erasures.ndjson"
    with trusting(folder) as system:
        ana, ben, eve = Person(system), Person(system), Person(system)
        for person in (ana, ben, eve):
            await lives(person)
        assert system.matinee("erase", "--uid", eve.uid).returncode == 0
        await eve.call("library.create_list", name=eve.file)
    copy(folder, backup)
    with trusting(folder) as system:
        ana.system = system
        await ana.call("library.erase_me", confirm="erase everything")
        await eventually(lambda: done(ana), within=30)
        kept.write_text(system.matinee("erasures").stdout)
    shutil.rmtree(folder)
    copy(backup, folder)

    with trusting(folder) as system:
        ana.system = ben.system = eve.system = system
        assert [found["name"] for found in (await ana.call("library.lists"))["items"]] == [ana.list], "she is back"

        again = system.matinee("erase", "--from", str(kept), "--scrub", "--json")

        assert again.returncode == 0, again.stderr
        assert [json.loads(line)["uid"] for line in again.stdout.splitlines()] == [ana.uid]
        assert found(system, ana.secrets) == {}
        assert await tables_with(system, ana.uid) == {"erased", "erasure"}
        assert [found["name"] for found in (await ben.call("library.lists"))["items"]] == [ben.list]
        assert [found["name"] for found in (await eve.call("library.lists"))["items"]] == [eve.file]
        twice = system.matinee("erase", "--from", str(kept))
        assert twice.stdout == "0 erased again; of 2 the log knows it already\n"
        verified = system.matinee("verify")
        assert verified.returncode == 0, verified.stdout


async def test_who_watches_or_follows_a_party_sees_somebody_without_a_name(system: System) -> None:
    ana, ben = Person(system), Person(system)
    party = await lives(ana)
    await ben.call("party.join", party_id=party)
    async with await Client.connect(system.ws, ben.token) as socket:
        assert named(await socket.ask("watch", fn="party.members", args={"party_id": party}), ana) == [ana.name]
        await socket.ask("watch", fn="party.queue", args={"party_id": party})

        erased = system.matinee("erase", "--uid", ana.uid)

        assert erased.returncode == 0, erased.stderr
        await socket.take(lambda frame: named(frame, ana) == [""])
        followed = await socket.ask("follow", channel=f"party:{party}")
        assert [member["name"] for member in followed["state"]["members"] if member["uid"] == ana.uid] == [""]
        assert not any(text in json.dumps(followed) for text in ana.secrets)
        queue = await ben.call("party.queue", party_id=party)
        assert [item["source"] for item in queue["items"]] == [""]


async def test_who_erased_themselves_begins_anew_at_the_next_sign_in(system: System) -> None:
    ana = Person(system)
    await lives(ana)

    await ana.call("library.erase_me", confirm="erase everything")
    await eventually(lambda: done(ana), within=30)

    ana.sign_in_anew()
    assert (await ana.call("library.profile"))["display_name"] in ("", ana.name)
    assert (await ana.call("library.lists"))["items"] == []
    assert (await ana.call("library.addons"))["items"] == []
    assert (await ana.call("library.items"))["items"] == []
    assert (await ana.call("library.continue_watching"))["items"] == []
    await ana.call("library.create_list", name="anew")
    await ana.call("library.report", work="tt1", position=30, duration=6000, device="television")
    await ana.call("library.report", work="tt1", position=40, duration=6000, device="television")

    async def shown() -> bool:
        return [found["name"] for found in (await ana.call("library.lists"))["items"]] == ["anew"]

    await eventually(shown)

    async def goes_on() -> bool:
        items = (await ana.call("library.continue_watching"))["items"]
        return [(item["work"], item["position"]) for item in items] == [("tt1", 40.0)]

    await eventually(goes_on)
    certificate = await ana.call("library.erasure")
    assert (certificate["uid"], certificate["by"]) == (ana.uid, "person")
    again = system.matinee("erase", "--uid", ana.uid, "--json")
    assert json.loads(again.stdout)["erasure"] != certificate["erasure"]
    assert json.loads(again.stdout)["services"]["library"]["aggregates"] >= 2


async def test_with_the_same_token_nothing_comes_back_until_it_is_used_for_more_than_to_look(system: System) -> None:
    ana = Person(system)
    await lives(ana)
    await ana.call("library.erase_me", confirm="erase everything")
    await eventually(lambda: done(ana), within=30)
    for _ in range(5):
        assert await done(ana)
    assert await tables_with(system, ana.uid) == {"erased", "erasure"}

    async def named_again() -> bool:
        profile = await ana.call("library.profile")
        return (profile["display_name"], profile["email"]) == (ana.name, ana.email)

    await eventually(named_again)


async def test_asked_twice_it_is_one_erasure(system: System) -> None:
    ana = Person(system)
    await lives(ana)
    for _ in range(3):
        await ana.call("library.erase_me", confirm="erase everything")

    await eventually(lambda: done(ana), within=30)


async def imports(ana: Person, bus: Bus, titles: int) -> None:
    """Begin to take in a file of so many titles."""
    ana.uid = (await ana.call("library.profile"))["uid"]
    lines = ['{"record": "matinee", "version": 1}']
    lines += [f'{{"record": "title", "work": "tt{n:07}", "in_watchlist": true}}' for n in range(titles)]

    async def body() -> Any:
        yield "\n".join(lines).encode()

    upload = secrets.token_hex(16)
    await Uploads(bus, "library").send(upload, ana.uid, body(), 1_000_000)
    await ana.call("library.import", upload=upload, format="matinee")


async def own(bus: Bus, person: Person) -> list[str]:
    """Subjects of the log that are about somebody's own titles."""
    info = await bus.api("STREAM.INFO.EV_LIBRARY", {"subjects_filter": ">"})
    return [subject for subject in info["state"]["subjects"] if f".title.{person.uid}" in subject]


async def test_an_import_under_way_brings_nothing_back(system: System) -> None:
    ana = Person(system)
    bus = await Bus.connect(system.running.nats_url, "ops")
    await imports(ana, bus, 3_000)

    async def begun() -> bool:
        return bool((await ana.call("library.items"))["items"])

    await eventually(begun, within=30)
    await ana.call("library.erase_me", confirm="erase everything")
    await eventually(lambda: done(ana), within=120)

    for _ in range(10):
        assert (await ana.call("library.items"))["items"] == []
        assert (await ana.call("library.imports"))["items"] == []
        await asyncio.sleep(0.2)  # two seconds in all in which nothing may come back: that has no event to wait for
    assert await own(bus, ana) == []
    await bus.close()


@pytest.mark.thorough
async def test_whatever_is_killed_meanwhile_it_comes_to_an_end(system: System) -> None:
    ana = Person(system)
    bus = await Bus.connect(system.running.nats_url, "ops")
    await imports(ana, bus, 1_200)

    async def imported() -> bool:
        return [one["state"] for one in (await ana.call("library.imports"))["items"]] == ["applied"]

    await eventually(imported, within=60)
    await ana.call("library.erase_me", confirm="erase everything")
    for victim in ("library", "nats", "postgres", "parties", "library"):
        await asyncio.sleep(0.7)  # so that each dies at another step of the erasure, whichever that is
        system.kill(victim)
    await eventually(lambda: done(ana), within=120)

    await eventually(lambda: _ready(system), within=20)
    assert await own(bus, ana) == []
    assert (await ana.call("library.erasure"))["services"]["library"]["aggregates"] > 1_200
    verified = system.matinee("verify")
    assert verified.returncode == 0, verified.stdout
    await bus.close()


@pytest.mark.parametrize("arguments", [{}, {"confirm": "yes"}, {"confirm": "Erase everything"}, {"confirm": None}])
async def test_without_just_these_words_nothing_is_erased(system: System, arguments: dict[str, Any]) -> None:
    ana = Person(system)
    with pytest.raises(Refused, match="invalid-argument"):
        await ana.call("library.erase_me", **arguments)
    assert await ana.call("library.erasure") is None


async def test_who_is_not_signed_in_erases_nobody(system: System) -> None:
    nobody = Person(system)
    nobody.token = "x"
    with pytest.raises(Refused, match="token-invalid"):
        await nobody.call("library.erase_me", confirm="erase everything")


async def test_nobody_can_ask_for_what_is_the_operator_s(system: System) -> None:
    for function in ("library.erase", "library.entomb", "library.certify_erasure", "party.entomb"):
        with pytest.raises(Refused, match="unknown-function"):
            await Person(system).call(function, uid="x")


def test_the_operator_must_say_whom(system: System) -> None:
    two = ["--uid", "x", "--subject", "y", "--issuer", "z"]
    for words in ([], ["--issuer", ISSUER], two, ["--uid", "a.b>"], ["--uid", "x", "--from", "erasures.ndjson"]):
        refused = system.matinee("erase", *words)
        assert refused.returncode == 1
        assert re.search("say whom|is not an id", refused.stderr)


def test_where_nothing_runs_it_says_so(system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = System(tmp_path, 0, system.supervisor, system.output)
    refused = nowhere.matinee("erase", "--uid", "x")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "Nothing runs over" in refused.stderr
    monkeypatch.setenv("NATS_URL", f"nats://127.0.0.1:{free_port()}")
    refused = nowhere.matinee("erase", "--uid", "x")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "NATS does not answer; nothing was asked for" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_file_that_is_none_of_certificates_erases_nobody(system: System, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.ndjson"
    wrong.write_text('{"uid": "somebody"}\n')
    refused = system.matinee("erase", "--from", str(wrong))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "nobody was erased" in refused.stderr
    assert "somebody" not in system.matinee("erasures").stdout


def test_somebody_whom_nobody_knows_is_erased_with_zeros(system: System) -> None:
    erased = system.matinee("erase", "--uid", "never-seen-here")
    assert erased.returncode == 0, erased.stderr
    assert "person never-seen-here" in erased.stdout
    listed = system.matinee("erasures")
    assert listed.returncode == 0, listed.stderr
    certificates = {view["uid"]: view for view in map(json.loads, listed.stdout.splitlines())}
    assert certificates["never-seen-here"]["services"]["library"]["commits"] == 0
    assert re.search(r"commits +0 +0|commits +- +0|commits +0 +-", erased.stdout)


def named(frame: dict[str, Any], person: Person) -> list[str]:
    """How a frame names somebody among the members that it tells of."""
    value = frame.get("value")
    members = value.get("members") if isinstance(value, dict) else None
    return [member["name"] for member in members if member["uid"] == person.uid] if isinstance(members, list) else []


async def _ready(system: System) -> bool:
    return await asyncio.to_thread(system.ready)


async def done(person: Person) -> bool:
    """Also while something is being started again."""
    try:
        found = await person.call("library.erasure")
    except (Refused, aiohttp.ClientError):
        return False
    return found is not None and found["done_at"] is not None
