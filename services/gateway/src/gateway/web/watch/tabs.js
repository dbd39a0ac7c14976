// Tabs, as a keyboard and a screen reader know them.

import { h, set } from "/watch/dom.js";

/** `parts`: `{ name, label: [...], content }`. `opened(name)` is told whenever another one is shown. */
export function tabs(label, parts, opened) {
  const buttons = parts.map(({ name, label: words }) =>
    h("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": `panel-${name}`, on: { click: () => show(name) } }, ...words));
  const panels = parts.map(({ name, content }) =>
    h("div", { role: "tabpanel", id: `panel-${name}`, "aria-labelledby": `tab-${name}`, class: `panel panel-${name}` }, content));
  const list = h("div", { role: "tablist", "aria-label": label, on: { keydown: (event) => moved(event) } }, ...buttons);
  const made = { element: h("aside", { class: "side", "aria-label": label }, list, ...panels), shown: null, show };

  function show(name) {
    made.shown = name;
    parts.forEach((part, place) => {
      const isShown = part.name === name;
      set(buttons[place], "aria-selected", String(isShown));
      set(buttons[place], "tabindex", isShown ? "0" : "-1");
      panels[place].hidden = !isShown;
    });
    opened(name);
  }

  function moved(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = parts.findIndex(({ name }) => name === made.shown);
    const to = (at + step + parts.length) % parts.length;
    show(parts[to].name);
    buttons[to].focus();
  }
  show(parts[0].name);
  return made;
}
