// Who is in the room, how far each of them is from it, and what may be done about them.

import { ask, drifted, h, icon, iconButton, keyed, set, write } from "/watch/dom.js";
import { ROLES, SYNC } from "/watch/words.js";

const FRAME = 1 / 24;

/** A colour of one's own, out of one's id. */
export const hue = (uid) => [...uid].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 360, 7);

function badgeOf(room, member) {
  const heard = room.sync.get(member.uid) ?? { drift: member.drift, state: member.sync };
  if (!isPresent(room, member)) return { words: "away", level: "none" };
  if (!heard.state) return { words: "", level: "none" };
  if (heard.state === "paused" || heard.state === "buffering" || !Number.isFinite(heard.drift)) {
    return { words: SYNC[heard.state] ?? heard.state, level: heard.state === "buffering" ? "poor" : "none" };
  }
  const level = Math.abs(heard.drift) <= FRAME ? "good" : heard.state === "in-sync" ? "fair" : "poor";
  const words = heard.state === "in-sync" ? drifted(heard.drift) : `${SYNC[heard.state] ?? heard.state} ${drifted(heard.drift)}`;
  return { words, level };
}

/** In large rooms only the number of those present is told; then nobody is shown as away. */
const isPresent = (room, { uid }) => room.counted !== null || room.present.has(uid);

/** The list of people. */
export function people(room, { configure }) {
  const list = h("ul", { class: "people" });
  const more = h("p", { class: "quiet", hidden: true });
  const rows = keyed(list, ({ uid }) => uid, (uid) => row(room, uid));
  const hostBar = h("div", { class: "row wrap" });
  const lock = h("button", { type: "button", class: "plain small", on: { click: () => room.try("party.lock", { locked: !room.party.locked }) } });
  const settings = h("button", { type: "button", class: "plain small", on: { click: configure } }, icon("gear"), "Settings");
  hostBar.append(lock, settings);

  function show() {
    if (!room.party) return;
    rows(room.members);
    set(more, "hidden", !room.more);
    write(more, `and ${room.party.members - room.members.length} more`);
    set(lock, "hidden", !room.may("people"));
    lock.replaceChildren(icon(room.party.locked ? "open" : "lock"), room.party.locked ? "Let people in" : "Lock the room");
    set(settings, "hidden", !room.may("host") && !room.may("people"));
  }
  for (const event of ["members", "party", "sync", "presence", "hold"]) room.on(event, show);
  show();
  return h("div", {}, list, more, hostBar);
}

function row(room, uid) {
  const name = h("span", { class: "name" });
  const about = h("span", { class: "quiet about" });
  const badge = h("span", { class: "badge" });
  const initial = h("span", { class: "initial", "aria-hidden": "true" });
  initial.style.setProperty("--hue", hue(uid));
  const actions = h("div", { class: "actions row wrap", hidden: true });
  const menu = iconButton("more", "", () => {
    actions.hidden = !actions.hidden;
    set(menu, "aria-expanded", String(!actions.hidden));
    if (!actions.hidden) actions.querySelector("button")?.focus();
  }, { class: "icon-button small", "aria-expanded": "false" });
  const element = h("li", {}, h("div", { class: "person" }, initial, h("span", { class: "who" }, name, about), badge, menu), actions);
  let shownActions = "";

  function show(member) {
    const isMe = uid === room.me;
    write(name, (member.name || "Somebody") + (isMe ? " (you)" : ""));
    write(initial, (member.name || "?").trim().slice(0, 1).toUpperCase());
    const waited = room.hold?.waits_for.includes(uid);
    const said = [
      member.role === "member" ? "" : ROLES[member.role], member.status,
      waited ? "waited for" : "", member.excused ? "not waited for" : "", member.ready ? "ready" : "",
    ].filter(Boolean);
    write(about, said.join(" · "));
    const { words, level } = badgeOf(room, member);
    write(badge, words);
    set(badge, "data", { level });
    set(element, "class", isPresent(room, member) ? null : "away");
    set(menu, "aria-label", `More about ${member.name || "somebody"}`);
    set(menu, "title", `More about ${member.name || "somebody"}`);
    const offered = offers(room, member, isMe);
    set(menu, "hidden", offered.length === 0);
    const key = offered.map(([words]) => words).join();
    if (key !== shownActions) {
      shownActions = key;
      actions.replaceChildren(...offered.map(([words, act, isGrave]) =>
        h("button", { type: "button", class: isGrave ? "plain small grave" : "plain small", on: { click: () => {
          set(menu, "aria-expanded", "false");
          actions.hidden = true;
          act();
        } } }, words)));
    }
  }
  return { element, show };
}

/** What one may do about somebody: `[words, act, is it grave]`. */
function offers(room, member, isMe) {
  const { uid } = member;
  const target = { uid };
  if (isMe) {
    return [
      ["Change my name", () => rename(room, member)],
      [member.excused ? "Wait for me again" : "Don't wait for me", () => room.try("party.excuse", { excused: !member.excused })],
      ...(member.role === "cohost" ? [["Stop being co-host", () => room.try("party.dismiss", target)]] : []),
    ];
  }
  const isHost = room.may("host");
  const mayPutOut = room.may("people") && room.rank() > room.rank(uid);
  return [
    ...(isHost && member.role === "member" ? [["Make co-host", () => room.try("party.appoint", target)]] : []),
    ...(isHost && member.role === "cohost" ? [["Make a member", () => room.try("party.dismiss", target)]] : []),
    ...(isHost ? [["Hand over to them", () => handOver(room, member)]] : []),
    ...(mayPutOut ? [["Put out", () => putOut(room, member, "party.kick"), true], ["Ban", () => putOut(room, member, "party.ban"), true]] : []),
  ];
}

async function rename(room, member) {
  const given = await ask("Change my name", {
    fields: [h("label", {}, "Your name here", h("input", { name: "name", maxlength: "64", required: true, value: member.name, autocomplete: "nickname" }))],
    yes: "Change",
  });
  if (given) await room.try("party.profile", { name: given.get("name").trim() });
}

async function handOver(room, { uid, name }) {
  if (await ask(`Make ${name} the host?`, { text: "You stay as co-host.", yes: "Hand over" })) await room.try("party.hand_over", { uid });
}

async function putOut(room, { uid, name }, fn) {
  const isBan = fn === "party.ban";
  const given = await ask(isBan ? `Ban ${name}?` : `Put ${name} out?`, {
    text: isBan ? "They cannot come back until you lift the ban." : "They may join again.",
    fields: isBan ? [h("label", {}, "Why (for those who may ban; may stay empty)", h("input", { name: "reason", maxlength: "200" }))] : [],
    yes: isBan ? "Ban" : "Put out", danger: true,
  });
  if (given) await room.try(fn, { uid, ...(isBan && { reason: given.get("reason").trim() }) });
}
