// The comments on what is watched, as a page: those of everybody or of this room, and what one says oneself.

import { newKey, Refused } from "/client.js";
import { ask, h, iconButton, keyed, set, write } from "/watch/dom.js";
import { commentRow } from "/watch/talk/comment.js";
import { composer } from "/watch/talk/compose.js";
import { mentioned } from "/watch/talk/mentions.js";
import { askWhy } from "/watch/talk/menu.js";
import { beginning, named, when } from "/watch/talk/text.js";
import { words } from "/watch/words.js";

const SCOPES = [["room", "This room"], ["everybody", "Everybody"]];
const ORDERS = [["newest", "Newest"], ["oldest", "Oldest"], ["top", "Most reactions"], ["moment", "By moment"]];
const whyNot = (refused) => (refused.code === "banned" ? "Moderators keep you out of these comments." : words(refused));
const number = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;

/**
 * The panel. `picture()` is where one's own is; `seek(seconds)` moves everybody; `page` is the frame: `note`, `trouble`.
 * Returned: `element`, `show()` when there is something else to show, `tick()` while the film goes on, `reveal(id)`.
 */
export function comments(thread, { room, choice, picture, seek, page }) {
  /** Do something; what goes wrong is told. Whether it was done. */
  const attempt = async (doing, done = "") => {
    try {
      await doing();
      if (done) page.note(done);
      return true;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      page.trouble(error);
      return false;
    }
  };
  const people = () => [...room.members, ...thread.rows.flatMap(({ comment }) => (comment?.name ? [comment] : []))].filter(({ uid }) => uid !== thread.me);
  const mayWrite = () => !thread.isLocked || thread.mayModerate;

  /** A wish keeps its key until it is fulfilled: sent again after trouble, it is the same comment. */
  function posting(parent = null) {
    const wish = { of: null, key: null };
    return (said) => {
      const of = JSON.stringify(said);
      if (wish.of !== of) Object.assign(wish, { of, key: newKey() });
      return attempt(async () => {
        await thread.post({ ...said, parent, mentions: mentioned(said.text, people()) }, wish.key);
        wish.of = null;
      });
    };
  }

  const deeds = {
    mayWrite, maySeek: () => room.may("seek"), seek,
    isNew: ({ uid, posted_at: at }) => uid !== thread.me && thread.readUntil !== null && Date.parse(at) > Date.parse(thread.readUntil),
    react: ({ comment_id: id }, emoji, on) => attempt(() => thread.do("comments.react", id, { emoji, on })),
    reply(comment, below) {
      const close = () => below.replaceChildren();
      const post = posting(comment);
      const form = composer({
        label: `Answer ${comment.uid === thread.me ? "yourself" : comment.name || "somebody"}`, button: "Reply", cancel: close,
        send: async (said) => (await post({ ...said, media_seconds: null })) && (close(), true),
      });
      below.replaceChildren(form.element);
      form.focus();
    },
    edit(comment, close) {
      return composer({
        label: "Your comment", button: "Save", value: comment, cancel: close,
        send: async ({ text, spoiler }) => (await attempt(() => thread.do("comments.edit", comment.comment_id, { text, spoiler }))) && (close(), true),
      }).element;
    },
    offers: (comment, mine, { edit }) => offers(comment, mine, edit),
  };

  /** What one may do about a comment: `[words, act, is it grave]`. */
  function offers({ comment_id: id, uid, pinned, edited_at: edited }, mine, edit) {
    const isMine = uid === thread.me;
    const isModerator = thread.mayModerate;
    const act = (fn, done, args) => () => attempt(() => thread.do(fn, id, args), done);
    const sure = (question, text, yes, fn) => async () => (await ask(question, { text, yes, danger: true })) && act(fn)();
    return [
      ...(isMine && mayWrite() ? [["Edit", edit]] : []),
      ...(isMine ? [["Delete", sure("Take this comment back?", "It is gone for good. Answers to it stay.", "Delete", "comments.delete"), true]] : [["Report", async () => {
        const why = await askWhy();
        if (why) await act("comments.report", "The moderators are told.", why)();
      }]]),
      ...(edited && (isMine || isModerator) ? [["What it said before", () => attempt(() => showEdits(id))]] : []),
      ["Show it alone", () => thread.showAlone({ thread_id: thread.threadId, comment_id: id })],
      ...(isModerator && !mine ? [[pinned ? "Unpin" : "Pin", act("comments.pin", "", { pinned: !pinned })]] : []),
      ...(isModerator && !isMine ? [["Hide", act("comments.hide", "Hidden. The settings show it again."), true]] : []),
      ...(isModerator && !isMine ? [["Remove", sure("Remove this comment?", "It is gone for good. Answers to it stay.", "Remove", "comments.remove"), true]] : []),
    ];
  }

  async function showEdits(id) {
    const { value } = await thread.do("comments.edits", id);
    const edits = value.edits.map(({ text, until }) =>
      h("li", {}, h("p", { class: "quiet fine" }, `until ${when(until)}`), h("p", { class: "said", dir: "auto" }, text)));
    await ask("What it said before", { fields: [h("ol", { class: "cases" }, ...edits)], yes: "Done", no: "Close" });
  }

  // The page.

  const scopes = h("div", { class: "segments", role: "group", "aria-label": "Whose comments" }, ...SCOPES.map(([scope, name]) =>
    h("button", { type: "button", class: "small", on: { click: () => choice.choose({ scope }) }, data: { scope } }, name)));
  const order = h("select", { "aria-label": "Order", class: "order", on: { change: () => choice.choose({ order: order.value }) } },
    ...ORDERS.map(([value, name]) => h("option", { value }, name)));
  const lock = iconButton("lock", "", () => attempt(() => thread.lock(!thread.isLocked)), { class: "icon-button small" });
  const about = h("p", { class: "quiet fine grow" });
  const trouble = h("p", { class: "wrong", role: "status" });
  const writing = composer({ label: "Write a comment", button: "Comment", send: posting(), moment: picture });
  const back = h("button", { type: "button", class: "plain small", on: { click: () => thread.showAlone(null) } }, "Back to all comments");
  const pinned = h("ul", { class: "pins" });
  const pins = keyed(pinned, ({ comment_id: id }) => id, pinRow);
  const list = h("ol", { class: "comments" });
  const rows = keyed(list, ({ key }) => key, (key) => (key.endsWith(" more") ? moreRow() : commentRow(thread, deeds)));
  const empty = h("p", { class: "quiet" });
  const more = h("button", { type: "button", class: "plain", on: { click: () => thread.more() } }, "More comments");

  function pinRow(id) {
    const who = named("");
    const said = h("span", { dir: "auto" });
    const go = () => thread.showAlone({ thread_id: thread.threadId, comment_id: id });
    return {
      element: h("li", {}, h("button", { type: "button", class: "pin", on: { click: go } }, who, " ", said)),
      show: ({ name, text, spoiler }) => {
        write(who, name || "Somebody");
        write(said, spoiler ? "(a spoiler)" : beginning(text));
      },
    };
  }

  function moreRow() {
    let parent = null;
    const button = h("button", { type: "button", class: "plain small quietly", on: { click: () => thread.moreReplies(parent) } });
    const element = h("li", { class: "more-replies" }, button);
    return {
      element,
      show: (row) => {
        ({ parent } = row);
        element.style.setProperty("--depth", Math.min(row.depth, 4));
        write(button, `${row.more} more ${row.more === 1 ? "reply" : "replies"}`);
      },
    };
  }

  function show() {
    const { view, focus, refused, isKnown } = thread;
    for (const button of scopes.children) set(button, "aria-pressed", String(button.dataset.scope === choice.scope));
    order.value = choice.order;
    const isAlone = focus !== null;
    for (const part of [scopes, order]) set(part, "hidden", isAlone);
    set(back, "hidden", !isAlone);
    set(writing.element, "hidden", isAlone || !mayWrite() || refused !== null);
    set(lock, "hidden", isAlone || !thread.mayModerate || !view?.begun_at);
    set(lock, "aria-label", thread.isLocked ? "Let everybody write again" : "Let nobody but moderators write");
    set(lock, "aria-pressed", String(thread.isLocked));
    write(about, isAlone ? "" : tell(view));
    write(trouble, refused ? whyNot(refused) : thread.mine?.muted ? words({ code: "muted", details: { until: thread.mine.muted_until } }) : "");
    const found = thread.rows;
    rows(found);
    pins(thread.pinned);
    set(empty, "hidden", !isKnown || found.length > 0 || refused !== null);
    write(empty, choice.scope === "room" ? "Nobody in this room has said anything about it yet." : "Nobody has said anything about it yet.");
    set(more, "hidden", isAlone || !thread.hasMore);
  }

  function tell(view) {
    if (!view) return "";
    const who = choice.scope === "everybody" ? "Whoever watches this reads them, in any room" : `${room.party.private ? "Members of this room alone" : "Whoever finds this public room"} can read them`;
    const count = view.comments ? `${number(view.comments, "comment")} by ${view.people === 1 ? "one person" : `${view.people} people`}. ` : "";
    return `${count}${who}. They are kept.${view.locked ? " Moderators have locked them." : ""}`;
  }

  const element = h("div", { class: "talk" },
    h("div", { class: "row wrap talk-head" }, scopes, order, back), h("div", { class: "row" }, about, lock), trouble, writing.element, pinned, list, empty, more);
  show();
  return {
    element, show, tick: writing.tick,
    find: (id) => list.querySelector(`[data-comment="${CSS.escape(id)}"]`),
  };
}
