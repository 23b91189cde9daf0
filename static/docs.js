"use strict";
// Renders /v1/openapi.json. Everything goes into the page as text, never as HTML.

const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};

// `code`, **bold** and *what is stressed* in a line of text.
const inline = (text) => text.split(/(`` .+? ``|`[^`]+`|\*\*[^*]+\*\*|\*[^*\s][^*]*\*)/).map((part) => {
  if (part.startsWith("`` ")) return make("code", {}, part.slice(3, -3));
  if (part.startsWith("`")) return make("code", {}, part.slice(1, -1));
  if (part.startsWith("**")) return make("b", {}, part.slice(2, -2));
  if (/^\*.+\*$/.test(part)) return make("em", {}, part.slice(1, -1));
  return part;
});

// The little of Markdown that the document uses.
const markdown = (text) => {
  const nodes = [], lines = (text || "").split("\n");
  for (let at = 0; at < lines.length;) {
    const take = (test) => { const taken = []; while (at < lines.length && test(lines[at])) taken.push(lines[at++]); return taken; };
    const line = lines[at];
    if (line.startsWith("```")) {
      at++;
      nodes.push(make("pre", {}, take((next) => !next.startsWith("```")).join("\n")));
      at++;
    } else if (line.startsWith("## ")) {
      nodes.push(make("h3", {}, ...inline(line.slice(3))));
      at++;
    } else if (line.startsWith("|")) {
      const rows = take((next) => next.startsWith("|")).filter((row) => !/^\|[-|]+\|$/.test(row));
      nodes.push(make("table", {}, ...rows.map((row, index) =>
        make("tr", {}, ...row.slice(1, -1).split("|").map((cell) => make(index ? "td" : "th", {}, ...inline(cell.trim())))))));
    } else if (line.startsWith("* ")) {
      const items = [];
      for (const next of take((next) => /^(\* |  \S)/.test(next))) {
        if (next.startsWith("* ")) items.push(next.slice(2)); else items[items.length - 1] += " " + next.trim();
      }
      nodes.push(make("ul", {}, ...items.map((item) => make("li", {}, ...inline(item)))));
    } else if (line.trim() === "") {
      at++;
    } else {
      nodes.push(make("p", {}, ...inline(take((next) => next.trim() !== "" && !/^(```|## |\||\* )/.test(next)).join(" "))));
    }
  }
  return nodes;
};

const nameOf = (reference) => reference.split("/").pop();

const typeOf = (schema) => {
  if (!schema) return "any";
  if (schema.$ref) return make("a", { href: "#schema-" + nameOf(schema.$ref) }, nameOf(schema.$ref));
  const some = schema.oneOf || schema.anyOf;
  if (some) {
    const parts = make("span");
    some.forEach((one, index) => parts.append(...(index ? [" or "] : []), typeOf(one)));
    return parts;
  }
  if (schema.type === "array" || (Array.isArray(schema.type) && schema.type.includes("array"))) {
    return make("span", {}, "list of ", typeOf(schema.items));
  }
  const type = Array.isArray(schema.type) ? schema.type.join(" or ") : schema.type || "any JSON";
  return schema.enum ? schema.enum.map((value) => JSON.stringify(value)).join(" | ") : type;
};

const fields = (schema) => {
  const required = new Set(schema.required || []);
  const rows = Object.entries(schema.properties || {}).map(([name, field]) => make("tr", {},
    make("td", {}, make("code", {}, name), required.has(name) ? " (required)" : ""),
    make("td", {}, typeOf(field)),
    make("td", {}, ...inline((field.description || (field.oneOf || []).map((one) => one.description || "").join(" ")).replaceAll("\n", " ")))));
  return rows.length ? make("table", {}, make("tr", {}, make("th", {}, "field"), make("th", {}, "type"), make("th", {}, "meaning")), ...rows) : "";
};

const show = (value) => JSON.stringify(value, null, 2);

const exampleOf = (api, schema) => {
  if (!schema) return undefined;
  if (schema.example !== undefined) return schema.example;
  if (schema.$ref) return exampleOf(api, api.components.schemas[nameOf(schema.$ref)]);
  for (const one of schema.oneOf || []) {
    const example = exampleOf(api, one);
    if (example !== undefined) return example;
  }
  return undefined;
};

const tryIt = (api, method, path, operation) => {
  const form = make("form");
  const inputs = (operation.parameters || []).filter((parameter) => parameter.in !== "header").map((parameter) => {
    const input = make("input", { placeholder: parameter.description || "" });
    form.append(make("label", {}, parameter.name + " ", input));
    return [parameter, input];
  });
  const content = operation.requestBody && operation.requestBody.content;
  const body = content && make("textarea", { "aria-label": "body" });
  if (body) {
    const example = exampleOf(api, Object.values(content)[0].schema);
    body.value = example === undefined ? "" : show(example);
    form.append(body);
  }
  const output = make("pre", { hidden: "" });
  form.append(make("button", {}, "Send the request"), output);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    let url = path;
    const query = new URLSearchParams();
    for (const [parameter, input] of inputs) {
      if (parameter.in === "path") url = url.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
      else if (input.value) query.append(parameter.name, input.value);
    }
    const headers = {};
    const token = document.getElementById("token").value;
    if (token) headers.Authorization = "Bearer " + token;
    if (body && body.value) headers["Content-Type"] = Object.keys(content)[0];
    output.hidden = false;
    output.textContent = "…";
    try {
      const answer = await fetch(query.size ? `${url}?${query}` : url, { method: method.toUpperCase(), headers, body: body && body.value ? body.value : undefined });
      const text = await answer.text();
      output.textContent = `${answer.status} ${answer.statusText}\n${text}`;
    } catch (error) {
      output.textContent = String(error);
    }
  });
  return make("details", {}, make("summary", {}, "Try it"), form);
};

const section = (api, method, path, operation) => {
  const id = operation.operationId;
  const element = make("section", { id });
  element.append(make("h2", {}, operation.summary || id));
  element.append(make("p", {}, make("span", { class: "method" }, method.toUpperCase()), " ", make("code", {}, path)));
  element.append(...markdown(operation.description));
  const parameters = operation.parameters || [];
  if (parameters.length) {
    element.append(make("table", {}, make("tr", {}, ...["parameter", "in", "type", "meaning"].map((head) => make("th", {}, head))),
      ...parameters.map((parameter) => make("tr", {}, make("td", {}, make("code", {}, parameter.name), parameter.required ? " (required)" : ""),
        make("td", {}, parameter.in), make("td", {}, typeOf(parameter.schema)), make("td", {}, ...inline(parameter.description || ""))))));
  }
  const content = operation.requestBody && Object.entries(operation.requestBody.content)[0];
  if (content) {
    element.append(make("p", {}, "Body (", make("code", {}, content[0]), "): ", typeOf(content[1].schema)));
    const example = exampleOf(api, content[1].schema);
    if (example !== undefined) element.append(make("pre", {}, show(example)));
  }
  element.append(make("table", {}, make("tr", {}, ...["status", "body", "meaning"].map((head) => make("th", {}, head))),
    ...Object.entries(operation.responses).map(([status, answer]) => {
      const body = answer.content && Object.values(answer.content)[0];
      return make("tr", {}, make("td", {}, status), make("td", {}, body && body.schema ? typeOf(body.schema) : ""), make("td", {}, ...inline(answer.description || "")));
    })));
  if (!path.endsWith("/ws")) element.append(tryIt(api, method, path, operation));
  return element;
};

const render = (api) => {
  const nav = document.getElementById("nav"), main = document.getElementById("main");
  document.getElementById("title").textContent = `${api.info.title} (${api.info.version})`;
  main.replaceChildren(make("div", { id: "about" }, ...markdown(api.info.description)));
  nav.append(make("a", { href: "#about" }, "About"), make("a", { href: "/v1/docs/queen" }, "Coming from Queen MQ"));
  const all = Object.entries(api.paths).flatMap(([path, item]) =>
    Object.entries(item).filter(([, operation]) => operation.responses).map(([method, operation]) => ({ method, path, operation })));
  for (const tag of api.tags) {
    nav.append(make("b", {}, tag.name));
    for (const { method, path, operation } of all.filter((one) => (one.operation.tags || []).includes(tag.name))) {
      nav.append(make("a", { href: "#" + operation.operationId }, operation.summary || operation.operationId));
      main.append(section(api, method, path, operation));
    }
  }
  nav.append(make("b", {}, "schemas"));
  for (const [name, schema] of Object.entries(api.components.schemas)) {
    nav.append(make("a", { href: "#schema-" + name }, name));
    const element = make("section", { id: "schema-" + name }, make("h2", {}, name), ...markdown(schema.description));
    element.append(schema.properties ? fields(schema) : make("p", {}, typeOf(schema)));
    if (schema.example !== undefined) element.append(make("pre", {}, show(schema.example)));
    main.append(element);
  }
};

// A page that is a text: /v1/docs/NAME shows /v1/docs/NAME.md.
const renderText = (title) => (text) => {
  document.title = document.getElementById("title").textContent = title;
  document.getElementById("main").replaceChildren(make("div", { id: "about" }, ...markdown(text)));
  document.getElementById("nav").append(make("a", { href: "/v1/docs" }, "anteroom.v1"), make("a", { href: "/v1/docs/queen" }, "Coming from Queen MQ"));
};

const load = (path, read, show) => fetch(path).then((answer) => answer[read]()).then(show).catch((error) => {
  document.getElementById("main").textContent = "The document could not be loaded: " + error;
});

if (location.pathname.endsWith("/queen")) load("/v1/docs/queen.md", "text", renderText("Coming from Queen MQ"));
else load("/v1/openapi.json", "json", render);
