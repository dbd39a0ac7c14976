// One party as its member knows it: what the server said, merged in order. Knows no page and no player.

import { Refused } from "/client.js";
import { instant } from "/watch/dom.js";

export const SYSTEM = "system:parties";

const RANKS = { member: 0, cohost: 1, host: 2 };
const REMEMBERED = 64;
const GATHERED = 60;
const TOLD_CHARS = 500;

/** How each event moves playback: from the anchor before and its data to the anchor after. */
const MOVES = {
  "party.played": (before, { position, rate }) => ({ playing: true, position, rate }),
  "party.paused": (before, { position }) => ({ ...before, playing: false, position }),
  "party.held": (before, { position }) => ({ ...before, playing: false, position }),
  "party.sought": (before, { position }) => ({ ...before, position }),
  "party.rate-changed": (before, { position, rate }) => ({ ...before, position, rate }),
  "party.undone": (before, { playing, position, rate }) => ({ playing, position, rate }),
  "party.media-changed": (before, { position }) => ({ playing: false, position, rate: 1 }),
};

const CONTROLS = {
  "party.played": "play", "party.paused": "pause", "party.sought": "seek", "party.rate-changed": "rate",
  "party.media-changed": "media", "party.undone": "undo",
};

const same = (one, other) =>
  one.playing === other.playing && Math.abs(one.at - other.at) < 1 && Math.abs(one.position - other.position) < 0.001 && one.rate === other.rate;

/**
 * Events (`on`): `party`, `members`, `queue`, `presence`, `sync` (these tell only that something changed), `media`,
 * `back` (one is a member anew), `anchor` (the anchor), `hold`, `event` (a frame), `reaction` (uid, text), `over` (why, details),
 * `problem` (a `Refused`).
 */
export class Room {
  #client;
  #handlers = new Map();
  #watches = [];
  #follow = null;
  #anchors = [];
  #gathering = null;

  constructor(client, id) {
    this.#client = client;
    this.id = id;
    this.channel = `party:${id}`;
    this.party = null;
    this.members = [];
    this.more = false;
    this.queue = [];
    this.skips = { votes: 0, needed: 0 };
    this.anchor = null;
    this.hold = null;
    this.last = null;
    this.present = new Set();
    /** How many are present, if they are only counted. */
    this.counted = null;
    this.sync = new Map();
    this.summary = null;
    this.over = false;
  }

  on(event, handler) {
    if (!this.#handlers.has(event)) this.#handlers.set(event, new Set());
    this.#handlers.get(event).add(handler);
  }

  #emit(event, ...details) {
    for (const handler of this.#handlers.get(event) ?? []) handler(...details);
  }

  // Who one is here.

  get me() {
    return this.#client.user;
  }

  member(uid) {
    return this.members.find((member) => member.uid === uid);
  }

  nameOf(uid) {
    return uid === SYSTEM ? "Matinee" : this.member(uid)?.name || "Somebody";
  }

  rank(uid = this.me) {
    return uid === this.party?.host ? RANKS.host : RANKS[this.member(uid)?.role] ?? RANKS.member;
  }

  /** Whether one may do this: an action of the permission table, or `host` for what is the host's alone. */
  may(action) {
    if (!this.party) return false;
    return this.rank() >= RANKS[action === "host" ? "host" : this.party.settings.permissions[action]];
  }

  // Coming and going.

  /** Become a member and hear everything from then on. Throws the `Refused` that keeps one out. */
  async join({ name, key } = {}) {
    await this.#client.call("party.join", { party_id: this.id, ...(name && { name }), ...(key && { key }) });
    this.#listen();
  }

  #listen() {
    this.#stop();
    this.over = false;
    let isFirst = true;
    this.#follow = this.#client.follow(this.channel, {
      followed: (frame) => {
        this.#followed(frame, isFirst);
        isFirst = false;
      },
      event: (frame) => this.#happened(frame),
      presence: (frame) => this.#presence(frame),
      message: (frame) => this.#heard(frame),
      ended: (reason) => this.#ended(reason),
      error: (refused) => this.#refused(refused),
    });
    this.#follow.track({});
    const watch = (fn, value, args = {}) =>
      this.#watches.push(this.#client.watch(fn, { party_id: this.id, ...args }, { value, error: (refused) => this.#refused(refused) }));
    watch("party.state", (party) => this.#take(party));
    watch("party.members", (page) => this.#people(page), { limit: 500 });
    watch("party.queue", ({ items }) => {
      this.queue = items;
      this.#emit("queue");
    });
  }

  /** Watch one more query about this party for as long as somebody looks. */
  watch(fn, value, args = {}) {
    return this.#client.watch(fn, { party_id: this.id, ...args }, { value, error: () => {} });
  }

  /** Stop hearing of it. One stays a member until `leave`. */
  close() {
    this.over = true;
    this.#stop();
  }

  async leave() {
    await this.call("party.leave");
    this.close();
  }

  #stop() {
    for (const stop of this.#watches) stop();
    this.#watches = [];
    this.#follow?.stop();
    this.#follow = null;
    clearTimeout(this.#gathering);
    this.#gathering = null;
  }

  #end(why, details = {}) {
    if (this.over) return;
    this.close();
    this.#emit("over", why, details);
  }

  async #ended(reason) {
    if (reason === "now-private") return this.#listen();
    if (reason === "unseen") return this.#return();
    if (reason !== "kicked" && reason !== "banned") this.#end(reason);
    return undefined;
  }

  /** One dropped out of sight, say with the machine asleep: come back as whom one was. */
  async #return() {
    try {
      await this.join();
      this.#emit("back");
    } catch (error) {
      this.#refused(error);
    }
  }

  #refused(refused) {
    if (this.over) return;
    if (refused.code === "not-a-member") this.#end("not-a-member");
    else if (refused.code === "banned" || refused.code === "no-such-party") this.#end(refused.code);
    else this.#emit("problem", refused);
  }

  // Doing something.

  /** Call a function of this party. Controls are not worth repeating for long: the moment passes. */
  call(fn, args = {}, options = { patience: 8_000 }) {
    return this.#client.call(fn, { party_id: this.id, ...args }, options);
  }

  /** The same, and what goes wrong is told to whoever listens to `problem`; undefined then. */
  async try(fn, args = {}) {
    try {
      return await this.call(fn, args);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.#emit("problem", error);
      return undefined;
    }
  }

  /** Tell everybody here something that nobody keeps. */
  async tell(event, text) {
    await this.#follow?.send(event, { text: text.slice(0, TOLD_CHARS) });
    this.#emit(event, this.me, text.slice(0, TOLD_CHARS));
  }

  // Hearing.

  #followed({ state, recovered, present }, isFirst) {
    this.counted = typeof present?.count === "number" ? present.count : null;
    this.present = new Set(this.counted === null ? Object.keys(present ?? {}) : []);
    this.#emit("presence");
    // What was missed comes in one go; only where it leads to matters.
    this.#gather();
    if ((recovered && !isFirst) || !state) return;
    const { party, members, queue } = state;
    this.#anchors = [];
    this.#people({ members, cursor: members.length < party.members ? "more" : null });
    this.queue = queue ?? [];
    this.#emit("queue");
    this.#take(party);
    if (!this.more && !this.member(this.me)) this.#end("not-a-member");
  }

  #happened(frame) {
    const { type, data } = frame;
    const move = MOVES[type];
    if (CONTROLS[type] && data.by !== SYSTEM) this.last = { what: CONTROLS[type], by: data.by, at: frame.at };
    if (type === "party.held") this.hold = { why: data.why, waits_for: data.waits_for, until: data.until };
    else if (move && type !== "party.sought" && type !== "party.rate-changed") this.hold = null;
    if ((type === "party.media-changed" || data.other_media) && this.party) this.#watching(data);
    if (move && this.anchor) this.#anchored({ ...move(this.anchor, data), at: instant(data.at) });
    if (type === "party.skip-voted") this.skips = { votes: data.votes, needed: data.needed };
    if (this.hold && (type === "party.excused" || type === "party.readied") && (data.excused || data.ready)) {
      this.hold = { ...this.hold, waits_for: this.hold.waits_for.filter((uid) => uid !== data.uid) };
    }
    this.#emit("hold");
    this.#emit("event", frame);
    this.#aboutMe(type, data);
  }

  #aboutMe(type, data) {
    if (type === "party.closed") return this.#end("closed", data);
    if (data.uid !== this.me) return undefined;
    if (type === "party.kicked" || type === "party.banned") return this.#end(type.slice("party.".length), data);
    if (type === "party.left") return data.reason === "unseen" ? this.#return() : this.#end("left");
    return undefined;
  }

  /** Something else is watched. Where it comes from is told by the state, which follows. */
  #watching({ media, media_title, season, episode, file_index }) {
    this.skips = { votes: 0, needed: 0 };
    this.party = { ...this.party, media, media_title, season, episode, file_index, source: null };
    this.#emit("media");
  }

  #take(party) {
    const { playing, position, rate } = party;
    const anchor = { playing, position, rate, at: instant(party.at) };
    const isOld = this.#anchors.slice(0, -1).some((other) => same(other, anchor)) && !same(this.#anchors.at(-1), anchor);
    const before = this.party;
    if (isOld) {
      const { media, media_title, season, episode, file_index, source, hold } = before ?? party;
      this.party = { ...party, media, media_title, season, episode, file_index, source, hold };
    } else {
      this.party = party;
      this.hold = party.hold;
      this.last = party.last;
      this.skips = { ...this.skips, votes: party.skip_votes };
    }
    if (party.closed_at) return this.#end("closed", { reason: party.closed_because });
    if (before?.media !== this.party.media || before?.source !== this.party.source) this.#emit("media");
    if (!isOld) this.#anchored(anchor);
    this.#emit("hold");
    this.#emit("party");
    return undefined;
  }

  /** Playback is there now. Each anchor is remembered, so that a state which lags behind events is known as old. */
  #anchored(anchor) {
    if (this.#anchors.length && same(this.#anchors.at(-1), anchor)) return;
    this.#anchors = [...this.#anchors, anchor].slice(-REMEMBERED);
    this.anchor = anchor;
    if (this.#gathering === null) this.#emit("anchor", anchor);
  }

  #gather() {
    clearTimeout(this.#gathering);
    this.#gathering = setTimeout(() => {
      this.#gathering = null;
      if (this.anchor) this.#emit("anchor", this.anchor);
    }, GATHERED);
  }

  #people({ members, cursor }) {
    this.members = members;
    this.more = cursor !== null;
    this.#emit("members");
  }

  #presence({ joined = {}, left = [], count = null }) {
    if (count !== null) {
      this.counted = count;
      this.present.clear();
    }
    for (const uid of Object.keys(joined)) this.present.add(uid);
    for (const uid of left) this.present.delete(uid);
    this.#emit("presence");
  }

  #heard({ event, from, data }) {
    if (event === "sync") return from === SYSTEM && this.#synced(data);
    if (event !== "reaction") return undefined;
    if (typeof data?.text !== "string" || !data.text) return undefined;
    return this.#emit(event, from, data.text.slice(0, TOLD_CHARS));
  }

  #synced({ members = {}, in_sync, present, drift_p95 }) {
    for (const [uid, told] of Object.entries(members)) {
      if (told === null) this.sync.delete(uid); // no longer there
      else this.sync.set(uid, { drift: told[0], state: told[1], rtt: told[2] });
    }
    this.summary = { in_sync, present, drift_p95 };
    this.#emit("sync");
  }
}
