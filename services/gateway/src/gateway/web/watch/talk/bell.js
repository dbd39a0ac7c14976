// What concerns one, wherever it was said: a bell with how many are new, and the list of them.

import { Refused } from "/client.js";
import { h, icon, keyed, set, write } from "/watch/dom.js";
import { Pages } from "/watch/talk/pages.js";
import { named, when } from "/watch/talk/text.js";
import { pathTo } from "/watch/invitation.js";

const MOST = 100;
const DID = {
  mention: "mentioned you", reply: "answered you", hidden: "A moderator hid what you wrote",
  restored: "A moderator shows again what you wrote", removed: "A moderator removed what you wrote",
};

/**
 * The bell. `open(notification)` leads to what it is about, and tells whether it could. `page`: `trouble`, `announce`.
 * Returned: `element`, `close()`.
 */
export function bell(client, { open, page }) {
  const count = h("span", { class: "count-badge", hidden: true });
  const list = h("ol", { class: "notices" });
  const empty = h("p", { class: "quiet" }, "Nobody has mentioned or answered you.");
  const more = h("button", { type: "button", class: "plain small", on: { click: () => pages.more() } }, "More");
  const rows = keyed(list, ({ id }) => id, () => row(choose));
  const popover = h("div", { class: "card popover", hidden: true, role: "dialog", "aria-label": "Notifications", tabindex: "-1" }, h("h2", {}, "Notifications"), empty, list, more);
  const button = h("button", { type: "button", class: "plain icon-button bell", "aria-expanded": "false", on: { click: () => toggle(popover.hidden) } }, icon("bell"), count);
  const element = h("div", { class: "bell-place" }, button, popover);
  const closing = new AbortController();
  let newest = null;
  const pages = new Pages({ watch: (...watch) => client.watch(...watch), fn: "notifications.mine", args: {}, changed: show });

  function show() {
    const { unread = 0 } = pages.values[0] ?? {};
    const found = pages.values.flatMap(({ notifications }) => notifications);
    rows(found);
    set(empty, "hidden", found.length > 0);
    set(more, "hidden", !pages.hasMore);
    set(count, "hidden", unread === 0);
    write(count, unread >= MOST ? `${MOST}+` : String(unread));
    const words = unread ? `Notifications, ${unread} new` : "Notifications";
    set(button, "aria-label", words);
    set(button, "title", words);
    if (newest !== null && found[0] && found[0].id !== newest && found[0].unread) page.announce(tell(found[0]));
    newest = found[0]?.id ?? "";
    if (!popover.hidden && unread) read();
  }

  function toggle(isShown) {
    popover.hidden = !isShown;
    set(button, "aria-expanded", String(isShown));
    if (!isShown) return button.focus();
    popover.focus();
    return read();
  }

  /** What is in the list was seen. The marks of this look stay until the list is opened again. */
  async function read() {
    const [latest] = pages.values[0]?.notifications ?? [];
    if (!latest || !pages.values[0].unread) return;
    try {
      await client.call("notifications.read", { upto: latest.at });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      page.trouble(error);
    }
  }

  function choose(notification) {
    popover.hidden = true;
    set(button, "aria-expanded", "false");
    open(notification);
  }

  const { signal } = closing;
  element.addEventListener("keydown", (event) => event.key === "Escape" && !popover.hidden && toggle(false));
  document.addEventListener("pointerdown", (event) => {
    if (popover.hidden || element.contains(event.target)) return;
    popover.hidden = true;
    set(button, "aria-expanded", "false");
  }, { signal });
  show();
  return {
    element,
    close: () => {
      closing.abort();
      pages.stop();
    },
  };
}

const isByModerator = ({ kind }) => kind !== "mention" && kind !== "reply";
const tell = (notification) => (isByModerator(notification) ? DID[notification.kind] : `${notification.by_name || "Somebody"} ${DID[notification.kind]}`);

function row(choose) {
  let notification = null;
  const who = named("");
  const did = h("span", {});
  const where = h("span", { class: "quiet fine" });
  const text = h("span", { class: "quiet", dir: "auto" });
  const time = h("time", { class: "quiet fine" });
  const button = h("button", { type: "button", class: "notice", on: { click: () => choose(notification) } },
    h("span", { class: "who" }, h("span", {}, who, " ", did), text, where), time);
  return {
    element: h("li", {}, button),
    show: (value) => {
      notification = value;
      const { by_name, kind, unread, title, at } = value;
      write(who, isByModerator(value) ? "" : by_name || "Somebody");
      write(did, DID[kind]);
      write(text, value.text);
      write(where, [value.room ? "in a chat" : "", title ?? ""].filter(Boolean).join(" · "));
      write(time, when(at));
      time.dateTime = at;
      set(button, "data", { unread: String(unread) });
    },
  };
}

/** The party that a notification is about, and the address of its room. */
export function placeOf({ room, thread_id: thread }) {
  const party = room?.startsWith("party:") ? room.slice("party:".length) : thread?.split("@")[1] ?? null;
  return { party, path: party && pathTo(party, null) };
}
