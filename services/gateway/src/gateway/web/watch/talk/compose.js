// Where somebody writes a comment, or changes one.

import { clock, h, set, write } from "/watch/dom.js";

const CHARS = 2_000;
const ROWS = 8;

/**
 * A form. `send({ text, spoiler, media_seconds })` resolves to whether it was taken; `moment()` is where one's picture is
 * (seconds), if it can be said at one; `value` is what it begins with; `cancel` is called when nothing is to be said.
 * Returned: `element`, `focus()`, and `tick()`, to be called while the film goes on.
 */
export function composer({ label, button, send, moment = null, value = {}, cancel = null }) {
  /** Where one's picture was when one began to write; null as long as nothing is written. */
  let begun = null;
  const text = h("textarea", { "aria-label": label, placeholder: label, rows: "2", maxlength: String(CHARS), dir: "auto", on: { input: () => wrote() } });
  text.value = value.text ?? "";
  const spoiler = h("input", { type: "checkbox", checked: value.spoiler ?? false });
  const atMoment = h("input", { type: "checkbox", checked: moment !== null });
  const place = h("span", {});
  const submit = h("button", { class: "primary small" }, button);
  const left = h("span", { class: "quiet fine" });
  const options = h("div", { class: "row wrap", hidden: !cancel },
    moment && h("label", { class: "check small-check" }, atMoment, place),
    h("label", { class: "check small-check" }, spoiler, "Spoiler"),
    left, submit,
    cancel && h("button", { type: "button", class: "plain small", on: { click: cancel } }, "Cancel"));
  const element = h("form", { class: "composer", on: { submit: (event) => {
    event.preventDefault();
    post();
  } } }, text, options);
  element.addEventListener("focusin", () => (options.hidden = false));
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) post();
    if (event.key !== "Escape" || !cancel) return;
    event.stopPropagation();
    cancel();
  });

  function wrote() {
    if (!text.value) begun = null;
    else begun ??= moment?.() ?? null;
    const lines = text.value.split("\n").length + Math.floor(text.value.length / 40);
    set(text, "rows", String(Math.min(ROWS, Math.max(2, lines))));
    const more = CHARS - [...text.value].length;
    write(left, more < 200 ? `${more} left` : "");
    tick();
  }

  function tick() {
    if (moment) write(place, `at ${clock(begun ?? moment() ?? 0)}`);
  }

  async function post() {
    if (!text.value.trim() || submit.disabled) return text.focus();
    submit.disabled = true;
    try {
      const seconds = moment && atMoment.checked ? begun ?? moment() : null;
      if (!(await send({ text: text.value, spoiler: spoiler.checked, media_seconds: seconds }))) return undefined;
      text.value = "";
      spoiler.checked = false;
      wrote();
    } finally {
      submit.disabled = false;
    }
    return undefined;
  }
  tick();
  return { element, focus: () => text.focus(), tick };
}
