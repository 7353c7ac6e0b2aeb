"use strict";
// The leases of the server, to renew and revoke. `script.js` has the functions that this uses.

const MOST_LEASES = 100;
let leasesShown = 0; // counts the calls, so that an older one does not show what a newer one has replaced

async function showLeases() {
  const turn = ++leasesShown;
  const ids = [];
  const folders = [""];
  while (folders.length > 0 && ids.length < MOST_LEASES) {
    const folder = folders.pop();
    const answer = await call("LIST", `/v1/sys/leases/lookup/${path(folder)}`);
    for (const name of answer.ok ? answer.json.data.keys : []) {
      (name.endsWith("/") ? folders : ids).push(folder + name);
    }
  }
  const looked = await Promise.all(ids.slice(0, MOST_LEASES).map(rowOfLease));
  if (turn !== leasesShown) return;
  const rows = looked.filter((row) => row !== null);
  at("leases").replaceChildren(...rows);
  at("leases-said").textContent = rows.length === 0 ? "There are no leases." : ids.length >= MOST_LEASES ? `The first ${MOST_LEASES}.` : "";
}

async function rowOfLease(id) {
  const answer = await call("POST", "/v1/sys/leases/lookup", JSON.stringify({ lease_id: id }));
  if (!answer.ok) return null; // it has ended meanwhile
  const lease = answer.json.data;
  const change = (action) => async () => {
    await send("POST", `/v1/sys/leases/${action}`, JSON.stringify({ lease_id: id }));
    await showLeases();
  };
  const tools = [button("Revoke", `Revoke ${id}`, change("revoke"))];
  if (lease.renewable) tools.unshift(button("Renew", `Renew ${id}`, change("renew")));
  const cell = element("div", "", tools);
  cell.className = "tools";
  const texts = [id, `${lease.ttl} s`].map((text) => element("td", text));
  return element("tr", "", [...texts, element("td", "", [cell])]);
}
