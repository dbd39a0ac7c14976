// Pages that stay live: each a watch of its own, from where the one before it ends. No dependencies, no DOM.

/**
 * `watch(fn, args, { value, error })` begins a live query and returns how to end it. `changed()` is called with every
 * value, `failed(refused)` when there will be none.
 */
export class Pages {
  #pages = [];
  #stopped = false;

  constructor({ watch, fn, args, changed, failed = () => {} }) {
    Object.assign(this, { watch, fn, args, changed, failed });
    this.#open(null);
  }

  /** Those that were told, in order. */
  get values() {
    return this.#pages.map(({ value }) => value).filter((value) => value !== null);
  }

  get isKnown() {
    return this.#pages[0]?.value !== null && !this.#stopped;
  }

  get hasMore() {
    const last = this.#pages.at(-1);
    return last !== undefined && last.value !== null && last.value.cursor !== null;
  }

  /** One more page, if there is one and the last one has come. */
  more() {
    if (this.hasMore) this.#open(this.#pages.at(-1).value.cursor);
  }

  stop() {
    this.#stopped = true;
    for (const page of this.#pages) page.stop();
    this.#pages = [];
  }

  #open(cursor) {
    const page = { cursor, value: null, stop: () => {} };
    this.#pages.push(page);
    this.#ask(page);
  }

  #ask(page) {
    const args = page.cursor === null ? this.args : { ...this.args, cursor: page.cursor };
    page.stop = this.watch(this.fn, args, {
      value: (value) => this.#take(page, value),
      error: (refused) => this.#stopped || this.failed(refused),
    });
  }

  /** A page that begins elsewhere now is asked for anew; until it comes, it stays as it was. */
  #take(page, value) {
    const place = this.#pages.indexOf(page);
    if (place < 0) return;
    page.value = value;
    const next = this.#pages[place + 1];
    if (next && value.cursor === null) {
      for (const gone of this.#pages.splice(place + 1)) gone.stop();
    } else if (next && next.cursor !== value.cursor) {
      next.stop();
      next.cursor = value.cursor;
      this.#ask(next);
    }
    this.changed();
  }
}
