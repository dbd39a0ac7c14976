// The comments on what is watched, over the connection: pages of them, replies that were asked for, and what is mine.
// Knows no page.

import { newKey, Refused } from "/client.js";
import { about, justSaid } from "/watch/talk/about.js";
import { Pages } from "/watch/talk/pages.js";
import { seeing } from "/watch/talk/seeing.js";
import { rows } from "/watch/talk/tree.js";

const PATIENCE = 8_000;
/** Of the newest, while nobody looks: how much of it is unread. */
const GLANCE = { limit: 20, depth: 1, replies: 3 };

/**
 * `changed()` is called whenever there is something else to show; `choice` says which thread (`scope`) and in what `order`.
 * What is shown: `view` (of the thread), `pinned`, `rows`, `mine`, `focus`, `refused`.
 */
export class Thread {
  #client;
  #room;
  #pages = null;
  #opened = new Map();
  #said = new Map();
  #stopMine = null;
  #mineOf = null;
  #here = null;
  #seeing;
  #isLooked = false;

  constructor(client, room, choice, changed) {
    this.#client = client;
    this.#room = room;
    this.choice = choice;
    this.changed = changed;
    /** `{ thread_id, comment_id }` that a link led to: then it is shown alone, with what is above and below it. */
    this.focus = null;
    this.mine = null;
    /** Until when all was read as one began to look: what is newer is marked. */
    this.readUntil = null;
    this.refused = null;
    this.#seeing = seeing({
      unread: () => this.#isLooked && this.unread > 0,
      read: () => this.#client.call("comments.read", { thread_id: this.#mineOf }).catch(() => {}),
    });
  }

  get about() {
    const scope = this.focus ? (this.focus.thread_id.includes("@") ? "room" : "everybody") : this.choice.scope;
    return about(this.#room.party, this.#room.id, scope);
  }

  /** Whether what is shown alone belongs to what is watched: only then is it known how to answer it. */
  get isHere() {
    return this.focus === null || this.focus === this.#here;
  }

  get me() {
    return this.#client.user;
  }

  get view() {
    return this.focus ? null : this.#pages?.values[0]?.thread ?? null;
  }

  get threadId() {
    return this.focus?.thread_id ?? this.#mineOf;
  }

  get isKnown() {
    return this.#pages?.isKnown ?? false;
  }

  get hasMore() {
    return this.#pages?.hasMore ?? false;
  }

  get pinned() {
    return this.focus ? [] : this.#pages?.values[0]?.pinned ?? [];
  }

  /** How much others have said that one has not read, of what is known here. */
  get unread() {
    if (!this.mine) return 0;
    const isNew = (at) => this.mine.read_until === null || Date.parse(at) > Date.parse(this.mine.read_until);
    const others = this.#told.filter(({ uid, posted_at }) => uid && uid !== this.me && isNew(posted_at));
    // It may be further down than what is known, unless it was I who spoke last.
    const { latest_at: latest } = this.view ?? {};
    const isElsewhere = latest && isNew(latest) && !(Date.parse(this.mine.said[0]?.posted_at) >= Date.parse(latest));
    return new Set(others.map(({ comment_id: id }) => id)).size || Number(Boolean(isElsewhere));
  }

  get isLocked() {
    return this.view?.locked === true;
  }

  get mayModerate() {
    return this.mine?.may_moderate ?? false;
  }

  get #told() {
    return [...(this.#pages?.values ?? []), ...[...this.#opened.values()].flatMap((replies) => replies.values)]
      .flatMap((page) => page.comments ?? page.replies);
  }

  get rows() {
    const values = this.#pages?.values ?? [];
    const [first] = values;
    const above = this.focus && first ? [...first.above, first.comment] : [];
    const pages = [...above, ...values.flatMap((page) => page.comments ?? page.replies)];
    for (const { comment_id: id } of pages) this.#said.delete(id);
    const opened = new Map([...this.#opened].filter(([, { isKnown }]) => isKnown)
      .map(([id, replies]) => [id, { comments: replies.values.flatMap((page) => page.replies), hasMore: replies.hasMore }]));
    if (this.focus && first) opened.set(this.focus.comment_id, { comments: [], hasMore: this.#pages.hasMore });
    for (const { comments } of opened.values()) for (const { comment_id: id } of comments) this.#said.delete(id);
    const own = this.mine?.comments ?? [];
    for (const { comment } of own) this.#said.delete(comment.comment_id);
    const said = [...this.#said.values()].map((comment) => ({ comment, held: false, hidden: false }));
    return rows({
      pages, opened, own: [...own, ...said], said: first ? this.mine?.said : [], order: this.focus ? null : this.choice.order,
      hasMore: this.hasMore, base: above[0]?.depth ?? 0,
    });
  }

  // Looking.

  /** Whether somebody looks; if not, there is only as much as tells what is unread. */
  look(isLooked) {
    this.#isLooked = isLooked;
    if (isLooked) this.readUntil = this.mine?.read_until ?? null;
    else this.focus = null;
    this.again();
  }

  /** Begin anew: something else is watched, or another thread or order was chosen. */
  again() {
    this.#stopPages();
    this.refused = null;
    if (!this.#room.party?.media) return;
    if (!this.#isLooked) this.#pages = this.#ask("comments.thread", { ...this.about, ...GLANCE });
    else if (!this.focus) this.#pages = this.#ask("comments.thread", { ...this.about, order: this.choice.order });
    else {
      this.#pages = this.#ask("comments.replies", { ...this.focus });
      this.#watchMine(this.focus.thread_id);
    }
    this.changed();
  }

  showAlone(focus) {
    this.focus = focus;
    this.again();
    if (focus) this.#findWhetherHere(focus);
  }

  more() {
    this.#pages?.more();
  }

  /** Show all replies to a comment, page by page. */
  moreReplies(comment_id) {
    if (this.focus?.comment_id === comment_id) return this.#pages.more();
    const opened = this.#opened.get(comment_id);
    if (opened) return opened.more();
    // One that was taken back meanwhile has no replies to ask for.
    this.#opened.set(comment_id, this.#ask("comments.replies", { thread_id: this.threadId, comment_id }, () => this.#opened.delete(comment_id)));
    return undefined;
  }

  close() {
    this.#stopPages();
    this.#stopMine?.();
    this.#seeing.close();
  }

  #stopPages() {
    this.#pages?.stop();
    this.#pages = null;
    for (const replies of this.#opened.values()) replies.stop();
    this.#opened.clear();
    this.#said.clear();
  }

  #ask(fn, args, failed = (refused) => (this.refused = refused)) {
    return new Pages({
      watch: (...watch) => this.#client.watch(...watch), fn, args,
      changed: () => {
        const { thread } = this.#pages?.values[0] ?? {};
        if (thread) this.#watchMine(thread.thread_id);
        this.#seeing.look();
        this.changed();
      },
      failed: (refused) => {
        failed(refused);
        this.changed();
      },
    });
  }

  /** The id of the thread about what is watched; null if it is another one by now, or one may not read it. */
  async #findId() {
    const asked = this.about;
    try {
      const { value } = await this.#client.call("comments.thread", { ...asked, limit: 1, depth: 0, replies: 0 });
      return JSON.stringify(asked) === JSON.stringify(this.about) ? value.thread.thread_id : null;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return null;
    }
  }

  async #findWhetherHere(focus) {
    if ((await this.#findId()) === focus.thread_id) this.#here = focus;
    this.changed();
  }

  #watchMine(thread_id) {
    if (this.#mineOf === thread_id) return;
    this.#stopMine?.();
    this.#mineOf = thread_id;
    this.mine = null;
    this.readUntil = null;
    this.#stopMine = this.#client.watch("comments.mine", { thread_id }, {
      value: (mine) => {
        if (this.mine === null) this.readUntil = mine.read_until;
        this.mine = mine;
        this.#seeing.look();
        this.changed();
      },
    });
  }

  // Doing. Each throws the `Refused` that it meets.

  /** `wish` is a name for what one wants to say: said again after trouble it is the same comment. */
  async post({ text, parent = null, media_seconds = null, spoiler = false, mentions = [] }, key = newKey()) {
    const name = this.#room.member(this.me)?.name;
    const title = this.#room.party.media_title;
    const { value } = await this.#client.call("comments.post", {
      ...this.about, text, spoiler, ...(parent && { parent: parent.comment_id }), ...(media_seconds !== null && { media_seconds }),
      ...(mentions.length && { mentions }), ...(name && { name }), ...(title && { title }),
    }, { key, patience: PATIENCE });
    const said = justSaid(value, { text, parent, media_seconds, spoiler, mentions }, { uid: this.me, name: name ?? "You" });
    this.#said.set(value.comment_id, said);
    if (parent && !this.#opened.has(parent.comment_id)) this.moreReplies(parent.comment_id);
    this.changed();
    return value;
  }

  /** Any other function about a comment of this thread. */
  do(fn, comment_id, args = {}) {
    this.#said.delete(comment_id);
    return this.#client.call(fn, { thread_id: this.threadId, comment_id, ...args }, { patience: PATIENCE });
  }

  lock(locked) {
    return this.#client.call("comments.lock", { thread_id: this.threadId, locked });
  }
}
