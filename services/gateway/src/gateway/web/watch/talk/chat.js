// What people say to each other while they watch, as a page: the lines, who is typing, and where one says something.

import { Refused } from "/client.js";
import { h, icon, iconButton, keyed, set, write } from "/watch/dom.js";
import { Held } from "/watch/talk/held.js";
import { lineRow } from "/watch/talk/line.js";
import { mentioned } from "/watch/talk/mentions.js";
import { beginning, named } from "/watch/talk/text.js";
import { barred } from "/watch/words.js";

const CHARS = 500;
const LOOKED = 250;
const DRAWN_WITHIN = 40;
/** Lines that are shown to who reads the newest; who scrolls back sees all that are known. */
const NEWEST = 200;
const NEAR_TOP = 80;
const NEAR_END = 40;
const NAMED = 3;

/**
 * The chat of a room. `picture()` is where one's own is, in seconds, or null; `choices` remembers the switch; `fresh()` is
 * told when somebody else's line is shown; `page` is the frame: `note`, `trouble`. Returned: `element`, `shown(isShown)`,
 * `find(line)`, `close()`.
 */
export function chat(conversation, { picture, now, choices, reactions, fresh, page }) {
  const held = new Held();
  held.on = choices.get("withPicture", false);
  let answers = null;
  let isAtEnd = true;
  let heldCount = 0;
  let lastShown = null;
  let drawing = 0;

  const act = async (fn, args) => {
    try {
      return await (fn === "chat.delete" ? conversation.takeBack(args.line) : conversation.do(fn, args));
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return void page.trouble(error);
    }
  };

  // The lines.

  const log = h("div", { class: "log", role: "log", "aria-label": "Chat", tabindex: "0" });
  const pinned = h("div", { class: "pinned", hidden: true });
  const waiting = h("p", { class: "quiet fine", hidden: true });
  const rows = keyed(log, ({ line }) => line, () => lineRow(conversation, { answer, act, note: page.note }));
  log.addEventListener("scroll", () => {
    isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_END;
    if (log.scrollTop < NEAR_TOP) readBack();
  });

  const maySee = ({ uid, hidden }) => !hidden || uid === conversation.me || conversation.mayModerate;
  const passes = (line) => held.passes(line, { isOwn: line.uid === conversation.me, picture: picture() ?? 0, now: now() });

  function draw() {
    drawing = 0;
    const visible = conversation.lines.list.filter(maySee);
    const lines = visible.filter(passes);
    heldCount = visible.length - lines.length;
    rows(isAtEnd ? lines.slice(-NEWEST) : lines);
    if (isAtEnd) log.scrollTop = log.scrollHeight;
    set(waiting, "hidden", heldCount === 0);
    write(waiting, `${heldCount === 1 ? "One line waits" : `${heldCount} lines wait`} for your picture.`);
    drawPinned();
    const last = lines.at(-1) ?? null;
    if (last && lastShown !== null && last.line !== lastShown && last.uid !== conversation.me) fresh();
    if (conversation.rules) lastShown = last?.line ?? "";
  }
  /** Lines that come together are drawn together. */
  const drawSoon = () => (drawing ||= setTimeout(draw, DRAWN_WITHIN));

  function drawPinned() {
    const line = conversation.lines.pinned;
    const isShown = Boolean(line) && passes(line);
    set(pinned, "hidden", !isShown);
    if (!isShown) return;
    const name = line.uid === conversation.me ? "You" : conversation.nameOf(line.uid) || "Somebody";
    const key = `${line.line} ${name} ${conversation.mayModerate}`;
    if (pinned.dataset.of === key) return;
    pinned.dataset.of = key;
    pinned.replaceChildren(
      h("p", { class: "grow" }, named(name), " ", h("span", { dir: "auto" }, line.text)),
      ...(conversation.mayModerate ? [iconButton("drop", "Take off the top", () => act("chat.pin", {}), { class: "icon-button small" })] : []));
  }

  async function readBack() {
    const below = log.scrollHeight - log.scrollTop;
    // What was said long ago is not read aloud as if it were new.
    set(log, "aria-live", "off");
    try {
      const before = log.children.length;
      draw();
      if (log.children.length === before) {
        await conversation.older();
        draw();
      }
      if (log.children.length > before) log.scrollTop = log.scrollHeight - below;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      page.trouble(error);
    } finally {
      setTimeout(() => set(log, "aria-live", null));
    }
  }

  // Saying something.

  const input = h("input", { maxlength: String(CHARS), placeholder: "Say something", "aria-label": "Say something", autocomplete: "off", enterkeyhint: "send", dir: "auto", on: { input: () => input.value && conversation.types() } });
  const send = h("button", { class: "icon-button primary", "aria-label": "Send", title: "Send" }, icon("send"));
  const state = h("p", { class: "state quiet fine", hidden: true });
  const kept = h("span", { class: "quiet fine grow" });
  const typing = h("p", { class: "typing quiet fine" });
  const answering = h("div", { class: "answering row quiet fine", hidden: true });
  const form = h("form", { class: "say", on: { submit: (event) => {
    event.preventDefault();
    say();
  } } }, input, send);
  input.addEventListener("keydown", (event) => event.key === "Escape" && answer(null));

  function answer(line) {
    answers = line;
    const asked = line && conversation.lines.get(line);
    answering.hidden = !asked;
    answering.replaceChildren(...(asked ? [
      h("p", { class: "grow" }, "Answering ", named(asked.uid === conversation.me ? "yourself" : conversation.nameOf(asked.uid) || "somebody"), " ", h("span", { dir: "auto" }, beginning(asked.text, 40))),
      iconButton("drop", "Do not answer", () => answer(null), { class: "icon-button small" })] : []));
    if (asked) input.focus();
  }

  async function say() {
    const text = input.value;
    if (!text.trim() || send.disabled) return;
    send.disabled = true;
    try {
      await conversation.say(text, { answers, picture: picture(), mentions: mentioned(text, conversation.people) });
      if (input.value === text) input.value = "";
      answer(null);
      isAtEnd = true;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      page.trouble(error);
    } finally {
      send.disabled = false;
      tellState();
    }
  }

  /** Why one cannot speak just now, or how often; told as words, where one would speak. */
  function tellState() {
    write(kept, `What is said here is kept: ${conversation.isPrivate ? "members" : "whoever finds this public room"} can read it, later too.`);
    const { why, isBarred } = barred(conversation, now());
    set(state, "hidden", !why);
    write(state, why);
    set(input, "disabled", isBarred);
    set(send, "disabled", isBarred || now() < conversation.waitsUntil);
  }

  function tellTyping() {
    const names = conversation.typing.map((uid) => conversation.nameOf(uid) || "Somebody");
    const some = names.length > NAMED ? [`${names.length} people`] : names;
    const key = names.join();
    if (typing.dataset.of === key) return;
    typing.dataset.of = key;
    typing.replaceChildren(...some.flatMap((name, place) => [place ? (place === some.length - 1 ? " and " : ", ") : "", named(name)]),
      names.length ? ` ${names.length === 1 ? "is" : "are"} typing…` : "");
  }

  // The switch, and what goes on.

  const withPicture = h("input", { type: "checkbox", checked: held.on, on: { change: () => {
    choices.put("withPicture", withPicture.checked);
    draw();
    held.on = withPicture.checked;
    draw();
  } } });
  const looking = setInterval(() => {
    tellTyping();
    tellState();
    if (heldCount) draw();
  }, LOOKED);
  conversation.on("lines", drawSoon);
  conversation.on("rules", () => {
    tellState();
    drawSoon();
  });
  conversation.on("typing", tellTyping);
  draw();
  tellState();

  const element = h("div", { class: "chat" },
    h("div", { class: "row wrap talk-head" },
      h("label", { class: "check small-check" }, withPicture, "With the picture"),
      kept),
    pinned, log, waiting, typing, reactions, answering, state, form);
  return {
    element,
    /** The panel is in sight now: where one stopped reading, or the end. */
    shown: () => isAtEnd && (log.scrollTop = log.scrollHeight),
    find: (line) => log.querySelector(`[data-line="${CSS.escape(line)}"]`),
    newFilm: () => held.release(conversation.lines.list),
    close: () => {
      clearInterval(looking);
      clearTimeout(drawing);
      conversation.close();
    },
  };
}
