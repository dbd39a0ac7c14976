// A chat as its reader knows it: what the server told, merged in the log's order. No dependencies, no DOM.

/** So many are kept; older ones are asked for again when somebody scrolls back to them. */
const MOST = 1_000;

const milliseconds = (at) => (typeof at === "number" ? at : Date.parse(at));
const lineOf = ({ line, uid, text, answers = null, media_seconds = null, at, position = null, held = false, hidden = false }) =>
  ({ line, uid, text, answers, media_seconds, at: milliseconds(at), position, held, hidden });

/**
 * Lines are `{ line, uid, text, answers, media_seconds, at, held, hidden }`, `at` in milliseconds. One's own that others
 * do not see are among them, where they were said: `held` if a moderator has to look at it first.
 */
export class Lines {
  #lines = [];
  #own = new Map();
  #gone = new Set();
  #isAll = false;

  constructor() {
    this.people = new Map();
    this.pinned = null;
  }

  /** All that is known, oldest first. */
  get list() {
    const first = this.#lines[0]?.at ?? -Infinity;
    const own = [...this.#own.values()].filter(({ at }) => at >= first || this.#isAll);
    return own.reduce((lines, line) => inserted(lines, line), this.#lines);
  }

  get(line) {
    return this.#lines.find((known) => known.line === line) ?? this.#own.get(line);
  }

  /** Where to go on further back: a line's position, null if there is nothing before it, undefined if nothing is known. */
  get cursor() {
    return this.#isAll ? null : this.#lines.find(({ position }) => position !== null)?.position;
  }

  /** The snapshot with which following begins, also again after too much was missed. */
  reset({ lines, people, pinned }) {
    this.#lines = [];
    this.#isAll = false;
    this.#meet(people);
    this.#take(lines, (line) => this.#lines.push(line));
    this.pinned = pinned ? this.#seen(pinned) : null;
  }

  /** A page of those before the oldest. */
  older({ lines, cursor }) {
    const before = [];
    this.#take(lines, (line) => before.push(line));
    this.#lines = [...before, ...this.#lines];
    this.#isAll = cursor === null;
    return before.length;
  }

  /** Own ones that others do not see, and why, as far as one is told. */
  unseen({ lines }) {
    for (const line of lines) {
      this.#own.delete(line.line);
      this.said(line);
    }
  }

  /** Whether nobody has told of an own one yet that others see it. */
  isUntold(id) {
    return this.#own.has(id);
  }

  /** An own one, as soon as it was taken: everybody else's event may follow, or may not. */
  said(line) {
    if (!this.get(line.line) && !this.#gone.has(line.line)) this.#own.set(line.line, this.#seen(line));
  }

  /** Whether anything changed by this event of the channel, at its position. */
  happened(type, data, position) {
    switch (type) {
      case "comments.said": return this.#add({ ...data, position });
      case "comments.line-restored": return this.#restore(data);
      case "comments.line-hidden": return this.#change(data.line, { hidden: true });
      case "comments.line-deleted": return this.#drop(data.line);
      case "comments.line-pinned": return this.#pin(data.line);
      default: return false;
    }
  }

  meet(uid, person) {
    this.people.set(uid, person);
  }

  #meet(people) {
    for (const [uid, person] of Object.entries(people ?? {})) this.meet(uid, person);
  }

  #seen(line) {
    if (line.name) this.meet(line.uid, { name: line.name, avatar: line.avatar ?? "" });
    return lineOf(line);
  }

  #take(lines, keep) {
    for (const line of lines) {
      this.#own.delete(line.line);
      if (!this.#gone.has(line.line) && !this.#lines.some((known) => known.line === line.line)) keep(this.#seen(line));
    }
  }

  #add(data) {
    if (this.#gone.has(data.line) || this.#lines.some(({ line }) => line === data.line)) return false;
    this.#own.delete(data.line);
    this.#lines = [...this.#lines, lineOf(data)];
    if (this.#lines.length > MOST) {
      this.#lines = this.#lines.slice(-MOST);
      this.#isAll = false;
    }
    return true;
  }

  #restore({ said_at: at, ...data }) {
    if (this.#change(data.line, { hidden: false })) return true;
    this.#own.delete(data.line);
    const line = lineOf({ ...data, at });
    const isLoaded = this.#isAll || (this.#lines.length ? line.at >= this.#lines[0].at : true);
    if (isLoaded) this.#lines = inserted(this.#lines, line);
    return isLoaded;
  }

  #change(id, fields) {
    if (fields.hidden && this.pinned?.line === id) this.pinned = null;
    const place = this.#lines.findIndex(({ line }) => line === id);
    if (place < 0) return false;
    this.#lines = this.#lines.with(place, { ...this.#lines[place], ...fields });
    return true;
  }

  #drop(id) {
    this.#gone.add(id);
    this.#own.delete(id);
    if (this.pinned?.line === id) this.pinned = null;
    this.#lines = this.#lines.filter(({ line }) => line !== id);
    return true;
  }

  /** `pinned` is a line, null for none, or undefined for one that is not known here: the snapshot has it. */
  #pin(id) {
    this.pinned = id === null ? null : this.get(id);
    return true;
  }
}

/** With one more line, where it was said. */
function inserted(lines, line) {
  const after = lines.findLastIndex(({ at }) => at <= line.at);
  return lines.toSpliced(after + 1, 0, line);
}
