// What others wrote, as elements: text nodes, and links of http and https alone. Its direction is its own.

import { h } from "/watch/dom.js";
import { parts } from "/watch/talk/links.js";

const LINK = { target: "_blank", rel: "nofollow noopener noreferrer ugc" };

/** Make an element hold exactly this text, if it does not yet. */
export function fill(element, text) {
  if (element.textContent === text) return;
  element.replaceChildren(...parts(text).map(({ text: words, href }) => (href ? h("a", { ...LINK, href }, words) : words)));
}

/** A text in an element of its own. */
export function said(text, fields = {}) {
  const made = h("span", { dir: "auto", ...fields });
  fill(made, text);
  return made;
}

/** The beginning of a text, on one line, without links. */
export const beginning = (text, most = 80) => {
  const line = [...text.replace(/\s+/g, " ").trim()];
  return line.length > most ? `${line.slice(0, most - 1).join("")}…` : line.join("");
};

/** A name: isolated, so that it does not turn round what stands beside it. */
export const named = (name, fields = {}) => h("bdi", { class: "name", ...fields }, name);

/** When something was said: the time today, else the day too. */
export function when(at) {
  const date = new Date(at);
  const isToday = date.toDateString() === new Date().toDateString();
  return date.toLocaleString([], isToday ? { hour: "2-digit", minute: "2-digit" } : { dateStyle: "medium", timeStyle: "short" });
}
