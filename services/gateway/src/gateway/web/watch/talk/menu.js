// A button with three dots, and what may be done about what it stands beside.

import { ask, h, iconButton, set } from "/watch/dom.js";

/**
 * `{ button, actions }`: the button shows and hides the actions. `offers()` is asked whenever it is opened:
 * `[words, act, isGrave]` each.
 */
export function menu(label, offers) {
  const actions = h("div", { class: "actions row wrap", hidden: true });
  const show = (isShown) => {
    actions.hidden = !isShown;
    set(button, "aria-expanded", String(isShown));
    if (!isShown) return actions.replaceChildren();
    actions.replaceChildren(...offers().map(([words, act, isGrave]) => h("button", {
      type: "button", class: isGrave ? "plain small grave" : "plain small", on: { click: () => {
        show(false);
        button.focus();
        act();
      } },
    }, words)));
    return actions.querySelector("button")?.focus();
  };
  const button = iconButton("more", label, () => show(actions.hidden), { class: "icon-button small", "aria-expanded": "false" });
  actions.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    show(false);
    button.focus();
  });
  return { button, actions };
}

const WHY = [["spam", "Spam"], ["abuse", "Insults or threats"], ["spoiler", "Spoils the film"], ["illegal", "Is against the law"], ["other", "Something else"]];

/** What is wrong with it, as `{ why, words }`; null if nothing. */
export async function askWhy() {
  const given = await ask("Report this?", {
    text: "Moderators will look at it. They see that it was you.",
    fields: [
      h("label", {}, "What is wrong with it", h("select", { name: "why" }, ...WHY.map(([value, words]) => h("option", { value }, words)))),
      h("label", {}, "In your own words (may stay empty)", h("input", { name: "words", maxlength: "200" })),
    ],
    yes: "Report",
  });
  return given && { why: given.get("why"), words: given.get("words").trim() };
}
