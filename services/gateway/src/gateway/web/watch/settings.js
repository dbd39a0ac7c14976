// How a room is run, for its host; who is banned, for those who may ban.

import { ask, h, keyed, timeOfDay, write } from "/watch/dom.js";
import { rememberKey } from "/watch/invitation.js";
import * as store from "/watch/store.js";

const ROLES = [["member", "everybody"], ["cohost", "hosts and co-hosts"], ["host", "the host alone"]];
const ACTIONS = [
  ["play", "Play, pause, speed"], ["seek", "Jump and undo"], ["media", "Change the film"], ["queue", "Order the queue"], ["people", "Put out, ban, lock"],
];
const REFERENCES = [["host", "the host's"], ["slowest", "anybody's"], ["median", "more than half of us"]];

const select = (name, choices, chosen) =>
  h("select", { name }, ...choices.map(([value, words]) => h("option", { value, ...(value === chosen && { selected: true }) }, words)));
const field = (words, input) => h("label", {}, words, input);
const check = (name, words, checked) => h("label", { class: "check" }, h("input", { type: "checkbox", name, checked }), words);
const number = (name, value, min, max, step = 1) => h("input", { type: "number", name, value: String(value), min, max, step, required: true });

/**
 * The settings in a dialog of their own. `note` tells what became of a wish; `more(closed)` makes further parts, which end
 * with the signal `closed`.
 */
export function openSettings(room, { note, left, more = () => [] }) {
  const isHost = room.may("host");
  const dialog = h("dialog", { class: "card settings", "aria-labelledby": "settings-title" });
  const close = () => dialog.close();
  const closing = new AbortController();
  const parts = [
    h("div", { class: "row" }, h("h2", { id: "settings-title", class: "grow" }, "Settings"), h("button", { type: "button", class: "plain", on: { click: close } }, "Close")),
    isHost && form(room, note, close),
    isHost && room.party.private && keyPart(room, note),
    bans(room, dialog),
    ...more(closing.signal),
    isHost && h("div", { class: "row" }, h("button", { type: "button", class: "plain grave", on: { click: async () => {
      if (!(await ask("Close the room for everybody?", { yes: "Close the room", danger: true }))) return;
      close();
      await room.try("party.close");
      left();
    } } }, "Close the room for everybody")),
  ];
  dialog.append(...parts.filter(Boolean));
  dialog.addEventListener("close", () => {
    closing.abort();
    dialog.remove();
  });
  document.body.append(dialog);
  dialog.showModal();
}

function form(room, note, close) {
  const { settings, title, private: isPrivate } = room.party;
  const made = h("form", { on: { submit: async (event) => {
    event.preventDefault();
    const answer = await room.try("party.configure", changes(new FormData(made), room.party));
    if (!answer) return;
    rememberKey(room.id, answer.value?.key);
    note(answer.value?.key ? `The room is private now. Its key is ${answer.value.key}.` : "Changed.");
    close();
  } } },
  field("Name of the room", h("input", { name: "title", value: title, maxlength: "200", required: true })),
  check("private", "Private: not listed, and only with its key", isPrivate),
  field("People at most", number("capacity", settings.capacity, 1, 1000)),
  check("wait", "Before playing, wait until everybody is ready", settings.wait),
  field("… for so many seconds at most", number("wait_seconds", settings.wait_seconds, 1, 300)),
  field("The film waits for a stall of", select("reference", REFERENCES, settings.reference)),
  field("A missing host is succeeded after (seconds; 0 for never)", number("grace_seconds", settings.grace_seconds, 0, 3600)),
  field("The queue goes by", select("queue_order", [["added", "its order"], ["votes", "votes"]], settings.queue_order)),
  h("fieldset", {}, h("legend", {}, "Who may"), ...ACTIONS.map(([action, words]) => field(words, select(action, ROLES, settings.permissions[action])))),
  h("div", { class: "row end" }, h("button", { class: "primary" }, "Save")));
  return made;
}

/** What is other than before: what is not sent stays. */
function changes(given, { settings, title, private: isPrivate }) {
  const wanted = {
    title: given.get("title").trim(), private: given.has("private"), capacity: Number(given.get("capacity")), wait: given.has("wait"),
    wait_seconds: Number(given.get("wait_seconds")), reference: given.get("reference"), grace_seconds: Number(given.get("grace_seconds")),
    queue_order: given.get("queue_order"),
  };
  const before = { title, private: isPrivate, ...settings };
  const changed = Object.fromEntries(Object.entries(wanted).filter(([name, value]) => before[name] !== value));
  const permissions = Object.fromEntries(ACTIONS.map(([action]) => [action, given.get(action)]));
  if (ACTIONS.some(([action]) => permissions[action] !== settings.permissions[action])) changed.permissions = permissions;
  return changed;
}

function keyPart(room, note) {
  const known = store.keys.get(room.id);
  const said = h("p", {}, known ? `The key is ${known}.` : "The server keeps no readable key. If nobody remembers it, make a new one.");
  const renew = async () => {
    if (!(await ask("Make a new key?", { text: "Invitations with the old one open the room no more. Who is in stays in.", yes: "Make a new key" }))) return;
    const answer = await room.try("party.rekey");
    if (!answer) return;
    rememberKey(room.id, answer.value.key);
    write(said, `The key is ${answer.value.key}.`);
    note("There is a new key.");
  };
  return h("section", {}, h("h3", {}, "Key"), said, h("button", { type: "button", class: "plain small", on: { click: renew } }, "New key"));
}

function bans(room, dialog) {
  const list = h("ul", { class: "people" });
  const empty = h("p", { class: "quiet" }, "Nobody is banned.");
  const rows = keyed(list, ({ uid }) => uid, (uid) => {
    const who = h("span", { class: "who" });
    const lift = h("button", { type: "button", class: "plain small", on: { click: () => room.try("party.unban", { uid }) } }, "Lift");
    return {
      element: h("li", { class: "person" }, who, lift),
      show: ({ name, reason, at }) => {
        write(who, `${name || "Somebody"}, ${timeOfDay(at)}${reason ? `: “${reason}”` : ""}`);
        lift.setAttribute("aria-label", `Lift the ban of ${name || "somebody"}`);
      },
    };
  });
  const stop = room.watch("party.bans", ({ bans: found }) => {
    rows(found);
    empty.hidden = found.length > 0;
  });
  dialog.addEventListener("close", stop);
  return h("section", {}, h("h3", {}, "Banned"), list, empty);
}
