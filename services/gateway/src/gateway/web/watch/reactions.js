// Emoji that fly over the film. Passed on, never stored: who is not there does not see them.

import { Refused } from "/client.js";
import { h } from "/watch/dom.js";

const REACTIONS = [["👏", "Clap"], ["😂", "Laugh"], ["😮", "Gasp"], ["😢", "Cry"], ["❤️", "Heart"], ["🔥", "Fire"]];

/** The buttons. `fly(text)` shows one over the film. */
export function reactions(room, { fly, trouble }) {
  room.on("reaction", (uid, text) => {
    if (REACTIONS.some(([known]) => known === text)) fly(text);
  });
  async function tell(text) {
    try {
      await room.tell("reaction", text);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      trouble(error);
    }
  }
  return h("div", { class: "reactions row", role: "group", "aria-label": "Reactions" }, ...REACTIONS.map(([text, name]) =>
    h("button", { type: "button", class: "reaction", "aria-label": name, title: name, on: { click: () => tell(text) } }, text)));
}
