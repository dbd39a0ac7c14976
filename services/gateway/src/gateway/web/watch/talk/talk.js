// The talk of a room, put together: chat, comments, what lies over the film and along its bar, and the bell.

import { choices } from "/watch/store.js";
import { h, iconButton, set, write } from "/watch/dom.js";
import { place } from "/sync.js";
import { reactions } from "/watch/reactions.js";
import { bell, placeOf } from "/watch/talk/bell.js";
import { chat } from "/watch/talk/chat.js";
import { Choice } from "/watch/talk/choice.js";
import { comments } from "/watch/talk/comments.js";
import { Conversation } from "/watch/talk/conversation.js";
import { strip } from "/watch/talk/strip.js";
import { Thread } from "/watch/talk/thread.js";
import { timed } from "/watch/talk/timed.js";

const TICK = 500;
const FOUND_WITHIN = 3_000;

/**
 * `open(tab)` shows a tab; `isOpen(tab)` tells whether it is shown. Returned: `chat` and `comments`, each an `element` and
 * a `badge` for its tab; `bell`; `shown(tab)`, to be called when another tab is; `conversation`; `close()`.
 */
export function talk({ client, room, clock, film, stage, page, open, isOpen }) {
  const choice = new Choice();
  const serverNow = () => (clock.known ? clock.now() : Date.now());
  const picture = () => pictureOf(room, film, clock);
  const seek = (seconds) => stage.seekTo(seconds);

  const conversation = new Conversation(client, room, serverNow);
  const unreadLine = h("span", { class: "dot", hidden: true }, h("span", { class: "visually-hidden" }, "new"));
  const lines = chat(conversation, {
    picture, now: serverNow, choices, page,
    reactions: reactions(room, { fly: (text) => stage.react(text), trouble: page.trouble }),
    fresh: () => (unreadLine.hidden = isOpen("chat")),
  });

  const unread = h("span", { class: "count-badge" });
  const thread = new Thread(client, room, choice, () => showComments());
  const panel = comments(thread, { room, choice, picture, seek, page });
  function showComments() {
    panel?.show();
    write(unread, thread.unread && !isOpen("comments") ? String(thread.unread) : "");
  }

  const over = timed(client, room, { choice, picture, isPlaying: () => !film.video.paused || (room.anchor?.playing ?? false) });
  const heat = strip(client, room, { choice, duration: () => film.duration, seek });
  const toggle = iconButton("talk", "Comments over the film", () => choice.choose({ overFilm: !choice.overFilm }), { class: "icon-button toggle" });
  const showToggle = () => set(toggle, "aria-pressed", String(choice.overFilm));
  stage.screen.append(over.element);
  stage.course.prepend(heat.element);
  stage.muteButton.before(toggle);
  showToggle();

  const bells = bell(client, { open: lead, page });

  /** To what a notification is about: a line of this chat, a comment, or another room. */
  async function lead(notification) {
    const { party, path } = placeOf(notification);
    if (notification.room && party !== room.id) return location.assign(path);
    if (notification.room) {
      open("chat");
      return flash(() => lines.find(notification.comment_id), () => conversation.older());
    }
    open("comments");
    thread.showAlone({ thread_id: notification.thread_id, comment_id: notification.comment_id });
    return flash(() => panel.find(notification.comment_id));
  }

  choice.on((kinds) => {
    if (kinds.includes("overFilm")) {
      showToggle();
      return over.again();
    }
    if (kinds.includes("scope")) {
      over.again();
      heat.again();
    }
    return thread.again();
  });
  let watched = "";
  room.on("media", () => {
    const { media, season, episode } = room.party;
    const now = JSON.stringify([media, season, episode]);
    // Only where it comes from may be another.
    if (now === watched) return;
    if (watched) lines.newFilm();
    watched = now;
    thread.focus = null;
    thread.again();
    over.again();
    heat.again();
  });
  for (const event of ["party", "members"]) room.on(event, showComments);
  room.on("back", () => conversation.again());
  film.video.addEventListener("durationchange", heat.show);
  const ticking = setInterval(() => isOpen("comments") && panel.tick(), TICK);
  thread.again();
  heat.again();

  return {
    chat: { element: lines.element, badge: unreadLine },
    comments: { element: panel.element, badge: unread },
    bell: bells.element,
    conversation,
    shown(tab) {
      if (tab === "chat") unreadLine.hidden = true;
      if (tab === "chat") lines.shown();
      // Whoever was kept out may be let in by now.
      if (tab === "chat" && conversation.refused) conversation.again();
      thread.look(tab === "comments");
    },
    close() {
      clearInterval(ticking);
      film.video.removeEventListener("durationchange", heat.show);
      for (const part of [lines, thread, over, heat, bells]) part.close();
    },
  };
}

/** Where one's own picture is, in the party's seconds: as the player shows it, or as the party's clock says without one. */
function pictureOf(room, film, clock) {
  if (film.state === "ready") return Math.max(0, film.video.currentTime - film.offset);
  const { anchor } = room;
  return anchor ? (clock.known ? place(anchor, clock.now()) : anchor.position) : null;
}

/** Show where something is, once it is there; `further()` looks further back. */
async function flash(find, further = async () => {}) {
  const until = performance.now() + FOUND_WITHIN;
  for (let found = null; performance.now() < until;) {
    found = find();
    if (found) {
      found.scrollIntoView({ block: "nearest" });
      found.classList.add("flashed");
      found.addEventListener("animationend", () => found.classList.remove("flashed"), { once: true });
      return;
    }
    await further().catch(() => {});
    await new Promise((done) => setTimeout(done, 100));
  }
}
