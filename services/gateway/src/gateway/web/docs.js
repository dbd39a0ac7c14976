// Shows what /openapi.json and /asyncapi.json say, and lets a guest try a function. Loads nothing from elsewhere.

const [http, socket] = await Promise.all(["/openapi.json", "/asyncapi.json"].map(async (path) => (await fetch(path)).json()));
let token = null;

function element(name, fields = {}, ...children) {
  const made = Object.assign(document.createElement(name), fields);
  made.append(...children);
  return made;
}

const code = (text) => element("code", {}, text);

function table(id, headings, rows) {
  const head = element("tr", {}, ...headings.map((text) => element("th", { scope: "col" }, text)));
  document.getElementById(id).append(
    element("thead", {}, head),
    element("tbody", {}, ...rows.map(({ cells, id: anchor }) =>
      element("tr", anchor ? { id: anchor } : {}, ...cells.map((cell) => element("td", {}, cell))))),
  );
}

/** A schema with its references filled in, for reading; recursion is cut off. */
function shown(schema, components, depth = 0) {
  if (Array.isArray(schema)) return schema.map((part) => shown(part, components, depth));
  if (schema === null || typeof schema !== "object") return schema;
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return depth > 4 ? name : shown(components[name], components, depth + 1);
  }
  return Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, shown(value, components, depth)]));
}

function example(schema, components) {
  const whole = shown(schema, components);
  const fields = Object.entries(whole.properties ?? {}).filter(([name]) => (whole.required ?? []).includes(name));
  const value = (field) => field.default ?? field.enum?.[0] ?? { string: "…", number: 0, integer: 1, boolean: false, object: {}, array: [] }[field.type] ?? null;
  return Object.fromEntries(fields.map(([name, field]) => [name, value(field)]));
}

function functionDetails(name, described) {
  const components = http.components.schemas;
  const post = http.paths[`/v1/call/${name}`].post;
  const schema = post.requestBody.content["application/json"].schema;
  const result = post.responses["200"].content["application/json"].schema.properties.value;
  const args = element("textarea", { rows: 5, value: JSON.stringify(example(schema, components), null, 2), ariaLabel: `Arguments of ${name}` });
  const answer = element("pre", { hidden: true, role: "status" });
  const call = element("button", { type: "button" }, "Call it");
  call.addEventListener("click", async () => {
    const headers = { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) };
    const got = await fetch(`/v1/call/${name}`, { method: "POST", headers, body: args.value });
    answer.textContent = `${got.status}\n${JSON.stringify(await got.json(), null, 2)}`;
    answer.hidden = false;
  });
  const pretty = (part) => element("pre", {}, JSON.stringify(shown(part, components), null, 2));
  return element("details", { id: name },
    element("summary", {}, code(name), ` (${described.kind}) ${described.summary}`),
    element("p", { className: "quiet" }, "Arguments"), pretty(schema),
    element("p", { className: "quiet" }, "Value"), pretty(result),
    element("p", { className: "quiet" }, "Errors"), element("p", {}, described.errors.join(" · ")),
    element("p", { className: "quiet" }, "Try it"), args, element("p", {}, call), answer);
}

function frames(operation) {
  return socket.operations[operation].messages.map(({ $ref }) => {
    const message = socket.channels.socket.messages[$ref.split("/").pop()];
    const fields = shown(message.payload, socket.components.schemas).properties;
    return { cells: [code(message.name), message.summary, code(Object.keys(fields).join(", "))] };
  });
}

for (const [name, described] of Object.entries(socket["x-functions"])) {
  document.getElementById("functions").append(functionDetails(name, described));
}
table("client-frames", ["op", "what", "fields"], frames("receive"));
table("server-frames", ["op", "what", "fields"], frames("send"));
table("events", ["channel", "type", "what", "data"], Object.entries(socket["x-events"]).flatMap(([kind, events]) =>
  Object.entries(events).map(([type, event]) => ({ cells: [code(kind), code(type), event.summary, code(event.fields.join(", "))] }))));
table("closings", ["code", "reason", "what a client should do"], socket["x-close-codes"].map((closing) =>
  ({ cells: [code(String(closing.code)), closing.reason, closing.then] })));
table("errors", ["code", "HTTP", "words"], Object.entries(http["x-errors"]).map(([slug, error]) =>
  ({ id: slug, cells: [code(slug), String(error.status), error.message] })));
table("limits", ["what", "limit", "at it"], http["x-limits"].map((row) => ({ cells: [row.what, row.bound, row.then] })));
document.getElementById(location.hash.slice(1))?.scrollIntoView();

document.getElementById("guest").addEventListener("submit", async (event) => {
  event.preventDefault();
  const name = new FormData(event.target).get("name");
  const got = await fetch("/v1/guest", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ name }) });
  const body = await got.json();
  token = body.token ?? null;
  document.getElementById("who").textContent = token ? `Signed in as ${body.user} until ${body.expires}.` : body.title;
});
