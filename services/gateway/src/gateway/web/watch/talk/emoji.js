// The emoji on a comment: those that are there, with how many people, and one's own.

import { h, iconButton, keyed, set, write } from "/watch/dom.js";

const OFFERED = ["👍", "❤️", "😂", "😮", "😢", "🔥", "👏"];

/** `react(emoji, on)` puts one on or takes it off. Returned: `element`, `show(reactions, mine)`, `allow(may)`. */
export function emojiRow(react) {
  let own = [];
  const chips = h("span", { class: "row wrap chips" });
  const rows = keyed(chips, ({ emoji }) => emoji, (emoji) => {
    const people = h("span", {});
    const element = h("button", { type: "button", class: "chip", on: { click: () => react(emoji, !own.includes(emoji)) } }, h("span", { class: "sign" }, emoji), people);
    return {
      element,
      show: (shown) => {
        write(people, String(shown.people));
        set(element, "aria-pressed", String(own.includes(emoji)));
        set(element, "aria-label", `${emoji} by ${shown.people}`);
      },
    };
  });

  const choose = (emoji) => {
    palette.hidden = true;
    set(add, "aria-expanded", "false");
    add.focus();
    if (emoji) react(emoji, true);
  };
  const other = h("input", { maxlength: "32", "aria-label": "Another emoji", placeholder: "…", autocomplete: "off" });
  const palette = h("form", { class: "palette row wrap", hidden: true, on: {
    submit: (event) => {
      event.preventDefault();
      choose(other.value.trim());
      other.value = "";
    },
    keydown: (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      choose(null);
    },
  } }, ...OFFERED.map((emoji) => h("button", { type: "button", class: "reaction", "aria-label": `React with ${emoji}`, on: { click: () => choose(emoji) } }, emoji)), other);
  const add = iconButton("smile", "React", () => {
    palette.hidden = !palette.hidden;
    set(add, "aria-expanded", String(!palette.hidden));
    if (!palette.hidden) palette.querySelector("button").focus();
  }, { class: "icon-button small", "aria-expanded": "false" });

  return {
    element: h("span", { class: "row wrap emoji" }, chips, add, palette),
    show(reactions, mine) {
      own = mine;
      // One's own may be told before it is counted.
      const missing = mine.filter((emoji) => !reactions.some((shown) => shown.emoji === emoji));
      rows([...reactions, ...missing.map((emoji) => ({ emoji, people: 1 }))]);
    },
    allow: (may) => {
      for (const chip of chips.children) chip.disabled = !may;
      set(add, "hidden", !may);
    },
  };
}
