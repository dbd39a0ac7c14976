// The same members, kept together in three ways: ours, the naive one, and Syncplay's.

import { Clock, Sync, place } from "../../services/gateway/src/gateway/web/sync.js";
import { Crystal, Line } from "./world.js";
import { Player, faults } from "./player.js";

/** A person, a player, a crystal and a connection, alike whoever keeps them together. */
class Member {
  joinedAt = Infinity;
  /** Controls that came out of the follower, though no user touches a player here. */
  wishes = 0;

  constructor(world, party, chance, traits = {}) {
    this.world = world;
    this.party = party;
    this.chance = chance;
    this.player = new Player(world, chance.fork(1), faults(chance));
    this.crystal = new Crystal(world, chance.fork(2));
    // Few paths take equally long both ways: up to 10 ms more up or down.
    const uneven = chance.between(-0.005, 0.005);
    this.up = new Line(world, chance.fork(3), { ...traits.line, delay: 0.1 + uneven });
    this.down = new Line(world, chance.fork(4), { ...traits.line, delay: 0.1 - uneven });
  }

  join() {
    this.joinedAt = this.world.now;
    this.up.send(() => {
      this.party.members.add(this);
      this.hear(this.party.anchor);
    });
    this.begin();
  }

  begin() {}

  every(seconds, act) {
    this.world.after(seconds, () => {
      act();
      this.every(seconds, act);
    });
  }
}

/** Ours: the shipped sync.js. */
export class Matinee extends Member {
  static schedules = true;

  constructor(world, party, chance, traits = {}) {
    super(world, party, chance, traits);
    const late = chance.fork(5);
    const local = () => this.crystal.read();
    this.clock = new Clock({ local });
    // Timers are a little late; those of a hidden page fire once a second.
    const wait = (ms) => (this.sync?.hidden ? Math.max(1_000, ms) : ms) / 1000 + late.between(0, 0.004);
    this.sync = new Sync(this.player, {
      clock: this.clock, local, tolerances: traits.tolerances, on: { control: () => (this.wishes += 1) },
      setTimer: (act, ms) => world.after(wait(ms), act),
      clearTimer: (timer) => world.cancel(timer),
    });
    if (chance.next() < 0.1) this.every(300, () => (this.sync.hidden = !this.sync.hidden));
  }

  begin() {
    this.#ask();
    this.every(3, () => {
      const report = this.sync.report();
      if (report) this.up.send(() => this.party.trips.set(this, report.rtt));
    });
  }

  hear(anchor) {
    this.down.send(() => this.sync.follow(anchor));
  }

  #ask() {
    const t0 = this.crystal.read();
    this.up.send(() => {
      const t1 = this.party.ms;
      this.world.after(this.chance.between(0, 0.001), () => {
        const t2 = this.party.ms;
        this.down.send(() => {
          this.clock.add(t0, t1, t2, this.crystal.read());
          this.world.after(this.clock.due() / 1000, () => this.#ask());
        });
      });
    });
  }
}

/** The naive rule: every three seconds, and at each control, the host's position is written to currentTime. */
export class Naive extends Member {
  static schedules = false;

  begin() {
    this.every(3, () => this.hear(this.party.anchor));
  }

  hear() {
    const { anchor } = this.party;
    const position = place(anchor, this.party.ms);
    this.down.send(() => {
      const { player } = this;
      if (player.playbackRate !== anchor.rate) player.playbackRate = anchor.rate;
      player.currentTime = position;
      if (anchor.playing) player.play();
      else player.pause();
    });
  }
}

/**
 * Syncplay's client (syncplay/client.py, protocols.py, constants.py), as in a managed room whose one controller never
 * stalls and is where the server says: state once a second, a message as old as half an averaged round trip, 0.95 ×
 * from 1.5 s ahead to 0.1 s, back from 4 s ahead, forward from 5 s behind, and to the room's place at each pause.
 */
export class Syncplay extends Member {
  static schedules = false;
  #trip = 0;
  #age = 0;
  #theirs = 0;
  #slow = false;
  #behindSince = null;
  #paused = null;

  begin() {
    this.every(1, () => this.hear(null));
  }

  hear(moved) {
    const { party, world } = this;
    const { anchor } = party;
    const sent = world.now;
    const position = place(anchor, party.ms);
    this.down.send(() => {
      const asked = world.now;
      this.#follow(position + (anchor.playing ? this.#age * anchor.rate : 0), anchor, moved !== null);
      // The answer carries the stamps by which both sides reckon the round trip.
      this.up.send(() => {
        const theirs = world.now - sent;
        this.down.send(() => this.#timed(world.now - asked, theirs));
      });
    });
  }

  #timed(trip, theirs) {
    this.#trip = this.#trip ? this.#trip * 0.85 + trip * 0.15 : trip;
    this.#age = this.#trip / 2 + Math.max(0, this.#theirs ? trip - this.#theirs : 0);
    this.#theirs = theirs;
  }

  #follow(position, anchor, moved) {
    const { player } = this;
    const begins = this.#paused === null;
    const pausing = this.#paused !== !anchor.playing;
    const ahead = player.currentTime - position;
    this.#paused = !anchor.playing;
    if (begins || (moved && Math.abs(ahead) > 1)) player.currentTime = position;
    else if (anchor.playing) this.#keepUp(ahead, position, anchor.rate);
    this.#setRate(anchor.rate * (this.#slow ? 0.95 : 1));
    if (!pausing) return;
    if (anchor.playing) player.play();
    else {
      player.currentTime = position;
      player.pause();
    }
  }

  #keepUp(ahead, position, rate) {
    const { player, world } = this;
    if (ahead > 4) player.currentTime = position;
    if (ahead > 1.5) this.#slow = true;
    else if (ahead < 0.1) this.#slow = false;
    if (ahead > -1.75) this.#behindSince = null;
    else this.#behindSince ??= world.now;
    if (ahead < -5 && world.now - this.#behindSince > 3.25) {
      player.currentTime = position + 0.25 * rate;
      this.#behindSince = world.now + 3;
    }
  }

  #setRate(rate) {
    if (Math.abs(this.player.playbackRate - rate) > 1e-6) this.player.playbackRate = rate;
  }
}
