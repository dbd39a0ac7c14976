// `node run.js '{"who": "matinee", "members": 200, "seconds": 3600, "seed": 1}'`: one party, told as a line of JSON.

import { Matinee, Naive, Syncplay } from "./members.js";
import { Party, controls } from "./party.js";
import { Chance, World } from "./world.js";

const KINDS = { matinee: Matinee, naive: Naive, syncplay: Syncplay };
const LOOK = 0.1;
/** Seconds after a control, a stall or joining in which a player is still on its way. */
const UNSETTLED = 3;
/** Bins of a millisecond; all that is beyond is in the last one. */
const BINS = 60_000;
/** A larger change of speed counts as seen or heard. */
const NOTICED = 0.05 + 1e-6;

/** Counts what one player does that was not asked for. */
class Witness {
  jumps = 0;
  bends = 0;
  changes = 0;
  stalled = 0;
  #asked = false;
  #askedAt = -Infinity;

  constructor(world, party, member, chance) {
    this.world = world;
    this.party = party;
    this.member = member;
    this.quietFrom = 0;
    const { player } = member;
    player.onJump = () => this.#jumped();
    player.onRate = (rate) => this.#bent(rate);
    this.#stallNow(chance);
  }

  /** A control, or joining, may move a player once. */
  asked() {
    this.#asked = true;
    this.#askedAt = this.world.now;
    this.quietFrom = Math.max(this.quietFrom, this.world.now + UNSETTLED);
  }

  #jumped() {
    if (this.#asked && this.world.now - this.#askedAt < UNSETTLED) this.#asked = false;
    else this.jumps += 1;
  }

  #bent(rate) {
    const { anchor, saidAt } = this.party;
    this.changes += 1;
    if (Math.abs(rate / anchor.rate - 1) > NOTICED && this.world.now - saidAt > UNSETTLED) this.bends += 1;
  }

  /** About every twenty minutes of playing data run out. */
  #stallNow(chance) {
    this.world.after(chance.until(1_200), () => {
      const seconds = chance.between(0.5, 6);
      if (this.member.player.stall(seconds)) {
        this.stalled += seconds;
        this.quietFrom = Math.max(this.quietFrom, this.world.now + seconds + UNSETTLED);
      }
      this.#stallNow(chance);
    });
  }
}

/** Drifts without sign, by the millisecond. */
class Drifts {
  #bins = new Uint32Array(BINS + 1);
  count = 0;

  add(seconds) {
    this.#bins[Math.min(BINS, Math.floor(Math.abs(seconds) * 1000))] += 1;
    this.count += 1;
  }

  percentile(share) {
    let left = share * this.count;
    const bin = this.#bins.findIndex((count) => (left -= count) <= 0);
    return bin + 1;
  }

  within(ms) {
    return this.#bins.subarray(0, ms).reduce((sum, count) => sum + count, 0) / this.count;
  }

  told() {
    return {
      p50_ms: this.percentile(0.5), p95_ms: this.percentile(0.95), p99_ms: this.percentile(0.99),
      same_frame: this.within(42), samples: this.count,
    };
  }
}

export function simulate({ who, members: count, seconds, seed, late = 0.15, traits = {} }) {
  const chance = new Chance(seed);
  const world = new World();
  const Kind = KINDS[who];
  const party = new Party(world, { schedules: Kind.schedules });
  const members = Array.from({ length: count }, (_, n) => new Kind(world, party, chance.fork(10 + n), traits));
  const witnesses = members.map((member, n) => new Witness(world, party, member, chance.fork(1e6 + n)));
  const joining = chance.fork(2);
  for (const [n, member] of members.entries()) {
    world.after(joining.next() < late ? joining.between(60, seconds * 0.9) : joining.between(0, 15), () => {
      witnesses[n].asked();
      member.join();
    });
  }
  for (const control of controls(chance.fork(3), seconds)) {
    world.after(control.at, () => {
      party.control(control);
      for (const witness of witnesses) witness.asked();
    });
  }
  const [all, settled, apart] = [new Drifts(), new Drifts(), new Drifts()];
  for (let now = LOOK; now <= seconds; now += LOOK) {
    world.run(now);
    const { position, runs } = party.truth;
    if (!runs) continue;
    let other = null;
    for (const [n, { player, joinedAt }] of members.entries()) {
      if (!(now - joinedAt > UNSETTLED) || player.stalled) continue;
      const drift = player.truth - position;
      all.add(drift);
      if (now >= witnesses[n].quietFrom) settled.add(drift);
      if (other !== null) apart.add(drift - other);
      other = drift;
    }
  }
  const hours = members.reduce((sum, { joinedAt }) => sum + Math.max(0, seconds - joinedAt), 0) / 3600;
  const sum = (key) => witnesses.reduce((total, witness) => total + witness[key], 0);
  return {
    all: all.told(), settled: settled.told(), apart: apart.told(), hours, lead: party.lead,
    jumps: sum("jumps"), bends: sum("bends"), changes: sum("changes"), stall_minutes: sum("stalled") / 60,
    wishes: members.reduce((total, { wishes }) => total + wishes, 0),
  };
}

if (process.argv[1] === import.meta.filename) console.log(JSON.stringify(simulate(JSON.parse(process.argv[2]))));
