// A room as a page: the stage, and beside it people, queue, chat and timeline.

import { Sync } from "/sync.js";
import { ask, h, icon, set, timeOfDay, write } from "/watch/dom.js";
import { Film, described, offsetField, picker } from "/watch/film.js";
import { invitation } from "/watch/invitation.js";
import { pressed } from "/watch/keys.js";
import { meter } from "/watch/meter.js";
import { people } from "/watch/people.js";
import { queue } from "/watch/queue.js";
import { openSettings } from "/watch/settings.js";
import { Stage } from "/watch/stage.js";
import * as store from "/watch/store.js";
import { tabs } from "/watch/tabs.js";
import { moderation } from "/watch/talk/moderation.js";
import { talk } from "/watch/talk/talk.js";
import { timeline } from "/watch/timeline.js";

const REPORTED = 3_000;
const METERED = 500;

/**
 * Show a room that was joined. `page` is the frame around it: `note`, `trouble`, `announce`, `leave`. Returns
 * `{ element, close, sync, stage }`.
 */
export function openRoom({ client, room, clock, page, file = null }) {
  const closing = new AbortController();
  const { signal } = closing;
  const video = h("video", { playsinline: true, preload: "auto", "aria-label": "The film" });
  const film = new Film(room, video, () => {
    if (sync && sync.offset !== film.offset) sync.offset = film.offset;
    stage?.show();
  });
  const sync = new Sync(video, {
    clock,
    on: {
      control: (kind, position, rate) => obey(room, sync, kind, position, rate),
      blocked: () => stage.block(),
      state: () => report(),
    },
  });
  const stage = new Stage({ room, video, film, serverNow: () => clock.now(), unblock: () => sync.resync(), announce: page.announce });
  const drift = meter();
  const panel = side(room, { client, clock, film, stage, page });
  const header = heading(room, page, panel.bell);
  const strip = syncStrip(room, sync, drift, film);
  const element = h("div", { class: "room" }, header, h("div", { class: "main" }, stage.element, strip), panel.element);

  room.on("anchor", (anchor) => sync.follow(anchor));
  room.on("problem", (refused) => page.trouble(refused));
  room.on("event", (frame) => tell(room, frame, page.announce));
  if (file) film.useFile(file, described("", file).media);

  function report() {
    const told = sync?.report();
    if (told && client.state === "online" && !room.over) room.call("party.report", told, { once: true }).catch(() => {});
  }
  const timers = [
    setInterval(report, REPORTED),
    setInterval(() => drift.show({ drift: sync.drift, state: stateOf(room, sync), uncertainty: clock.uncertainty / 1000, rtt: clock.rtt / 1000 }), METERED),
  ];
  const stopWaking = keepAwake(video);
  document.addEventListener("visibilitychange", () => {
    sync.hidden = document.hidden;
    report();
  }, { signal });
  document.addEventListener("keydown", (event) => pressed(event, stage), { signal });

  function close() {
    closing.abort();
    for (const timer of timers) clearInterval(timer);
    stopWaking();
    panel.close();
    sync.stop();
    stage.close();
    film.close();
    room.close();
  }
  return { element, close, sync, stage, film, video };
}

/** What the meter calls the state: a party that stands is paused, whatever the player says. */
const stateOf = (room, sync) => (sync.state === "buffering" || sync.state === "unknown" ? sync.state : room.anchor?.playing ? sync.state : "paused");

/** Somebody pressed the player's own buttons, or those of a headset: that is meant for everybody, if they may. */
async function obey(room, sync, kind, position, rate) {
  const action = kind === "seek" ? "seek" : "play";
  if (!room.may(action)) return sync.resync();
  const fn = { play: "party.play", pause: "party.pause", seek: "party.seek", rate: "party.rate" }[kind];
  const answer = await room.try(fn, kind === "rate" ? { rate } : { position });
  return answer ?? sync.resync();
}

const QUIET = new Set(["party.readied", "party.voted", "party.profile-changed", "party.moved", "party.rekeyed", "party.excused"]);

/** What a screen reader is told in passing: what others did to everybody's film, not every stir. */
function tell(room, { type, data }, announce) {
  const by = data.by ?? data.uid;
  if (!by || by === room.me || QUIET.has(type)) return;
  const name = room.nameOf(by);
  const said = {
    "party.played": `${name} pressed play`, "party.paused": `${name} paused`, "party.sought": `${name} jumped`,
    "party.rate-changed": `${name} set the speed to ${data.rate}`, "party.media-changed": `${name} changed the film`,
    "party.undone": `${name} took back the last control`,
  }[type];
  if (said) announce(said);
}

// The head of the page.

function heading(room, page, bell) {
  const name = h("h1", {});
  const film = h("p", { class: "quiet" });
  const marks = h("span", { class: "marks quiet" });
  const expiry = h("p", { class: "banner", role: "status", hidden: true });
  const invite = h("button", { type: "button", class: "primary", on: { click: () => share(room, page) } }, icon("link"), "Invite");
  const leave = h("button", { type: "button", class: "plain", on: { click: () => page.leave(room) } }, icon("leave"), h("span", { class: "wide" }, "Leave"));
  function show() {
    const { party } = room;
    if (!party) return;
    write(name, party.title);
    const called = party.media_title === party.title ? null : party.media_title;
    write(film, [called, party.season && `season ${party.season}`, party.episode && `episode ${party.episode}`].filter(Boolean).join(" · "));
    document.title = `${party.title} · Matinee`;
    write(marks, [party.private ? "private" : "public", party.locked ? "locked" : ""].filter(Boolean).join(" · "));
    set(expiry, "hidden", !party.closes_at && !party.host_missing_since);
    write(expiry, party.closes_at
      ? `Nothing has happened here for long. The room closes at ${timeOfDay(party.closes_at)} unless somebody does something.`
      : party.host_missing_since ? `${room.nameOf(party.host)}, the host, is out of reach. Somebody else becomes host if that lasts.` : "");
  }
  for (const event of ["party", "media", "members"]) room.on(event, show);
  show();
  return h("header", { class: "heading" }, h("div", { class: "grow" }, h("div", { class: "row baseline" }, name, marks), film), bell, invite, leave, expiry);
}

async function share(room, page) {
  const link = invitation(room.id);
  if (room.party?.private && !store.keys.get(room.id)) {
    page.note("Only who knows the key can invite. The host can make a new one in the settings.");
  }
  try {
    await navigator.clipboard.writeText(link);
    page.note("The link is copied. Whoever opens it is in, without an account.");
  } catch {
    const input = h("input", { value: link, readonly: true, on: { focus: () => input.select() } });
    await ask("Send this link", { text: "Whoever opens it is in, without an account.", fields: [h("label", {}, "Link", input)], yes: "Done", no: "Close" });
  }
}

// Beside the film.

function side(room, { client, clock, film, stage, page }) {
  const past = timeline(room);
  const count = h("span", { class: "count-badge" });
  const queued = h("span", { class: "count-badge" });
  let made = null;
  const isOpen = (name) => made?.shown === name;
  const said = talk({ client, room, clock, film, stage, page, open: (name) => made.show(name), isOpen });
  const configure = () => openSettings(room, {
    note: page.note, left: () => {},
    more: (closed) => (said.conversation.mayModerate ? moderation(said.conversation, { client, page, closed }) : []),
  });
  made = tabs("Beside the film", [
    { name: "people", label: ["People", count], content: people(room, { configure }) },
    { name: "queue", label: ["Queue", queued], content: queue(room, { keep: (file, media) => film.useFile(file, media), note: page.note }) },
    { name: "chat", label: ["Chat", said.chat.badge], content: said.chat.element },
    { name: "comments", label: ["Comments", said.comments.badge], content: said.comments.element },
    { name: "timeline", label: ["Timeline"], content: past.element },
  ], (name) => {
    said.shown(name);
    past.look(name === "timeline");
  });
  const show = () => {
    write(count, String(room.party?.members ?? ""));
    write(queued, room.queue.length ? String(room.queue.length) : "");
  };
  for (const event of ["party", "members", "queue"]) room.on(event, show);
  show();
  return {
    element: made.element, bell: said.bell,
    close: () => {
      said.close();
      past.look(false);
    },
  };
}

function syncStrip(room, sync, drift, film) {
  const together = h("span", { class: "quiet together" });
  const resync = h("button", { type: "button", class: "plain small", on: { click: () => sync.resync() } }, icon("sync"), "Resync");
  const own = h("details", { class: "own" }, h("summary", {}, "My copy"));
  const source = h("div", { class: "row wrap" });
  const chosen = h("p", { class: "quiet" });
  own.append(chosen, source, h("div", {}));
  function showOwn() {
    write(chosen, film.file ? `You watch your own file, ${film.file.name}.` : film.state === "none" ? "You have not opened a copy yet." : "You watch it from the room's address.");
    source.replaceChildren(picker(film.file ? "Open another file" : "Use a file of my own", (file) => film.useFile(file), { class: "plain small" }),
      ...(film.file && room.party?.source ? [h("button", { type: "button", class: "plain small", on: { click: () => film.useParty() } }, "Use the room's")] : []));
    own.lastElementChild.replaceWith(offsetField(film));
  }
  own.addEventListener("toggle", () => own.open && showOwn());
  film.video.addEventListener("loadedmetadata", () => own.open && showOwn());
  room.on("media", () => own.open && showOwn());
  room.on("sync", () => {
    const { in_sync, present, drift_p95 } = room.summary;
    const spread = Number.isFinite(drift_p95) && room.anchor?.playing ? `, 95 % within ${Math.round(drift_p95 * 1000)} ms` : "";
    write(together, present ? `${in_sync} of ${present} in sync${spread}` : "");
  });
  return h("div", { class: "strip" }, drift.element, together, resync, own);
}

// The screen's sleep.

/** A screen that shows a film does not go dark. */
function keepAwake(video) {
  let lock = null;
  const closing = new AbortController();
  async function look() {
    const isWanted = !video.paused && !document.hidden;
    if (!isWanted) {
      await lock?.release().catch(() => {});
      lock = null;
    } else if (lock === null || lock.released) lock = (await navigator.wakeLock?.request("screen").catch(() => null)) ?? null;
  }
  for (const event of ["play", "pause"]) video.addEventListener(event, look, { signal: closing.signal });
  document.addEventListener("visibilitychange", look, { signal: closing.signal });
  return () => {
    closing.abort();
    lock?.release().catch(() => {});
  };
}
