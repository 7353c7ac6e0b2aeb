"use strict";
// The page of `airlock dev`. It speaks Vault's API as any caller, and /ui/api for what only this server has. Everything
// that comes from an engine is put into the page as text, never as markup.

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
  return { status: response.status, ok: response.ok, text, json };
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
    const open = name.endsWith("/")
      ? button("Open", `Open the folder ${key}`, () => showKeys(mount, key))
      : button("Show the value", `Show the value of ${key}`, () => showValue(mount, key));
    at("keys").append(element("li", "", [element("code", name), " ", open]));
  }
  if (answer.json.more) {
    const last = answer.json.keys.at(-1);
    const more = element("li", "");
    more.append(button("More", "More keys", async () => { more.remove(); await showKeys(mount, folder, last); }));
    at("keys").append(more);
  }
}

async function showValue(mount, key) {
  const answer = await call("GET", `/ui/api/value?${new URLSearchParams({ mount, key })}`);
  at("shown").textContent = answer.ok ? answer.json.text ?? `base64: ${answer.json.base64}` : why(answer);
  at("shown").focus();
}

function showClock(answer) {
  if (!answer.ok) return say(why(answer), true);
  at("now").textContent = answer.json.now + (answer.json.held ? ", held" : "");
  at("hold").textContent = answer.json.held ? "Let it run" : "Hold";
}

const micro = (us) => (us < 1000 ? `${us} µs` : `${(us / 1000).toFixed(1)} ms`);

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
    for (const request of answer.json) {
      last = request.number;
      const cost = request.cost;
      const storage = cost ? `${cost.reads}, ${cost.writes}, ${cost.lists}` : "–";
      const cells = [request.at.slice(11, 19), request.operation, request.path, request.status, micro(request.took_us),
        cost ? micro(cost.cpu_us) : "–", storage];
      const row = element("tr", "", cells.map((text) => element("td", String(text))));
      if (request.status >= 400) row.className = "bad";
      at("requests").prepend(row);
    }
    while (at("requests").children.length > 500) at("requests").lastChild.remove();
    showClock(await call("GET", "/ui/api/clock"));
  }
}

async function signIn() {
  const answer = await showMounts();
  if (!answer.ok) {
    at("main").hidden = true;
    return say(answer.status === 403 ? "The server does not take this token." : why(answer), true);
  }
  sessionStorage.setItem("airlock-token", token);
  at("main").hidden = false;
  at("requests").replaceChildren();
  say("Signed in.");
  showClock(await call("GET", "/ui/api/clock"));
  followRequests(++signedIn).catch(failed);
}

at("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  token = at("token").value;
  signIn().catch(failed);
});

at("request").addEventListener("submit", async (event) => {
  event.preventDefault();
  const method = at("method").value;
  const body = ["POST", "PATCH"].includes(method) ? at("body").value : undefined;
  try {
    const answer = await call(method, `/v1/${path(at("path").value.replace(/^\/+/, ""))}`, body);
    const shown = answer.json === null ? answer.text : JSON.stringify(answer.json, null, 2);
    at("answer").textContent = `${answer.status}\n${shown}`;
    await showMounts();
  } catch (error) {
    failed(error);
  }
});

at("clock").addEventListener("submit", async (event) => {
  event.preventDefault();
  const query = new URLSearchParams({ action: "advance", by: at("by").value });
  call("POST", `/ui/api/clock?${query}`).then(showClock, failed);
});

at("hold").addEventListener("click", () => {
  const action = at("hold").textContent === "Hold" ? "hold" : "run";
  call("POST", `/ui/api/clock?action=${action}`).then(showClock, failed);
});

if (token !== "") signIn().catch(failed);
