// The front door: a name, a room to make, rooms to join.

import { h, icon, keyed, set, write } from "/watch/dom.js";
import { described, droppable, picker } from "/watch/film.js";
import { read } from "/watch/invitation.js";
import { title } from "/watch/words.js";

/** Ask once by which name others should see somebody; `given` gets it. */
export function askName({ invited }, given) {
  const input = h("input", { name: "name", maxlength: "64", required: true, autocomplete: "nickname", placeholder: "Ana" });
  const form = h("form", { class: "card welcome", on: { submit: (event) => {
    event.preventDefault();
    const name = input.value.trim();
    if (name) given(name);
    else input.focus();
  } } },
  h("h1", {}, invited ? "You are invited" : "Watch together, to the frame"),
  h("p", { class: "quiet" }, invited
    ? "Somebody saved you a seat. You need no account, only a name."
    : "Open a film, send a link, and everybody sees the same picture at the same moment. You need no account, only a name."),
  h("label", {}, "What should the others call you?", input),
  h("button", { class: "primary large" }, invited ? "Take the seat" : "Come in"));
  return { element: form, input };
}

/** Ask for the six digits of a private room. `wrong` says what was the matter with the last ones. */
export function askKey({ wrong = "" }, given) {
  const input = h("input", { name: "key", inputmode: "numeric", pattern: "[0-9]{6}", maxlength: "6", required: true, autocomplete: "off", class: "digits", placeholder: "······", "aria-describedby": "key-wrong" });
  const form = h("form", { class: "card welcome", on: { submit: (event) => {
    event.preventDefault();
    given(input.value.trim());
  } } },
  h("h1", {}, "This room is private"), h("p", { class: "quiet" }, "Its six digits are in the invitation."),
  h("label", {}, "Key", input), h("p", { class: "wrong", id: "key-wrong", role: "alert" }, wrong),
  h("div", { class: "row" }, h("button", { class: "primary" }, "Join"), h("a", { class: "button plain", href: "/" }, "Not now")));
  return { element: form, input };
}

/** A screen that says only that something is over, and what can be done. */
export function farewell(heading, words, ...actions) {
  return h("section", { class: "card welcome" }, h("h1", { tabindex: "-1" }, heading), h("p", {}, words), h("div", { class: "row wrap" }, ...actions));
}

/** The lobby. `open({ film, file, title, private })` makes a room, `enter(id, key)` goes into one. */
export function lobby({ client, open, enter }) {
  const stops = [];
  const mine = listOf("Your rooms", "Rooms that you make or join show here.", myRow(enter));
  const all = listOf("Public rooms", "Nobody is watching in public just now.", publicRow(enter));
  const search = h("input", { type: "search", maxlength: "200", placeholder: "Search by name", "aria-label": "Search public rooms" });
  let stopList = null;
  let typed = 0;

  function list() {
    stopList?.();
    const words = search.value.trim();
    all.empty(words ? `No public room is called “${words}”.` : "Nobody is watching in public just now.");
    stopList = client.watch("parties.list", { ...(words && { search: words }), limit: 50 }, { value: ({ parties }) => all.show(parties) });
  }
  search.addEventListener("input", () => {
    clearTimeout(typed);
    typed = setTimeout(list, 250);
  });
  list();
  stops.push(client.watch("party.mine", { limit: 20 }, { value: ({ parties }) => mine.show(parties.filter(({ closed_at }) => !closed_at)) }));
  all.head.append(search);

  const element = h("div", { class: "lobby" }, h("div", {}, maker(open), joiner(enter)), h("div", {}, mine.element, all.element));
  const close = () => {
    clearTimeout(typed);
    stopList?.();
    for (const stop of stops) stop();
  };
  return { element, close };
}

function maker(open) {
  let file = null;
  const name = h("input", { name: "title", maxlength: "200", placeholder: "Friday film", autocomplete: "off" });
  const address = h("input", { name: "address", maxlength: "2000", placeholder: "https://…/film.webm", autocomplete: "off", inputmode: "url" });
  const chosen = h("span", { class: "chosen" });
  const choose = (given) => {
    file = given;
    write(chosen, given ? given.name : "");
    if (given) name.placeholder = title(given.name) || "Friday film";
    set(clear, "hidden", !given);
    address.disabled = given !== null;
  };
  const clear = h("button", { type: "button", class: "plain small", hidden: true, on: { click: () => choose(null) } }, "No file");
  const wrong = h("p", { class: "wrong", role: "alert" });
  const button = h("button", { class: "primary" }, icon("film"), "Open the room");
  const form = h("form", { class: "card", on: { submit: async (event) => {
    event.preventDefault();
    if (!file && !address.value.trim()) {
      write(wrong, "Say what you will watch: an address, or a file of yours.");
      return address.focus();
    }
    write(wrong, "");
    button.disabled = true;
    const film = described(address.value, file);
    await open({ film, file, title: name.value.trim() || film.media_title || title(film.media) || "Watch party", private: form.elements.private.checked });
    button.disabled = false;
    return undefined;
  } } },
  h("h2", {}, "Make a room"),
  h("label", {}, "The film's address", address),
  h("div", { class: "row wrap" }, h("span", { class: "quiet" }, "or"), picker("Choose a file of mine", choose), chosen, clear),
  h("p", { class: "quiet fine" }, "With a file, everybody opens their own copy; nothing is uploaded."),
  h("label", {}, "The room's name", name),
  h("label", { class: "check" }, h("input", { type: "checkbox", name: "private" }), "Private: not listed, and only with its key"),
  wrong, button);
  droppable(form, choose);
  return form;
}

function joiner(enter) {
  const input = h("input", { maxlength: "500", placeholder: "Link or code", "aria-label": "Link or code of a room", autocomplete: "off", required: true });
  return h("form", { class: "card", on: { submit: (event) => {
    event.preventDefault();
    const { id, key } = read(input.value);
    if (id) enter(id, key);
  } } }, h("h2", {}, "Join a room"), h("div", { class: "row" }, input, h("button", { class: "plain" }, "Join")));
}

function listOf(heading, otherwise, make) {
  const list = h("ul", { class: "rooms" });
  const empty = h("p", { class: "quiet" }, otherwise);
  const rows = keyed(list, ({ party_id }) => party_id, make);
  const head = h("div", { class: "row" }, h("h2", { class: "grow" }, heading));
  return {
    element: h("section", {}, head, empty, list),
    head,
    empty: (words) => write(empty, words),
    show: (parties) => {
      empty.hidden = parties.length > 0;
      rows(parties);
    },
  };
}

function roomRow(enter, about, badge) {
  return (id) => {
    const name = h("span", { class: "name" });
    const said = h("span", { class: "quiet about" });
    const count = h("span", { class: "badge" });
    const button = h("button", { type: "button", on: { click: () => enter(id, null) } }, h("span", { class: "who" }, name, said), count);
    return {
      element: h("li", {}, button),
      show: (party) => {
        write(name, party.title);
        write(said, about(party));
        write(count, badge(party));
        set(count, "data", { level: party.playing ? "good" : "none" });
      },
    };
  };
}

const people = (number, what) => `${number} ${what}${number === 1 ? "" : "s"}`;
const filmOf = (party) => party.media_title || title(party.media);
const publicRow = (enter) => roomRow(enter,
  (party) => [filmOf(party), party.host_name && `by ${party.host_name}`, party.locked && "locked"].filter(Boolean).join(" · "),
  (party) => (party.viewers ? people(party.viewers, "viewer") : people(party.members, "member")));
const myRow = (enter) => roomRow(enter,
  (party) => [filmOf(party), party.role === "host" ? "yours" : "", party.private ? "private" : ""].filter(Boolean).join(" · "),
  (party) => people(party.members, "member"));
