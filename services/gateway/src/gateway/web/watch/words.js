// What codes and events are called when a person reads them.

import { clock, timeOfDay } from "./dom.js";

const ERRORS = {
  "no-such-party": "There is no such room. The link may be mistyped.",
  "party-closed": "This room is closed.",
  "party-full": "This room is full.",
  "party-locked": "This room is locked: nobody else may join just now. Ask its host.",
  "banned": "You are banned from this room.",
  "key-needed": "This room is private. Its six digits are in the invitation.",
  "wrong-key": "These are not its six digits.",
  "not-a-member": "You are not in this room any more.",
  "no-such-member": "They are not in this room any more.",
  "no-such-item": "It is not in the queue any more.",
  "queue-empty": "There is nothing in the queue.",
  "queue-full": "The queue is full.",
  "nothing-to-undo": "There is nothing to undo.",
  "not-private": "Only a private room has a key.",
  "too-many-bans": "So many people cannot be banned.",
  "name-missing": "Say by which name the others should see you.",
  "chat-closed": "Only moderators may speak here just now.",
  "words-refused": "There is a word in it that is not to be said here.",
  "links-refused": "Links are not to be posted here.",
  "not-a-moderator": "Only moderators may do this.",
  "not-above": "You cannot do this to them: they moderate here, too.",
  "not-yours": "Somebody else wrote this.",
  "no-such-line": "This line is not there any more.",
  "no-such-comment": "This comment is not there any more.",
  "no-such-thread": "Nobody has said anything there yet.",
  "thread-locked": "Moderators have locked these comments: nobody else may write here.",
  "too-deep": "This is answers under answers a thousand deep. Begin anew at the top.",
  "not-an-emoji": "That is not one emoji.",
  "too-many-reactions": "So many emoji cannot be put on one comment.",
  "too-many-pins": "So many comments cannot be pinned.",
  "frame-too-large": "That is too long.",
  "guests-off": "Guests are not admitted here. Ask whoever runs this Matinee.",
  "lost": "The connection broke. Try again in a moment.",
  "timeout": "No answer came in time. Try again.",
  "stopped": "There is no connection.",
  "unavailable": "The service cannot be reached just now. Try again in a moment.",
  "internal": "Something went wrong on the server. It has been logged.",
  "origin-not-allowed": "This page may not talk to that Matinee.",
};

const DOING = {
  play: "play and pause", seek: "jump", media: "change the film", queue: "order the queue", people: "manage people",
};

const wait = (seconds) => (seconds >= 90 ? `${Math.round(seconds / 60)} minutes` : `${Math.max(1, Math.ceil(seconds))} s`);

const UNREADABLE = {
  "half-character": "it has a piece of a character", "control-character": "it has control characters", "not-a-character": "it has characters that are none",
  "invisible-tag": "it has characters that nobody sees", "direction-override": "it turns the direction of writing round",
  "direction-left-open": "it turns the direction of writing and not back", "nothing-visible": "nothing in it can be seen",
  "too-many-marks": "too many marks are piled up on a letter",
};

const muted = (until) => `Moderators have muted you here: you can read, and not write${until ? `, until ${timeOfDay(until)}` : ""}.`;

/** What keeps somebody from speaking in a chat, or slows them: `why` in words, empty for nothing. */
export function barred({ refused, rules, muted: isMuted, mutedUntil, mayModerate, waitsUntil }, now) {
  const barring = (why) => ({ why, isBarred: true });
  if (refused) return barring(refused.code === "banned" ? "Moderators keep you out of this chat." : words(refused));
  if (!rules) return barring("Fetching the chat…");
  // Nobody tells when it is lifted: who tries finds out.
  if (isMuted && !(Date.parse(mutedUntil) <= now)) return { why: muted(mutedUntil), isBarred: false };
  if (!rules.open && !mayModerate) return barring(ERRORS["chat-closed"]);
  const left = Math.ceil((waitsUntil - now) / 1000);
  const slow = rules.slow_seconds && !mayModerate ? `Slow mode: one line in ${wait(rules.slow_seconds)}.` : "";
  const why = left > 0 ? `${slow || "Slow mode."} You can go on in ${wait(left)}.` : rules.open ? slow : "Only moderators may speak here just now; you are one.";
  return { why, isBarred: false };
}

/** A `Refused` in words. */
export function words(error) {
  const { code, details = {} } = error;
  if (code === "rate-limited") return `That was a bit much. Try again in ${wait(details.retry_after ?? 1)}.`;
  if (code === "slow-mode") return `Slow mode: you can go on in ${wait(details.retry_after ?? 1)}.`;
  if (code === "muted") return muted(details.until);
  if (code === "text-unreadable") return `This cannot be shown as it is: ${UNREADABLE[details.reason] ?? "it has characters that make trouble"}.`;
  if (code === "key-locked") return `Too many wrong keys. Try again in ${wait(details.retry_after ?? 60)}.`;
  if (code === "not-the-host") {
    const who = details.needs === "cohost" ? "hosts and co-hosts" : "the host";
    return `Only ${who} may ${DOING[details.action] ?? "do this"} here.`;
  }
  if (code === "invalid-argument") return `That will not do: ${details.field ?? "something"} ${details.reason ?? "is wrong"}.`;
  return ERRORS[code] ?? error.message;
}

export const ROLES = { host: "Host", cohost: "Co-host", member: "Member" };

export const SYNC = {
  "in-sync": "in sync", ahead: "ahead", behind: "behind", buffering: "loading", paused: "paused",
};

const plays = (details) => (details.countdown ? `started a countdown of ${details.countdown} s at` : "pressed play at");
const at = (line) => clock(line.details.position ?? line.media_seconds ?? 0);
const what = (details) => details.media_title || title(details.media) || "something else";

const HAPPENED = {
  "party.opened": (line) => `opened the room “${line.details.title ?? ""}”`,
  "party.joined": () => "joined",
  "party.left": (line) => (line.details.reason === "unseen" ? "dropped out of sight" : "left"),
  "party.kicked": (line) => `put ${line.uid_name || "somebody"} out`,
  "party.banned": (line) => `banned ${line.uid_name || "somebody"}`,
  "party.unbanned": (line) => `lifted the ban of ${line.uid_name || "somebody"}`,
  "party.locked": (line) => (line.details.locked ? "locked the room" : "unlocked the room"),
  "party.role-changed": (line) => `made ${line.uid_name || "somebody"} ${line.details.role === "cohost" ? "co-host" : "a member"}`,
  "party.host-changed": (line) => `${line.uid_name || "somebody"} is host now`,
  "party.host-missed": (line) => `${line.uid_name || "the host"} is missing`,
  "party.host-returned": (line) => `${line.uid_name || "the host"} is back`,
  "party.profile-changed": () => "changed their profile",
  "party.configured": () => "changed the settings",
  "party.rekeyed": () => "made a new key",
  "party.played": (line) => `${plays(line.details)} ${at(line)}`,
  "party.paused": (line) => `paused at ${at(line)}`,
  "party.sought": (line) => `jumped to ${at(line)}`,
  "party.rate-changed": (line) => `set the speed to ${line.details.rate}×`,
  "party.undone": (line) => `took back the last ${UNDONE[line.details.undid] ?? "control"}`,
  "party.held": (line) => (line.details.why === "stalled" ? "waits for somebody whose film has stalled" : "waits until everybody is ready"),
  "party.excused": (line) => (line.details.excused ? "is not waited for" : "is waited for again"),
  "party.readied": (line) => (line.details.ready ? "is ready" : "is not ready any more"),
  "party.media-changed": (line) => `put on ${what(line.details)}`,
  "party.queued": (line) => `queued ${what(line.details)}`,
  "party.moved": () => "moved something in the queue",
  "party.dequeued": () => "took something off the queue",
  "party.voted": (line) => (line.details.up ? "voted for something in the queue" : "took back a vote"),
  "party.skip-voted": (line) => `${line.details.skip ? "wants to skip this" : "does not want to skip this any more"} (${line.details.votes} of ${line.details.needed})`,
  "party.expiring": () => "the room closes soon unless something happens",
  "party.kept": () => "the room stays open, since people are here",
  "party.closed": (line) => ({ empty: "the room closed, since everybody left", expired: "the room closed, since nothing had happened for a day" })[line.details.reason] ?? "closed the room",
};

const UNDONE = { play: "play", pause: "pause", seek: "jump", rate: "change of speed", media: "change of film", undo: "undo" };
const SUBJECTLESS = new Set(["party.host-changed", "party.host-missed", "party.host-returned", "party.expiring", "party.kept"]);

/** A line of the timeline, without who did it: `[who, did what]`. */
export function happened(line) {
  const tell = HAPPENED[line.type];
  const did = tell ? tell(line) : line.type.replace("party.", "").replaceAll("-", " ");
  const isOurs = line.by.startsWith("system:");
  return [isOurs || SUBJECTLESS.has(line.type) ? "" : line.by_name || "Somebody", did];
}

/** What the last control was, as in “Ana jumped”. */
export const CONTROLS = {
  play: "pressed play", pause: "paused", seek: "jumped", rate: "changed the speed", media: "changed the film", undo: "undid something",
};

/** A readable name out of a media id, a path or a file's name. */
export function title(media) {
  if (!media) return "";
  const text = media.replace(/^(file|web):/, "");
  try {
    if (/^https?:/.test(text)) {
      const { pathname, hostname } = new URL(text);
      return tidy(decodeURIComponent(pathname.split("/").filter(Boolean).pop() ?? hostname));
    }
  } catch {
    return text;
  }
  return /^web:/.test(media) ? "a film from the web" : tidy(text);
}

const tidy = (name) => name.replace(/\.(webm|mp4|mkv|m4v|mov|ogv|avi|mp3|m3u8)$/i, "").replace(/[._]+/g, " ").trim();
