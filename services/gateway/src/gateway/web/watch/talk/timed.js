// Comments at moments of the film, over the film as it gets there.

import { h } from "/watch/dom.js";
import { hue } from "/watch/people.js";
import { MINUTE, Passing, minutes } from "/watch/talk/passing.js";
import { about } from "/watch/talk/about.js";
import { beginning, named } from "/watch/talk/text.js";

const LOOKED = 100;
/** Milliseconds of playback for which one is shown, more for long ones, and how many are at once. */
const SHOWN = 5_000;
const PER_LETTER = 30;
const AT_ONCE = 4;
const LETTERS = 160;
/** Seconds beside its moment at which one is not shown any more: somebody jumped. */
const AHEAD = 1;
const BEHIND = 15;

/**
 * What lies over the film. `picture()` is where one's own is, in seconds or null; `isPlaying()` whether it goes on.
 * Returned: `element`, `again()` when something else is watched or wanted, `close()`.
 */
export function timed(client, room, { choice, picture, isPlaying }) {
  const element = h("div", { class: "timed" });
  const passing = new Passing();
  const parts = new Map();
  const shown = new Map();
  let looked = performance.now();

  /** The minute one is in and the next are watched, and no other. */
  function watch(position) {
    const wanted = minutes(position);
    for (const [start, part] of parts) {
      if (wanted.includes(start)) continue;
      part.stop();
      parts.delete(start);
    }
    for (const start of wanted) if (!parts.has(start)) parts.set(start, partFrom(start));
  }

  function partFrom(start) {
    const part = { comments: [], stop: () => {} };
    let isFirst = true;
    part.stop = client.watch("comments.timed", { ...about(room.party, room.id, choice.scope), start, end: start + MINUTE }, {
      value: ({ comments }) => {
        if (isFirst) passing.know(comments);
        isFirst = false;
        part.comments = comments;
        keep();
      },
    });
    return part;
  }

  const all = () => [...parts.values()].flatMap(({ comments }) => comments);

  function look() {
    const now = performance.now();
    const went = now - looked;
    looked = now;
    const position = choice.overFilm && room.party?.media ? picture() : null;
    if (position === null) return;
    watch(position);
    for (const [id, card] of shown) {
      if (isPlaying()) card.left -= went;
      if (card.left <= 0 || card.at > position + AHEAD || card.at < position - BEHIND) drop(id);
    }
    for (const comment of passing.look(position, all())) add(comment);
  }

  function add(comment) {
    drop(comment.comment_id);
    if (shown.size >= AT_ONCE) drop(shown.keys().next().value);
    const card = cardOf(comment);
    shown.set(comment.comment_id, card);
    element.append(card.element);
  }

  function cardOf({ uid, name, text, spoiler, media_seconds: at }) {
    const words = beginning(text, LETTERS);
    const isCovered = spoiler && uid !== client.user;
    const said = h("span", { dir: "auto", hidden: isCovered }, words);
    const reveal = isCovered && h("button", { type: "button", class: "small", on: { click: () => {
      said.hidden = false;
      reveal.remove();
    } } }, "Spoiler: show it");
    const who = named(uid === client.user ? "You" : name || "Somebody", { class: "name speaker" });
    who.style.setProperty("--hue", hue(uid));
    return { element: h("p", { class: "card-over" }, who, " ", said, reveal), at, left: SHOWN + PER_LETTER * words.length, of: `${text} ${spoiler}` };
  }

  function drop(id) {
    shown.get(id)?.element.remove();
    shown.delete(id);
  }

  /** What was hidden or taken back meanwhile goes at once; what was changed is shown as it is now. */
  function keep() {
    const known = new Map(all().map((comment) => [comment.comment_id, comment]));
    for (const [id, card] of [...shown]) {
      const now = known.get(id);
      if (!now) drop(id);
      else if (card.of !== `${now.text} ${now.spoiler}`) {
        const { left } = card;
        const changed = Object.assign(cardOf(now), { left });
        card.element.replaceWith(changed.element);
        shown.set(id, changed);
      }
    }
  }

  function again() {
    for (const part of parts.values()) part.stop();
    parts.clear();
    for (const id of [...shown.keys()]) drop(id);
    passing.reset();
  }

  const looking = setInterval(look, LOOKED);
  return {
    element, again,
    close: () => {
      clearInterval(looking);
      again();
    },
  };
}
