// A world in which time is only counted: an hour passes as fast as the machine can say what happens in it.

/** Random numbers that are the same each time for the same seed (mulberry32). */
export class Chance {
  #state;

  constructor(seed) {
    this.#state = seed >>> 0;
  }

  /** From 0 up to 1. */
  next() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  between(least, most) {
    return least + (most - least) * this.next();
  }

  /** As likely between 1 and 2 as between 2 and 4. */
  scaled(least, most) {
    return least * (most / least) ** this.next();
  }

  /** The time until something that happens every so often, on average. */
  until(mean) {
    return -mean * Math.log(1 - this.next());
  }

  one(...of) {
    return of[Math.floor(this.next() * of.length)];
  }

  /** Another stream, which does not depend on how much was taken from this one. */
  fork(number) {
    return new Chance(Math.imul(this.#state ^ Math.imul(number + 1, 0x9e3779b1), 0x85ebca6b));
  }
}

/** True time, in seconds, and what is to happen; it is the server's time too. */
export class World {
  now = 0;
  #queue = [];
  #count = 0;

  /** Call *act* in so many seconds; the answer can be given to `cancel`. */
  after(seconds, act) {
    const event = { at: this.now + Math.max(0, seconds), turn: this.#count++, act };
    this.#rise(event);
    return event;
  }

  cancel(event) {
    if (event) event.act = null;
  }

  /** Let everything happen until then. */
  run(until) {
    while (this.#queue.length && this.#queue[0].at <= until) {
      const event = this.#take();
      if (event.act === null) continue;
      this.now = event.at;
      event.act();
    }
    this.now = until;
  }

  // A binary heap; what was asked first comes first among equals.

  #rise(event) {
    const queue = this.#queue;
    let place = queue.length;
    while (place > 0) {
      const above = (place - 1) >> 1;
      if (!sooner(event, queue[above])) break;
      queue[place] = queue[above];
      place = above;
    }
    queue[place] = event;
  }

  #take() {
    const queue = this.#queue;
    const first = queue[0];
    const last = queue.pop();
    if (queue.length) this.#sink(last);
    return first;
  }

  #sink(event) {
    const queue = this.#queue;
    let place = 0;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= queue.length) break;
      if (below + 1 < queue.length && sooner(queue[below + 1], queue[below])) below += 1;
      if (!sooner(queue[below], event)) break;
      queue[place] = queue[below];
      place = below;
    }
    queue[place] = event;
  }
}

const sooner = (a, b) => a.at < b.at || (a.at === b.at && a.turn < b.turn);

/** The clock of one machine: set wrong, and fast by so many ppm, which change a little as it warms and cools. */
export class Crystal {
  #world;
  #ahead;
  #ppm;
  #swing;
  #period;
  #phase;

  constructor(world, chance, { ahead = 0.5, ppm = 80, swing = 20 } = {}) {
    this.#world = world;
    this.#ahead = chance.between(-ahead, ahead);
    this.#ppm = chance.between(-ppm, ppm);
    this.#swing = chance.between(0, swing);
    this.#period = chance.between(1_800, 3_600) / (2 * Math.PI);
    this.#phase = chance.between(0, 2 * Math.PI);
  }

  /** What it shows, in milliseconds. */
  read() {
    const { now } = this.#world;
    const swung = this.#swing * this.#period * (Math.cos(this.#phase) - Math.cos(now / this.#period + this.#phase));
    return (now + this.#ahead + (this.#ppm * now + swung) * 1e-6) * 1000;
  }
}

/** One direction of a connection: late by a time that varies, and in order, so that a lost packet holds up the rest. */
export class Line {
  #world;
  #chance;
  #delay;
  #jitter;
  #loss;
  #clearAt = 0;

  constructor(world, chance, { delay = 0.1, jitter = 0.05, loss = 0.01 } = {}) {
    this.#world = world;
    this.#chance = chance;
    this.#delay = delay;
    this.#jitter = jitter;
    this.#loss = loss;
  }

  send(arrive) {
    let late = this.#chance.between(this.#delay - this.#jitter, this.#delay + this.#jitter);
    // TCP notices after a round trip and 200 ms at least, and waits twice as long each time.
    for (let wait = 0.2 + 2 * this.#delay; this.#chance.next() < this.#loss; wait *= 2) late += wait;
    this.#clearAt = Math.max(this.#clearAt, this.#world.now + late);
    this.#world.after(this.#clearAt - this.#world.now, arrive);
  }
}
