// For who moderates a room: how its chat is run, what was reported or held back, and who is muted.

import { Refused } from "/client.js";
import { h, keyed, set, write } from "/watch/dom.js";
import { Pages } from "/watch/talk/pages.js";
import { named, said, when } from "/watch/talk/text.js";

const LINKS = [["allow", "may be posted"], ["hold", "wait until a moderator has looked"], ["refuse", "may not be posted"]];
const WHY = { spam: "spam", abuse: "insults or threats", spoiler: "spoils the film", illegal: "against the law", other: "something else" };
const RULES = { words: "has a word that is held back", links: "has a link" };

/** Parts for the settings. `attempt(fn, args)` does something and tells what goes wrong; `closed` ends with the dialog. */
export function moderation(conversation, { client, page, closed }) {
  const attempt = async (fn, args, done = "") => {
    try {
      await conversation.do(fn, args);
      if (done) page.note(done);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      page.trouble(error);
    }
  };
  const where = conversation.room;
  const listed = (heading, otherwise, fn, args, keyOf, items, make) => {
    const list = h("ul", { class: "cases" });
    const empty = h("p", { class: "quiet" }, otherwise);
    const more = h("button", { type: "button", class: "plain small", hidden: true, on: { click: () => pages.more() } }, "More");
    const rows = keyed(list, keyOf, make);
    const pages = new Pages({
      watch: (...watch) => client.watch(...watch), fn, args: { where, ...args },
      changed: () => {
        const found = pages.values.flatMap(items);
        rows(found);
        empty.hidden = found.length > 0;
        more.hidden = !pages.hasMore;
      },
      failed: (refused) => write(empty, refused.code === "not-a-moderator" ? "Only for moderators." : refused.message),
    });
    closed.addEventListener("abort", () => pages.stop());
    return h("section", {}, h("h3", {}, heading), empty, list, more);
  };
  const cases = (heading, otherwise, veil) =>
    listed(heading, otherwise, "moderation.cases", { veil }, ({ kind, id }) => `${kind} ${id}`, (page_) => page_.cases, () => caseRow(attempt, where));
  return [
    rulesForm(conversation, attempt),
    cases("To be looked at", "Nothing was reported or held back.", "waiting"),
    cases("Hidden", "Nothing is hidden.", "hidden"),
    listed("Muted", "Nobody is muted.", "moderation.people", {}, ({ uid }) => uid, (page_) => page_.standings, () => standingRow(attempt, where)),
  ];
}

function rulesForm(conversation, attempt) {
  const { open, slow_seconds, links, words: known } = conversation.rules ?? { open: true, slow_seconds: 0, links: "allow", words: null };
  const field = (name, input) => h("label", {}, name, input);
  // Who was made a moderator a moment ago does not know the words that there are: then they are left alone, or all replaced.
  const words = h("textarea", { name: "words", rows: "3", dir: "auto", "aria-label": "Words, one a line" });
  words.value = (known ?? []).join("\n");
  const other = h("details", {}, h("summary", {}, "Words that are not to be said"),
    h("p", { class: "quiet fine" }, `One a line${known ? "" : ", in place of all that were set before"}; an * at its end stands for any ending.`), words);
  const form = h("form", { on: { submit: (event) => {
    event.preventDefault();
    const given = new FormData(form);
    const wanted = given.get("words").split("\n").map((word) => word.trim()).filter(Boolean);
    attempt("chat.configure", {
      open: given.has("open"), slow_seconds: Number(given.get("slow_seconds")), links: given.get("links"),
      ...(other.open && JSON.stringify(wanted) !== JSON.stringify(known) && { words: wanted }),
    }, "Changed.");
  } } },
  h("label", { class: "check" }, h("input", { type: "checkbox", name: "open", checked: open }), "Everybody may speak in the chat"),
  field("Seconds between two lines of one person (0 for no limit)", h("input", { type: "number", name: "slow_seconds", min: "0", max: "3600", step: "1", value: String(slow_seconds), required: true })),
  field("Links", h("select", { name: "links" }, ...LINKS.map(([value, name]) => h("option", { value, ...(value === links && { selected: true }) }, name)))),
  other,
  h("div", { class: "row end" }, h("button", { class: "primary" }, "Save the chat's rules")));
  return h("section", {}, h("h3", {}, "Chat and comments of this room"), form);
}

function caseRow(attempt, where) {
  let found = null;
  const who = named("");
  const text = h("p", { class: "said", dir: "auto" });
  const why = h("p", { class: "quiet fine" });
  const complaints = h("ul", { class: "quiet fine" });
  const doing = (fns, done) => h("button", { type: "button", class: "plain small", on: { click: () => {
    const { kind, id, thread_id } = found;
    attempt(fns[kind], kind === "comment" ? { thread_id, comment_id: id } : { line: id }, done);
  } } });
  const show = doing({ comment: "comments.restore", line: "chat.restore" }, "Everybody sees it now.");
  write(show, "Let everybody see it");
  const hide = doing({ comment: "comments.hide", line: "chat.hide" }, "Hidden.");
  write(hide, "Hide");
  const fine = doing({ comment: "comments.review", line: "chat.review" }, "Done with.");
  write(fine, "Nothing is wrong");
  const remove = doing({ comment: "comments.remove" }, "Removed.");
  write(remove, "Remove");
  remove.classList.add("grave");
  return {
    element: h("li", { class: "case" }, h("p", {}, who), text, why, complaints, h("div", { class: "row wrap" }, show, hide, fine, remove)),
    show: (value) => {
      found = value;
      write(who, value.name || "Somebody");
      text.replaceChildren(said(value.text));
      const reasons = [value.veil === "held" && `waits: it ${RULES[value.rule] ?? "is held back"}`, value.reports && `${value.reports} reported it`, value.room ? "in the chat" : "a comment"];
      write(why, [...reasons.filter(Boolean), when(value.at)].join(" · "));
      complaints.replaceChildren(...value.complaints.map((complaint) => h("li", { dir: "auto" }, `${WHY[complaint.why] ?? complaint.why}${complaint.words ? `: ${complaint.words}` : ""}`)));
      set(show, "hidden", value.veil === "");
      set(hide, "hidden", value.veil === "moderated");
      set(fine, "hidden", value.reports === 0);
      set(remove, "hidden", value.kind !== "comment");
    },
  };
}

function standingRow(attempt, where) {
  let standing = null;
  const who = named("", { class: "grow name" });
  const about = h("span", { class: "quiet fine grow", dir: "auto" });
  const lift = h("button", { type: "button", class: "plain small", on: { click: () => {
    if (standing.muted) attempt("moderation.unmute", { where, uid: standing.uid });
    if (standing.banned) attempt("moderation.unban", { where, uid: standing.uid });
  } } }, "Lift");
  return {
    element: h("li", { class: "row wrap" }, who, about, lift),
    show: (value) => {
      standing = value;
      const until = value.banned ? value.banned_until : value.muted_until;
      write(who, value.name || "Somebody");
      write(about, [value.banned ? "kept out" : value.shadow ? "muted in the shadow" : "muted", until ? `until ${when(until)}` : "for good", value.reason].filter(Boolean).join(" · "));
      set(lift, "aria-label", `Let ${value.name || "somebody"} write again`);
    },
  };
}
