// Comments as rows, and pages that stay live.

import assert from "node:assert/strict";
import { test } from "node:test";
import { about, justSaid } from "../../../../services/gateway/src/gateway/web/watch/talk/about.js";
import { Pages } from "../../../../services/gateway/src/gateway/web/watch/talk/pages.js";
import { rows } from "../../../../services/gateway/src/gateway/web/watch/talk/tree.js";

let second = 0;
const comment = (id, { parent = null, depth = 0, replies = 0, gone = null } = {}) =>
  ({ comment_id: id, parent, depth, replies, gone, posted_at: new Date(Date.UTC(2026, 0, 1) + 1000 * second++).toISOString() });
const shown = (found) => found.map(({ comment: { comment_id: id } = {}, more, depth }) => `${"-".repeat(depth)}${id ?? `+${more}`}`).join(" ");

test("each comment stands before its replies, and what is not shown is counted", () => {
  const pages = [
    comment("b", { replies: 5 }), comment("b1", { parent: "b", depth: 1, replies: 2 }), comment("b11", { parent: "b1", depth: 2, replies: 7 }),
    comment("b2", { parent: "b", depth: 1 }), comment("a"),
  ];
  assert.equal(shown(rows({ pages })), "b -b1 --b11 ---+7 --+1 -b2 -+3 a");
});

test("replies that were asked for take their place, as far as they came", () => {
  const pages = [comment("a", { replies: 3 }), comment("a1", { parent: "a", depth: 1 })];
  const replies = [pages[1], comment("a2", { parent: "a", depth: 1, replies: 1 }), comment("a21", { parent: "a2", depth: 2 }), comment("a3", { parent: "a", depth: 1 })];
  assert.equal(shown(rows({ pages, opened: new Map([["a", { comments: replies, hasMore: false }]]) })), "a -a1 -a2 --a21 -a3");
  assert.equal(shown(rows({ pages, opened: new Map([["a", { comments: replies.slice(0, 2), hasMore: true }]]) })), "a -a1 -a2 --+1 -+1");
});

test("a place of one that is gone holds its answers, and is not counted among those that are shown", () => {
  const pages = [comment("a", { replies: 1 }), comment("gone", { parent: "a", depth: 1, gone: "deleted", replies: 1 }), comment("answer", { parent: "gone", depth: 2 })];
  assert.equal(shown(rows({ pages })), "a -gone --answer -+1");
});

test("mine that nobody else sees is first at the top, and among the replies where it was said", () => {
  const pages = [comment("a", { replies: 1 }), comment("a1", { parent: "a", depth: 1 })];
  const held = { held: true, hidden: false };
  const own = [{ comment: comment("mine"), ...held }, { comment: comment("a2", { parent: "a", depth: 1 }), ...held }];
  const found = rows({ pages, own });
  assert.equal(shown(found), "mine a -a1 -a2");
  assert.equal(found[0].mine.held, true);
  assert.equal(found[1].mine, null);
});

test("mine is not told twice once everybody sees it, and not at all below what is not shown", () => {
  const pages = [comment("a")];
  const own = [{ comment: pages[0], held: true, hidden: false }, { comment: comment("deep", { parent: "elsewhere", depth: 4 }), held: true, hidden: false }];
  assert.equal(shown(rows({ pages, own })), "a");
  assert.equal(rows({ pages, own })[0].mine, null);
});

test("what I said stands where it would if the pages told it, and so does what only I see of it", () => {
  const all = [comment("1"), comment("2", { replies: 2 }), comment("2a", { parent: "2", depth: 1 }), comment("2b", { parent: "2", depth: 1 }), comment("3"), comment("4")];
  const [one, two, reply, second_, three, four] = all;
  const said = [three, second_];
  const everybodys = { newest: [four, three, two, reply, second_, one], oldest: [one, two, reply, second_, three, four] };
  const others = { ...two, replies: 1 };
  const withoutMine = { newest: [four, others, reply, one], oldest: [one, others, reply, four] };
  for (const order of ["newest", "oldest"]) {
    const seen = rows({ pages: everybodys[order], said, order });
    assert.deepEqual(rows({ pages: withoutMine[order], said, order }).map(({ key, mine }) => [key, mine]), seen.map(({ key, mine }) => [key, mine]));
  }
});

test("what I said comes no sooner than the page that it would be on", () => {
  const [a, b, c] = [comment("a"), comment("b"), comment("c")];
  assert.equal(shown(rows({ pages: [c, b], said: [a], order: "newest", hasMore: true })), "c b");
  assert.equal(shown(rows({ pages: [c, b], said: [a], order: "newest" })), "c b a");
  assert.equal(shown(rows({ pages: [c, b], said: [a] })), "c b");
  const long = comment("long", { replies: 3 });
  const [first, mine] = [comment("first", { parent: "long", depth: 1 }), comment("mine", { parent: "long", depth: 1 })];
  assert.equal(shown(rows({ pages: [long, first], said: [mine], order: "newest" })), "long -first -+2");
  assert.equal(shown(rows({ pages: [long, mine], said: [first], order: "newest" })), "long -first -mine -+2");
});

test("by emoji and by moment, too, what I said stands where it belongs", () => {
  const on = (id, people, media_seconds = null) => ({ ...comment(id), media_seconds, reactions: people ? [{ emoji: "x", people }] : [] });
  const [a, b, mine, c] = [on("a", 3, 9), on("b", 0, 20), on("mine", 0, 15), on("c", 0)];
  assert.equal(shown(rows({ pages: [a, c, b], said: [mine], order: "top" })), "a c mine b");
  assert.equal(shown(rows({ pages: [a, b, c], said: [mine], order: "moment" })), "a mine b c");
});

test("a thread can begin below its top, where a link leads", () => {
  const pages = [comment("above", { parent: "unseen", depth: 20, replies: 2 }), comment("it", { parent: "above", depth: 21 })];
  assert.equal(shown(rows({ pages, base: 20 })), "above -it -+1");
});

test("replies without the comment that they answer are not shown", () => {
  const opened = new Map([["lost", { comments: [comment("l1", { parent: "lost", depth: 1 })], hasMore: false }]]);
  assert.equal(shown(rows({ pages: [comment("a")], opened })), "a");
});

/** Watches that answer when told to. */
function watched() {
  const watches = [];
  const watch = (fn, args, handlers) => {
    const made = { fn, args, ...handlers, isOver: false };
    watches.push(made);
    return () => (made.isOver = true);
  };
  const going = () => watches.filter(({ isOver }) => !isOver);
  return { watch, going };
}

test("a further page begins where the one before it ends", () => {
  const { watch, going } = watched();
  let changes = 0;
  const pages = new Pages({ watch, fn: "comments.thread", args: { media: "tt1" }, changed: () => (changes += 1) });
  pages.more();
  assert.equal(going().length, 1, "nothing more is known yet");
  going()[0].value({ n: 1, cursor: "x" });
  pages.more();
  pages.more();
  assert.deepEqual(going().map(({ args }) => args), [{ media: "tt1" }, { media: "tt1", cursor: "x" }]);
  going()[1].value({ n: 2, cursor: null });
  assert.equal(pages.hasMore, false);
  assert.deepEqual(pages.values.map(({ n }) => n), [1, 2]);
  assert.equal(changes, 2);
});

test("when a page grows, the next begins elsewhere, and what it showed stays until then", () => {
  const { watch, going } = watched();
  const pages = new Pages({ watch, fn: "f", args: {}, changed: () => {} });
  going()[0].value({ n: 1, cursor: "x" });
  pages.more();
  going()[1].value({ n: 2, cursor: "z" });
  going()[0].value({ n: 1.5, cursor: "w" });
  assert.deepEqual(going().map(({ args }) => args.cursor), [undefined, "w"]);
  assert.deepEqual(pages.values.map(({ n }) => n), [1.5, 2]);
  going()[1].value({ n: 2.5, cursor: "z" });
  assert.deepEqual(pages.values.map(({ n }) => n), [1.5, 2.5]);
  going()[0].value({ n: 1, cursor: null });
  assert.equal(going().length, 1, "nothing is behind the last page");
});

test("when it is over, nothing is asked or told any more", () => {
  const { watch, going } = watched();
  const failures = [];
  const pages = new Pages({ watch, fn: "f", args: {}, changed: () => {}, failed: (refused) => failures.push(refused) });
  const [first] = going();
  first.error("banned");
  pages.stop();
  first.error("again");
  assert.deepEqual(failures, ["banned"]);
  assert.equal(going().length, 0);
  assert.equal(pages.isKnown, false);
});

test("the thread is that of the film or the episode, of this room or for everybody", () => {
  const film = { media: "tt0133093", season: null, episode: null };
  assert.deepEqual(about(film, "p1", "everybody"), { media: "tt0133093" });
  assert.deepEqual(about({ media: "tt0108778", season: 0, episode: 2 }, "p1", "room"), { media: "tt0108778", season: 0, episode: 2, party_id: "p1" });
});

test("what one has just said is shown as others will see it", () => {
  const parent = { comment_id: "a", depth: 2 };
  const said = justSaid({ thread_id: "t", comment_id: "b" }, { text: "e\u0301", parent, media_seconds: null, spoiler: false, mentions: [] }, { uid: "me", name: "Me" });
  assert.equal(said.text, "\u00e9");
  assert.equal(said.depth, 3);
  assert.equal(shown(rows({ pages: [], own: [{ comment: { ...said, parent: null, depth: 0 }, held: false, hidden: false }] })), "b");
});
