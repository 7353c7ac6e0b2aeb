"use strict";
// The page of `airlock dev`. It calls Vault's API as any caller does, and /ui/api for what only this server has.
// Everything that comes from an engine is put into the page as text, never as markup. `routes.js`, `leases.js` and
// `effects.js` have the parts of those names.

const at = (id) => document.getElementById(id);
let token = sessionStorage.getItem("airlock-token") || "";
let signedIn = 0; // counts the sign-ins, so that an older one's polling ends

async function call(method, url, body) {
  const headers = { "X-Vault-Token": token };
  if (body !== undefined) {
    headers["Content-Type"] = method === "PATCH" ? "application/merge-patch+json" : "application/json";
  }
  const response = await fetch(url, { method, headers, body, cache: "no-store" });
  const text = await response.text();
  let json = null;
  try { json = JSON.parse(text); } catch { /* an engine's own answer need not be JSON */ }
  return { status: response.status, ok: response.ok, text, json, number: response.headers.get("x-airlock-request") };
}

const path = (text) => text.split("/").map(encodeURIComponent).join("/");
const why = (answer) => (answer.json?.errors || []).join("; ") || `status ${answer.status}`;

function element(name, text, children = []) {
  const made = document.createElement(name);
  if (text !== "") made.textContent = text;
  made.append(...children);
  return made;
}

function button(text, label, action) {
  const made = element("button", text);
  made.type = "button";
  made.setAttribute("aria-label", label);
  made.addEventListener("click", () => action().catch(failed));
  return made;
}

function say(text, bad = false) {
  at("said").textContent = text;
  at("said").className = bad ? "bad" : "";
}

const failed = (error) => say(`The server did not answer: ${error.message}`, true);

async function showMounts() {
  const answer = await call("GET", "/v1/sys/mounts");
  if (!answer.ok) return answer;
  const own = ["system", "identity", "cubbyhole"];
  const rows = Object.entries(answer.json.data).filter(([, mount]) => !own.includes(mount.type)).map(([name, mount]) => {
    const tools = element("div", "", [
      button("Routes", `Routes of ${name}`, () => showRoutes(name)),
      button("Help", `Help of ${name}`, () => showHelp(name)),
      button("OpenAPI", `OpenAPI of ${name}`, () => showOpenApi(name)),
      button("Stored keys", `Stored keys of ${name}`, () => showKeys(name, "")),
    ]);
    tools.className = "tools";
    const cells = [name, mount.type, mount.running_plugin_version || "–"].map((text) => element("td", text));
    return element("tr", "", [...cells, element("td", "", [tools])]);
  });
  at("mounts").replaceChildren(...rows);
  return answer;
}

function look(title, text) {
  at("look-of").textContent = title;
  at("folder").replaceChildren();
  at("keys").replaceChildren();
  at("route").replaceChildren();
  at("shown").textContent = text;
}

async function showHelp(mount) {
  const answer = await call("GET", `/v1/${path(mount)}?help=1`);
  look(`Help of ${mount}`, answer.ok ? answer.json.help || "It has none." : why(answer));
}

async function showOpenApi(mount) {
  const answer = await call("GET", `/v1/${path(mount)}?help=1`);
  const document = answer.ok ? answer.json.openapi : null;
  look(`OpenAPI of ${mount}`, document ? JSON.stringify(document, null, 2) : answer.ok ? "It has none." : why(answer));
}

async function showKeys(mount, folder, after = "") {
  const query = new URLSearchParams({ mount, folder, after });
  const answer = await call("GET", `/ui/api/keys?${query}`);
  if (!answer.ok) return look(`Stored keys of ${mount}`, why(answer));
  if (after === "") look(`Stored keys of ${mount}${folder}`, answer.json.keys.length ? "" : "Nothing is stored here.");
  if (folder !== "") {
    const above = folder.replace(/[^/]*\/$/, "");
    at("folder").replaceChildren(button("Up", `Up to ${above || "the top"}`, () => showKeys(mount, above)));
  }
  for (const name of answer.json.keys) {
    const key = folder + name;
    const item = name.endsWith("/")
      ? [button("Open", `Open the folder ${key}`, () => showKeys(mount, key))]
      : valueOf(mount, key);
    at("keys").append(element("li", "", [element("code", name), ...item]));
  }
  if (answer.json.more) {
    const last = answer.json.keys.at(-1);
    const more = element("li", "");
    more.append(button("More", "More keys", async () => { more.remove(); await showKeys(mount, folder, last); }));
    at("keys").append(more);
  }
}

// A button that shows a value and hides it again. The value is requested only when the button is pressed.
function valueOf(mount, key) {
  const value = element("pre", "");
  value.tabIndex = 0;
  value.setAttribute("role", "region");
  value.setAttribute("aria-label", `Value of ${key}`);
  const show = button("Show", `Value of ${key}`, async () => {
    const open = show.getAttribute("aria-expanded") === "true";
    const answer = open ? null : await call("GET", `/ui/api/value?${new URLSearchParams({ mount, key })}`);
    value.textContent = open ? "" : answer.ok ? answer.json.text ?? `base64: ${answer.json.base64}` : why(answer);
    show.textContent = open ? "Show" : "Hide";
    show.setAttribute("aria-expanded", String(!open));
  });
  show.setAttribute("aria-expanded", "false");
  return [show, value];
}

function showClock(clock) {
  at("now").textContent = clock.now.replace(/\.\d+Z$/, "Z");
  at("frozen").textContent = clock.frozen ? ", frozen" : "";
  at("freeze").textContent = clock.frozen ? "Unfreeze" : "Freeze";
}

async function moveClock(change) {
  const answer = await call("POST", "/v1/sys/clock", JSON.stringify(change));
  if (!answer.ok) return say(why(answer), true);
  say("");
  showClock(answer.json.data);
}

const micro = (us) => (us < 1000 ? `${us} µs` : `${(us / 1000).toFixed(1)} ms`);

function rowOf(request) {
  const cost = request.cost;
  const texts = [request.at.slice(11, 19), request.operation, request.path, request.status];
  const numbers = cost ? [micro(cost.cpu_us), cost.reads, cost.writes, cost.lists] : ["–", "–", "–", "–"];
  const cells = [...texts, micro(request.took_us), ...numbers].map((text) => element("td", String(text)));
  for (const cell of cells.slice(texts.length)) cell.className = "number";
  cells.push(element("td", "", [effectsOf(request)]));
  const row = element("tr", "", cells);
  if (request.status >= 400) row.className = "bad";
  return row;
}

async function followRequests(turn) {
  let last = 0;
  while (turn === signedIn) {
    let answer;
    try {
      answer = await call("GET", `/ui/api/requests?after=${last}`);
    } catch (error) {
      failed(error);
      await new Promise((resume) => setTimeout(resume, 2000));
      continue;
    }
    if (turn !== signedIn || !answer.ok) return;
    for (const request of answer.json.requests) {
      last = request.number;
      at("requests").prepend(rowOf(request));
    }
    while (at("requests").children.length > 500) at("requests").lastChild.remove();
    showClock(answer.json.clock);
  }
}

function show(isSignedIn) {
  at("main").hidden = at("sign-out").hidden = !isSignedIn;
  at("sign-in").hidden = isSignedIn;
}

async function signIn(byHand) {
  const answer = await showMounts();
  show(answer.ok);
  if (!answer.ok) return say(answer.status === 403 ? "The server does not take this token." : why(answer), true);
  sessionStorage.setItem("airlock-token", token);
  at("requests").replaceChildren();
  say("");
  if (byHand) at("main").focus(); // the form that had the focus is gone
  followRequests(++signedIn).catch(failed);
}

at("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  token = at("token").value;
  signIn(true).catch(failed);
});

at("sign-out").addEventListener("click", () => {
  sessionStorage.removeItem("airlock-token");
  location.reload(); // this also removes everything that was shown
});

const hasData = () => ["POST", "PATCH"].includes(at("method").value);
at("method").addEventListener("change", () => { at("data").hidden = !hasData(); });

// Sends a request and shows its answer and its effects.
async function send(method, url, body) {
  const answer = await call(method, url, body);
  at("answer-status").textContent = `Status ${answer.status}`;
  at("answer-status").className = answer.ok ? "" : "bad";
  at("answer").textContent = answer.json === null ? answer.text : JSON.stringify(answer.json, null, 2);
  await showEffects(answer.number);
}

at("request").addEventListener("submit", async (event) => {
  event.preventDefault();
  const method = at("method").value;
  try {
    const asked = at("path").value.replace(/^\/+/, "");
    await send(method, `/v1/${path(asked)}`, hasData() ? at("body").value : undefined);
    if (asked.startsWith("sys/")) await showMounts();
  } catch (error) {
    failed(error);
  }
});

at("show-leases").addEventListener("click", () => showLeases().catch(failed));

at("clock").addEventListener("submit", (event) => {
  event.preventDefault();
  moveClock({ advance: at("by").value }).catch(failed);
});

at("freeze").addEventListener("click", () => moveClock({ frozen: at("freeze").textContent === "Freeze" }).catch(failed));

if (token !== "") signIn(false).catch(failed);
