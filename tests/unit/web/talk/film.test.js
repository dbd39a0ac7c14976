// Which comments are due as a film goes by, and how much is said where.

import assert from "node:assert/strict";
import { test } from "node:test";
import { bars, busiest } from "../../../../services/gateway/src/gateway/web/watch/talk/heat.js";
import { Passing, minutes } from "../../../../services/gateway/src/gateway/web/watch/talk/passing.js";

const comment = (seconds, id = `at ${seconds}`) => ({ comment_id: id, media_seconds: seconds });

/** What is shown while a player is at these places, one look each. */
function shown(passing, places, comments) {
  return places.map((place) => passing.look(place, comments).map(({ media_seconds: at }) => at));
}

function begun(comments, at = 0) {
  const passing = new Passing();
  passing.know(comments);
  passing.look(at, comments);
  return passing;
}

/** Places of a player that plays from one to another, looked at ten times a second. */
const playing = (from, to) => Array.from({ length: Math.round((to - from) * 10) }, (_, n) => from + (n + 1) / 10);

test("each is due once, within a quarter of a second of its moment", () => {
  const comments = [comment(10), comment(10.05), comment(3.21), comment(0)];
  const passing = new Passing();
  passing.know(comments);
  const due = playing(-0.1, 12).flatMap((place) => passing.look(place, comments).map(({ media_seconds: at }) => [at, place]));
  assert.deepEqual(due.map(([at]) => at), [0, 3.21, 10, 10.05]);
  for (const [at, place] of due) assert.ok(place - at >= -1e-9 && place - at < 0.25, `${at} at ${place}`);
});

test("not again after a pause, nor after the small steps that keep a player in sync", () => {
  const comments = [comment(10)];
  const passing = begun(comments, 9.9);
  assert.deepEqual(shown(passing, [10.0, 10.0, 10.0, 10.1, 9.5, 9.9, 10.05, 10.4], comments).flat(), [10]);
});

test("again after somebody went back", () => {
  const comments = [comment(10), comment(70)];
  const passing = begun(comments, 9.9);
  assert.deepEqual(shown(passing, playing(9.9, 11), comments).flat(), [10]);
  assert.deepEqual(shown(passing, [5, ...playing(5, 11)], comments).flat(), [10]);
  // Also if what is there was not asked for while one was elsewhere.
  passing.look(90, [comment(70)]);
  assert.deepEqual(shown(passing, [9, ...playing(9, 11)], comments).flat(), [10]);
});

test("what was jumped over is not due, what was jumped to is", () => {
  const comments = [comment(10), comment(20), comment(29.9)];
  const passing = begun(comments, 5);
  assert.deepEqual(shown(passing, [30, 30.1], comments), [[29.9], []]);
});

test("who looks rarely, with the page in the background, still misses nothing", () => {
  const comments = [comment(10.5), comment(12)];
  assert.deepEqual(shown(begun(comments, 10), [11, 12, 13], comments), [[10.5], [12], []]);
});

test("one that was only just written is not too late, one that was only just asked for hardly", () => {
  const passing = begun([], 10);
  assert.deepEqual(shown(passing, [10.1], [comment(7)]), [[7]]);
  assert.deepEqual(shown(passing, [10.2], [comment(7), comment(4)]), [[]]);
  const asked = [comment(67), comment(69.5)];
  passing.look(70, []);
  passing.know(asked);
  assert.deepEqual(shown(passing, [70.1, 70.2], asked), [[69.5], []]);
});

test("another film begins anew", () => {
  const passing = begun([comment(10, "one")], 9.9);
  passing.look(10, [comment(10, "one")]);
  passing.reset();
  passing.know([comment(10, "one")]);
  assert.deepEqual(shown(passing, [10], [comment(10, "one")]), [[10]]);
});

test("the minute of a place and the next are asked for", () => {
  assert.deepEqual(minutes(0), [0, 60]);
  assert.deepEqual(minutes(59.99), [0, 60]);
  assert.deepEqual(minutes(60), [60, 120]);
  assert.deepEqual(minutes(-1), [0, 60]);
});

test("bars lie where their parts of the film lie, the highest where most is said", () => {
  const density = { seconds: 10, counts: [4, 0, 1, 16], most: 16 };
  assert.deepEqual(bars(density, 100), [
    { from: 0, to: 0.1, share: 0.5, count: 4 }, { from: 0.2, to: 0.3, share: 0.25, count: 1 }, { from: 0.3, to: 0.4, share: 1, count: 16 },
  ]);
  assert.deepEqual(bars(density, NaN).map(({ from }) => from), [0, 0.5, 0.75], "of an unknown length, up to the last comment");
  assert.deepEqual(bars(density, 35).at(-1), { from: 30 / 35, to: 1, share: 1, count: 16 });
  assert.deepEqual(bars(density, 25).length, 2, "what lies behind the end is not shown");
  assert.deepEqual(bars({ seconds: 10, counts: [], most: 0 }, 100), []);
  assert.deepEqual(busiest(density), [0, 20, 30]);
  assert.deepEqual(busiest(density, 1), [30]);
});
