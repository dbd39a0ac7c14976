// Who is typing: told every two seconds while it goes on, and forgotten by itself. No dependencies, no DOM.

const TOLD_EVERY = 2_000;
const SHOWN = 5_000;

/** Others, as far as they have told lately. Times are milliseconds of one clock. */
export class Typists {
  #until = new Map();

  heard(uid, now) {
    this.#until.set(uid, now + SHOWN);
  }

  /** Who has said it types no more. */
  spoke(uid) {
    this.#until.delete(uid);
  }

  who(now) {
    for (const [uid, until] of this.#until) if (until <= now) this.#until.delete(uid);
    return [...this.#until.keys()];
  }
}

/** Oneself: whether to tell the others again. */
export class Teller {
  #last = -Infinity;

  due(now) {
    if (now - this.#last < TOLD_EVERY) return false;
    this.#last = now;
    return true;
  }

  /** What was typed was sent: the next letter is told at once. */
  sent() {
    this.#last = -Infinity;
  }
}
