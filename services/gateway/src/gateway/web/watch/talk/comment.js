// One comment of a thread: what it says, the emoji on it, and what may be done about it.

import { clock, h, set, write } from "/watch/dom.js";
import { hue } from "/watch/people.js";
import { menu } from "/watch/talk/menu.js";
import { emojiRow } from "/watch/talk/emoji.js";
import { fill, named, when } from "/watch/talk/text.js";

const INDENTED = 4;
const GONE = { deleted: "This comment was taken back.", removed: "A moderator removed this comment.", hidden: "A moderator hid this comment." };

/**
 * A row for a comment. `deeds` is what may be done: `offers(comment, mine)` for its menu, `reply`, `edit` (a form, or null),
 * `react`, `seek` (null if one may not).
 */
export function commentRow(thread, deeds) {
  let comment = null;
  let mine = null;
  let isRevealed = false;
  const who = named("", { class: "name speaker" });
  const time = h("time", { class: "quiet fine" });
  const moment = h("button", { type: "button", class: "moment", on: { click: () => deeds.seek?.(comment.media_seconds) } });
  const marks = h("span", { class: "quiet fine marks-of" });
  const text = h("p", { class: "said", dir: "auto" });
  const reveal = h("button", { type: "button", class: "plain small", on: { click: () => {
    isRevealed = true;
    show({ comment, mine, depth: null });
    text.focus();
  } } }, "Spoiler: show it");
  const note = h("p", { class: "quiet fine note" });
  const emoji = emojiRow((sign, on) => deeds.react(comment, sign, on));
  const reply = h("button", { type: "button", class: "plain small quietly", on: { click: () => deeds.reply(comment, below) } }, "Reply");
  const { button, actions } = menu("More about this comment", () => deeds.offers(comment, mine, { edit }));
  const below = h("div", { class: "below-comment" });
  const feet = h("div", { class: "row wrap feet" }, emoji.element, reply, button);
  const element = h("li", { class: "comment", tabindex: "-1" },
    h("div", { class: "row baseline" }, who, time, moment, marks), text, reveal, note, feet, actions, below);

  function edit() {
    const form = deeds.edit(comment, () => {
      form.replaceWith(text);
      show({ comment, mine, depth: null });
    });
    text.replaceWith(form);
    form.querySelector("textarea").focus();
  }

  function show(row) {
    ({ comment, mine } = row);
    const { gone, uid, name } = comment;
    if (row.depth !== null) element.style.setProperty("--depth", Math.min(row.depth, INDENTED));
    const isMe = uid !== "" && uid === thread.me;
    set(element, "data", { comment: comment.comment_id, gone: gone ?? "", new: String(deeds.isNew(comment)), focused: String(thread.focus?.comment_id === comment.comment_id) });
    write(who, gone ? "" : isMe ? "You" : name || "Somebody");
    who.style.setProperty("--hue", hue(uid));
    write(time, when(comment.posted_at));
    time.dateTime = comment.posted_at;
    showMoment();
    write(marks, [comment.pinned && "pinned", comment.edited_at && !gone && "edited", deeds.isNew(comment) && "new", row.depth > INDENTED && `answers at depth ${comment.depth}`].filter(Boolean).join(" · "));
    const isCovered = comment.spoiler && !isRevealed && !isMe && !gone;
    set(text, "tabindex", isRevealed ? "-1" : null);
    set(text, "hidden", Boolean(gone) || isCovered);
    fill(text, gone || isCovered ? "" : comment.text);
    set(reveal, "hidden", !isCovered);
    write(note, noteOf(gone, isMe));
    set(note, "hidden", !note.textContent);
    emoji.show(comment.reactions, thread.mine?.reactions[comment.comment_id] ?? []);
    emoji.allow(deeds.mayWrite());
    set(feet, "hidden", Boolean(gone));
    set(reply, "hidden", !deeds.mayWrite() || !thread.isHere || mine !== null && (mine.held || mine.hidden));
  }

  function noteOf(gone, isMe) {
    if (gone) return GONE[gone] ?? "";
    if (mine?.held) return "Only you see this until a moderator has looked at it.";
    if (mine?.hidden) return "A moderator hid this: nobody else sees it.";
    return comment.spoiler && isMe ? "Hidden from the others until they want to see it: a spoiler." : "";
  }

  function showMoment() {
    const { media_seconds: seconds, gone } = comment;
    set(moment, "hidden", seconds === null || Boolean(gone));
    if (seconds === null) return;
    write(moment, clock(seconds));
    set(moment, "disabled", deeds.seek === null || !deeds.maySeek());
    set(moment, "title", deeds.maySeek() ? "Go there, with everybody" : null);
    set(moment, "aria-label", `At ${clock(seconds)} of the film`);
  }
  return { element, show };
}
