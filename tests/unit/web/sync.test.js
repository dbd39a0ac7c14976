// The follower's rules, one by one, in a world where time is only counted; then all of them at once, at random.

import assert from "node:assert/strict";
import { test } from "node:test";
import { EPOCH } from "../../../bench/simulated/party.js";
import { FLAWLESS, Player } from "../../../bench/simulated/player.js";
import { simulate } from "../../../bench/simulated/run.js";
import { Chance, Crystal, Line, World } from "../../../bench/simulated/world.js";
import { Clock, Sync, place } from "../../../services/gateway/src/gateway/web/sync.js";

const FRAME = 1 / 24;

/** A player that follows a party, with a perfect clock unless told otherwise; what it was asked is counted. */
class Stage {
  jumps = [];
  rates = [];
  states = [];
  controls = [];
  corrections = [];
  blocked = 0;

  constructor({ faults = {}, options = {}, known = true, player = null, asks = true } = {}) {
    this.world = new World();
    this.player = player ? player(this.world) : new Player(this.world, new Chance(7), { ...FLAWLESS, ...faults });
    this.player.onJump = (from, to) => this.jumps.push({ at: this.world.now, from, to });
    this.player.onRate = (rate) => this.rates.push(rate);
    const local = () => this.world.now * 1000;
    this.clock = new Clock({ local });
    this.trip = 0;
    if (known) this.hear();
    if (known && asks) this.#keepTime();
    this.sync = new Sync(this.player, {
      clock: this.clock, local,
      setTimer: (act, ms) => this.world.after(this.hold?.(ms) ?? ms / 1000, act),
      clearTimer: (timer) => this.world.cancel(timer),
      on: {
        state: (state) => this.states.push(state),
        control: (kind, position, rate) => this.controls.push({ kind, position, rate }),
        correction: (kind, how) => this.corrections.push({ kind, ...how }),
        blocked: () => (this.blocked += 1),
      },
      ...options,
    });
  }

  get ms() {
    return EPOCH + this.world.now * 1000;
  }

  get position() {
    return this.player.truth;
  }

  /** Samples of the server's time, each taking so many ms there and back. */
  hear(trip = 2, count = 20) {
    const local = this.world.now * 1000;
    for (let n = 0; n < count; n++) this.clock.add(local - trip, this.ms - trip / 2, this.ms - trip / 2, local);
  }

  #keepTime() {
    this.world.after(5, () => {
      if (!this.deaf) this.hear(2, 1);
      this.#keepTime();
    });
  }

  run(seconds) {
    this.world.run(this.world.now + seconds);
  }

  follow(anchor, ahead = 0) {
    this.anchor = { rate: 1, at: this.ms + ahead * 1000, ...anchor };
    this.sync.follow(this.anchor);
  }

  /** Playing together, from this position on, with everything learnt and settled. */
  plays(position = 100) {
    this.follow({ position, playing: false });
    this.run(2);
    this.follow({ position, playing: true }, 0.5);
    this.run(10);
    this.jumps.length = this.rates.length = this.states.length = this.corrections.length = 0;
    return this;
  }

  get drift() {
    return this.position - place(this.anchor, this.ms);
  }

  near(seconds, within, what = "") {
    assert.ok(Math.abs(seconds) <= within, `${what} ${seconds} is not within ${within}`);
  }
}

const jittery = (seed, { crystal = {}, line = {} } = {}) => {
  const chance = new Chance(seed);
  const world = new World();
  const local = new Crystal(world, chance.fork(1), crystal);
  const [up, down] = [new Line(world, chance.fork(2), line), new Line(world, chance.fork(3), line)];
  const clock = new Clock({ local: () => local.read() });
  const ms = () => EPOCH + world.now * 1000;
  const wait = () => (clock.due() < 1 ? ask() : world.after(Math.min(0.1, clock.due() / 1000), wait));
  const ask = () => {
    const t0 = local.read();
    up.send(() => {
      const t1 = ms();
      down.send(() => {
        clock.add(t0, t1, t1, local.read());
        wait();
      });
    });
  };
  ask();
  return { clock, world, error: () => clock.now() - ms(), local };
};

// The clock.

test("a clock knows nothing until it has heard", () => {
  const clock = new Clock({ local: () => 5 });
  assert.equal(clock.known, false);
  assert.ok(Number.isNaN(clock.now()));
  assert.equal(clock.uncertainty, Infinity);
  assert.equal(clock.rtt, 0);
  assert.equal(clock.due(), 0);
});

test("one sample places the server in the middle of the round trip", () => {
  let local = 1000;
  const clock = new Clock({ local: () => local });
  local = 1100;
  clock.add(1000, 51_000, 51_010, 1100);
  assert.ok(Math.abs(clock.now() - 51_055) < 1e-6);
  assert.equal(clock.rtt, 90);
  local = 2100;
  assert.ok(Math.abs(clock.now() - 52_055) < 1e-6);
});

test("samples that cannot be are not heard", () => {
  const clock = new Clock({ local: () => 0 });
  for (const sample of [[0, NaN, 0, 1], [0, 1, 1, -5], [undefined, 1, 1, 2], [0, 1, 1, Infinity]]) clock.add(...sample);
  assert.equal(clock.known, false);
});

test("a slow packet one way does not move what quick ones have shown", () => {
  const clock = new Clock({ local: () => 200 });
  for (let n = 0; n < 8; n++) clock.add(0, 1050, 1050, 100);
  clock.add(0, 1950, 1950, 1000);
  clock.add(0, 1050, 1050, 900);
  assert.ok(Math.abs(clock.now() - 1200) < 3, String(clock.now()));
});

test("a burst at first, then a sample every five seconds, and a burst again after waking", () => {
  let local = 0;
  const clock = new Clock({ local: () => local });
  const gaps = [];
  for (let n = 0; n < 10; n++) {
    gaps.push(clock.due());
    local += clock.due();
    clock.add(local, local, local, local);
  }
  assert.deepEqual(gaps, [0, 100, 100, 100, 100, 100, 100, 100, 5000, 5000]);
  clock.wake();
  assert.equal(clock.due(), 0);
  clock.add(local, local, local, local);
  assert.equal(clock.due(), 100);
});

test("under 100 ± 50 ms it is right to a few ms, and knows how right it is", () => {
  const errors = [];
  let within = 0;
  for (let seed = 1; seed <= 40; seed++) {
    const { clock, world, error } = jittery(seed);
    for (const at of [5, 30, 120, 600, 1800]) {
      world.run(at);
      errors.push({ at, error: Math.abs(error()) });
      within += Math.abs(error()) <= clock.uncertainty;
    }
  }
  const p90 = (from) => errors.filter(({ at }) => at >= from).map(({ error }) => error).sort((a, b) => a - b).at(-21);
  assert.ok(p90(120) < 8, `p90 after two minutes: ${p90(120)} ms`);
  assert.ok(within / errors.length > 0.9, `within the uncertainty: ${within} of ${errors.length}`);
});

test("it finds by how much the crystals differ, and needs no samples for a while then", () => {
  for (let seed = 1; seed <= 10; seed++) {
    const made = jittery(seed, { crystal: { ppm: 100, swing: 0 } });
    made.world.run(600);
    const before = made.local.read();
    made.world.run(601);
    const truth = (1000 / (made.local.read() - before) - 1) * 1e6;
    assert.ok(Math.abs(made.clock.skew - truth) < 15, `${made.clock.skew} instead of ${truth} ppm`);
  }
});

test("what is not heard again becomes uncertain", () => {
  let local = 0;
  const clock = new Clock({ local: () => local });
  for (let n = 0; n < 60; n++, local += 5000) clock.add(local, local, local, local + 2);
  const fresh = clock.uncertainty;
  local += 600_000;
  const stale = clock.uncertainty;
  local += 3_600_000;
  assert.ok(fresh < 5 && stale > 3 * fresh && clock.uncertainty > 5 * stale, `${fresh} ${stale} ${clock.uncertainty}`);
});

test("after sleep it believes nothing until it is told, and then the truth at once", () => {
  let [local, server] = [0, 1e6];
  const clock = new Clock({ local: () => local });
  const tick = (ms) => ([local, server] = [local + ms, server + ms]);
  for (let n = 0; n < 30; n++, tick(5000)) clock.add(local - 100, server - 50, server - 50, local);
  server += 3_600_000;
  clock.wake();
  assert.equal(clock.uncertainty, Infinity);
  clock.add(local - 100, server - 50, server - 50, local);
  assert.ok(Math.abs(clock.now() - server) < 1);
  assert.ok(clock.uncertainty < 300);
});

test("a new connection to an unchanged server costs nothing of what was known", () => {
  const { clock, world, error } = jittery(3);
  world.run(600);
  const before = Math.abs(error());
  clock.wake();
  world.run(601);
  assert.ok(clock.uncertainty < 15);
  assert.ok(Math.abs(error()) < before + 5);
});

// Anchors.

test("a place is where the anchor says, and stands until its time", () => {
  assert.equal(place({ position: 7, at: 0, rate: 2, playing: false }, 9e9), 7);
  assert.equal(place({ position: 7, at: 1000, rate: 2, playing: true }, 3500), 12);
  assert.equal(place({ position: 7, at: 1000, rate: 2, playing: true }, 500), 7);
  assert.equal(place({ position: 7, at: "1970-01-01T00:00:01.000000Z", playing: true }, 2000), 8);
});

test("nothing is done without a clock, and nothing without an anchor", () => {
  const stage = new Stage({ known: false });
  stage.follow({ position: 50, playing: true });
  stage.run(5);
  assert.equal(stage.sync.state, "unknown");
  assert.equal(stage.sync.drift, null);
  assert.equal(stage.sync.report(), null);
  assert.deepEqual([stage.player.paused, stage.jumps.length], [true, 0]);
  const other = new Stage();
  other.run(5);
  assert.deepEqual([other.sync.state, other.player.paused, other.jumps.length], ["unknown", true, 0]);
});

test("play that lies ahead: it stands at the place at once, and all start at the moment", () => {
  const stage = new Stage({ faults: { start: 0.12, seek: 0.1 } });
  stage.follow({ position: 30, playing: false });
  stage.run(5);
  for (const [position, exact] of [[80, 0.1], [200, 0.035], [300, 0.035]]) {
    stage.jumps.length = 0;
    stage.follow({ position, playing: true }, 2);
    stage.run(1);
    assert.deepEqual([stage.player.paused, stage.position, stage.sync.state], [true, position, "waiting"]);
    stage.run(1.3);
    stage.near(stage.drift, exact, `start at ${position}`);
    assert.equal(stage.jumps.length, 1);
    stage.run(4);
    stage.near(stage.drift, 0.02);
    assert.equal(stage.sync.state, "in-sync");
    stage.follow({ position: place(stage.anchor, stage.ms + 200), playing: false }, 0.2);
    stage.run(3);
  }
  assert.deepEqual(stage.controls, []);
});

test("pause that lies ahead: it runs on till then and stands on that frame without a jump", () => {
  const stage = new Stage({ faults: { tells: "frame" } }).plays();
  const position = place(stage.anchor, stage.ms + 300);
  stage.follow({ position, playing: false }, 0.3);
  stage.run(0.25);
  assert.equal(stage.player.paused, false);
  stage.run(0.1);
  assert.equal(stage.player.paused, true);
  stage.near(stage.position - position, 0.02);
  stage.run(5);
  assert.deepEqual(stage.jumps, []);
  assert.equal(stage.sync.state, "in-sync");
});

test("a pause finds a player that was behind: one jump, while it stands", () => {
  const stage = new Stage().plays();
  stage.player.stall(0.5);
  stage.run(1);
  const position = place(stage.anchor, stage.ms + 200);
  stage.follow({ position, playing: false }, 0.2);
  stage.run(3);
  assert.equal(stage.jumps.length, 1);
  assert.equal(stage.position, position);
});

test("seek that lies ahead: it jumps at once, waits there and runs from the moment on", () => {
  const stage = new Stage({ faults: { seek: 0.1, start: 0.05 } }).plays();
  stage.follow({ position: 500, playing: true }, 1);
  stage.run(0.5);
  assert.deepEqual([stage.player.paused, stage.position], [true, 500]);
  stage.run(1);
  stage.near(stage.drift, 0.02);
  assert.equal(stage.jumps.length, 1);
  assert.deepEqual(stage.corrections, []);
});

test("seek with too little time: a slow player aims at where the party will be", () => {
  const stage = new Stage({ faults: { seek: 0.8, start: 0.05 } }).plays();
  for (const [position, exact] of [[500, 0.8], [900, 0.02], [1300, 0.02]]) {
    stage.jumps.length = 0;
    stage.follow({ position, playing: true }, 0.1);
    stage.run(2);
    stage.near(stage.drift, exact, `seek to ${position}`);
    assert.equal(stage.jumps.length, 1);
    stage.run(30);
    stage.near(stage.drift, 0.02);
  }
  assert.equal(stage.sync.report().seeks, 0);
});

test("another rate from its moment on, without a jump", () => {
  const stage = new Stage().plays();
  stage.follow({ position: place(stage.anchor, stage.ms + 400), rate: 1.5, playing: true }, 0.4);
  stage.run(0.3);
  assert.equal(stage.player.playbackRate, 1);
  stage.run(0.2);
  assert.equal(stage.player.playbackRate, 1.5);
  stage.run(20);
  stage.near(stage.drift, 0.02);
  assert.deepEqual([stage.jumps, stage.controls, stage.corrections], [[], [], []]);
});

test("of two anchors ahead both come, and a newer one takes the place of what would come after it", () => {
  const stage = new Stage().plays();
  const position = place(stage.anchor, stage.ms + 400);
  stage.follow({ position, playing: false }, 0.4);
  stage.follow({ position, playing: true }, 2.4);
  stage.run(1);
  assert.equal(stage.player.paused, true);
  stage.follow({ position: position + 100, playing: false }, 0.4);
  stage.run(5);
  assert.deepEqual([stage.player.paused, stage.position], [true, position + 100]);
});

test("the same anchor again changes nothing", () => {
  const stage = new Stage().plays();
  for (let n = 0; n < 20; n++) {
    stage.sync.follow({ ...stage.anchor, at: new Date(stage.anchor.at).toISOString() });
    stage.run(0.05);
  }
  assert.deepEqual([stage.jumps, stage.rates], [[], []]);
});

test("who comes late lands a little ahead and starts when the party gets there: one jump, which is no correction", () => {
  for (const seek of [0.02, 0.2, 0.4]) {
    const stage = new Stage({ faults: { seek, start: 0.05 } });
    stage.follow({ position: 0, playing: true }, -300);
    stage.run(1);
    stage.near(stage.drift, 0.08, `a seek of ${seek}`);
    stage.run(4);
    stage.near(stage.drift, 0.02, `a seek of ${seek}`);
    assert.deepEqual([stage.jumps.length, stage.sync.report().seeks], [1, 0]);
  }
});

test("who hears late of a start is there after one jump", () => {
  const stage = new Stage({ faults: { seek: 0.2, start: 0.05 } });
  stage.follow({ position: 60, playing: false });
  stage.run(5);
  stage.jumps.length = 0;
  stage.follow({ position: 60, playing: true }, -0.5);
  stage.run(1.5);
  stage.near(stage.drift, 0.03);
  assert.equal(stage.jumps.length, 1);
});

// Correction.

test("up to two and a half seconds behind or ahead, speed does it: no more than 5 %, until it is gone, and then no more", () => {
  for (const off of [-2.3, -0.3, 0.4, 2.3]) {
    const stage = new Stage().plays();
    if (off < 0) stage.player.stall(-off);
    for (let left = off; left > 0.01; left -= 0.04) {
      stage.follow({ ...stage.anchor, position: stage.anchor.position - 0.04 });
    }
    stage.run(Math.abs(off) * 21 + 8);
    stage.near(stage.drift, 0.008, `after ${off}`);
    assert.deepEqual(stage.jumps, [], `after ${off}`);
    assert.ok(stage.rates.every((rate) => Math.abs(rate - 1) < 0.0501), String(stage.rates));
    assert.ok(stage.rates.length <= 3, `changes of speed cost some players a few ms: ${stage.rates}`);
    assert.equal(stage.player.playbackRate, 1);
    assert.equal(stage.corrections.length, 1);
    stage.rates.length = 0;
    stage.run(60);
    assert.deepEqual(stage.rates, []);
  }
});

test("half a frame beside is left alone, and more is corrected to less than a third of it", () => {
  const stage = new Stage({ faults: { ppm: 200 } }).plays();
  stage.run(45);
  assert.deepEqual(stage.rates, []);
  stage.run(120);
  assert.ok(stage.rates.length > 0);
  for (let n = 0; n < 600; n++) {
    stage.run(1);
    stage.near(stage.drift, 0.023);
  }
  assert.deepEqual(stage.jumps, []);
});

test("a player that only tells whole frames is kept as near", () => {
  for (const frame of [1 / 24, 1 / 25, 1 / 30, 1 / 60]) {
    const stage = new Stage({ faults: { tells: "frame", frame, ppm: -150 } }).plays();
    for (let n = 0; n < 600; n++) {
      stage.run(1);
      stage.near(stage.drift, 0.03, `at ${1 / frame} a second`);
    }
  }
});

test("a player that slips is known to have slipped, without waiting for older looks to pass", () => {
  const stage = new Stage({ faults: { tells: "frame" } }).plays();
  stage.player.stall(0.3);
  stage.run(0.3 + 1);
  assert.ok(stage.sync.drift < -0.22, String(stage.sync.drift));
  stage.run(10);
  stage.near(stage.drift, 0.02);
});

test("further off it jumps, once, to where it will be; and what it did counts", () => {
  const stage = new Stage({ faults: { seek: 0.3 } }).plays();
  stage.follow({ position: 500, playing: true }, 0);
  stage.run(10);
  stage.jumps.length = stage.corrections.length = 0;
  stage.player.stall(5);
  stage.run(5);
  assert.deepEqual(stage.jumps, []);
  stage.run(2);
  stage.near(stage.drift, 0.1);
  assert.equal(stage.jumps.length, 1);
  assert.deepEqual(stage.corrections.map(({ kind }) => kind).filter((kind) => kind === "seek"), ["seek"]);
  assert.ok(stage.corrections[0].drift < -4.5);
  assert.equal(stage.sync.report().seeks, 1);
  assert.equal(stage.sync.report().stalls, 1);
});

test("jumps that do not help come ever more seldom", () => {
  const stage = new Stage().plays();
  stage.player.onJump = () => {
    stage.jumps.push({ at: stage.world.now });
    stage.world.after(0.05, () => stage.player.stall(11));
  };
  stage.player.stall(4);
  stage.run(400);
  const gaps = stage.jumps.slice(1).map(({ at }, n) => at - stage.jumps[n].at);
  assert.ok(gaps[0] < 13 && gaps.at(-1) >= 48 && gaps.every((gap, n) => gap >= (gaps[n - 1] ?? 0) - 1), String(gaps));
});

test("a player that takes long to jump is aimed further ahead the next time", () => {
  const stage = new Stage({ faults: { seek: 4 } }).plays();
  stage.player.stall(3);
  stage.run(60);
  assert.ok(stage.jumps.length <= 2, JSON.stringify(stage.jumps));
  stage.near(stage.drift, 0.02);
  stage.jumps.length = 0;
  stage.player.stall(3);
  stage.run(12);
  assert.equal(stage.jumps.length, 1);
  stage.near(stage.drift, 0.9);
});

test("nothing is corrected that the clock is not sure of", () => {
  const stage = new Stage({ asks: false }).plays();
  stage.clock.wake();
  stage.player.stall(5);
  stage.run(20);
  assert.deepEqual([stage.jumps.length, stage.rates.length, stage.sync.state], [0, 0, "unknown"]);
  stage.hear();
  stage.run(3);
  assert.equal(stage.jumps.length, 1);
});

test("while it has no data nothing is done to it, and it counts as one stall", () => {
  const stage = new Stage().plays();
  stage.player.stall(6);
  stage.run(5.9);
  assert.equal(stage.sync.state, "buffering");
  assert.equal(stage.sync.report().buffering, true);
  assert.deepEqual([stage.jumps.length, stage.rates.length, stage.sync.report().stalls], [0, 0, 1]);
  stage.near(stage.sync.report().position - stage.position, 0.05);
});

test("a player that says nothing of its data is stuck when it does not move", () => {
  class Silent extends Player {
    get readyState() {
      return undefined;
    }
  }
  const stage = new Stage({ player: (world) => new Silent(world, new Chance(1)) }).plays();
  stage.player.stall(4);
  stage.run(3);
  assert.equal(stage.sync.state, "buffering");
  stage.run(6);
  assert.deepEqual([stage.sync.state, stage.jumps.length, stage.sync.report().stalls], ["in-sync", 1, 1]);
});

test("a player whose speed must not be touched is left alone within 0.4 s, and jumps beyond", () => {
  const stage = new Stage({ options: { rateCorrection: false } }).plays();
  stage.player.stall(0.35);
  stage.run(60);
  assert.deepEqual([stage.jumps.length, stage.rates.length], [0, 0]);
  stage.player.stall(0.6);
  stage.run(10);
  assert.deepEqual([stage.jumps.length, stage.rates.length], [1, 0]);
  stage.near(stage.drift, 0.2);
  stage.player.stall(0.9);
  stage.run(10);
  assert.deepEqual([stage.jumps.length, stage.rates.length], [2, 0]);
  stage.near(stage.drift, 0.02);
});

test("a player that knows only some speeds: those that are fine enough are used, others not", () => {
  const fine = new Stage({ faults: { step: 0.05 } }).plays();
  fine.player.stall(1);
  fine.run(40);
  fine.near(fine.drift, 0.02);
  assert.deepEqual(fine.jumps, []);
  const coarse = new Stage({ faults: { step: 0.25 } }).plays();
  coarse.player.stall(1);
  coarse.run(40);
  coarse.near(coarse.drift, 0.2);
  assert.equal(coarse.player.playbackRate, 1);
  assert.equal(coarse.jumps.length, 1);
});

test("hidden, with timers a second or a minute apart: no swinging, and one jump at most on waking", () => {
  const stage = new Stage({ faults: { ppm: 100, tells: "frame" } }).plays();
  stage.sync.hidden = true;
  stage.hold = (ms) => Math.max(1_000, ms) / 1000;
  for (let n = 0; n < 300; n++) {
    stage.run(1);
    stage.near(stage.drift, 0.06);
  }
  stage.hold = (ms) => Math.max(60_000, ms) / 1000;
  stage.run(600);
  assert.deepEqual(stage.jumps, []);
  stage.player.stall(5);
  stage.run(30);
  stage.jumps.length = 0;
  stage.hold = null;
  stage.sync.hidden = false;
  stage.run(10);
  assert.ok(stage.jumps.length <= 1);
  stage.near(stage.drift, 0.03);
  assert.deepEqual(stage.controls, []);
});

// What the user does.

test("somebody's own pause comes out once, where it was, and is respected", () => {
  const stage = new Stage().plays();
  stage.player.pause();
  const { position } = stage;
  stage.run(30);
  assert.equal(stage.controls.length, 1);
  assert.equal(stage.controls[0].kind, "pause");
  stage.near(stage.controls[0].position - position, 0.001);
  assert.equal(stage.player.paused, true);
  assert.equal(stage.sync.state, "behind");
});

test("one who rested and plays on goes to the party, and moves nobody", () => {
  const stage = new Stage().plays();
  stage.player.pause();
  stage.run(30);
  stage.player.play();
  stage.run(6);
  assert.equal(stage.controls.length, 1);
  stage.near(stage.drift, 0.05);
  assert.equal(stage.jumps.length, 1);
  assert.equal(stage.sync.report().seeks, 0);
});

test("the party's answer to a pause needs no second one", () => {
  const stage = new Stage().plays();
  stage.player.pause();
  stage.run(0.4);
  stage.follow({ position: stage.controls[0].position, playing: false }, 0.15);
  stage.run(10);
  assert.equal(stage.controls.length, 1);
  assert.deepEqual(stage.jumps, []);
  assert.equal(stage.sync.state, "in-sync");
});

test("somebody's play while the party stands comes out once, and lasts if the party follows", () => {
  const stage = new Stage();
  stage.follow({ position: 60, playing: false });
  stage.run(3);
  stage.jumps.length = 0;
  stage.player.play();
  stage.run(0.4);
  assert.deepEqual(stage.controls.map(({ kind }) => kind), ["play"]);
  stage.follow({ position: 60.3, playing: true }, 0.15);
  stage.run(10);
  assert.deepEqual([stage.jumps, stage.controls.length, stage.player.paused], [[], 1, false]);
  stage.near(stage.drift, 0.02);
});

test("a play that the party does not follow is taken back", () => {
  const stage = new Stage();
  stage.follow({ position: 60, playing: false });
  stage.run(3);
  stage.player.play();
  stage.run(5);
  assert.deepEqual([stage.controls.length, stage.player.paused, stage.position], [1, true, 60]);
});

test("scrubbing comes out as one seek, and is followed or taken back", () => {
  const stage = new Stage().plays();
  for (const position of [300, 320, 350, 310, 400]) {
    stage.player.currentTime = position;
    stage.run(0.12);
  }
  stage.run(0.5);
  assert.deepEqual(stage.controls.map(({ kind }) => kind), ["seek"]);
  stage.near(stage.controls[0].position - 400.3, 0.2);
  stage.jumps.length = 0;
  stage.follow({ position: stage.position + 0.1, playing: true }, 0.15);
  stage.run(10);
  assert.deepEqual([stage.jumps, stage.controls.length], [[], 1]);
  stage.player.currentTime = 50;
  stage.run(6);
  assert.deepEqual(stage.controls.map(({ kind }) => kind), ["seek", "seek"]);
  stage.near(stage.drift, 0.05);
});

test("somebody's own speed comes out with the rate, and is taken back if the party does not follow", () => {
  const stage = new Stage().plays();
  stage.player.playbackRate = 1.5;
  stage.run(1);
  assert.deepEqual(stage.controls.map(({ kind, rate }) => [kind, rate]), [["rate", 1.5]]);
  stage.run(10);
  stage.near(stage.player.playbackRate - 1, 0.051);
  assert.equal(stage.controls.length, 1);
});

test("pauses that a browser makes are no wish: while it loads, in the background, at the end", () => {
  const loading = new Stage().plays();
  loading.player.stall(2);
  loading.player.pause();
  loading.run(6);
  assert.deepEqual([loading.controls, loading.player.paused], [[], false]);

  const behind = new Stage().plays();
  behind.sync.hidden = true;
  behind.player.pause();
  behind.run(5);
  assert.deepEqual(behind.controls, []);
  behind.player.pause();
  behind.sync.hidden = false;
  behind.run(5);
  assert.deepEqual([behind.controls, behind.player.paused], [[], false]);
});

test("who insists on a pause while it loads means it", () => {
  const stage = new Stage().plays();
  stage.player.stall(10);
  stage.player.pause();
  stage.run(1.5);
  stage.player.pause();
  stage.run(2);
  assert.deepEqual(stage.controls.map(({ kind }) => kind), ["pause"]);
});

test("what the app announces to do itself is no wish of the user's", () => {
  const stage = new Stage().plays();
  stage.sync.expect("seek");
  stage.player.currentTime = 0;
  stage.run(3);
  assert.deepEqual(stage.controls, []);
  stage.near(stage.drift, 0.05);
  stage.sync.expect("pause");
  stage.player.pause();
  stage.run(3);
  assert.deepEqual([stage.controls, stage.player.paused], [[], false]);
});

/** A browser that lets nobody play before a touch. */
class Strict extends Player {
  touched = false;
  plays = 0;

  play() {
    this.plays += 1;
    if (this.touched) return super.play();
    return Promise.reject(Object.assign(new Error("touch first"), { name: "NotAllowedError" }));
  }
}

const soon = () => new Promise((done) => setImmediate(done));

/** So many seconds in which promises are kept, too. */
async function pass(stage, seconds) {
  for (let gone = 0; gone < seconds; gone += 0.1) {
    stage.run(0.1);
    await soon();
  }
}

test("blocked autoplay is told once, not tried again, and a touch plays at the right place", async () => {
  const stage = new Stage({ player: (world) => new Strict(world, new Chance(1)) });
  stage.follow({ position: 0, playing: true }, -60);
  await pass(stage, 30);
  assert.deepEqual([stage.sync.state, stage.blocked, stage.player.plays], ["blocked", 1, 1]);
  assert.equal(stage.sync.report().playing, false);
  stage.player.touched = true;
  stage.sync.resync();
  await soon();
  stage.run(5);
  assert.equal(stage.sync.state, "in-sync");
  stage.near(stage.drift, 0.05);
  assert.deepEqual(stage.controls, []);
});

test("a touch of the player's own button unblocks it too", async () => {
  const stage = new Stage({ player: (world) => new Strict(world, new Chance(1)) });
  stage.follow({ position: 0, playing: true }, -60);
  await pass(stage, 10);
  stage.player.touched = true;
  stage.player.play();
  stage.run(5);
  assert.deepEqual([stage.sync.state, stage.controls], ["in-sync", []]);
  stage.near(stage.drift, 0.05);
});

test("resync jumps for what would otherwise be bent away", () => {
  const stage = new Stage().plays();
  stage.player.stall(1.5);
  stage.run(2.5);
  stage.near(stage.drift + 1.5, 0.1);
  stage.sync.resync();
  stage.run(1);
  stage.near(stage.drift, 0.2);
  stage.run(6);
  stage.near(stage.drift, 0.02);
  assert.equal(stage.sync.report().seeks, 0);
});

// Ends, copies and sources.

test("at its end it stands in sync, is not begun anew, and plays again when the party goes back", () => {
  const stage = new Stage({ faults: { duration: 120 } }).plays(100);
  stage.run(60);
  assert.deepEqual([stage.sync.state, stage.player.paused, stage.position], ["in-sync", true, 120]);
  assert.deepEqual([stage.jumps, stage.controls], [[], []]);
  stage.follow({ position: 20, playing: true }, 0.3);
  stage.run(3);
  assert.deepEqual([stage.player.paused, stage.jumps.length], [false, 1]);
  stage.near(stage.drift, 0.05);
});

test("a copy that begins later or earlier is held beside the party's time by that much", () => {
  const late = new Stage({ options: { offset: -5 } });
  late.follow({ position: 0, playing: true }, 0.5);
  late.run(3);
  assert.deepEqual([late.player.paused, late.position, late.sync.state], [true, 0, "waiting"]);
  late.run(10);
  late.near(late.drift + 5, 0.03);
  late.near(late.sync.report().position - place(late.anchor, late.ms), 0.03);

  const early = new Stage({ options: { offset: 7 } }).plays(100);
  early.near(early.drift - 7, 0.02);
  early.sync.offset = 9;
  early.run(6);
  early.near(early.drift - 9, 0.02);
  assert.equal(early.jumps.length, 1);
  assert.equal(early.sync.report().seeks, 0);
});

test("another source is placed anew, whatever the old one did", () => {
  class Loading extends Player {
    empty = false;

    get readyState() {
      return this.empty ? 0 : super.readyState;
    }
  }
  const stage = new Stage({ player: (world) => new Loading(world, new Chance(1)) }).plays();
  stage.player.empty = true;
  stage.player.pause();
  stage.player.currentTime = 0;
  stage.run(3);
  assert.equal(stage.sync.state, "buffering");
  stage.player.empty = false;
  stage.run(3);
  assert.deepEqual([stage.sync.state, stage.controls], ["in-sync", []]);
  stage.near(stage.drift, 0.05);
});

// The rest of the face.

test("a report speaks in the units of party.report", () => {
  const stage = new Stage().plays(100);
  const report = stage.sync.report();
  assert.deepEqual(Object.keys(report).sort(), [
    "at", "buffering", "hidden", "playing", "position", "rate", "rtt", "seeks", "stalls", "uncertainty",
  ]);
  stage.near(report.position - place(stage.anchor, report.at), 0.02);
  stage.near(report.at - stage.ms, 1);
  stage.near(report.rtt - 0.002, 1e-9);
  assert.ok(report.uncertainty < 0.01 && report.playing && !report.buffering && !report.hidden);
});

test("a caller with timers of its own ticks, and nothing happens between", () => {
  const stage = new Stage({ options: { setTimer: null, clearTimer: null } });
  stage.follow({ position: 10, playing: true }, 0.5);
  stage.run(5);
  assert.equal(stage.player.paused, true);
  for (let n = 0; n < 100; n++) {
    stage.sync.tick();
    stage.run(0.1);
  }
  stage.near(stage.drift, 0.03);
});

test("a bare object without events or states is a player too, and one that answers late", () => {
  class Bare {
    constructor(world) {
      this.inner = new Player(world, new Chance(1), FLAWLESS);
      this.world = world;
      this.shown = 0;
    }

    get truth() {
      return this.inner.truth;
    }

    get currentTime() {
      return this.until > this.world.now ? this.old : this.inner.currentTime;
    }

    set currentTime(seconds) {
      this.onJump(this.inner.truth, seconds);
      this.old = this.currentTime;
      this.until = this.world.now + 0.3;
      this.inner.currentTime = seconds;
    }

    get paused() {
      return this.told > this.world.now ? !this.inner.paused : this.inner.paused;
    }

    get playbackRate() {
      return this.inner.playbackRate;
    }

    set playbackRate(rate) {
      this.inner.playbackRate = rate;
    }

    play() {
      this.told = this.world.now + 0.3;
      this.inner.play();
    }

    pause() {
      this.told = this.world.now + 0.3;
      this.inner.pause();
    }
  }
  const stage = new Stage({ player: (world) => new Bare(world) }).plays(100);
  stage.follow({ position: 20, playing: true }, 0.2);
  stage.run(20);
  stage.near(stage.drift, 0.03);
  stage.follow({ position: place(stage.anchor, stage.ms + 200), playing: false }, 0.2);
  stage.run(5);
  assert.equal(stage.player.paused, true);
  assert.deepEqual(stage.controls, []);
  assert.ok(stage.jumps.length <= 2, JSON.stringify(stage.jumps));
});

test("once stopped it leaves the player alone, at the party's speed", () => {
  const stage = new Stage().plays();
  stage.player.stall(1);
  stage.run(3);
  assert.notEqual(stage.player.playbackRate, 1);
  stage.sync.stop();
  assert.equal(stage.player.playbackRate, 1);
  stage.player.stall(20);
  stage.run(60);
  stage.follow({ position: 0, playing: false });
  assert.deepEqual([stage.jumps.length, stage.player.paused, stage.controls], [0, false, []]);
});

// Everything at once.

for (const seed of [11, 12, 13, 14, 15, 16]) {
  test(`a whole party, with bad lines, crystals, players and data (seed ${seed})`, () => {
    const told = simulate({ who: "matinee", members: 12, seconds: 1800, seed });
    assert.ok(told.all.p95_ms <= 40, `p95 ${told.all.p95_ms} ms`);
    assert.ok(told.settled.p50_ms <= 20, `p50 ${told.settled.p50_ms} ms`);
    assert.ok(told.jumps / told.hours < 4, `${told.jumps} jumps in ${told.hours} hours`);
    assert.equal(told.wishes, 0, "nothing that we did came out as a wish of the user's");
  });
}
