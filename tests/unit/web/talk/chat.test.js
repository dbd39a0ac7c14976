// What a chat's reader knows, who is mentioned in it, who is typing, and what waits for the picture.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Held } from "../../../../services/gateway/src/gateway/web/watch/talk/held.js";
import { Lines } from "../../../../services/gateway/src/gateway/web/watch/talk/lines.js";
import { mentioned } from "../../../../services/gateway/src/gateway/web/watch/talk/mentions.js";
import { Teller, Typists } from "../../../../services/gateway/src/gateway/web/watch/talk/typing.js";

import { barred, words } from "../../../../services/gateway/src/gateway/web/watch/words.js";

const at = (second) => new Date(Date.UTC(2026, 0, 1) + second * 1000).toISOString();
const said = (line, second, fields = {}) =>
  ({ line, uid: "ana", text: `line ${line}`, answers: null, media_seconds: null, mentions: [], at: at(second), position: `at ${second}`, ...fields });
const snapshot = (lines, fields = {}) => ({ lines, people: { ana: { name: "Ana", avatar: "" } }, pinned: null, ...fields });
const ids = (lines) => lines.list.map(({ line }) => line).join(" ");

function known(...lines) {
  const made = new Lines();
  made.reset(snapshot(lines));
  return made;
}

test("lines are those of the snapshot, then those that come, then older ones before them, each once", () => {
  const lines = known(said("c", 3), said("d", 4));
  lines.happened("comments.said", said("e", 5));
  lines.happened("comments.said", said("e", 5));
  assert.equal(lines.cursor, "at 3");
  assert.equal(lines.older({ lines: [said("b", 2), said("c", 3)], cursor: "more" }), 1);
  assert.equal(lines.cursor, "at 2");
  assert.equal(lines.older({ lines: [said("a", 1)], cursor: null }), 1);
  assert.equal(ids(lines), "a b c d e");
  assert.equal(lines.cursor, null);
});

test("one's own line is there at once and takes the log's place when it is told", () => {
  const lines = known(said("a", 1));
  lines.said({ ...said("mine", 2), uid: "me" });
  assert.equal(ids(lines), "a mine");
  lines.happened("comments.said", said("b", 3));
  lines.happened("comments.said", { ...said("mine", 4), uid: "me" });
  assert.equal(ids(lines), "a b mine");
});

test("one's own line that the event told first does not come twice", () => {
  const lines = known();
  lines.happened("comments.said", said("mine", 1));
  lines.said(said("mine", 1));
  assert.equal(ids(lines), "mine");
});

test("own lines that nobody else sees stand where they were said, and not before the oldest that is loaded", () => {
  const lines = known(said("c", 3), said("e", 5));
  lines.unseen({ lines: [said("b", 2), said("d", 4)] });
  assert.equal(ids(lines), "c d e");
  lines.older({ lines: [said("a", 1)], cursor: null });
  assert.equal(ids(lines), "a b c d e");
});

test("own lines that nobody else sees say whether they wait or were hidden, until they are told to all", () => {
  const lines = known(said("a", 1));
  lines.said({ ...said("b", 2), uid: "me" });
  assert.equal(lines.isUntold("b"), true);
  lines.unseen({ lines: [said("b", 2, { held: true, hidden: false }), said("c", 3, { held: false, hidden: true })] });
  assert.deepEqual([lines.get("b").held, lines.get("c").hidden], [true, true]);
  lines.happened("comments.line-restored", { ...said("b", 9), said_at: at(2) });
  assert.deepEqual([lines.get("b").held, lines.isUntold("b"), ids(lines)], [false, false, "a b c"]);
});

test("a hidden line is marked, a restored one is back, one that was never told comes to its place", () => {
  const lines = known(said("a", 1), said("c", 3));
  lines.happened("comments.line-hidden", { line: "a" });
  assert.equal(lines.get("a").hidden, true);
  lines.happened("comments.line-restored", { ...said("a", 9), said_at: at(1) });
  assert.equal(lines.get("a").hidden, false);
  lines.happened("comments.line-restored", { ...said("b", 9), said_at: at(2) });
  assert.equal(ids(lines), "a b c");
});

test("a line that was taken back does not come again, from wherever", () => {
  const lines = known(said("a", 1), said("b", 2));
  lines.happened("comments.line-deleted", { line: "a" });
  lines.said(said("a", 1));
  lines.happened("comments.said", said("a", 1));
  lines.older({ lines: [said("a", 1)], cursor: null });
  assert.equal(ids(lines), "b");
});

test("a pinned line is known, or it is said that it is not; hidden or taken back, it is pinned no more", () => {
  const lines = known(said("a", 1), said("b", 2));
  lines.happened("comments.line-pinned", { line: "a" });
  assert.equal(lines.pinned.line, "a");
  lines.happened("comments.line-hidden", { line: "a" });
  assert.equal(lines.pinned, null);
  lines.happened("comments.line-pinned", { line: "b" });
  lines.happened("comments.line-deleted", { line: "b" });
  assert.equal(lines.pinned, null);
  lines.happened("comments.line-pinned", { line: "old" });
  assert.equal(lines.pinned, undefined);
  lines.happened("comments.line-pinned", { line: null });
  assert.equal(lines.pinned, null);
});

test("of a long talk the newest thousand lines are kept, and those before them are asked for again", () => {
  const lines = known();
  assert.equal(lines.cursor, undefined);
  lines.older({ lines: [], cursor: null });
  for (let n = 0; n < 1_001; n++) lines.happened("comments.said", said(`n${n}`, n), `place ${n}`);
  assert.equal(lines.list.length, 1_000);
  assert.equal(lines.cursor, "place 1");
  assert.equal(lines.older({ lines: [said("n0", 0)], cursor: null }), 1);
  assert.equal(lines.list[0].line, "n0");
  assert.equal(lines.cursor, null);
});

test("a new snapshot begins anew, with own lines that nobody else sees", () => {
  const lines = known(said("a", 1));
  lines.said(said("mine", 2));
  lines.reset(snapshot([said("x", 1.5), said("y", 3)], { pinned: { ...said("p", 0), name: "Pia", uid: "pia" } }));
  assert.equal(ids(lines), "x mine y");
  assert.equal(lines.pinned.line, "p");
  assert.equal(lines.people.get("pia").name, "Pia");
});

test("names of others are found behind an @, longer ones first, whole ones only", () => {
  const people = [{ uid: "1", name: "Ana" }, { uid: "2", name: "Ana Maria" }, { uid: "3", name: "B.(o)b" }, { uid: "4", name: "" }, { uid: "5", name: "李" }];
  assert.deepEqual(mentioned("@Ana Maria and @ana!", people), ["2", "1"]);
  assert.deepEqual(mentioned("@Anabel, ana@Ana, mail a@ana.example", people), []);
  assert.deepEqual(mentioned("hey @B.(o)b", people), ["3"]);
  assert.deepEqual(mentioned("@李 hello", people), ["5"]);
  const crowd = Array.from({ length: 12 }, (_, n) => ({ uid: `u${n}`, name: `N${n}.` }));
  assert.equal(mentioned(crowd.map(({ name }) => `@${name}`).join(" "), crowd).length, 10);
});

test("typing is told every two seconds, shown for five, and over with what was typed", () => {
  const typists = new Typists();
  typists.heard("ana", 0);
  typists.heard("ben", 3_000);
  assert.deepEqual(typists.who(4_999), ["ana", "ben"]);
  assert.deepEqual(typists.who(5_000), ["ben"]);
  typists.spoke("ben");
  assert.deepEqual(typists.who(5_001), []);
  const teller = new Teller();
  assert.deepEqual([0, 500, 1_999, 2_000, 3_000].map((now) => teller.due(now)), [true, false, false, true, false]);
  teller.sent();
  assert.equal(teller.due(3_100), true);
});

test("with the picture, what others said waits until one's own picture is where theirs was", () => {
  const held = new Held();
  held.on = true;
  const line = { line: "goal", at: 0, media_seconds: 100 };
  const now = 5_000;
  assert.equal(held.passes(line, { isOwn: false, picture: 70, now }), false);
  assert.equal(held.passes(line, { isOwn: false, picture: 99.95, now }), true);
  assert.equal(held.passes(line, { isOwn: false, picture: 20, now }), true, "what was shown stays after a jump back");
  assert.equal(held.passes({ line: "mine", at: 0, media_seconds: 100 }, { isOwn: true, picture: 0, now }), true);
  assert.equal(held.passes({ line: "timeless", at: 0, media_seconds: null }, { isOwn: false, picture: 0, now }), true);
});

test("nothing waits for more than ten minutes, nor for a film that is over, nor what was shown before", () => {
  const held = new Held();
  const [old, other, seen] = ["old", "other", "seen"].map((line) => ({ line, at: 0, media_seconds: 100 }));
  assert.equal(held.passes(seen, { isOwn: false, picture: 0, now: 0 }), true);
  held.on = true;
  assert.equal(held.passes(seen, { isOwn: false, picture: 0, now: 0 }), true);
  assert.equal(held.passes(old, { isOwn: false, picture: 0, now: 599_999 }), false);
  assert.equal(held.passes(old, { isOwn: false, picture: 0, now: 600_000 }), true);
  assert.equal(held.passes(other, { isOwn: false, picture: 0, now: 1 }), false);
  held.release([other]);
  assert.equal(held.passes(other, { isOwn: false, picture: 0, now: 1 }), true);
});

test("what keeps one from speaking is told in words, and what only slows one as well", () => {
  const rules = { open: true, slow_seconds: 0, links: "allow" };
  const usual = { refused: null, rules, muted: false, mutedUntil: null, mayModerate: false, waitsUntil: 0 };
  const told = (fields) => barred({ ...usual, ...fields }, 1_000);
  assert.deepEqual(told({}), { why: "", isBarred: false });
  assert.deepEqual(told({ refused: { code: "banned" } }), { why: "Moderators keep you out of this chat.", isBarred: true });
  assert.deepEqual(told({ rules: { ...rules, open: false } }), { why: "Only moderators may speak here just now.", isBarred: true });
  assert.equal(told({ rules: { ...rules, open: false }, mayModerate: true }).isBarred, false);
  assert.match(told({ muted: true }).why, /^Moderators have muted you here/);
  assert.equal(told({ muted: true }).isBarred, false, "nobody tells when it is lifted");
  assert.equal(told({ muted: true, mutedUntil: new Date(500).toISOString() }).why, "");
  const slow = { ...rules, slow_seconds: 30 };
  assert.deepEqual(told({ rules: slow }), { why: "Slow mode: one line in 30 s.", isBarred: false });
  assert.deepEqual(told({ rules: slow, waitsUntil: 6_000 }), { why: "Slow mode: one line in 30 s. You can go on in 5 s.", isBarred: false });
  assert.equal(told({ rules: slow, mayModerate: true }).why, "");
});

test("each refusal of what one writes has words of its own", () => {
  const codes = [
    "muted", "banned", "chat-closed", "words-refused", "links-refused", "slow-mode", "rate-limited", "text-unreadable", "thread-locked",
    "no-such-comment", "no-such-line", "not-yours", "too-deep", "not-an-emoji", "too-many-reactions", "too-many-pins", "not-a-moderator",
  ];
  for (const code of codes) assert.notEqual(words({ code, message: "as the server says it", details: {} }), "as the server says it", code);
  assert.equal(words({ code: "text-unreadable", details: { reason: "nothing-visible" } }), "This cannot be shown as it is: nothing in it can be seen.");
});
