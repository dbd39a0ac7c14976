// What is watched next: adding, voting, ordering, and going on.

import { h, icon, iconButton, keyed, set, write } from "/watch/dom.js";
import { described, nameOf, picker } from "/watch/film.js";

/** The queue of a room. `keep(file, media)` remembers a file of one's own for when the party comes to it. */
export function queue(room, { keep, note }) {
  const list = h("ol", { class: "queue" });
  const empty = h("p", { class: "quiet" }, "Nothing yet. Everybody may add, and vote.");
  const rows = keyed(list, ({ item }) => item, () => row(room));
  const skip = h("button", { type: "button", class: "plain small", "aria-pressed": "false", on: { click: () => vote() } });
  const votes = h("span", { class: "quiet" });
  let wantsSkip = false;

  async function vote() {
    wantsSkip = !wantsSkip;
    if (!(await room.try("party.skip", { skip: wantsSkip }))) wantsSkip = !wantsSkip;
    show();
  }

  function show() {
    rows(room.queue);
    empty.hidden = room.queue.length > 0;
    const { votes: given, needed } = room.skips;
    set(skip, "hidden", room.queue.length === 0);
    set(skip, "aria-pressed", String(wantsSkip));
    skip.replaceChildren(icon("next"), wantsSkip ? "Don't skip this one" : "Skip this one");
    write(votes, given ? (needed ? `${given} of ${needed} want to` : `${given} want to`) : "");
  }
  room.on("media", () => {
    wantsSkip = false;
    show();
  });
  for (const event of ["queue", "party", "members", "event"]) room.on(event, show);
  show();
  return h("div", {}, list, empty, h("div", { class: "row wrap" }, skip, votes), adder(room, { keep, note }));
}

function adder(room, { keep, note }) {
  const input = h("input", { name: "film", maxlength: "2000", placeholder: "https://…", autocomplete: "off", "aria-label": "Address of a film, or a name for it" });
  const putOn = h("button", { type: "button", class: "plain", on: { click: () => add("party.change_media") } }, "Put on now");

  async function send(fn, film, file) {
    const answer = await room.try(fn, film);
    if (!answer) return;
    if (file) keep(file, film.media);
    input.value = "";
    note(fn === "party.enqueue" ? "Added to the queue." : "Put on.");
  }
  const add = (fn) => (input.value.trim() ? send(fn, described(input.value)) : input.focus());
  const addFile = (file) => send("party.enqueue", described("", file), file);
  const form = h("form", { class: "adder", on: { submit: (event) => {
    event.preventDefault();
    add("party.enqueue");
  } } },
  h("label", {}, "Add a film: its address, or a name if everybody brings a file", input),
  h("div", { class: "row wrap" }, h("button", { class: "primary" }, icon("plus"), "Add"), putOn, picker("Add a file of mine", addFile)));
  const show = () => set(putOn, "hidden", !room.may("media"));
  room.on("party", show);
  room.on("members", show);
  show();
  return form;
}

function row(room) {
  let item = null;
  const name = h("span", { class: "name" });
  const about = h("span", { class: "quiet about" });
  const count = h("span", {});
  const vote = h("button", { type: "button", class: "vote", on: { click: () => room.try("party.vote", { item: item.item, up: !item.mine }) } }, icon("heart"), count);
  const up = iconButton("up", "Move up", () => move(-1), { class: "icon-button small" });
  const down = iconButton("down", "Move down", () => move(1), { class: "icon-button small" });
  const off = iconButton("drop", "Take off the queue", () => room.try("party.dequeue", { item: item.item }), { class: "icon-button small" });
  const element = h("li", {}, h("span", { class: "who" }, name, about), vote, up, down, off);

  /** One place up is before the item above; one place down is before the one after the next. */
  function move(by) {
    const at = room.queue.findIndex((other) => other.item === item.item);
    const before = room.queue[by < 0 ? at - 1 : at + 2]?.item ?? null;
    return room.try("party.move", { item: item.item, before });
  }

  function show(value) {
    item = value;
    const at = room.queue.findIndex((other) => other.item === item.item);
    write(name, nameOf(item));
    write(about, `from ${item.by === room.me ? "you" : room.nameOf(item.by)}`);
    write(count, String(item.votes));
    set(vote, "aria-pressed", String(item.mine));
    set(vote, "aria-label", `${item.mine ? "Take back your vote for" : "Vote for"} ${nameOf(item)}; votes: ${item.votes}`);
    const mayOrder = room.may("queue");
    set(up, "hidden", !mayOrder || at === 0);
    set(down, "hidden", !mayOrder || at === room.queue.length - 1);
    set(off, "hidden", !mayOrder && item.by !== room.me);
  }
  return { element, show };
}
