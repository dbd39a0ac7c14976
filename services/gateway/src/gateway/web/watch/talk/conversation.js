// A room's chat over the connection: what is said there, by whom, who is typing, and how the room is run. Knows no page.

import { Refused } from "/client.js";
import { Lines } from "/watch/talk/lines.js";
import { Teller, Typists } from "/watch/talk/typing.js";

const PAGE = 50;
const PATIENCE = 8_000;
const ASKED_AT_ONCE = 100;
const ASK_AFTER = 50;
/** What others see is told long before; of what is not, it is asked why. */
const UNTOLD_AFTER = 1_500;
/** `state.people` names the authors of all lines in it; whoever else is unknown is asked for. */
const SYSTEM = "system:comments";

/**
 * Events (`on`): `lines`, `rules`, `typing`: each tells only that something changed.
 */
export class Conversation {
  #client;
  #party;
  #now;
  #handlers = new Map();
  #follow = null;
  #teller = new Teller();
  #typists = new Typists();
  #unnamed = new Set();
  #asking = 0;
  #wondering = 0;
  #isLoading = false;

  /** Of a party, in milliseconds of server time. */
  constructor(client, party, now) {
    this.#client = client;
    this.#party = party;
    this.#now = now;
    this.room = `party:${party.id}`;
    this.lines = new Lines();
    this.rules = null;
    this.muted = false;
    this.mutedUntil = null;
    /** Server time from which on one may speak again, in slow mode. */
    this.waitsUntil = 0;
    /** Why one cannot follow it; null as long as one can. */
    this.refused = null;
    this.#listen();
  }

  on(event, handler) {
    if (!this.#handlers.has(event)) this.#handlers.set(event, new Set());
    this.#handlers.get(event).add(handler);
  }

  #emit(event, ...details) {
    for (const handler of this.#handlers.get(event) ?? []) handler(...details);
  }

  close() {
    clearTimeout(this.#asking);
    clearTimeout(this.#wondering);
    this.#follow?.stop();
  }

  /** Follow it once more, after one was away and is a member anew. */
  again() {
    this.#listen();
  }

  get me() {
    return this.#client.user;
  }

  get isPrivate() {
    return this.#party.party?.private === true;
  }

  get mayModerate() {
    return this.rules?.may_moderate === true || this.#party.may("people");
  }

  /** Empty for who was erased, and as long as a name is not known. */
  nameOf(uid) {
    const known = this.lines.people.get(uid);
    if (!known) this.#ask(uid);
    return known?.name || this.#party.member(uid)?.name || "";
  }

  /** Who else is typing now. */
  get typing() {
    return this.#typists.who(performance.now());
  }

  /** Everybody who can be mentioned. */
  get people() {
    const spoke = [...this.lines.people].map(([uid, { name }]) => ({ uid, name }));
    return [...this.#party.members, ...spoke].filter(({ uid }) => uid !== this.me);
  }

  // Saying and changing. Each throws the `Refused` that it meets, unless it is told as a state.

  async say(text, { answers = null, picture = null, mentions = [] } = {}) {
    const line = { text: text.normalize("NFC"), answers, media_seconds: picture };
    const args = { room: this.room, text, ...(answers && { answers }), ...(picture !== null && { media_seconds: picture }), ...(mentions.length && { mentions }) };
    const name = this.#party.member(this.me)?.name;
    try {
      const { value } = await this.#client.call("chat.say", { ...args, ...(name && { name }) }, { patience: PATIENCE });
      this.#teller.sent();
      this.#heardMuted(null);
      if (this.rules?.slow_seconds && !this.mayModerate) this.waitsUntil = this.#now() + this.rules.slow_seconds * 1000;
      this.lines.said({ ...line, line: value.line, uid: this.me, at: this.#now() });
      this.#wonder(value.line);
      this.#emit("lines");
      this.#emit("rules");
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.code === "muted") this.#heardMuted(error);
      if (error.code === "slow-mode") this.waitsUntil = this.#now() + error.wait;
      this.#emit("rules");
      throw error;
    }
  }

  /** Any other function; those of chats are about this room. */
  do(fn, args) {
    return this.#client.call(fn, { ...(fn.startsWith("chat.") && { room: this.room }), ...args }, { patience: PATIENCE });
  }

  /** Take back a line of one's own. Of one that others did not see they are not told, nor is one oneself. */
  async takeBack(line) {
    const answer = await this.do("chat.delete", { line });
    this.lines.happened("comments.line-deleted", { line });
    this.#emit("lines");
    return answer;
  }

  /** Tell the others that one is typing, now and then. */
  types() {
    if (this.#client.state === "online" && this.#teller.due(performance.now())) this.#follow?.send("typing", {}).catch(() => {});
  }

  /** Read one page further back, if there is any. */
  async older() {
    if (this.#isLoading || this.lines.cursor === null) return;
    this.#isLoading = true;
    try {
      const { cursor } = this.lines;
      const { value } = await this.#client.call("chat.history", { room: this.room, limit: PAGE, ...(cursor && { cursor }) });
      this.lines.older(value);
      this.#emit("lines");
    } finally {
      this.#isLoading = false;
    }
  }

  #heardMuted(error) {
    this.muted = error !== null;
    this.mutedUntil = error?.details.until ?? null;
  }

  // Hearing.

  #listen() {
    let isFirst = true;
    this.#follow = this.#client.follow(`chat:${this.#party.id}`, {
      followed: (frame) => {
        this.#followed(frame, isFirst);
        isFirst = false;
      },
      event: (frame) => this.#happened(frame),
      message: (frame) => this.#heard(frame),
      ended: (reason) => this.#ended(reason),
      error: (refused) => this.#over(refused),
    });
  }

  #followed({ state, recovered }, isFirst) {
    this.refused = null;
    if (state) {
      const { open, slow_seconds, links, words, may_moderate, muted, muted_until } = state;
      // Whoever did not moderate then was told no words, whatever there are.
      this.rules = { open, slow_seconds, links, words: may_moderate ? words : null, may_moderate };
      this.muted = muted;
      this.mutedUntil = muted_until;
      this.#emit("rules");
    }
    if (!state || (recovered && !isFirst)) return;
    this.lines.reset(state);
    this.#emit("lines");
    this.#showUnseen();
  }

  /** Nothing tells that a rule holds back what one said. */
  #wonder(line) {
    clearTimeout(this.#wondering);
    this.#wondering = setTimeout(() => this.lines.isUntold(line) && this.#showUnseen(), UNTOLD_AFTER);
  }

  /** What one said and others do not see is told to oneself alone. */
  async #showUnseen() {
    try {
      const { value } = await this.#client.call("chat.mine", { room: this.room });
      this.lines.unseen(value);
      this.#emit("lines");
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
    }
  }

  #happened({ type, data, position }) {
    if (type === "comments.room-configured") {
      const { open, slow_seconds, links } = data;
      this.rules = { ...this.rules, open, slow_seconds, links };
      this.waitsUntil = Math.min(this.waitsUntil, this.#now() + slow_seconds * 1000);
      this.#emit("rules");
      if (this.mayModerate) this.#listen();  // the words are in the snapshot alone
    }
    if (!this.lines.happened(type, data, position)) return;
    if (type === "comments.said") {
      this.#typists.spoke(data.uid);
      this.#emit("typing");
    }
    // A line further back than one has read was pinned: the snapshot tells it.
    if (this.lines.pinned === undefined) this.#listen();
    this.#emit("lines");
  }

  #heard({ event, from, data }) {
    if (event === "person" && from === SYSTEM) this.#met(data);
    if (event !== "typing" || from === this.me) return;
    this.#typists.heard(from, performance.now());
    this.#emit("typing");
  }

  #met({ uid, name = "", avatar = "" }) {
    this.lines.meet(uid, { name, avatar });
    this.#emit("lines");
  }

  /** Some names are not known: ask for all of them together. */
  #ask(uid) {
    this.#unnamed.add(uid);
    this.#asking ||= setTimeout(async () => {
      const uids = [...this.#unnamed].filter((one) => !this.lines.people.has(one)).slice(0, ASKED_AT_ONCE);
      this.#asking = 0;
      this.#unnamed.clear();
      if (!uids.length) return;
      const { value } = await this.#client.call("chat.people", { room: this.room, uids }).catch(() => ({ value: { people: {} } }));
      for (const one of uids) this.lines.meet(one, value.people[one] ?? { name: "", avatar: "" });
      this.#emit("lines");
    }, ASK_AFTER);
  }

  #ended(reason) {
    if (reason === "now-private") return this.#listen();
    return this.#over(new Refused({ code: reason, message: "You cannot follow this chat any more." }));
  }

  #over(refused) {
    this.refused = refused;
    this.#emit("rules");
  }
}
