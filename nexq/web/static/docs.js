"use strict";
// Shows openapi.json. Everything in it is set as text, never as markup: names and texts come from whoever runs workers.

const $ = (id) => document.getElementById(id);
let description = {};
let token = "";

function el(tag, options = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (name === "class") made.className = value;
    else if (name === "open") made.open = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// Text with `code` in it.
function text(source, tag = "p") {
  const parts = String(source).split(/`([^`]+)`/);
  return el(tag, {}, ...parts.map((part, i) => (i % 2 ? el("code", {}, part) : part)));
}

function resolve(thing) {
  const seen = new Set();
  while (thing && thing.$ref && !seen.has(thing.$ref)) {
    seen.add(thing.$ref);
    thing = thing.$ref.slice(2).split("/").reduce((at, key) => (at || {})[key.replace(/~1/g, "/").replace(/~0/g, "~")], description);
  }
  return thing || {};
}

function kindOf(schema) {
  const plain = resolve(schema);
  const choices = plain.anyOf || plain.oneOf;
  if (choices) return [...new Set(choices.map(kindOf))].join(" or ");
  if (plain.enum) return plain.enum.map((value) => JSON.stringify(value)).join(" ");
  if ("const" in plain) return JSON.stringify(plain.const);
  if (plain.type === "array") return `list of ${kindOf(plain.items || {})}`;
  const bounds = [];
  if (plain.minimum !== undefined) bounds.push(`≥ ${plain.minimum}`);
  if (plain.maximum !== undefined) bounds.push(`≤ ${plain.maximum}`);
  if (plain.minLength) bounds.push(`from ${plain.minLength} characters`);
  if (plain.maxLength !== undefined) bounds.push(`up to ${plain.maxLength} characters`);
  const type = Array.isArray(plain.type) ? plain.type.join(" or ") : plain.type || "anything";
  return [plain.format ? `${type} (${plain.format})` : type, ...bounds].join(", ");
}

// The object inside a schema, where there is one: itself, an item of a list, one of several choices.
function objectIn(schema) {
  const plain = resolve(schema);
  if (plain.properties) return plain;
  if (plain.items) return objectIn(plain.items);
  for (const choice of plain.anyOf || plain.oneOf || []) {
    const found = objectIn(choice);
    if (found) return found;
  }
  return null;
}

function schemaTable(schema, above = []) {
  const object = objectIn(schema);
  if (!object || above.includes(object)) return el("p", { class: "kind" }, kindOf(schema));
  const rows = Object.entries(object.properties).map(([name, property]) => {
    const inner = objectIn(property);
    const says = property.description || resolve(property).description;
    const initial = property.default;
    return el("tr", {},
      el("td", {}, el("code", {}, name), (object.required || []).includes(name) ? el("span", { class: "must" }, " required") : null),
      el("td", {},
        el("span", { class: "kind" }, kindOf(property)),
        initial !== undefined && initial !== null ? el("span", { class: "kind" }, `, else ${JSON.stringify(initial)}`) : null,
        says && !inner ? text(says, "div") : null,
        inner && above.length < 4 ? el("details", { class: "schema" }, el("summary", {}, "members"), schemaTable(property, [...above, object])) : null));
  });
  return el("table", {}, el("tbody", {}, ...rows));
}

function example(schema, depth = 0) {
  const plain = resolve(schema);
  if (plain.example !== undefined) return plain.example;
  if (plain.default !== undefined && plain.default !== null) return plain.default;
  if (plain.enum) return plain.enum[0];
  if ("const" in plain) return plain.const;
  const choice = (plain.anyOf || plain.oneOf || []).find((one) => resolve(one).type !== "null");
  if (choice && !plain.properties) return example(choice, depth);
  if (plain.properties && depth < 4) {
    // Beside an object's members, a choice says which of them are needed.
    const needed = [...(plain.required || []), ...((choice || {}).required || []), "payload"];
    const wanted = Object.keys(plain.properties).filter((name) => needed.includes(name));
    return Object.fromEntries(wanted.map((name) => [name, name === "payload" ? { to: "a@example.com" } : example(plain.properties[name], depth + 1)]));
  }
  if (plain.type === "array") return [example(plain.items || {}, depth + 1)];
  const samples = { string: "text", integer: plain.minimum || 1, number: plain.minimum || 1, boolean: false, null: null };
  return plain.type in samples ? samples[plain.type] : {};
}

const quoted = (word) => `'${word.replace(/'/g, `'\\''`)}'`;

function curl(method, path, operation) {
  const base = new URL((description.servers || [{ url: "/" }])[0].url, location.href).href.replace(/\/$/, "");
  const words = ["curl"];
  if (method !== "get") words.push(`-X ${method.toUpperCase()}`);
  words.push(quoted(base + path.replace(/{(\w+)}/g, (_, name) => name.toUpperCase())));
  // Where one of the ways in is "nothing", a token is not asked for.
  const asks = (operation.security || []).map((way) => Object.keys(way).length > 0);
  if (asks.length && asks.every(Boolean)) words.push(`-H "Authorization: Bearer $NEXQ_TOKEN"`);
  const body = operation.requestBody;
  if (body) {
    words.push(`-H 'Content-Type: application/json'`);
    words.push(`-d ${quoted(JSON.stringify(example(body.content["application/json"].schema)))}`);
  }
  return words.join(" \\\n  ");
}

function parameters(operation) {
  const all = operation.parameters || [];
  if (!all.length) return [];
  const rows = all.map((one) => el("tr", {},
    el("td", {}, el("code", {}, one.name), el("span", { class: "kind" }, ` ${one.in}`), one.required ? el("span", { class: "must" }, " required") : null),
    el("td", {}, el("span", { class: "kind" }, kindOf(one.schema || {})), one.description ? text(one.description, "div") : null)));
  return [el("h3", {}, "Parameters"), el("table", {}, el("tbody", {}, ...rows))];
}

function answers(operation) {
  const rows = Object.entries(operation.responses).map(([status, answer]) => {
    const plain = resolve(answer);
    const schema = status < "400" && plain.content && plain.content["application/json"] && plain.content["application/json"].schema;
    const headers = Object.keys(plain.headers || {});
    return el("tr", {},
      el("td", {}, el("span", { class: `status ${status < "400" ? "ok" : "bad"}` }, status)),
      el("td", {}, text(plain.description, "div"),
        headers.length ? el("div", { class: "kind" }, `Headers: ${headers.join(", ")}`) : null,
        schema && objectIn(schema) ? el("details", { class: "schema" }, el("summary", {}, "members"), schemaTable(schema)) : null));
  });
  return [el("h3", {}, "Answers"), el("table", {}, el("tbody", {}, ...rows))];
}

function fill(body, method, path, operation) {
  if (operation.description) body.append(text(operation.description));
  body.append(...parameters(operation));
  const request = operation.requestBody;
  if (request) body.append(el("h3", {}, "Body"), schemaTable(request.content["application/json"].schema));
  const command = curl(method, path, operation);
  const copy = el("button", { type: "button", onclick: () => navigator.clipboard && navigator.clipboard.writeText(command) }, "copy");
  body.append(el("h3", {}, "Example ", copy), el("pre", {}, el("code", {}, command)), ...answers(operation));
}

function callOf(method, path, operation) {
  const body = el("div", { class: "body" });
  const call = el("details", { class: "call", id: operation.operationId },
    el("summary", {}, el("span", { class: `verb ${method}` }, method.toUpperCase()), el("span", { class: "path" }, path), el("span", { class: "what" }, operation.summary)),
    body);
  call.addEventListener("toggle", () => { if (call.open && !body.hasChildNodes()) fill(body, method, path, operation); });
  return call;
}

function show() {
  $("title").textContent = description.info.title;
  $("version").textContent = description.info.version;
  const main = $("main");
  const nav = $("nav");
  main.replaceChildren(text(description.info.description));
  nav.replaceChildren();
  for (const tag of description.tags) {
    const section = el("section", {}, el("h2", {}, tag.name), tag.description ? text(tag.description) : null);
    nav.append(el("h2", {}, tag.name));
    for (const [path, item] of Object.entries(description.paths)) {
      for (const [method, operation] of Object.entries(item)) {
        if (!operation.tags.includes(tag.name)) continue;
        section.append(callOf(method, path, operation));
        nav.append(el("a", { href: `#${encodeURIComponent(operation.operationId)}` }, operation.summary));
      }
    }
    main.append(section);
  }
  openLinked();
}

function openLinked() {
  const linked = $(decodeURIComponent(location.hash.slice(1)));
  if (linked) { linked.open = true; linked.scrollIntoView(); }
}

function find() {
  const wanted = $("find").value.toLowerCase();
  for (const call of document.querySelectorAll("details.call")) {
    call.hidden = !call.querySelector("summary").textContent.toLowerCase().includes(wanted);
  }
  for (const section of document.querySelectorAll("main > section")) {
    section.hidden = ![...section.querySelectorAll("details.call")].some((call) => !call.hidden);
  }
}

function askForToken() {
  const field = el("input", { type: "password", autocomplete: "off", "aria-label": "Token" });
  const go = () => { token = field.value; load(); };
  field.addEventListener("keydown", (event) => { if (event.key === "Enter") go(); });
  $("main").replaceChildren(el("p", {}, "This server asks who you are. A token with the scope read shows the description:"),
    field, el("p", {}, el("button", { type: "button", onclick: go }, "Show")));
}

async function load() {
  try {
    const answer = await fetch("openapi.json", { headers: token ? { Authorization: `Bearer ${token}` } : {} });
    if (answer.status === 401) return askForToken();
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    description = await answer.json();
    show();
  } catch (error) {
    $("main").replaceChildren(el("p", {}, `The description could not be loaded: ${error.message}.`));
  }
}

function theme(change) {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  let now = localStorage.getItem("nexq-docs-theme") || "";
  if (change) {
    now = (now || (dark ? "dark" : "light")) === "dark" ? "light" : "dark";
    localStorage.setItem("nexq-docs-theme", now);
  }
  if (now) document.documentElement.dataset.theme = now;
}

$("find").addEventListener("input", find);
$("theme").addEventListener("click", () => theme(true));
addEventListener("hashchange", openLinked);
theme(false);
load();
