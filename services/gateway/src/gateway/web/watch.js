// The watch page: who one is, which room one is in, and the connection that all of it goes over.

import { Client, Guest, Refused, newKey } from "/client.js";
import { Clock } from "/sync.js";
import { arrange, ask, h, set, write } from "/watch/dom.js";
import { here, pathTo, rememberKey } from "/watch/invitation.js";
import { askKey, askName, farewell, lobby } from "/watch/lobby.js";
import { Room } from "/watch/room.js";
import * as store from "/watch/store.js";
import { openRoom } from "/watch/view.js";
import { words } from "/watch/words.js";

const NOTE_SHOWN = 6_000;
const ANNOUNCED = 1_000;
const NOTES = 3;

const app = document.getElementById("app");
const notes = document.getElementById("notes");
const live = document.getElementById("live");
const connection = document.getElementById("connection");
const nameButton = document.getElementById("name");

const guest = new Guest();
const client = new Client({ token: guest.token });
const clock = new Clock();
let shown = { close: () => {} };

// What the page says by itself.

function note(text, kind = "note") {
  for (const before of [...notes.children]) if (before.textContent === text) before.remove();
  const made = h("p", { class: `toast ${kind}`, role: kind === "trouble" ? "alert" : "status" }, text);
  arrange(notes, [...notes.children, made].slice(-NOTES));
  setTimeout(() => made.remove(), NOTE_SHOWN);
}

/** Whether this is something that the server refused; anything else is our own mistake. */
const isRefusal = (error) => error instanceof Refused;
const trouble = (error) => note(isRefusal(error) ? words(error) : String(error), "trouble");

let announcing = 0;
/** For who cannot see it. Quick succession tells only the last. */
function announce(text) {
  clearTimeout(announcing);
  announcing = setTimeout(() => write(live, text), ANNOUNCED);
}

// The connection.

let counting = 0;
client.on("state", (state, detail) => {
  clearInterval(counting);
  if (state === "online") {
    clock.wake();
    return tellConnection("online", "Connected");
  }
  if (state === "connecting") return tellConnection("waiting", "Connecting…");
  if (state === "stopped") return tellStopped(detail);
  const until = performance.now() + detail;
  const count = () => tellConnection("waiting", `No connection. Next try in ${Math.max(0, Math.ceil((until - performance.now()) / 1000))} s`);
  counting = setInterval(count, 1_000);
  return count();
});

function tellConnection(state, text) {
  set(connection, "data", { state });
  write(connection.querySelector(".words"), text);
  connection.querySelector("button").hidden = state !== "waiting";
}

function tellStopped(refused) {
  tellConnection("stopped", "Not connected");
  if (refused) show(farewell("It does not work", words(refused), h("button", { type: "button", class: "primary", on: { click: () => location.reload() } }, "Try again")));
}

connection.querySelector("button").addEventListener("click", () => client.wake());

/** Ask the time whenever the clock wants it. */
async function keepTime() {
  for (;;) {
    // In short steps, because after waking up the next sample is due at once.
    do await new Promise((done) => setTimeout(done, Math.min(Math.max(20, clock.due()), 250)));
    while (clock.due() > 0);
    try {
      const { t0, t1, t2, t3 } = await client.time();
      clock.add(t0, t1, t2, t3);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      await new Promise((done) => setTimeout(done, 500));
    }
  }
}
document.addEventListener("visibilitychange", () => document.hidden || clock.wake());

// What is shown.

function show(element, close = () => {}) {
  shown.close();
  shown = { close };
  document.body.dataset.view = element.classList[0] ?? "";
  app.replaceChildren(element);
  window.scrollTo(0, 0);
}

function enter() {
  const { id, key } = here();
  if (!guest.name) return welcome(id !== null);
  showName();
  if (client.state === "idle") {
    client.start();
    keepTime();
  }
  return id === null ? showLobby() : join(id, key);
}

function welcome(invited) {
  const { element, input } = askName({ invited }, (name) => {
    guest.name = name;
    enter();
  });
  tellConnection("online", "");
  show(element);
  input.focus();
}

function go(path) {
  history.pushState(null, "", path);
  return enter();
}

function showLobby() {
  document.title = "Matinee";
  const made = lobby({ client, open: openParty, enter: (id, key) => go(pathTo(id, key)) });
  show(made.element, made.close);
}

const wish = { key: null, of: null };

/** Make a room. The same wish, sent again after trouble, is the same room. */
async function openParty({ film, file, title, private: isPrivate }) {
  const args = { title, ...film, name: guest.name, private: isPrivate };
  const of = JSON.stringify(args);
  if (wish.of !== of) Object.assign(wish, { of, key: newKey() });
  try {
    const { value } = await client.call("party.open", args, { key: wish.key });
    wish.of = null;
    history.pushState(null, "", pathTo(value.party_id));
    rememberKey(value.party_id, value.key);
    await join(value.party_id, value.key ?? null, file);
  } catch (error) {
    trouble(error);
  }
}

async function join(id, key = null, file = null) {
  const room = new Room(client, id);
  room.on("over", (why, details) => sayFarewell(room, why, details));
  show(h("p", { class: "entering quiet", role: "status" }, "Taking your seat…"));
  try {
    const digits = [key, store.keys.get(id)].find((known) => /^\d{6}$/.test(known ?? "")) ?? null;
    await room.join({ name: guest.name, key: digits });
    rememberKey(id, digits);
    const made = openRoom({ client, room, clock, page: { note, trouble, announce, leave }, file });
    // For whoever opens the console, and for tests.
    globalThis.matinee = { client, clock, room, sync: made.sync, video: made.video };
    show(made.element, made.close);
  } catch (error) {
    room.close();
    if (!isRefusal(error)) throw error;
    if (here().id === id) keptOut(id, error);
  }
}

function keptOut(id, error) {
  if (["key-needed", "wrong-key", "key-locked"].includes(error.code)) {
    if (error.code !== "key-needed") store.keys.drop(id);
    const { element, input } = askKey({ wrong: error.code === "key-needed" ? "" : words(error) }, (key) => {
      history.replaceState(null, "", pathTo(id, key));
      join(id, key);
    });
    show(element);
    return input.focus();
  }
  return sayGoodbye("You cannot come in", words(error), again(id, "Try again"));
}

// Going.

async function leave(room) {
  const isLast = room.party?.members === 1;
  const sure = await ask("Leave the room?", { text: isLast ? "You are the last one: it closes." : "You can come back with the link.", yes: "Leave" });
  if (!sure) return;
  try {
    await room.leave();
  } catch (error) {
    if (!isRefusal(error) || error.code !== "not-a-member") return trouble(error);
  }
  await go("/");
}

const home = () => h("button", { type: "button", class: "plain", on: { click: () => go("/") } }, "To the lobby");
const again = (id, text) => h("button", { type: "button", class: "primary", on: { click: () => join(id, here().key) } }, text);

function sayGoodbye(heading, text, ...actions) {
  const element = farewell(heading, text, ...actions, home());
  show(element);
  element.querySelector("h1").focus();
}

function sayFarewell(room, why, { by, reason } = {}) {
  const who = by && by !== room.me ? room.nameOf(by) : "Somebody";
  switch (why) {
    case "kicked": return sayGoodbye("You were put out", `${who} put you out of this room.`, again(room.id, "Join again"));
    case "banned": return sayGoodbye("You are banned", `${who} banned you from this room.`);
    case "closed": return sayGoodbye("The room is closed", { empty: "Everybody has left.", expired: "Nothing had happened in it for a day." }[reason] ?? "Its host closed it.");
    case "left": return sayGoodbye("You left the room", "You did so in another window.", again(room.id, "Join again"));
    case "not-a-member": return sayGoodbye("You are not in this room any more", "You can join it again.", again(room.id, "Join again"));
    default: return sayGoodbye("This is over", words({ code: why, message: "You cannot follow this room any more." }));
  }
}

// One's name.

function showName() {
  nameButton.hidden = !guest.name;
  write(nameButton.querySelector(".words"), guest.name);
}

nameButton.addEventListener("click", async () => {
  const given = await ask("Change your name", {
    text: "For rooms that you join from now on. In a room, change it in the list of people.",
    fields: [h("label", {}, "Your name", h("input", { name: "name", maxlength: "64", required: true, value: guest.name, autocomplete: "nickname" }))],
    yes: "Change",
  });
  const name = given?.get("name").trim();
  if (name) guest.rename(name);
  showName();
});

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-home]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (location.search || location.hash) go("/");
});
window.addEventListener("popstate", enter);

if (store.isForgetful) note("This browser keeps nothing for this page: a reload makes you somebody new.");
enter();
