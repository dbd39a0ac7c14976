// What people say to each other while they watch. Passed on, never stored: who comes later does not see it.

import { Refused } from "/client.js";
import { h, icon } from "/watch/dom.js";
import { hue } from "/watch/people.js";

const LINES = 200;
const CHARS = 500;
const REACTIONS = [["👏", "Clap"], ["😂", "Laugh"], ["😮", "Gasp"], ["😢", "Cry"], ["❤️", "Heart"], ["🔥", "Fire"]];

/** The chat of a room. `react(text)` shows a reaction over the film; `said()` is told of each line by others. */
export function chat(room, { react, said, trouble }) {
  const log = h("div", { class: "log", role: "log", "aria-label": "Chat", tabindex: "0" });
  const input = h("input", { maxlength: String(CHARS), placeholder: "Say something", "aria-label": "Say something", autocomplete: "off", enterkeyhint: "send" });

  function add(line) {
    const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    log.append(line);
    while (log.children.length > LINES) log.firstElementChild.remove();
    if (isAtEnd) log.scrollTop = log.scrollHeight;
  }

  async function tell(event, text) {
    try {
      await room.tell(event, text);
      return true;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      trouble(error);
      return false;
    }
  }

  room.on("chat", (uid, text) => {
    const who = h("span", { class: "speaker" }, uid === room.me ? "You" : room.nameOf(uid));
    who.style.setProperty("--hue", hue(uid));
    add(h("p", {}, who, " ", text));
    if (uid !== room.me) said();
  });
  room.on("reaction", (uid, text) => {
    if (REACTIONS.some(([known]) => known === text)) react(text);
  });
  const form = h("form", { class: "say", on: { submit: async (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (text && (await tell("chat", text))) input.value = "";
  } } }, input, h("button", { class: "icon-button primary", "aria-label": "Send", title: "Send" }, icon("send")));
  return h("div", { class: "chat" },
    h("p", { class: "quiet fine" }, "Nothing that is said here is stored. Who comes later does not see it."),
    log,
    h("div", { class: "reactions row", role: "group", "aria-label": "Reactions" }, ...REACTIONS.map(([text, name]) =>
      h("button", { type: "button", class: "reaction", "aria-label": name, title: name, on: { click: () => tell("reaction", text) } }, text))),
    form);
}
