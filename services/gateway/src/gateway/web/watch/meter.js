// How far one's own player is from the party: a figure, a needle, and the last minute as a line.

import { drifted, h, set, write } from "/watch/dom.js";

const SVG = "http://www.w3.org/2000/svg";
const SAMPLES = 60;
const SCALE = 0.1;
const FRAME = 1 / 24;
const IN_SYNC = 2;

function svg(name, fields, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [field, value] of Object.entries(fields)) made.setAttribute(field, value);
  made.append(...children);
  return made;
}

/** Small drifts get most of the room: ±1 at ±100 ms and beyond, with the sign. */
const squeezed = (drift) => Math.sign(drift) * Math.min(1, Math.sqrt(Math.abs(drift) / SCALE));

/** The meter; `show({ drift, state, uncertainty, rtt })` twice a second or so, in seconds. */
export function meter() {
  const figure = h("strong", { class: "figure" }, "–");
  const about = h("span", { class: "quiet" });
  const line = svg("polyline", { class: "line", points: "" });
  const band = svg("rect", { class: "band", x: 0, width: SAMPLES, y: -0.1, height: 0.2 });
  const frame = squeezed(FRAME);
  const graph = svg("svg", { class: "graph", viewBox: `0 -1.1 ${SAMPLES} 2.2`, preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("rect", { class: "frame", x: 0, width: SAMPLES, y: -frame, height: 2 * frame }), band,
    svg("line", { class: "zero", x1: 0, x2: SAMPLES, y1: 0, y2: 0 }), line);
  const element = h("div", { class: "meter", role: "group", "aria-label": "How far you are from the party" },
    h("div", { class: "said" }, h("span", { class: "quiet" }, "You are at"), figure, about), graph);
  let samples = [];

  function show({ drift, state, uncertainty, rtt }) {
    const isKnown = Number.isFinite(drift) && state !== "paused";
    samples = [...samples, isKnown ? drift : null].slice(-SAMPLES);
    write(figure, isKnown ? drifted(drift) : WORDS[state] ?? "–");
    set(element, "data", { level: !isKnown ? "none" : Math.abs(drift) <= FRAME ? "good" : Math.abs(drift) <= IN_SYNC ? "fair" : "poor" });
    write(about, isKnown && Number.isFinite(uncertainty) ? `± ${Math.round(uncertainty * 1000)} ms · round trip ${Math.round(rtt * 1000)} ms` : "");
    const half = Number.isFinite(uncertainty) ? squeezed(uncertainty) : 0;
    band.setAttribute("y", -half);
    band.setAttribute("height", 2 * half);
    const first = SAMPLES - samples.length;
    line.setAttribute("points", samples.map((value, place) => (value === null ? "" : `${first + place + 0.5},${-squeezed(value)}`)).join(" "));
  }
  return { element, show };
}

const WORDS = { paused: "paused", buffering: "loading", unknown: "–" };
