// How much is said where in the film, as a strip along its bar.

import { clock, h, set } from "/watch/dom.js";
import { bars, busiest } from "/watch/talk/heat.js";
import { about } from "/watch/talk/about.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 1_000;
const HEIGHT = 100;

/**
 * The strip. `duration()` is the film's, NaN while unknown; `seek(seconds)` moves everybody, if one may. Returned:
 * `element`, `show()` when the duration may be another, `again()` when something else is watched or wanted, `close()`.
 */
export function strip(client, room, { choice, duration, seek }) {
  const drawing = document.createElementNS(SVG, "svg");
  for (const [field, value] of Object.entries({ viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" })) drawing.setAttribute(field, value);
  const path = document.createElementNS(SVG, "path");
  drawing.append(path);
  const element = h("div", { class: "heat", role: "img", hidden: true, on: { click: (event) => clicked(event) } }, drawing);
  let density = { seconds: 10, counts: [], most: 0 };
  let length = NaN;
  let stop = () => {};

  function show() {
    length = duration();
    const found = bars(density, length);
    set(element, "hidden", found.length === 0);
    path.setAttribute("d", found.map(({ from, to, share }) =>
      `M${(from * WIDTH).toFixed(1)} ${HEIGHT}V${(HEIGHT * (1 - share)).toFixed(1)}H${(to * WIDTH).toFixed(1)}V${HEIGHT}Z`).join(""));
    set(element, "aria-label", found.length ? `Most is said at ${busiest(density).map(clock).join(", ")}` : null);
    set(element, "data", { seekable: String(room.may("seek") && Number.isFinite(length)) });
    set(element, "title", element.getAttribute("aria-label"));
  }

  function clicked({ clientX }) {
    const { left, width } = element.getBoundingClientRect();
    if (!room.may("seek") || !Number.isFinite(length) || !width) return;
    seek(Math.max(0, Math.min(1, (clientX - left) / width)) * length);
  }

  function again() {
    stop();
    stop = () => {};
    density = { seconds: 10, counts: [], most: 0 };
    if (room.party?.media) {
      stop = client.watch("comments.density", about(room.party, room.id, choice.scope), {
        value: (value) => {
          density = value;
          show();
        },
      });
    }
    show();
  }
  return { element, show, again, close: () => stop() };
}
