"""The page that docs/sync.md shows keeps a player in sync."""

import subprocess
from collections.abc import Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import msgspec
from bench.node import NODE
from tests.docs.pages import ROOT, blocks
from tests.system import System

PAGE = ROOT / "docs" / "sync.md"
SCRIPT = ROOT / "services/gateway/src/gateway/web/sync.js"
WITHIN = 60.0

BEFORE = """
// What a browser has and node has not: a page, and a player that plays in real time.
const player = {
  paused: true, rate: 1, at: 0, since: 0,
  gone() { return this.paused ? 0 : ((performance.now() - this.since) / 1000) * this.rate; },
  get currentTime() { return this.at + this.gone(); },
  set currentTime(seconds) { Object.assign(this, { at: seconds, since: performance.now() }); },
  get playbackRate() { return this.rate; },
  set playbackRate(rate) { this.currentTime = this.currentTime; this.rate = rate; },
  async play() { this.currentTime = this.currentTime; this.paused = false; },
  pause() { this.currentTime = this.currentTime; this.paused = true; },
};
globalThis.location = { href: "http://127.0.0.1/?party=PARTY" };
globalThis.document = { hidden: false, querySelector: () => player, addEventListener: () => {} };
"""
AFTER = """
// By then it has reported, and a refusal would have ended it.
const REPORTED = 4_000;
setInterval(() => {
  if (player.paused || sync.state !== "in-sync" || performance.now() < REPORTED || Math.abs(sync.drift) > 0.02) return;
  console.log("together at", player.currentTime);
  process.exit(0);
}, 100);
"""


def asked(system: System, path: str, body: Mapping[str, Any], token: str = "") -> Any:
    connection = HTTPConnection("127.0.0.1", system.port, timeout=10)
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    connection.request("POST", path, msgspec.json.encode(body), headers)
    answer = connection.getresponse()
    said = answer.read()
    assert answer.status == 200, said
    return msgspec.json.decode(said)


def test_the_page_plays_where_the_party_is(system: System, tmp_path: Path) -> None:
    token = asked(system, "/v1/guest", {"name": "Ana"})["token"]
    opened = asked(system, "/v1/call/party.open", {"title": "Friday film", "media": "tt0111161"}, token)
    party = opened["value"]["party_id"]
    asked(system, "/v1/call/party.play", {"party_id": party, "position": 600.0}, token)
    [shown] = [block.text for block in blocks(PAGE) if block.language == "js"]
    page = shown.replace("/sync.js", SCRIPT.as_uri()).replace("127.0.0.1:8080", f"127.0.0.1:{system.port}")
    script = tmp_path / "page.mjs"
    script.write_text(BEFORE.replace("PARTY", party) + page + AFTER)

    said = subprocess.run([NODE, str(script)], capture_output=True, text=True, timeout=WITHIN, check=False)

    assert said.returncode == 0, said.stdout + said.stderr
    assert float(said.stdout.split("together at ")[1]) > 600.0
