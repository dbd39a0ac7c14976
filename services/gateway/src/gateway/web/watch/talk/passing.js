// Which comments are due as a film goes by. No dependencies, no DOM.

/** Seconds between two looks up to which the film went on by itself; beyond that somebody jumped. */
const STEP = 3;
/** Seconds that a player may go back to keep in sync; beyond that somebody wants to see it again. */
const NUDGE = 1;
/** Seconds before the place that was jumped to which still belong to it. */
const NEAR = 0.25;
/** Seconds for which a comment that was only just written is not too late: its author needed a moment to say it. */
const FRESH = 5;
/** Seconds for which one is not too late whose part of the film was only just asked for. */
const ASKED = 1;

export const MINUTE = 60;

/** The minute of a place, and the next: where each begins. Whole ones, which everybody asks for alike. */
export function minutes(position) {
  const start = Math.max(0, Math.floor(position / MINUTE) * MINUTE);
  return [start, start + MINUTE];
}

export class Passing {
  #at = null;
  /** By comment: the seconds by which it may be late at the next look. */
  #late = new Map();
  /** By comment that was shown: where in the film. */
  #shown = new Map();

  /** These are told for the first time because their part of the film was asked for, not because they are new. */
  know(comments) {
    for (const { comment_id: id } of comments) if (!this.#late.has(id)) this.#late.set(id, ASKED);
  }

  /** Those of `comments` that are due at this place and were not at the last one, in the film's order. */
  look(position, comments) {
    const from = this.#from(position);
    const due = comments.filter(({ comment_id: id, media_seconds: at }) => {
      const since = Math.min(from, position - (this.#late.get(id) ?? FRESH));
      return !this.#shown.has(id) && at > since && at <= position;
    });
    for (const { comment_id: id } of comments) this.#late.set(id, 0);
    for (const { comment_id: id, media_seconds: at } of due) this.#shown.set(id, at);
    return due.sort((one, other) => one.media_seconds - other.media_seconds);
  }

  /** Something else is watched. */
  reset() {
    this.#at = null;
    this.#late.clear();
    this.#shown.clear();
  }

  /** From where on the film went by since the last look. */
  #from(position) {
    const before = this.#at ?? Infinity;
    this.#at = position;
    if (position >= before && position - before <= STEP) return before;
    if (position < before && before - position <= NUDGE) return position;
    const from = position - NEAR;
    if (position < before) for (const [id, at] of this.#shown) if (at > from) this.#shown.delete(id);
    return from;
  }
}
