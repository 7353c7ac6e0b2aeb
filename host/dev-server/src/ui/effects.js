"use strict";
// What a request changed in storage, and the events that its engine sent. `script.js` has the functions that this uses.

const CHANGES = { added: "Added", changed: "Changed", removed: "Removed", same: "Written again with the same value" };
let effectsShown = 0; // counts the calls, so that an older one does not show what a newer one has replaced

// Shows the effects of the request with this number, or, with `null`, that there are none.
async function showEffects(number) {
  const turn = ++effectsShown;
  at("effects").replaceChildren();
  at("effects-of").textContent = "";
  if (number === null) return;
  const answer = await call("GET", `/ui/api/effects?${new URLSearchParams({ number })}`);
  if (turn !== effectsShown) return;
  if (!answer.ok) return void (at("effects-of").textContent = why(answer));
  const { request, changed, sent, more_changes, more_events } = answer.json;
  at("effects-of").textContent = `Request ${number}, ${request.operation} ${request.path}: ${summary(request) || "no changes and no events"}.`;
  at("effects").replaceChildren(...changed.map(itemOfChange), ...sent.map(itemOfEvent));
  for (const [count, what] of [[more_changes, "changes"], [more_events, "events"]]) {
    if (count > 0) at("effects").append(element("li", `${count} more ${what} are not shown.`));
  }
}

// The number of changes and events of a request, or nothing if there are none.
function summary(request) {
  const count = (number, word) => (number === 0 ? [] : [`${number} ${word}${number === 1 ? "" : "s"}`]);
  return [...count(request.changes, "change"), ...count(request.events, "event")].join(", ");
}

// A button that shows the effects of a request in the list.
function effectsOf(request) {
  const text = summary(request);
  if (text === "") return "–";
  return button(text, `Effects of request ${request.number}`, async () => {
    await showEffects(request.number);
    at("effects-title").focus();
  });
}

function itemOfChange({ key, kind, before, after }) {
  const name = element("div", "", [element("span", CHANGES[kind]), " ", element("code", key)]);
  const values = kind === "same" ? [valueShown("Value", key, after, "")] : [valueShown("Before", key, before, "before"), valueShown("After", key, after, "after")];
  return element("li", "", [name, ...values.flat()]);
}

function itemOfEvent({ mount, type, metadata }) {
  const name = element("div", "", [element("span", "Event"), " ", element("code", `${mount} ${excerpt(type)}`)]);
  return element("li", "", [name, ...valueShown("Metadata", excerpt(type), metadata, "")]);
}

// A part of a value, under its title. There is none if the key did not exist.
function valueShown(title, of, value, kind) {
  if (value === null) return [];
  const shown = element("pre", value.length === 0 ? "(empty)" : excerpt(value));
  shown.className = kind;
  shown.tabIndex = 0;
  shown.setAttribute("role", "region");
  shown.setAttribute("aria-label", `${title}: ${of}`);
  return [element("p", title), shown];
}

function excerpt({ text, base64, shown, length }) {
  const rest = shown < length ? ` … (the first ${shown} of ${length} bytes)` : "";
  return (text ?? `base64: ${base64}`) + rest;
}
