// Elements, icons and times of day as text. What others wrote only ever becomes text nodes here.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `h("button", { class: "plain", "aria-label": "Play", on: { click } }, icon("play"), "Play")`. */
export function h(name, fields = {}, ...children) {
  const made = document.createElement(name);
  for (const [field, value] of Object.entries(fields)) set(made, field, value);
  made.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** Set a field of an element: an `on` map of listeners, a `data` map, a property, or an attribute; null takes it away. */
export function set(element, field, value) {
  if (field === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
  else if (field === "data") Object.assign(element.dataset, value);
  else if (field in PROPERTIES) {
    if (element[field] !== value) element[field] = value;
  } else if (value === null || value === false || value === undefined) element.removeAttribute(field);
  else if (element.getAttribute(field) !== String(value)) element.setAttribute(field, value === true ? "" : value);
}

const PROPERTIES = { value: 0, checked: 0, hidden: 0, disabled: 0, textContent: 0, src: 0, volume: 0, muted: 0 };

/** Write a text only if it is another one, so that screen readers and layout stay undisturbed. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Show exactly these children in this order, moving as few as possible, so that focus stays where it is. */
export function arrange(parent, children) {
  children.forEach((child, place) => {
    if (parent.children[place] !== child) parent.insertBefore(child, parent.children[place] ?? null);
  });
  while (parent.children.length > children.length) parent.lastElementChild.remove();
}

/**
 * Rows that outlive the values they show. `make(key)` returns `{ element, show(value) }`; `rows(values)` shows one for
 * each value, in order.
 */
export function keyed(parent, keyOf, make) {
  const rows = new Map();
  return (values) => {
    const wanted = new Map(values.map((value) => [keyOf(value), value]));
    for (const [key, { element }] of rows) {
      if (wanted.has(key)) continue;
      // At once: else all that come behind it would be moved before it.
      element.remove();
      rows.delete(key);
    }
    for (const [key, value] of wanted) {
      if (!rows.has(key)) rows.set(key, make(key));
      rows.get(key).show(value);
    }
    arrange(parent, [...wanted.keys()].map((key) => rows.get(key).element));
  };
}

const ICONS = {
  play: "M8 5.5v13l11-6.5z",
  pause: "M7 5h3.5v14H7zM13.5 5H17v14h-3.5z",
  back: "M12 5V2L7 6l5 4V7a5.5 5.5 0 1 1-5.5 5.5h-2A7.5 7.5 0 1 0 12 5z",
  ahead: "M12 5V2l5 4-5 4V7a5.5 5.5 0 1 0 5.5 5.5h2A7.5 7.5 0 1 1 12 5z",
  next: "M6 5.5v13l9-6.5zM16 5.5h2.5v13H16z",
  undo: "M9 7V3L3 8.5 9 14v-4h4.5a4 4 0 0 1 0 8H8v2.5h5.5a6.75 6.75 0 0 0 0-13.5z",
  sound: "M4 9.5v5h3.5L12 19V5L7.5 9.5zM14.5 8.5a5 5 0 0 1 0 7l1.3 1.3a6.8 6.8 0 0 0 0-9.6zM17 6a8.5 8.5 0 0 1 0 12l1.3 1.3a10.3 10.3 0 0 0 0-14.6z",
  mute: "M4 9.5v5h3.5L12 19V5L7.5 9.5zM21 9.9 19.6 8.5 17.5 10.6 15.4 8.5 14 9.9l2.1 2.1-2.1 2.1 1.4 1.4 2.1-2.1 2.1 2.1 1.4-1.4-2.1-2.1z",
  full: "M5 5h5v2H7v3H5zM14 5h5v5h-2V7h-3zM5 14h2v3h3v2H5zM17 14h2v5h-5v-2h3z",
  link: "M10.6 13.4a3 3 0 0 0 4.3 0l3.5-3.5a3 3 0 1 0-4.3-4.3l-1.3 1.3 1.3 1.3 1.3-1.3a1.2 1.2 0 1 1 1.7 1.7l-3.5 3.5a1.2 1.2 0 0 1-1.7 0zM13.4 10.6a3 3 0 0 0-4.3 0l-3.5 3.5a3 3 0 1 0 4.3 4.3l1.3-1.3-1.3-1.3-1.3 1.3a1.2 1.2 0 1 1-1.7-1.7l3.5-3.5a1.2 1.2 0 0 1 1.7 0z",
  lock: "M7 10V8a5 5 0 0 1 10 0v2h1.5v10h-13V10zm2 0h6V8a3 3 0 0 0-6 0z",
  open: "M7 10V8a5 5 0 0 1 9.6-2l-1.9.8A3 3 0 0 0 9 8v2h9.5v10h-13V10z",
  more: "M12 7.5A1.75 1.75 0 1 0 12 4a1.75 1.75 0 0 0 0 3.5zm0 6.25a1.75 1.75 0 1 0 0-3.5 1.75 1.75 0 0 0 0 3.5zM12 20a1.75 1.75 0 1 0 0-3.5A1.75 1.75 0 0 0 12 20z",
  up: "M12 6l7 8H5z",
  down: "M12 18l7-8H5z",
  drop: "M6.4 5 5 6.4l5.6 5.6L5 17.6 6.4 19l5.6-5.6 5.6 5.6 1.4-1.4-5.6-5.6L19 6.4 17.6 5 12 10.6z",
  heart: "M12 20.5 4.6 13a4.9 4.9 0 0 1 0-6.9 4.8 4.8 0 0 1 6.8 0l.6.6.6-.6a4.8 4.8 0 0 1 6.8 0 4.9 4.9 0 0 1 0 6.9z",
  gear: "M10.3 3h3.4l.5 2.3 1.6.9 2.2-.7 1.7 3-1.7 1.6v1.8l1.7 1.6-1.7 3-2.2-.7-1.6.9-.5 2.3h-3.4l-.5-2.3-1.6-.9-2.2.7-1.7-3L6 11.9v-1.8L4.3 8.5l1.7-3 2.2.7 1.6-.9zM12 14a3 3 0 1 0 0-6 3 3 0 0 0 0 6z",
  leave: "M5 4h8v2H7v12h6v2H5zM15.5 7.5 20 12l-4.5 4.5-1.4-1.4 2.1-2.1H10v-2h6.2l-2.1-2.1z",
  sync: "M12 4a8 8 0 0 1 7.4 5H17l3.5 4L24 9h-2.5A10 10 0 0 0 3.6 7.4l1.6 1.2A8 8 0 0 1 12 4zM12 20a8 8 0 0 1-7.4-5H7l-3.5-4L0 15h2.5a10 10 0 0 0 17.9 1.6l-1.6-1.2A8 8 0 0 1 12 20z",
  film: "M4 5h16v14H4zm2 2v2h2V7zm0 4v2h2v-2zm0 4v2h2v-2zm10-8v2h2V7zm0 4v2h2v-2zm0 4v2h2v-2z",
  plus: "M11 5h2v6h6v2h-6v6h-2v-6H5v-2h6z",
  key: "M14.5 4a5.5 5.5 0 0 0-5.2 7.3L3 17.6V21h4v-2.5h2.5V16h2.2l1-1A5.5 5.5 0 1 0 14.5 4zm1.8 3.9a1.7 1.7 0 1 1 0 3.4 1.7 1.7 0 0 1 0-3.4z",
  talk: "M4 4h16v12H10l-5 4.5V16H4zm3.5 4v1.8h9V8zm0 3.6v1.8h6v-1.8z",
  smile: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zm0 1.8a7.2 7.2 0 1 1 0 14.4 7.2 7.2 0 0 1 0-14.4zM8.8 8.5a1.3 1.3 0 1 0 0 2.6 1.3 1.3 0 0 0 0-2.6zm6.4 0a1.3 1.3 0 1 0 0 2.6 1.3 1.3 0 0 0 0-2.6zM7.6 13.2a4.8 4.8 0 0 0 8.8 0h-2.1a3 3 0 0 1-4.6 0z",
  bell: "M12 2.5a1.5 1.5 0 0 0-1.5 1.5v.6A6 6 0 0 0 6 10.5v4.5L4 17v1h16v-1l-2-2v-4.5a6 6 0 0 0-4.5-5.9V4A1.5 1.5 0 0 0 12 2.5zM9.8 19.5a2.25 2.25 0 0 0 4.4 0z",
  send: "M3 20.5 21.5 12 3 3.5V10l12 2-12 2z",
};

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [field, value] of Object.entries({ viewBox: "0 0 24 24", "aria-hidden": "true", class: "icon" })) svg.setAttribute(field, value);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  path.setAttribute("fill-rule", "evenodd");
  svg.append(path);
  return svg;
}

/** A button that is only an icon; its name is read out and shown on hover. */
export function iconButton(name, label, click, fields = {}) {
  return h("button", { type: "button", class: "icon-button", "aria-label": label, title: label, on: { click }, ...fields }, icon(name));
}

/** Give a button another icon and name, if it has not got them yet. */
export function relabel(button, name, label) {
  if (button.dataset.icon !== name) button.replaceChildren(icon(name));
  button.dataset.icon = name;
  set(button, "aria-label", label);
  set(button, "title", label);
}

/** A question in a dialog of its own: fields to fill, or only words. Resolves to the form's data, or null. */
export function ask(title, { text = "", fields = [], yes = "OK", no = "Cancel", danger = false } = {}) {
  return new Promise((resolve) => {
    const form = h("form", { method: "dialog" },
      h("h2", { id: "ask-title" }, title), text && h("p", {}, text), ...fields,
      h("div", { class: "row end" },
        h("button", { type: "button", class: "plain", on: { click: () => dialog.close() } }, no),
        h("button", { class: danger ? "danger" : "primary", value: "yes" }, yes)));
    const dialog = h("dialog", { class: "card", "aria-labelledby": "ask-title" }, form);
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes" ? new FormData(form) : null);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

// Times and numbers.

/** Seconds as `1:02:03` or `2:03`. */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(Number.isFinite(seconds) ? seconds : 0));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** Seconds as somebody would say them: `2 minutes 3 seconds`. */
export function spoken(seconds) {
  const whole = Math.max(0, Math.floor(Number.isFinite(seconds) ? seconds : 0));
  const parts = [[Math.floor(whole / 3600), "hour"], [Math.floor(whole / 60) % 60, "minute"], [whole % 60, "second"]];
  const said = parts.filter(([number]) => number).map(([number, unit]) => `${number} ${unit}${number === 1 ? "" : "s"}`);
  return said.join(" ") || "0 seconds";
}

/** A drift in seconds: `+12 ms`, `−1.4 s`. */
export function drifted(seconds) {
  const sign = seconds < 0 ? "−" : "+";
  const size = Math.abs(seconds);
  return size < 1 ? `${sign}${Math.round(size * 1000)} ms` : `${sign}${size.toFixed(size < 10 ? 1 : 0)} s`;
}

/** Milliseconds since 1970, to the microsecond that a timestamp has and `Date` has not. */
export function instant(text) {
  const fraction = /\.(\d+)/.exec(text);
  const whole = Date.parse(fraction ? text.replace(fraction[0], "") : text);
  return fraction ? whole + Number(`0.${fraction[1]}`) * 1000 : whole;
}

/** A time of day in the reader's own words. */
export const timeOfDay = (text) => new Date(text).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
