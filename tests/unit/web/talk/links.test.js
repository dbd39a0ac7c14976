// What becomes a link, and what stays text.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parts } from "../../../../services/gateway/src/gateway/web/watch/talk/links.js";

const links = (text) => parts(text).flatMap(({ href }) => (href ? [href] : []));

test("an address of http or https is a link, between texts", () => {
  assert.deepEqual(parts("see https://example.org/a?b=c#d and http://example.com"), [
    { text: "see " }, { text: "https://example.org/a?b=c#d", href: "https://example.org/a?b=c#d" },
    { text: " and " }, { text: "http://example.com", href: "http://example.com/" },
  ]);
});

test("whatever is no such address stays text", () => {
  for (const text of [
    "javascript:alert(1)", "JaVaScRiPt://%0aalert(1)", "data:text/html,<script>alert(1)</script>", "vbscript:x", "file:///etc/passwd",
    "example.org", "ftp://example.org", "mailto:ana@example.org", "http://", "https:// example.org", "xhttps://example.org", "https:/example.org",
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "",
  ]) assert.deepEqual(links(text), [], text);
});

test("a link inside markup is that address alone", () => {
  assert.deepEqual(links('<a href="https://example.org/x" onclick="alert(1)">'), ["https://example.org/x"]);
});

test("an address that names somebody before its host is not made a link: it may pretend to be another", () => {
  assert.deepEqual(links("https://bank.example@evil.example/"), []);
  assert.deepEqual(links("https://user:password@evil.example/"), []);
});

test("punctuation behind an address belongs to the sentence, brackets that it opened to the address", () => {
  assert.deepEqual(links("Look at https://example.org/a."), ["https://example.org/a"]);
  assert.deepEqual(links("(see https://example.org/a_(b)!)"), ["https://example.org/a_(b)"]);
  assert.deepEqual(links("[https://example.org/a]?"), ["https://example.org/a"]);
});

test("an address ends where something cannot be seen or turns the writing round", () => {
  for (const sign of ["\u200b", "\u202e", "\u2066", "\u00ad", "\ufeff", "\u{e0041}"]) {
    assert.deepEqual(parts(`https://example.org/a${sign}b`)[0], { text: "https://example.org/a", href: "https://example.org/a" });
  }
});

test("the parts of a text are the text, whatever it is", () => {
  let state = 7;
  const random = (below) => (state = (state * 1103515245 + 12345) % 2147483648) % below;
  const pieces = ["https://", "http://a.example", "javascript:", "(", ")", ".", " ", "<", "é", "🦊", "\ud800", "\u202e", "@", "/x?y=z", "[::1]", ":8080", "\n"];
  for (let round = 0; round < 2_000; round++) {
    const text = Array.from({ length: random(12) }, () => pieces[random(pieces.length)]).join("");
    const found = parts(text);
    assert.equal(found.map((part) => part.text).join(""), text);
    for (const { href } of found) assert.ok(href === undefined || /^https?:\/\//.test(href), href);
  }
});
