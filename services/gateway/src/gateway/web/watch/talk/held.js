// With the picture: what others say waits until one's own picture is where theirs was, so that who is behind hears of
// nothing too early. No dependencies, no DOM.

const LONGEST = 600_000;
/** Seconds: people in one room are within a frame or two of each other, which is no delay. */
const BESIDE = 0.1;

export class Held {
  #shown = new Set();

  constructor() {
    this.on = false;
  }

  /**
   * Whether a line may be shown now. `picture` is where one's own is, in seconds; `now` is server time in milliseconds.
   * What was shown once stays, wherever the picture goes afterwards; nothing waits for more than ten minutes.
   */
  passes({ line, at, media_seconds: said }, { isOwn, picture, now }) {
    const waits = this.on && !isOwn && typeof said === "number" && !this.#shown.has(line)
      && picture + BESIDE < said && !(now - at >= LONGEST);
    if (!waits) this.#shown.add(line);
    return !waits;
  }

  /** Something else is watched: no place in the old film will be reached any more. */
  release(lines) {
    for (const { line } of lines) this.#shown.add(line);
  }
}
