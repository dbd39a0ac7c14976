// One line of a chat: who said what, which line it answers, and what may be done about it.

import { ask, h, set, write } from "/watch/dom.js";
import { hue } from "/watch/people.js";
import { askWhy, menu } from "/watch/talk/menu.js";
import { beginning, fill, named, when } from "/watch/talk/text.js";

const MUTES = [[600, "Ten minutes"], [86_400, "A day"]];

/** A row for a line. `answer(line)` begins an answer to it; `act(fn, args)` does something, telling what goes wrong. */
export function lineRow(conversation, { answer, act, note }) {
  let line = null;
  const who = named("", { class: "speaker" });
  const text = h("span", { dir: "auto" });
  const time = h("time", { class: "quiet fine" });
  const quoted = h("p", { class: "quoted quiet fine", hidden: true });
  const state = h("span", { class: "quiet fine" });
  const { button, actions } = menu("More about this line", () => offers(conversation, line, { answer, act, note }));
  const element = h("div", { class: "line", "data-line": "" }, quoted,
    h("div", { class: "row" }, h("p", { class: "grow" }, who, " ", text, " ", state), time, button), actions);

  function show(value) {
    const isMe = value.uid === conversation.me;
    write(who, isMe ? "You" : conversation.nameOf(value.uid) || "Somebody");
    if (value.answers) showQuoted(value.answers);
    // Lines are many, and each new one shows all of them anew.
    if (value === line) return;
    line = value;
    set(element, "data", { line: line.line, hidden: String(line.hidden) });
    who.style.setProperty("--hue", hue(line.uid));
    fill(text, line.text);
    write(state, whyUnseen(line, isMe));
    write(time, when(line.at));
    time.dateTime = new Date(line.at).toISOString();
  }

  function showQuoted(answers) {
    const asked = conversation.lines.get(answers);
    quoted.hidden = false;
    const isShown = asked && !asked.hidden;
    const whom = isShown ? (asked.uid === conversation.me ? "you" : conversation.nameOf(asked.uid) || "somebody") : "";
    const key = isShown ? `${whom} ${asked.text}` : "";
    if (quoted.dataset.of === key) return;
    quoted.dataset.of = key;
    quoted.replaceChildren("↩ ", ...(isShown ? [named(whom), " ", h("span", { dir: "auto" }, beginning(asked.text, 60))] : ["a line further back"]));
  }
  return { element, show };
}

function whyUnseen({ held, hidden }, isMe) {
  if (hidden) return isMe ? "A moderator hid this: nobody else sees it." : "Hidden from the others.";
  return held ? "Waits for a moderator: nobody else sees it yet." : "";
}

/** What one may do about a line: `[words, act, is it grave]`. */
function offers(conversation, { line, uid, hidden }, { answer, act, note }) {
  const isMine = uid === conversation.me;
  const { mayModerate } = conversation;
  const done = (words) => (result) => result && note(words);
  const isPinned = conversation.lines.pinned?.line === line;
  return [
    ...(hidden ? [] : [["Answer", () => answer(line)]]),
    ...(isMine ? [["Delete", () => act("chat.delete", { line }), true]] : []),
    ...(isMine ? [] : [["Report", async () => {
      const why = await askWhy();
      if (why) await act("chat.report", { line, ...why }).then(done("The moderators are told."));
    }]]),
    ...(mayModerate && !hidden ? [[isPinned ? "Take off the top" : "Show at the top", () => act("chat.pin", isPinned ? {} : { line })]] : []),
    ...(mayModerate && !hidden && !isMine ? [["Hide", () => act("chat.hide", { line }), true]] : []),
    ...(mayModerate && hidden ? [["Show again", () => act("chat.restore", { line })]] : []),
    ...(mayModerate && !isMine ? [["Mute…", () => mute(conversation, uid, act, note), true]] : []),
  ];
}

async function mute(conversation, uid, act, note) {
  const name = conversation.nameOf(uid) || "them";
  const given = await ask(`Mute ${name}?`, {
    text: "They can read, and not write.",
    fields: [
      h("label", {}, "For how long", h("select", { name: "seconds" }, ...MUTES.map(([value, words]) => h("option", { value: String(value) }, words)), h("option", { value: "" }, "For good"))),
      h("label", {}, "Why (for moderators; may stay empty)", h("input", { name: "reason", maxlength: "200" })),
    ],
    yes: "Mute", danger: true,
  });
  if (!given) return;
  const seconds = Number(given.get("seconds"));
  const muted = await act("moderation.mute", { where: conversation.room, uid, reason: given.get("reason").trim(), ...(seconds && { seconds }) });
  if (muted) note(`${name} is muted. The settings lift it again.`);
}
