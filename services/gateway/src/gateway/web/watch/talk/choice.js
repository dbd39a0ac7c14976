// Whose comments one wants to see, in which order, and whether over the film: kept on this device.

import { choices } from "/watch/store.js";

const KINDS = { scope: "room", order: "newest", overFilm: true };

export class Choice {
  #handlers = new Set();

  constructor() {
    for (const [kind, otherwise] of Object.entries(KINDS)) this[kind] = choices.get(kind, otherwise);
  }

  /** `{ scope, order, overFilm }`, or some of them. */
  choose(chosen) {
    Object.assign(this, chosen);
    for (const [kind, value] of Object.entries(chosen)) choices.put(kind, value);
    for (const handler of this.#handlers) handler(Object.keys(chosen));
  }

  /** `handler(kinds)` is told which of them changed. */
  on(handler) {
    this.#handlers.add(handler);
  }
}
