// A player with the faults of real ones. It has the face of a media element.

/** Faults, in seconds unless said otherwise. Those that vary do so by a fifth each time. */
export const FLAWLESS = {
  start: 0,
  seek: 0,
  /** By how many ppm it plays too fast. */
  ppm: 0,
  /** Speeds are rounded to this; 0 for any. */
  step: 0,
  /** Lost with each change of speed. */
  stutter: 0,
  /** How it says where it is: `exact`, `frame` (rounded down), or `stale` (by up to a frame). */
  tells: "exact",
  frame: 1 / 24,
  duration: Infinity,
};

/** Faults as they are found among browsers, phones and boxes. */
export function faults(chance) {
  return {
    ...FLAWLESS,
    start: chance.between(0.02, 0.15),
    seek: chance.between(0.05, 0.4),
    ppm: chance.between(-200, 200),
    step: chance.one(0, 0, 0.01, 0.05),
    stutter: chance.between(0, 0.005),
    tells: chance.one("exact", "frame", "stale"),
    frame: chance.one(1 / 24, 1 / 25, 1 / 30),
  };
}

export class Player {
  paused = true;
  seeking = false;
  /** Told of each jump and each change of speed. */
  onJump = null;
  onRate = null;
  #world;
  #chance;
  #faults;
  #at = 0;
  #position = 0;
  #rate = 1;
  #movesAt = Infinity;
  #landsAt = 0;
  #stalledUntil = 0;
  #told = 0;
  #heard = new Map();

  constructor(world, chance, given = FLAWLESS) {
    this.#world = world;
    this.#chance = chance;
    this.#faults = { ...FLAWLESS, ...given };
  }

  get duration() {
    return this.#faults.duration;
  }

  /** Where it really is. */
  get truth() {
    this.#goOn();
    return this.#position;
  }

  get stalled() {
    return this.#world.now < this.#stalledUntil;
  }

  get ended() {
    return this.truth >= this.duration;
  }

  get readyState() {
    return this.stalled ? 2 : 4;
  }

  get currentTime() {
    const { tells, frame } = this.#faults;
    const position = this.truth;
    if (tells === "frame") return Math.floor(position / frame + 1e-9) * frame;
    if (tells === "exact" || this.paused || this.#world.now <= this.#movesAt) return position;
    this.#told = Math.max(this.#told, position - this.#chance.between(0, frame));
    return this.#told;
  }

  set currentTime(seconds) {
    this.#goOn();
    const { now } = this.#world;
    this.onJump?.(this.#position, seconds);
    this.#position = this.#told = Math.min(seconds, this.duration);
    this.#landsAt = now + this.#varied(this.#faults.seek);
    this.seeking = this.#landsAt > now;
    if (!this.paused) {
      const starting = Math.max(0, this.#movesAt - now);
      this.#movesAt = Math.max(this.#landsAt, this.#stalledUntil) + (this.stalled ? 0 : starting);
    }
    this.#world.after(this.#landsAt - now, () => this.#landed());
    this.#tell("seeking");
  }

  get playbackRate() {
    return this.#rate;
  }

  set playbackRate(rate) {
    this.#goOn();
    const { step, stutter } = this.#faults;
    const next = step ? Math.round(rate / step) * step : rate;
    if (next === this.#rate) return;
    this.onRate?.(next);
    this.#rate = next;
    if (!this.paused) this.#position -= stutter;
    this.#tell("ratechange");
  }

  play() {
    if (!this.paused) return Promise.resolve();
    this.#goOn();
    if (this.ended) this.currentTime = 0;
    this.paused = false;
    this.#movesAt = Math.max(this.#world.now, this.#landsAt, this.#stalledUntil) + this.#varied(this.#faults.start);
    this.#tell("play");
    return Promise.resolve();
  }

  pause() {
    if (this.paused) return;
    this.#goOn();
    this.paused = true;
    this.#movesAt = Infinity;
    this.#tell("pause");
  }

  /** Run out of data for so long, if it plays. */
  stall(seconds) {
    if (this.paused) return false;
    this.#goOn();
    this.#stalledUntil = this.#world.now + seconds;
    this.#movesAt = Math.max(this.#movesAt, this.#stalledUntil);
    this.#tell("waiting");
    return true;
  }

  addEventListener(event, heard) {
    this.#heard.set(event, [...(this.#heard.get(event) ?? []), heard]);
  }

  removeEventListener(event, heard) {
    this.#heard.set(event, (this.#heard.get(event) ?? []).filter((other) => other !== heard));
  }

  #tell(event) {
    for (const heard of this.#heard.get(event) ?? []) this.#world.after(0, () => heard({ type: event }));
  }

  #landed() {
    if (!this.seeking || this.#world.now < this.#landsAt) return;
    this.seeking = false;
    this.#tell("seeked");
  }

  #varied(seconds) {
    return seconds * this.#chance.between(0.8, 1.2);
  }

  #goOn() {
    const { now } = this.#world;
    if (!this.paused && now > this.#movesAt) {
      const since = Math.max(this.#at, this.#movesAt);
      this.#position += (now - since) * this.#rate * (1 + this.#faults.ppm * 1e-6);
      if (this.#position >= this.duration) this.#end();
    }
    this.#at = now;
  }

  /** As a media element does at its end. */
  #end() {
    this.#position = this.duration;
    this.paused = true;
    this.#movesAt = Infinity;
    this.#tell("ended");
  }
}
