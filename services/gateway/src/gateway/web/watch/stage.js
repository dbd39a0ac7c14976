// The screen: the film, what lies over it while it cannot be seen, and the controls, which are everybody's.

import { place } from "/sync.js";
import { clock as shown, h, icon, iconButton, relabel, set, spoken, timeOfDay, write } from "/watch/dom.js";
import { droppable, picker } from "/watch/film.js";
import * as store from "/watch/store.js";
import { CONTROLS, title } from "/watch/words.js";

const RATES = [0.5, 0.75, 1, 1.25, 1.5, 1.75, 2];
const SOON = 250;
const SETTLES = 1500;
const COUNTED = 600;
const COUNTDOWN = 5;
const IDLE = 2500;
const FLYING = 24;

/**
 * The stage of a room. `serverNow()` is server time in milliseconds or NaN; `unblock()` is called within a click when
 * the browser wanted one before it plays.
 */
export class Stage {
  #room;
  #film;
  #now;
  #target = null;
  #seeking = 0;
  #ticking = 0;
  #idle = 0;
  #blocked = false;
  #cover = "";
  #closing = new AbortController();

  constructor({ room, video, film, serverNow, unblock, announce }) {
    this.#room = room;
    this.#film = film;
    this.#now = serverNow;
    this.video = video;
    this.unblock = unblock;
    this.announce = announce;
    this.element = this.#build();
    for (const event of ["anchor", "hold", "party", "members", "queue"]) room.on(event, () => this.show());
    this.#ticking = setInterval(() => this.#tick(), SOON);
    const { volume, muted } = store.volume.get();
    Object.assign(video, { volume, muted });
    this.show();
  }

  close() {
    clearInterval(this.#ticking);
    clearTimeout(this.#idle);
    clearTimeout(this.#seeking);
    this.#closing.abort();
  }

  // Doing something.

  toggle() {
    return this.#playing() || this.#room.hold ? this.#room.try("party.pause") : this.#room.try("party.play");
  }

  skip(seconds) {
    this.seekTo((this.#target ?? this.#place()) + seconds);
  }

  /** Seek once the wish stands still: a held arrow key is one seek. */
  seekTo(seconds) {
    if (!this.#room.may("seek")) return;
    const most = Number.isFinite(this.#film.duration) ? this.#film.duration : Infinity;
    this.#target = Math.max(0, Math.min(seconds, most));
    clearTimeout(this.#seeking);
    this.#seeking = setTimeout(async () => {
      const target = this.#target;
      await this.#room.try("party.seek", { position: target });
      // The event has come by now or is about to: until then the bar stays where it was put.
      this.#seeking = setTimeout(() => this.#settle(), SETTLES);
    }, SOON);
    this.#tick();
  }

  #settle() {
    this.#target = null;
    this.#tick();
  }

  mute() {
    this.video.muted = !this.video.muted;
  }

  fullScreen() {
    if (document.fullscreenElement) return document.exitFullscreen();
    if (this.element.requestFullscreen) return this.element.requestFullscreen().catch(() => {});
    return this.video.webkitEnterFullscreen?.();
  }

  /** The browser will not play before somebody clicks. */
  block() {
    this.#blocked = true;
    this.show();
  }

  react(text) {
    if (this.flying.children.length >= FLYING) return;
    const flying = h("span", { textContent: text.slice(0, 8) });
    flying.style.setProperty("--left", `${8 + Math.random() * 80}%`);
    flying.addEventListener("animationend", () => flying.remove());
    this.flying.append(flying);
  }

  // Where playback is.

  #playing() {
    return this.#room.anchor?.playing ?? false;
  }

  #place() {
    const { anchor } = this.#room;
    const now = this.#now();
    return anchor ? (Number.isFinite(now) ? place(anchor, now) : anchor.position) : 0;
  }

  // Building.

  #build() {
    const { video } = this;
    const room = this.#room;
    this.flying = h("div", { class: "flying", "aria-hidden": "true" });
    this.cover = h("div", { class: "cover", hidden: true });
    this.count = h("div", { class: "count", "aria-hidden": "true", hidden: true });
    this.screen = h("div", { class: "screen" }, video, this.flying, this.count, this.cover);
    this.playButton = iconButton("play", "Play", () => this.toggle(), { class: "icon-button big" });
    this.countButton = h("button", { type: "button", class: "icon-button text", title: `Count down from ${COUNTDOWN}, then play`, "aria-label": `Count down from ${COUNTDOWN}, then play`, on: { click: () => room.try("party.play", { countdown: COUNTDOWN }) } }, "3·2·1");
    this.backButton = iconButton("back", "Back 10 seconds", () => this.skip(-10), { class: "icon-button text" });
    this.aheadButton = iconButton("ahead", "Ahead 10 seconds", () => this.skip(10), { class: "icon-button text" });
    this.backButton.append("10");
    this.aheadButton.prepend("10");
    this.nextButton = iconButton("next", "Next in the queue", () => room.try("party.next"));
    this.bar = h("input", {
      type: "range", class: "bar", min: "0", max: "1", step: "1", "aria-label": "Place in the film",
      on: { input: () => this.#drag(), change: () => this.seekTo(Number(this.bar.value)) },
    });
    /** The bar, and what lies along it. */
    this.course = h("div", { class: "course" }, this.bar);
    this.time = h("span", { class: "time" }, "0:00");
    this.length = h("span", { class: "time quiet" }, "–:––");
    this.rate = h("select", { class: "rate", "aria-label": "Speed, for everybody", on: { change: () => room.try("party.rate", { rate: Number(this.rate.value) }) } },
      ...RATES.map((rate) => h("option", { value: String(rate) }, `${rate}×`)));
    this.muteButton = iconButton("sound", "Mute", () => this.mute());
    this.loudness = h("input", {
      type: "range", class: "loudness", min: "0", max: "1", step: "0.05", "aria-label": "Volume, yours alone",
      on: { input: () => Object.assign(video, { volume: Number(this.loudness.value), muted: false }) },
    });
    this.fullButton = iconButton("full", "Full screen", () => this.fullScreen());
    this.lastLine = h("span", { class: "last" });
    this.undoButton = h("button", { type: "button", class: "plain small", on: { click: () => room.try("party.undo") } }, icon("undo"), "Undo");
    this.controls = h("div", { class: "controls", role: "group", "aria-label": "Playback, for everybody" },
      h("div", { class: "track" }, this.time, this.course, this.length),
      h("div", { class: "buttons" },
        this.playButton, this.backButton, this.aheadButton, this.nextButton, this.countButton, this.rate,
        h("span", { class: "spread" }), this.muteButton, this.loudness, this.fullButton));
    this.below = h("div", { class: "below" }, this.lastLine, this.undoButton);
    const stage = h("section", { class: "stage", "aria-label": "The film" }, this.screen, this.controls, this.below);
    this.#listen(stage);
    return stage;
  }

  #listen(stage) {
    const { signal } = this.#closing;
    const { video } = this;
    droppable(stage, (file) => this.#film.useFile(file));
    video.addEventListener("volumechange", () => {
      store.volume.put({ volume: video.volume, muted: video.muted });
      this.#showSound();
    }, { signal });
    for (const event of ["playing", "waiting", "seeked", "ended", "progress", "durationchange"]) video.addEventListener(event, () => this.#onVideo(event), { signal });
    this.screen.addEventListener("click", (event) => event.target === video && this.#clicked());
    this.screen.addEventListener("dblclick", (event) => event.target === video && this.fullScreen());
    const stir = () => {
      stage.classList.remove("idle");
      clearTimeout(this.#idle);
      this.#idle = setTimeout(() => stage.classList.add("idle"), IDLE);
    };
    for (const event of ["pointermove", "pointerdown", "focusin"]) stage.addEventListener(event, stir, { signal });
    for (const event of ["keydown", "fullscreenchange"]) document.addEventListener(event, stir, { signal });
  }

  #clicked() {
    // A touch shows the controls; a mouse click plays and pauses.
    if (matchMedia("(hover: hover)").matches && this.#room.may("play")) this.toggle();
  }

  #onVideo(event) {
    if (event === "playing") this.#blocked = false;
    this.show();
  }

  #drag() {
    this.#target = Number(this.bar.value);
    this.#tick();
  }

  // Showing.

  show() {
    const room = this.#room;
    const isPlaying = this.#playing() || room.hold !== null;
    relabel(this.playButton, isPlaying ? "pause" : "play", isPlaying ? "Pause" : "Play");
    const [mayPlay, maySeek, mayMedia] = ["play", "seek", "media"].map((action) => room.may(action));
    for (const control of [this.playButton, this.rate]) control.disabled = !mayPlay;
    for (const control of [this.backButton, this.aheadButton, this.bar]) control.disabled = !maySeek;
    set(this.countButton, "hidden", isPlaying || !mayPlay);
    set(this.nextButton, "hidden", !mayMedia || room.queue.length === 0);
    this.#showRate();
    this.#showLast(maySeek, mayPlay);
    this.#showSound();
    this.#showCover();
    this.#tick();
  }

  #showRate() {
    const rate = String(this.#room.anchor?.rate ?? 1);
    if (![...this.rate.options].some((option) => option.value === rate)) this.rate.append(h("option", { value: rate }, `${rate}×`));
    if (this.rate.value !== rate) this.rate.value = rate;
  }

  #showLast(maySeek, mayPlay) {
    const { last } = this.#room;
    const who = last && (last.by === this.#room.me ? "You" : this.#room.nameOf(last.by));
    const said = last ? `${who} ${CONTROLS[last.what] ?? last.what} · ${timeOfDay(last.at)}` : mayPlay ? "" : "Only hosts and co-hosts control playback here.";
    write(this.lastLine, said);
    set(this.undoButton, "hidden", !last || !maySeek || (last.what === "media" && !this.#room.may("media")));
  }

  #showSound() {
    const isSilent = this.video.muted || this.video.volume === 0;
    relabel(this.muteButton, isSilent ? "mute" : "sound", isSilent ? "Unmute" : "Mute");
    if (document.activeElement !== this.loudness) this.loudness.value = this.video.muted ? 0 : this.video.volume;
  }

  #tick() {
    const seconds = this.#target ?? this.#place();
    const { duration } = this.#film;
    const isKnown = Number.isFinite(duration) && duration > 0;
    const within = isKnown ? Math.min(seconds, duration) : seconds;
    write(this.time, shown(within));
    write(this.length, isKnown ? shown(duration) : "–:––");
    set(this.bar, "max", isKnown ? Math.ceil(duration) : 1);
    if (this.#target === null) set(this.bar, "value", String(Math.round(isKnown ? within : 0)));
    set(this.bar, "aria-valuetext", isKnown ? `${spoken(within)} of ${spoken(duration)}` : spoken(within));
    this.bar.style.setProperty("--played", isKnown ? `${(100 * within) / duration}%` : "0%");
    this.bar.style.setProperty("--loaded", isKnown ? `${(100 * this.#loaded()) / duration}%` : "0%");
    this.#showCount();
    if (this.#cover.startsWith("hold")) this.#showCover();
  }

  #loaded() {
    const { buffered, currentTime } = this.video;
    for (let range = 0; range < buffered.length; range++) {
      if (buffered.start(range) <= currentTime && currentTime <= buffered.end(range)) return Math.max(0, buffered.end(range) - this.#film.offset);
    }
    return 0;
  }

  /** A control that is still to come: the seconds until it. */
  #showCount() {
    const { anchor } = this.#room;
    const left = anchor?.playing ? anchor.at - this.#now() : 0;
    const isCounting = left > COUNTED;
    if (isCounting) write(this.count, String(Math.ceil(left / 1000)));
    if (isCounting && this.count.hidden) this.announce(`Starts in ${Math.ceil(left / 1000)} seconds`);
    this.count.hidden = !isCounting;
  }

  #showCover() {
    const [kind, build] = this.#covering();
    if (kind !== this.#cover) {
      this.#cover = kind;
      this.cover.replaceChildren(...build().filter(Boolean));
      this.cover.hidden = kind === "";
      set(this.cover, "data", { kind: kind.split(" ")[0] });
    }
    if (kind.startsWith("hold")) this.#showHold();
  }

  /** What lies over the film: a name for it, by which a change is noticed, and what it is made of. */
  #covering() {
    const { state, trouble, name } = this.#film;
    const { hold } = this.#room;
    const isAwaited = hold?.waits_for.includes(this.#room.me) ?? false;
    if (state === "none") return [`none ${name} ${isAwaited}`, () => [...this.#choosing(), isAwaited && this.#excuse()]];
    if (state === "broken") return [`broken ${trouble} ${isAwaited}`, () => [...this.#broken(), isAwaited && this.#excuse()]];
    if (this.#blocked) return ["blocked", () => this.#asking()];
    if (hold) return [`hold ${hold.why} ${hold.waits_for.join()} ${this.#room.may("play")} ${this.#room.members.length}`, () => this.#holding()];
    if (this.video.ended && this.#playing()) return [`end ${this.#room.queue[0]?.item ?? ""} ${this.#room.may("media")}`, () => this.#ending()];
    if (state === "loading" || (this.#playing() && this.video.readyState < 3)) return ["loading", () => [h("span", { class: "spinner", role: "img", "aria-label": "Loading" })]];
    return ["", () => []];
  }

  #choosing() {
    const { name } = this.#film;
    return [
      icon("film"), h("p", { class: "lead" }, `Open your copy of ${name}`),
      h("p", { class: "quiet" }, "Everybody watches a file of their own. It stays on this device: drop it here, or"),
      picker("Choose a file", (file) => this.#film.useFile(file), { class: "primary" }),
    ];
  }

  #broken() {
    return [
      icon("film"), h("p", { class: "lead" }, this.#film.trouble),
      h("div", { class: "row" },
        h("button", { type: "button", class: "plain", on: { click: () => this.#film.again() } }, "Try again"),
        picker("Use a file of my own", (file) => this.#film.useFile(file)),
        this.#film.file && h("button", { type: "button", class: "plain", on: { click: () => this.#film.useParty() } }, "Use the room's")),
    ];
  }

  #excuse() {
    return h("button", { type: "button", class: "plain", on: { click: () => this.#room.try("party.excuse", { excused: true }) } }, "Don't wait for me");
  }

  #asking() {
    const join = () => {
      this.#blocked = false;
      this.unblock();
      this.show();
    };
    return [h("button", { type: "button", class: "primary large", on: { click: join } }, icon("play"), "Join in"),
      h("p", { class: "quiet" }, "Your browser wants a click before it plays sound.")];
  }

  #ending() {
    const next = this.#room.queue[0];
    if (!next) return [h("p", { class: "lead" }, "The end")];
    const name = next.media_title || title(next.media);
    return [h("p", { class: "lead" }, "The end"), this.#room.may("media")
      ? h("button", { type: "button", class: "primary", on: { click: () => this.#room.try("party.next") } }, icon("next"), `Next: ${name}`)
      : h("p", { class: "quiet" }, `Next: ${name}`)];
  }

  #holding() {
    const room = this.#room;
    const { waits_for, why } = room.hold;
    const isMe = waits_for.includes(room.me);
    this.holdLine = h("p", { class: "lead" });
    return [h("span", { class: "spinner", "aria-hidden": "true" }), this.holdLine,
      h("p", { class: "quiet" }, why === "stalled" ? "Their film has stalled." : "Playback starts once everybody is ready."),
      h("div", { class: "row" },
        room.may("play") && h("button", { type: "button", class: "primary", on: { click: () => room.try("party.play") } }, why === "stalled" ? "Go on without them" : "Start without them"),
        isMe && this.#excuse(),
        room.may("play") && h("button", { type: "button", class: "plain", on: { click: () => room.try("party.pause") } }, "Stop waiting"))];
  }

  #showHold() {
    const { waits_for, until } = this.#room.hold;
    const names = waits_for.map((uid) => (uid === this.#room.me ? "you" : this.#room.nameOf(uid)));
    const [some, more] = [names.slice(0, 3).join(", "), names.length > 3 ? ` and ${names.length - 3} more` : ""];
    const left = Math.max(0, Math.ceil((Date.parse(until) - this.#now()) / 1000));
    write(this.holdLine, `Waiting for ${some}${more}… ${Number.isFinite(left) ? `${left} s` : ""}`);
  }
}
