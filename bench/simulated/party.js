// The server's half, by the rules of the parties service: anchors, scheduled ahead for as long as the members need.

import { place } from "../../services/gateway/src/gateway/web/sync.js";

/** Milliseconds since 1970 when a simulated world begins. */
export const EPOCH = 1.75e12;

export class Party {
  anchor = { position: 0, at: EPOCH, rate: 1, playing: false };
  /** Of the newest reports, by member, in seconds. */
  trips = new Map();
  members = new Set();
  /** When the last control was given. */
  saidAt = -Infinity;
  #world;
  #schedules;
  #coming = [];
  #effective = this.anchor;
  #standsUntil = -Infinity;

  /** One that does not schedule lets each control hold from when it was given. */
  constructor(world, { schedules = true } = {}) {
    this.#world = world;
    this.#schedules = schedules;
  }

  get ms() {
    return EPOCH + this.#world.now * 1000;
  }

  get lead() {
    if (!this.#schedules) return 0;
    const trips = [...this.trips.values()].sort((a, b) => a - b);
    const p95 = trips.length ? trips[Math.ceil(trips.length * 0.95) - 1] : 0;
    return Math.min(Math.max(0.1, (1.5 * p95) / 2 + 0.05), 2);
  }

  control({ kind, by = 0, rate = 1, countdown = 0 }) {
    const at = this.ms + Math.max(this.lead, kind === "play" ? countdown : 0) * 1000;
    const { anchor } = this;
    const then = place(anchor, at);
    if (kind === "play") this.#moveTo({ ...anchor, position: place(anchor, this.ms), at, playing: true });
    if (kind === "pause") this.#moveTo({ ...anchor, position: then, at, playing: false });
    if (kind === "rate") this.#moveTo({ ...anchor, position: then, at, rate });
    if (kind === "seek") this.#moveTo({ ...anchor, position: Math.max(0, then + by), at });
    if (kind === "seek" && anchor.playing) this.#standsUntil = at;
  }

  /** What everybody should be showing, and whether it should be moving: until a jump holds, all wait at its target. */
  get truth() {
    while (this.#coming.length && this.#coming[0].at <= this.ms) this.#effective = this.#coming.shift();
    return { position: place(this.#effective, this.ms), runs: this.#effective.playing && this.ms >= this.#standsUntil };
  }

  #moveTo(anchor) {
    this.anchor = anchor;
    this.saidAt = this.#world.now;
    this.#coming = [...this.#coming.filter(({ at }) => at < anchor.at), anchor];
    for (const member of this.members) member.hear(anchor);
  }
}

/** What people do with a party for so many seconds: about sixteen controls an hour. */
export function controls(chance, seconds) {
  const script = [{ at: 20, kind: "play", countdown: 3 }];
  for (let at = 20 + chance.until(240); at < seconds; at += chance.until(240)) {
    const kind = chance.one("pause", "seek", "seek", "rate");
    script.push({ at, kind, by: chance.one(-1, 1) * chance.scaled(5, 900), rate: chance.one(1.25, 1.5) });
    if (kind === "seek") continue;
    at += kind === "pause" ? 3 + chance.until(60) : 30 + chance.until(120);
    script.push({ at, kind: kind === "pause" ? "play" : "rate" });
  }
  return script.filter((control) => control.at < seconds);
}
