// Where this member's film comes from: the party's address, or a copy of their own, which may start later than others'.

import { h, write } from "/watch/dom.js";
import * as store from "/watch/store.js";
import { title } from "/watch/words.js";

const HAVE_FUTURE_DATA = 3;
const isAddress = (text) => /^https?:\/\//i.test(text ?? "");

/** What a film is called: as its party calls it, or after its address or file. */
export const nameOf = ({ media, media_title, source }) => media_title || title(isAddress(source) ? source : media) || "the film";

/** A name for an address that tells nothing of it: addresses may hold credentials, and media ids are seen by everybody. */
export function webId(address) {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(address)) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  return `web:${hash.toString(36)}`;
}

/** The arguments that name a film to `party.open`, `party.change_media` and `party.enqueue`. */
export function described(addressOrName, file = null) {
  if (file) return { media: `file:${file.name}`.slice(0, 2000), media_title: title(file.name).slice(0, 200) || file.name.slice(0, 200) };
  const text = addressOrName.trim();
  if (!isAddress(text)) return { media: text.slice(0, 2000) };
  return { media: webId(text), media_title: title(text).slice(0, 200) || new URL(text).hostname, source: text };
}

/** A button that opens the file chooser; `chosen` gets the file. */
export function picker(label, chosen, fields = {}) {
  const input = h("input", {
    type: "file", accept: "video/*,audio/*,.mkv,.webm,.mp4,.m4v,.mov,.ogv", class: "visually-hidden", tabindex: "-1", "aria-label": label,
    on: { change: () => input.files[0] && chosen(input.files[0]) },
  });
  const button = h("button", { type: "button", class: "plain", ...fields, on: { click: () => input.click() } }, label);
  return h("span", { class: "picker" }, button, input);
}

/** Let a file be dropped on an element. */
export function droppable(element, chosen) {
  const over = (isOver) => element.classList.toggle("dropping", isOver);
  const holdsFile = ({ dataTransfer }) => [...(dataTransfer?.types ?? [])].includes("Files");
  element.addEventListener("dragover", (event) => {
    if (!holdsFile(event)) return;
    event.preventDefault();
    over(true);
  });
  element.addEventListener("dragleave", (event) => element.contains(event.relatedTarget) || over(false));
  element.addEventListener("drop", (event) => {
    over(false);
    if (!holdsFile(event)) return;
    event.preventDefault();
    if (event.dataTransfer.files[0]) chosen(event.dataTransfer.files[0]);
  });
}

const TROUBLES = {
  1: "Loading was stopped.",
  2: "The connection to where the film comes from broke.",
  3: "This film is damaged, or your browser cannot decode it.",
  4: "Your browser cannot play this, or there is nothing at that address.",
};

/** Keeps a video element's source as the party says. `changed` is called when what it is or how it fares may be other. */
export class Film {
  #copies = new Map();
  #told = null;
  #address = null;

  constructor(room, video, changed) {
    this.room = room;
    this.video = video;
    this.changed = changed;
    this.media = null;
    this.file = null;
    /** `none`: it has to be chosen; `loading`, `ready`, or `broken` with `trouble` in words. */
    this.state = "none";
    this.trouble = "";
    room.on("media", () => this.#changed());
    room.on("back", () => {
      this.#told = null;
      this.#look();
    });
    for (const event of ["loadedmetadata", "canplay", "emptied"]) video.addEventListener(event, () => this.#look());
    video.addEventListener("error", () => this.#look());
  }

  /** Seconds by which this copy starts later than the party's. */
  get offset() {
    return store.offsets.get(this.#key()) ?? 0;
  }

  set offset(seconds) {
    if (seconds) store.offsets.put(this.#key(), seconds);
    else store.offsets.drop(this.#key());
    this.changed();
  }

  /** Seconds of the party's time that this film has; NaN while unknown. */
  get duration() {
    return this.video.duration - this.offset;
  }

  get name() {
    return this.room.party ? nameOf(this.room.party) : "";
  }

  /** Watch this file of one's own whenever the party watches this media. */
  useFile(file, media = this.room.party?.media) {
    this.#copies.set(media, file);
    if (media === this.room.party?.media) this.#changed();
  }

  /** Go back to where the party's film comes from. */
  useParty() {
    this.#copies.delete(this.room.party.media);
    this.#changed();
  }

  /** Load it again, after trouble. */
  again() {
    this.#address = null;
    this.#changed();
  }

  close() {
    this.#load(null);
  }

  #key() {
    return this.file ? `${this.media} ${this.file.name} ${this.file.size}` : this.media;
  }

  #changed() {
    const { party } = this.room;
    if (this.media !== party.media) this.#told = null;
    this.media = party.media;
    const file = this.#copies.get(party.media) ?? null;
    if (file) return this.#load(file === this.file && this.#address ? this.#address : URL.createObjectURL(file), file);
    // Where the new film comes from is not known yet; the old one goes on standing there.
    if (party.source === null) return undefined;
    const address = [party.source, party.media].find(isAddress) ?? null;
    return this.#load(address);
  }

  #load(address, file = null) {
    this.file = file;
    if (address !== this.#address) {
      if (this.#address?.startsWith("blob:")) URL.revokeObjectURL(this.#address);
      this.#address = address;
      if (address) this.video.src = address;
      else this.video.removeAttribute("src");
      this.video.load();
    }
    this.#look();
  }

  #look() {
    const { error, readyState } = this.video;
    this.trouble = error ? this.#words(error.code) : "";
    if (!this.#address) this.state = "none";
    else if (error) this.state = "broken";
    else if (this.state !== "ready" || readyState === 0) this.state = readyState >= HAVE_FUTURE_DATA ? "ready" : "loading";
    this.#tellReady();
    this.changed();
  }

  #words(code) {
    const isMixed = location.protocol === "https:" && /^http:/i.test(this.#address ?? "");
    return isMixed ? "This page is encrypted and the film's address is not: your browser refuses it." : TROUBLES[code] ?? "It cannot be played.";
  }

  /** The party waits for who is not ready; each change is told once. */
  #tellReady() {
    const isReady = this.state === "ready";
    if (this.room.over || !this.room.party || this.#told === isReady || (this.#told === null && !isReady)) return;
    this.#told = isReady;
    this.room.call("party.ready", { ready: isReady }).catch(() => (this.#told = null));
  }
}

/** A field for the seconds by which one's own copy is off. */
export function offsetField(film) {
  const input = h("input", {
    type: "number", step: "0.05", min: "-7200", max: "7200", inputmode: "decimal", value: film.offset.toFixed(2),
    on: { change: () => (film.offset = Math.min(7200, Math.max(-7200, Number(input.value) || 0))) },
  });
  const said = h("output", { class: "quiet" });
  const step = (seconds) => () => {
    film.offset = Math.round((film.offset + seconds) * 100) / 100;
    show();
  };
  const show = () => {
    input.value = film.offset.toFixed(2);
    write(said, film.offset ? `Kept for ${film.file ? "this file" : "this film"} on this device.` : "");
  };
  show();
  return h("div", { class: "field" },
    h("label", {}, "My copy starts later by (seconds)", input),
    h("div", { class: "row" },
      ...[-1, -0.1, 0.1, 1].map((seconds) =>
        h("button", { type: "button", class: "plain small", on: { click: step(seconds) }, "aria-label": `${seconds > 0 ? "Later" : "Earlier"} by ${Math.abs(seconds)} s` }, `${seconds > 0 ? "+" : "−"}${Math.abs(seconds)}`)),
      said));
}
