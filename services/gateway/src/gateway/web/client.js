// A client of Matinee's socket: signs in, calls, watches, follows and comes back by itself. No dependencies, no build.
//
//   import { Client, Guest } from "/client.js";
//   const client = new Client({ token: new Guest({ name: "Ana" }).token });
//   client.start();
//   const { value } = await client.call("party.open", { title: "Friday film", media: "tt0111161" });
//   client.follow(`party:${value.party_id}`, { event: (frame) => console.log(frame.type, frame.data) });
//
// What is said here is docs/app-developers.md; codes and what to do at each are its tables.

export const PROTOCOL = "matinee.v1";

const SECOND = 1000;
const HELLO_WITHIN = 10 * SECOND;
const ANSWER_WITHIN = 10 * SECOND;
const PROBE_WITHIN = 4 * SECOND;
const QUIET_AFTER = 20 * SECOND;
const LONGEST_TIMER = 2 ** 31 - 1;
const RENEWALS = 3;

/** Codes after which the same wish, under the same key, may be sent again. */
const AGAIN = new Set([
  "lost", "busy", "unavailable", "timeout", "deadline-exceeded", "position-not-reached", "going-away",
  "issuer-unavailable", "too-many-calls", "token-expired",
]);

/** What a server, or this client in its place, refused: `code` is what to decide by, `message` is for people. */
export class Refused extends Error {
  constructor({ code, status = 0, message = code, details = {} }) {
    super(message);
    this.name = "Refused";
    this.code = code;
    this.status = status;
    this.details = details;
  }

  /** Whether sending the same again may help and can do no harm. */
  get again() {
    return AGAIN.has(this.code);
  }

  /** Milliseconds to wait at least. */
  get wait() {
    return (this.details.retry_after ?? 0) * SECOND;
  }
}

/** Monotonic milliseconds; `time` and clocks made from it speak of the same ones. */
export const local = () => performance.now();

/** A random text that names one wish. Works where `crypto.randomUUID` does not: on pages without TLS. */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Milliseconds before the next attempt: a random part of a time that doubles. */
export function backoff(attempt, { first = 500, most = 15 * SECOND, random = Math.random } = {}) {
  return random() * Math.min(most, first * 2 ** Math.min(attempt, 20));
}

/**
 * What a client does once its socket closed with this code: `connect` again after `wait` milliseconds (null: after the
 * usual back-off), with a fresh token if `renew`; what was `unsent` must not be sent again.
 */
export function afterClose(code, random = Math.random) {
  const usual = { connect: true, wait: null, renew: false, unsent: false };
  switch (code) {
    case 1001: return { ...usual, wait: random() * SECOND };
    case 1002: return { ...usual, connect: false };
    case 1009: return { ...usual, unsent: true };
    case 4402: return { ...usual, renew: true };
    case 4429: return { ...usual, wait: 60 * SECOND + random() * 5 * SECOND };
    default: return usual;
  }
}

const sleep = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));
const lost = () => new Refused({ code: "lost", message: "The connection broke." });
const late = () => new Refused({ code: "timeout", status: 504, message: "No answer in time." });

async function refusalOf(response) {
  const body = await response.json().catch(() => ({}));
  const { code = "internal", title: message, details } = body;
  return new Refused({ code, status: response.status, message, details });
}

/** Local storage where a browser lets us have it, otherwise memory, which a reload forgets. */
export function openStorage() {
  try {
    const probe = "matinee.probe";
    globalThis.localStorage.setItem(probe, probe);
    globalThis.localStorage.removeItem(probe);
    return globalThis.localStorage;
  } catch {
    return memory();
  }
}

function memory() {
  const kept = new Map();
  return {
    blocked: true,
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, text) => void kept.set(name, text),
    removeItem: (name) => void kept.delete(name),
  };
}

/** A person without an account. The token is kept, because it is the person: a reload or second tab is the same one. */
export class Guest {
  constructor({ name = "", base = globalThis.location?.origin ?? "", storage = openStorage(), slot = "matinee.guest" } = {}) {
    this.base = base;
    this.storage = storage;
    this.slot = slot;
    this.name = name || this.#kept()?.name || "";
    /** To be given to a `Client` as it is. */
    this.token = (refused) => this.#token(refused);
  }

  /** Whether this browser was a guest here before. */
  get known() {
    return this.#kept() !== null;
  }

  forget() {
    this.storage.removeItem(this.slot);
  }

  /** Be called otherwise from now on; the token, and with it the person, stays. */
  rename(name) {
    this.name = name;
    const kept = this.#kept();
    if (kept) this.#keep({ ...kept, name });
  }

  async #token(refused) {
    if (refused) this.forget();
    return (this.#kept() ?? (await this.#admitted())).token;
  }

  async #admitted() {
    const response = await fetch(`${this.base}/v1/guest`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ name: this.name }),
    });
    if (!response.ok) throw await refusalOf(response);
    const admitted = { ...(await response.json()), name: this.name };
    // Another tab may have been quicker; then both are whom that one became.
    const other = this.#kept();
    if (other) return other;
    this.#keep(admitted);
    return admitted;
  }

  #keep(record) {
    try {
      this.storage.setItem(this.slot, JSON.stringify(record));
    } catch {
      // A full storage: this page goes on with what it has, a reload is somebody new.
      this.storage = memory();
      this.storage.setItem(this.slot, JSON.stringify(record));
    }
  }

  #kept() {
    try {
      const kept = JSON.parse(this.storage.getItem(this.slot));
      return kept && typeof kept.token === "string" && Date.parse(kept.expires) > Date.now() ? kept : null;
    } catch {
      return null;
    }
  }
}

/**
 * One person's connection, whatever becomes of sockets: watches and follows go on over all of them.
 *
 * `token` is asked for a token, with null or with the `Refused` that the last one met; then it should fetch a fresh one.
 * Events (`on` returns how to stop listening): `state` (`connecting`, `online`, `waiting` with the milliseconds until
 * the next attempt, `stopped` with the `Refused` that ended it, if any), and `user` (an id) when it is known who one is.
 */
export class Client {
  #token;
  #handlers = new Map();
  #socket = null;
  #ids = 0;
  #asked = new Map();
  #watches = new Set();
  #follows = new Map();
  #attempt = 0;
  #refused = null;
  #signing = null;
  #renewals = 0;
  #timers = {};
  #heard = 0;
  #listening = new AbortController();

  constructor({ token, url = socketUrl() }) {
    this.#token = token;
    this.url = url;
    this.state = "idle";
    this.user = null;
    this.hello = null;
  }

  on(event, handler) {
    if (!this.#handlers.has(event)) this.#handlers.set(event, new Set());
    this.#handlers.get(event).add(handler);
    return () => this.#handlers.get(event).delete(handler);
  }

  start() {
    if (this.state !== "idle" && this.state !== "stopped") return;
    const { signal } = (this.#listening = new AbortController());
    globalThis.addEventListener?.("online", () => this.wake(), { signal });
    globalThis.addEventListener?.("pageshow", () => this.wake(), { signal });
    globalThis.document?.addEventListener("visibilitychange", () => document.hidden || this.wake(), { signal });
    this.#timers.quiet = setInterval(() => this.#listen(), QUIET_AFTER / 4);
    this.#connect();
  }

  stop(refused = null) {
    this.#listening.abort();
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    this.#timers = {};
    this.#drop(1000);
    this.#become("stopped", refused);
  }

  /** The machine or the network may have been asleep: see at once whether the socket still lives. */
  wake() {
    if (this.state === "waiting") this.#connect();
    else if (this.state === "online") this.#probe();
  }

  /**
   * Carry out a command or answer a query: `{ value, position }`; a report is answered too, with null for both. It is
   * sent again under the same key, over a new socket if need be, until it is answered or `patience` milliseconds are
   * over. `once`: only now, or not at all.
   */
  async call(fn, args = {}, { key = newKey(), after, patience = 30 * SECOND, once = false } = {}) {
    const until = local() + patience;
    for (let attempt = 0; ; attempt++) {
      try {
        if (once && this.state !== "online") throw lost();
        await this.#online(until);
        return await this.#ask("call", { fn, args, key, ...(after && { after }) });
      } catch (error) {
        if (once || !(error instanceof Refused) || !error.again) throw error;
        if (error.code === "token-expired") await this.#signIn(error);
        const wait = error.code === "lost" ? 0 : Math.max(error.wait, backoff(attempt, { first: 200, most: 3 * SECOND }));
        if (local() + wait > until) throw error;
        await sleep(wait);
      }
    }
  }

  /** A live query: `value(value, position)` now and after each change, until the returned function is called. */
  watch(fn, args, { value, error = () => {} }) {
    const watch = { fn, args, value, error, id: null, attempt: 0 };
    this.#watches.add(watch);
    if (this.state === "online") this.#sendWatch(watch);
    return () => {
      this.#watches.delete(watch);
      if (watch.id !== null) this.#settle(watch.id, "unwatch");
      watch.id = null;
    };
  }

  /**
   * Follow a channel, from `since` if given, and go on after each reconnect behind the last event that was handled.
   * Handlers, all optional, get frames: `followed`, `event`, `presence`, `message`; `ended` gets a reason, `error` a
   * `Refused`; after either, following is over. Returned: `track(meta)`, `send(event, data, { self })`, `stop()`.
   */
  follow(channel, handlers, since = null) {
    this.#follows.get(channel)?.stop();
    const follow = { channel, handlers, since, meta: undefined, id: null, attempt: 0, live: false };
    follow.track = (meta) => {
      follow.meta = meta;
      if (follow.live) this.#track(follow);
    };
    follow.send = (event, data, { self = false } = {}) => this.#askNow("send", { channel, event, data, self });
    follow.stop = () => {
      if (this.#follows.get(channel) !== follow) return;
      this.#end(follow);
      if (this.state === "online") this.#ask("unfollow", { channel }).catch(() => {});
    };
    this.#follows.set(channel, follow);
    if (this.state === "online") this.#sendFollow(follow);
    return follow;
  }

  /** One question for the server's time: four stamps in milliseconds, `t0` and `t3` of the local clock. */
  async time() {
    const t0 = local();
    const { t1, t2, heard: t3 } = await this.#askNow("time", { t0 });
    return { t0, t1, t2, t3 };
  }

  // Coming and going.

  #connect() {
    clearTimeout(this.#timers.connect);
    this.#drop();
    this.#become("connecting");
    const socket = (this.#socket = new WebSocket(this.url, PROTOCOL));
    this.#timers.hello = setTimeout(() => this.#lost(socket, 1006), HELLO_WITHIN);
    socket.onmessage = ({ data }) => {
      this.#heard = local();
      if (typeof data === "string") this.#read(JSON.parse(data), this.#heard);
    };
    socket.onclose = ({ code }) => this.#lost(socket, code);
  }

  /** Forget the socket, without waiting for a farewell that a broken one cannot give. */
  #drop(code) {
    clearTimeout(this.#timers.hello);
    clearTimeout(this.#timers.expiry);
    const socket = this.#socket;
    this.#socket = null;
    if (socket) {
      socket.onmessage = socket.onclose = null;
      socket.close(code);
    }
    for (const watch of this.#watches) watch.id = null;
    for (const follow of this.#follows.values()) Object.assign(follow, { id: null, live: false });
    const asked = [...this.#asked.values()];
    this.#asked.clear();
    for (const { reject, timer } of asked) {
      clearTimeout(timer);
      reject(lost());
    }
  }

  #lost(socket, code) {
    if (socket !== this.#socket) return;
    const { connect, wait, renew, unsent } = afterClose(code);
    if (unsent) this.#refuseAll(new Refused({ code: "frame-too-large", status: 413, message: "That was too large." }));
    this.#drop();
    if (renew) this.#refused ??= new Refused({ code: "token-expired", status: 401 });
    if (!connect) return this.stop(new Refused({ code: "protocol", message: "The server does not speak this protocol." }));
    this.#later(wait ?? backoff(this.#attempt++));
  }

  #later(wait) {
    this.#become("waiting", wait);
    this.#timers.connect = setTimeout(() => this.#connect(), wait);
  }

  #refuseAll(refused) {
    for (const [id, { reject, timer }] of this.#asked) {
      clearTimeout(timer);
      this.#asked.delete(id);
      reject(refused);
    }
  }

  /** Sign in with the token at hand, or with a fresh one after a refusal; then take up everything that goes on. */
  #signIn(refused = this.#refused) {
    const socket = this.#socket;
    if (this.#signing?.socket !== socket) {
      const done = this.#present(socket, refused).finally(() => this.#signing?.done === done && (this.#signing = null));
      this.#signing = { socket, done };
    }
    return this.#signing.done;
  }

  async #present(socket, refused) {
    try {
      const token = await this.#token(refused);
      this.#refused = null;
      if (socket === null || socket !== this.#socket) return;
      const { user, expires } = await this.#ask("auth", { token });
      this.#signedIn(user, Date.parse(expires));
    } catch (error) {
      if (socket !== this.#socket) return;
      await this.#notSignedIn(error instanceof Refused ? error : lost(), socket);
    }
  }

  #signedIn(user, expires) {
    this.#renewals = 0;
    this.#attempt = 0;
    this.#renewAt(expires);
    const isNew = user !== this.user;
    this.user = user;
    if (isNew) this.#emit("user", user);
    if (this.state === "online") return;
    this.#become("online");
    for (const follow of [...this.#follows.values()]) this.#sendFollow(follow);
    for (const watch of [...this.#watches]) this.#sendWatch(watch);
  }

  #notSignedIn(refused, socket) {
    if (refused.code === "token-expired" || refused.code === "token-invalid") {
      if (++this.#renewals > RENEWALS) return this.stop(refused);
      this.#refused = refused;
      return this.#present(socket, refused);
    }
    // Somebody else now: a socket belongs to one person.
    if (refused.code === "other-user") return this.#connect();
    const passing = refused.again || refused.status === 429 || refused.status >= 500;
    if (!passing) return this.stop(refused);
    this.#drop();
    return this.#later(Math.max(refused.wait, backoff(this.#attempt++)));
  }

  #renewAt(expires) {
    clearTimeout(this.#timers.expiry);
    const left = expires - Date.now();
    if (!Number.isFinite(left)) return;
    this.#timers.expiry = setTimeout(
      () => (left > LONGEST_TIMER ? this.#renewAt(expires) : this.#signIn(new Refused({ code: "token-expired", status: 401 }))),
      Math.min(Math.max(left, 0), LONGEST_TIMER),
    );
  }

  /** Wait for the socket that is being opened. */
  #online(until) {
    if (this.state === "online") return null;
    if (this.state === "stopped" || this.state === "idle") throw new Refused({ code: "stopped", message: "Not connected." });
    return new Promise((resolve, reject) => {
      const done = (settle, value) => {
        clearTimeout(timer);
        off();
        settle(value);
      };
      const timer = setTimeout(() => done(reject, late()), Math.max(until - local(), 0));
      const off = this.on("state", (state) => {
        if (state === "online") done(resolve);
        else if (state === "stopped") done(reject, new Refused({ code: "stopped", message: "Not connected." }));
      });
    });
  }

  /** A browser does not show pings: ask when nothing was heard for long. */
  #listen() {
    if (this.state === "online" && local() - this.#heard > QUIET_AFTER) this.#probe();
  }

  #probe() {
    const socket = this.#socket;
    this.#ask("time", {}, PROBE_WITHIN).catch(() => this.#lost(socket, 1006));
  }

  // Saying and hearing.

  #say(frame) {
    const text = JSON.stringify(frame);
    const limit = this.hello?.limits?.frame_bytes;
    // UTF-8 takes three bytes at most for each of these characters.
    if (limit && text.length * 3 > limit && new TextEncoder().encode(text).length > limit) throw new Refused({ code: "frame-too-large", status: 413, message: "That is too large." });
    this.#socket.send(text);
  }

  #ask(op, fields, within = ANSWER_WITHIN) {
    const id = ++this.#ids;
    return new Promise((resolve, reject) => {
      if (this.#socket?.readyState !== WebSocket.OPEN) return reject(lost());
      const timer = setTimeout(() => this.#asked.delete(id) && reject(late()), within);
      this.#asked.set(id, { resolve, reject, timer });
      try {
        this.#say({ op, id, ...fields });
      } catch (error) {
        clearTimeout(timer);
        this.#asked.delete(id);
        reject(error);
      }
      return undefined;
    });
  }

  async #askNow(op, fields) {
    if (this.state !== "online") throw lost();
    return this.#ask(op, fields);
  }

  /** End what has this id; the answer does not matter. */
  #settle(id, op) {
    if (this.state === "online") this.#say({ op, id });
  }

  #read(frame, heard) {
    switch (frame.op) {
      case "hello":
        clearTimeout(this.#timers.hello);
        this.hello = frame;
        return void this.#signIn();
      case "value":
        return this.#watching(frame.id)?.value(frame.value, frame.position);
      case "followed":
        return this.#followed(frame);
      case "event":
      case "presence":
      case "message":
        return this.#pushed(frame);
      case "ended": {
        const follow = this.#follows.get(frame.channel);
        if (follow) this.#end(follow);
        return follow?.handlers.ended?.(frame.reason);
      }
      case "error":
        return this.#failed(frame);
      default:
        return this.#answered(frame, heard);
    }
  }

  #answered(frame, heard) {
    const asked = this.#asked.get(frame.id);
    if (!asked) return;
    clearTimeout(asked.timer);
    this.#asked.delete(frame.id);
    asked.resolve({ ...frame, heard });
  }

  #failed({ id, error }) {
    const refused = new Refused(error);
    const asked = this.#asked.get(id);
    if (asked) {
      clearTimeout(asked.timer);
      this.#asked.delete(id);
      return asked.reject(refused);
    }
    const going = this.#watching(id) ?? [...this.#follows.values()].find((follow) => follow.id === id);
    if (going) this.#interrupted(going, refused);
    else if (id === undefined) console.error("matinee:", refused.code, refused.message, refused.details);
    return undefined;
  }

  /** A watch or follow was refused: begin it again if that may help, else it is over. */
  async #interrupted(going, refused) {
    const isFollow = going.handlers !== undefined;
    going.id = null;
    going.live = false;
    if (isFollow && (refused.code === "bad-position" || refused.code === "other-epoch")) {
      going.since = null;
      return this.#sendFollow(going);
    }
    if (!refused.again && refused.code !== "rate-limited") {
      if (isFollow) this.#end(going);
      else this.#watches.delete(going);
      return (isFollow ? going.handlers.error : going.error)?.(refused);
    }
    if (refused.code === "token-expired") await this.#signIn(refused);
    await sleep(Math.max(refused.wait, backoff(going.attempt++, { most: 5 * SECOND })));
    const isWanted = isFollow ? this.#follows.get(going.channel) === going : this.#watches.has(going);
    if (isWanted && going.id === null && this.state === "online") isFollow ? this.#sendFollow(going) : this.#sendWatch(going);
    return undefined;
  }

  // What goes on over all sockets.

  #sendWatch(watch) {
    watch.id = ++this.#ids;
    this.#say({ op: "watch", id: watch.id, fn: watch.fn, args: watch.args });
  }

  #watching(id) {
    return [...this.#watches].find((watch) => watch.id === id);
  }

  #sendFollow(follow) {
    follow.id = ++this.#ids;
    const { id, channel, since } = follow;
    this.#say({ op: "follow", id, channel, ...(since && { since }) });
  }

  #followed(frame) {
    const follow = this.#follows.get(frame.channel);
    if (!follow) return;
    follow.since = frame.position;
    follow.attempt = 0;
    follow.live = true;
    follow.handlers.followed?.(frame);
    if (follow.meta !== undefined) this.#track(follow);
  }

  #pushed(frame) {
    const follow = this.#follows.get(frame.channel);
    if (!follow) return;
    follow.handlers[frame.op]?.(frame);
    if (frame.op === "event") follow.since = frame.position;
  }

  #track({ channel, meta, handlers }) {
    this.#ask("track", { channel, meta }).catch((error) => error.again || handlers.untracked?.(error));
  }

  #end(follow) {
    this.#follows.delete(follow.channel);
    follow.id = null;
    follow.live = false;
  }

  // Events.

  #become(state, detail) {
    if (this.state === state && state !== "waiting") return;
    this.state = state;
    this.#emit("state", state, detail);
  }

  #emit(event, ...details) {
    for (const handler of [...(this.#handlers.get(event) ?? [])]) handler(...details);
  }
}

function socketUrl() {
  const url = new URL("/v1/ws", globalThis.location?.href ?? "http://127.0.0.1:8080");
  url.protocol = url.protocol.replace("http", "ws");
  return url.href;
}
