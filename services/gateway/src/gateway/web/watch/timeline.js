// What happened here and when, and how far everybody was from the party meanwhile.

import { h, keyed, timeOfDay, write } from "/watch/dom.js";
import { hue } from "/watch/people.js";
import { happened } from "/watch/words.js";

const SVG = "http://www.w3.org/2000/svg";
const LINES = 100;
const WIDTH = 300;
const SCALE = 0.5;

/** Small drifts get most of the height: ±1 at half a second and beyond. */
const height = (drift) => Math.sign(drift) * Math.min(1, Math.sqrt(Math.abs(drift) / SCALE));

/** The timeline of a room. Watched only while somebody looks: `look(true)` and `look(false)`. */
export function timeline(room) {
  const list = h("ol", { class: "timeline" });
  const graph = document.createElementNS(SVG, "svg");
  for (const [field, value] of Object.entries({ class: "drifts", viewBox: `0 -1.05 ${WIDTH} 2.1`, preserveAspectRatio: "none", role: "img" })) graph.setAttribute(field, value);
  const about = h("p", { class: "quiet fine" });
  const rows = keyed(list, ([key]) => key, () => {
    const time = h("time", { class: "quiet" });
    const who = h("strong", {});
    const did = h("span", {});
    return {
      element: h("li", {}, time, h("span", {}, who, " ", did)),
      show: ([, line]) => {
        const [subject, doing] = happened(line);
        write(time, timeOfDay(line.at));
        time.dateTime = line.at;
        write(who, line.by === room.me && subject ? "You" : subject);
        write(did, doing);
      },
    };
  });

  function show({ happened: lines, samples, names }) {
    const seen = new Map();
    rows(lines.map((line) => {
      const key = `${line.position} ${line.type} ${line.uid ?? ""} ${line.by}`;
      seen.set(key, (seen.get(key) ?? 0) + 1);
      return [`${key} ${seen.get(key)}`, line];
    }));
    draw([...samples].reverse(), names);
  }

  function draw(samples, names) {
    const people = [...new Set(samples.flatMap(({ drift }) => Object.keys(drift)))];
    graph.replaceChildren(...people.map((uid) => line(uid, samples)));
    graph.setAttribute("aria-label", `Drift of ${people.map((uid) => names[uid] || "somebody").join(", ")}`);
    graph.toggleAttribute("hidden", samples.length < 2);
    const minutes = samples.length ? Math.max(1, Math.round((Date.parse(samples.at(-1).at) - Date.parse(samples[0].at)) / 60_000)) : 0;
    write(about, samples.length < 2 ? "How far everybody is from the party shows here once the film has run for a while." : `How far everybody was from the party in the last ${minutes === 1 ? "minute" : `${minutes} minutes`}, up to half a second each way.`);
  }

  function line(uid, samples) {
    const made = document.createElementNS(SVG, "polyline");
    const points = samples.flatMap(({ drift }, place) =>
      Number.isFinite(drift[uid]) ? [`${(WIDTH * place) / Math.max(1, samples.length - 1)},${-height(drift[uid])}`] : []);
    made.setAttribute("points", points.join(" "));
    made.style.setProperty("--hue", hue(uid));
    return made;
  }

  let stop = null;
  const element = h("div", {}, about, graph, list);
  const look = (isLooking) => {
    stop?.();
    stop = isLooking ? room.watch("party.timeline", show, { limit: LINES }) : null;
  };
  return { element, look };
}
