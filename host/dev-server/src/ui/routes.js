"use strict";
// The routes of an engine, as forms that its OpenAPI document describes. `script.js` has the functions that this uses.

// A mistake in what was filled in. It is shown as it is.
class Mistake extends Error {}

const VERBS = { get: "GET", post: "POST", patch: "PATCH", delete: "DELETE" };

async function showRoutes(mount) {
  const answer = await call("GET", `/v1/${path(mount)}?help=1`);
  const document = answer.ok ? answer.json.openapi : null;
  look(`Routes of ${mount}`, document ? "" : answer.ok ? "The engine describes no routes." : why(answer));
  for (const [route, item] of Object.entries(document?.paths || {})) {
    for (const verb of Object.keys(VERBS).filter((verb) => item[verb])) {
      const parameters = [...(item.parameters || []), ...(item[verb].parameters || [])];
      const isList = parameters.some((parameter) => parameter.name === "list" && parameter.in === "query" && parameter.required);
      const method = isList ? "LIST" : VERBS[verb];
      const name = `${method} ${mount}${route.replace(/^\/+/, "")}`;
      const fields = [
        ...parameters.filter((parameter) => parameter.name !== "list"),
        ...properties(document, item[verb]).map(([name, schema]) => ({ name, schema, in: "body", description: schema.description })),
      ];
      const open = button("Fill in", `Form of ${name}`, async () => fillIn(method, mount, route, item[verb].summary || "", fields));
      at("keys").append(element("li", "", [element("code", name), open]));
    }
  }
}

// The fields of an operation's body. Its schema may be one that the document names.
function properties(document, operation) {
  const schema = operation.requestBody?.content?.["application/json"]?.schema || {};
  const name = schema.$ref?.split("/").at(-1);
  return Object.entries((name ? document.components?.schemas?.[name] : schema)?.properties || {});
}

function fillIn(method, mount, route, summary, fields) {
  const inputs = fields.map((field) => [field, inputOf(field)]);
  const rows = inputs.map(([field, input], number) => {
    input.id = `field-${number}`;
    const label = element("label", `${field.name}${field.required ? ", required" : ""}`);
    label.htmlFor = input.id;
    const about = element("p", field.description || "");
    about.id = `about-${number}`;
    input.setAttribute("aria-describedby", about.id);
    return element("div", "", [label, input, about]);
  });
  const send = element("button", `Send ${method}`);
  send.className = "main";
  const title = element("h3", `${method} ${mount}${route.replace(/^\/+/, "")}`);
  const form = element("form", "", [title, element("p", summary), ...rows, send]);
  form.setAttribute("aria-label", `Form of ${title.textContent}`);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    sendForm(method, mount, route, inputs).catch((error) => (error instanceof Mistake ? say(error.message, true) : failed(error)));
  });
  at("route").replaceChildren(form);
  form.querySelector("input, select, textarea, button").focus();
}

function inputOf({ schema = {}, required }) {
  const choices = schema.enum || (schema.type === "boolean" ? ["true", "false"] : null);
  const input = element(choices ? "select" : isJson(schema) ? "textarea" : "input", "");
  if (choices) input.append(...["", ...choices].map((choice) => element("option", choice)));
  else if (isJson(schema)) input.placeholder = schema.type === "array" ? "a JSON array" : "a JSON object";
  else if (schema.type === "array") input.placeholder = "values with commas between them";
  else if (schema.default !== undefined) input.placeholder = String(schema.default);
  if (schema.type === "integer" || schema.type === "number") input.inputMode = "numeric";
  if (input.tagName === "INPUT" && schema["x-vault-displayAttrs"]?.sensitive) input.type = "password";
  input.required = Boolean(required);
  input.autocomplete = "off";
  return input;
}

const isJson = (schema) => schema.type === "object" || (schema.type === "array" && schema.items?.type === "object");

// The value of a field, of the type that its schema names.
function valueOfField(name, schema, text) {
  if (schema.type === "boolean") return text === "true";
  if (!isJson(schema)) return schema.type === "array" ? text.split(",").map((part) => part.trim()) : text;
  try {
    return JSON.parse(text);
  } catch {
    throw new Mistake(`The field ${name} is not valid JSON.`);
  }
}

// The path of a route below its mount. The route comes from an engine, which may be hostile, and the request has the root token:
// so each segment is encoded, and none may lead out of the mount.
function pathOf(route, values) {
  const filled = route.replace(/^\/+/, "").replace(/\{([^}]*)\}/g, (placeholder, name) => values.get(name) ?? placeholder);
  const segments = filled.split("/");
  if (segments.some(isStep)) throw new Mistake('Nothing was sent: a part of the path is "." or "..", which would lead out of the mount.');
  return segments.map(encodeURIComponent).join("/");
}

// True if a segment, or what a server may decode it to, is a step to another folder.
function isStep(segment) {
  let decoded = segment;
  try { decoded = decodeURIComponent(segment); } catch { /* it is not encoded */ }
  return decoded.split(/[\\/]/).some((part) => part === "." || part === "..");
}

// Sends what was filled in. A field that was left empty is not sent.
async function sendForm(method, mount, route, inputs) {
  const values = new Map();
  const query = new URLSearchParams();
  const body = {};
  for (const [{ name, schema = {}, in: place }, input] of inputs) {
    if (place === "path") values.set(name, input.value);
    else if (input.value === "") continue;
    else if (place === "query") query.set(name, input.value);
    else body[name] = valueOfField(name, schema, input.value);
  }
  let url = `/v1/${path(mount)}${pathOf(route, values)}`;
  if (query.toString() !== "") url += `?${query}`;
  await send(method, url, ["POST", "PATCH"].includes(method) ? JSON.stringify(body) : undefined);
}
