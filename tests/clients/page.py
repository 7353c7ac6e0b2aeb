"""Uses the page of `airlock dev` in a browser.

The server has the KV guest at `demo`, with the keys `markup`, `team/db` and `team/deep/er`, whose values must not be
shown before they are requested, the users guest at `users`, and the versioned KV guest, which sends events, at `versioned`. AIRLOCK_BROWSER is a Chromium; AIRLOCK_SCREENSHOTS, if
set, a directory for pictures of the page.
"""

import json
import os
import re
import urllib.request

from playwright.sync_api import expect, sync_playwright

ADDRESS, TOKEN = os.environ["VAULT_ADDR"], os.environ["VAULT_TOKEN"]
VALUE = "hunter2 <img src=x onerror=alert(1)>"

# Chromium's own sandbox does not start as root. The other arguments keep Chromium from calling home.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# Returns the texts with too little contrast to their background, by WCAG's formula, of all elements with text of their
# own.
CONTRAST = """() => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const channels = (color) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const luminance = (color) => {
        const [r, g, b] = channels(color).map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const color = getComputedStyle(at).backgroundColor;
            if (channels(color)[3] === 255) return color;
        }
        return "white";
    };
    const weak = [];
    for (const element of document.querySelectorAll("body *")) {
        const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
        if (!own || !element.checkVisibility()) continue;
        const [one, other] = [luminance(getComputedStyle(element).color), luminance(behind(element))];
        const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        if (ratio < 4.5) weak.push(`${element.tagName} ${element.textContent.slice(0, 30)} ${ratio.toFixed(2)}`);
    }
    return weak;
}"""


def ask(method, path, body=None):
    request = urllib.request.Request(f"{ADDRESS}/v1/{path}", body, {"X-Vault-Token": TOKEN}, method=method)
    return urllib.request.urlopen(request).read()


def picture(page, name):
    if directory := os.environ.get("AIRLOCK_SCREENSHOTS"):
        page.screenshot(path=f"{directory}/{name}.png", full_page=True)


def sign_in(page):
    page.goto(f"{ADDRESS}/ui")
    expect(page.get_by_role("main")).to_be_hidden()
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("status").first).to_have_text("The server does not take this token.")
    expect(page.get_by_role("main")).to_be_hidden()
    # With the keyboard alone.
    page.get_by_label("Token").fill("")
    page.get_by_label("Token").focus()
    page.keyboard.type(TOKEN)
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_visible()
    expect(page.get_by_role("heading", name="airlock dev")).to_be_visible()
    expect(page.get_by_text("Never for secrets that matter")).to_be_visible()


def mounts(page):
    table = page.get_by_role("region", name="Mounts", exact=True).get_by_role("table")
    rows = table.get_by_role("row")
    expect(rows).to_have_count(4)
    engines = [("demo/", "kv"), ("users/", "users"), ("versioned/", "versioned-kv")]
    for row, (path, engine) in zip(rows.all()[1:], engines):
        expect(row.get_by_role("cell").nth(0)).to_have_text(path)
        expect(row.get_by_role("cell").nth(1)).to_have_text(engine)
        expect(row.get_by_role("cell").nth(2)).to_have_text(re.compile(r"^v\d+\.\d+\.\d+"))


def help_and_openapi(page):
    page.get_by_role("button", name="Help of users/").click()
    expect(page.get_by_role("region", name="Help of users/")).to_contain_text("users/{username}")
    page.get_by_role("button", name="OpenAPI of users/").click()
    shown = page.get_by_role("region", name="OpenAPI of users/")
    expect(shown).to_contain_text('"openapi": "3.0.2"')
    expect(shown).to_contain_text("Email address of the user.")


def routes_as_forms(page):
    answer = page.get_by_role("region", name="Answer", exact=True).last
    page.get_by_role("button", name="Routes of users/").click()
    page.get_by_role("button", name="Form of POST users/users/{username}", exact=True).press("Enter")
    form = page.get_by_role("form", name="Form of POST users/users/{username}")
    expect(form.get_by_label("username, required")).to_be_focused()
    expect(form.get_by_label("email")).to_have_accessible_description("Email address of the user.")
    form.get_by_label("username, required").fill("ann")
    form.get_by_label("email").fill("ann@example.com")
    form.get_by_label("groups").fill("ops, dev")
    form.get_by_label("status").select_option("active")
    form.get_by_role("button", name="Send POST").click()
    expect(page.locator("#answer-status")).to_have_text("Status 204")
    picture(page, "form")
    page.get_by_role("button", name="Form of LIST users/users/", exact=True).click()
    form = page.get_by_role("form", name="Form of LIST users/users/")
    form.get_by_label("limit").fill("1")
    form.get_by_role("button", name="Send LIST").click()
    expect(answer).to_contain_text('"ann"')
    page.get_by_role("button", name="Form of GET users/users/{username}", exact=True).click()
    form = page.get_by_role("form", name="Form of GET users/users/{username}")
    form.get_by_label("username, required").evaluate("field => field.blur()")
    form.get_by_role("button", name="Send GET").click()
    # A required field is empty, so the browser goes there instead of sending.
    expect(form.get_by_label("username, required")).to_be_focused()
    form.get_by_label("username, required").fill("../../sys/mounts")
    form.get_by_role("button", name="Send GET").click()
    expect(page.locator("#said")).to_contain_text("out of the mount")
    form.get_by_label("username, required").fill("ann")
    form.get_by_role("button", name="Send GET").click()
    expect(answer).to_contain_text('"dev"')


def leases(page):
    region = page.get_by_role("region", name="Leases")
    region.get_by_role("button", name="Show the leases").click()
    expect(region).to_contain_text("There are no leases.")
    ask("GET", "users/users/ann/session")
    region.get_by_role("button", name="Show the leases").click()
    rows = region.get_by_role("row").filter(has_text="users/users/ann/session/")
    expect(rows).to_have_count(1)
    expect(rows.get_by_role("cell").nth(1)).to_have_text(re.compile(r"^3[56]\d\d s$"))
    rows.get_by_role("button", name="Renew").click()
    expect(page.locator("#answer-status")).to_have_text("Status 200")
    rows.get_by_role("button", name="Revoke").click()
    expect(rows).to_have_count(0)
    expect(region).to_contain_text("There are no leases.")


def stored_keys(page):
    page.get_by_role("button", name="Stored keys of demo/").click()
    page.get_by_role("button", name="Open the folder kv/", exact=True).click()
    keys = page.get_by_role("list", name="Stored keys of demo/")
    expect(keys.get_by_role("listitem")).to_have_count(2)
    assert "hunter2" not in page.content(), "a value is in the page before it was asked for"
    show = page.get_by_role("button", name="Value of kv/markup")
    expect(show).to_have_attribute("aria-expanded", "false")
    show.press("Enter")
    expect(show).to_have_attribute("aria-expanded", "true")
    expect(page.get_by_role("region", name="Value of kv/markup")).to_have_text(VALUE)
    expect(page.locator("img")).to_have_count(0)
    picture(page, "value")
    show.press("Enter")
    expect(page.get_by_role("region", name="Value of kv/markup")).to_be_hidden()
    assert "hunter2" not in page.content(), "a value is in the page after it was hidden"
    page.get_by_role("button", name="Open the folder kv/team/").click()
    expect(keys.get_by_role("listitem")).to_have_text([re.compile("^db"), re.compile("^deep/")])
    page.get_by_role("button", name="Up to kv/").click()
    expect(keys.get_by_role("listitem").first).to_have_text(re.compile("^markup"))


def send(page, method, path, data=None):
    page.get_by_label("Method").select_option(method)
    page.get_by_label("Path, without /v1/").fill(path)
    if data is None:
        expect(page.get_by_label("Data, a JSON object")).to_be_hidden()
    else:
        page.get_by_label("Data, a JSON object").fill(data)
    page.get_by_role("button", name="Send").click()


def requests_by_form(page):
    answer = page.get_by_role("region", name="Answer", exact=True).last
    status = page.locator("#answer-status")
    send(page, "POST", "demo/form/ü", '{"value": "typed"}')
    expect(answer).to_contain_text("key created")
    expect(status).to_have_text("Status 200")
    send(page, "GET", "demo/form/ü")
    expect(answer).to_contain_text('"value": "typed"')
    send(page, "LIST", "demo/form")
    expect(answer).to_contain_text('"ü"')
    send(page, "PATCH", "users/users/none", '{"email": "a@b"}')
    expect(status).to_have_text("Status 404")
    send(page, "DELETE", "demo/form/ü")
    expect(answer).to_contain_text("key deleted")
    send(page, "POST", "demo/form", "{")
    expect(status).to_have_text("Status 500")
    expect(answer).to_contain_text("malformed JSON")


def effects(page):
    """What a request changed and sent, beside its answer. Names and values are text, whatever they look like."""
    of = page.locator("#effects-of")
    items = page.get_by_role("list", name="Changes of storage, and events").get_by_role("listitem")

    def value(title):
        return page.get_by_role("region", name=title, exact=True)

    send(page, "POST", "demo/effects", json.dumps({"value": VALUE}))
    expect(of).to_contain_text("create demo/effects: 1 change.")
    expect(items).to_have_text([re.compile("^Added demo/kv/effects")])
    expect(value("Before: demo/kv/effects")).to_have_count(0)
    expect(value("After: demo/kv/effects")).to_have_text(VALUE)
    send(page, "POST", "demo/effects", '{"value": ""}')
    expect(items).to_have_text([re.compile("^Changed demo/kv/effects")])
    expect(value("Before: demo/kv/effects")).to_have_text(VALUE)
    expect(value("After: demo/kv/effects")).to_have_text("(empty)")
    picture(page, "effects")
    send(page, "POST", "demo/effects", '{"value": ""}')
    expect(items).to_have_text([re.compile("^Written again with the same value")])
    send(page, "GET", "demo/effects")
    expect(of).to_contain_text("read demo/effects: no changes and no events.")
    expect(items).to_have_count(0)
    send(page, "POST", "demo/effects", json.dumps({"value": "x" * 5000}))
    expect(value("After: demo/kv/effects")).to_contain_text("x … (the first 2048 of 5000 bytes)")
    send(page, "DELETE", "demo/effects")
    expect(items).to_have_text([re.compile("^Removed demo/kv/effects")])
    expect(value("After: demo/kv/effects")).to_have_count(0)
    # A request that fails stores nothing.
    send(page, "POST", "demo/effects", "{")
    expect(of).to_contain_text("no changes and no events")

    # A key and an event, with markup in them.
    name = "<img src=x onerror=alert(2)>"
    send(page, "POST", f"demo/{name}", '{"value": "b"}')
    expect(items.get_by_text(f"demo/kv/{name}", exact=True)).to_have_count(1)
    send(page, "POST", f"versioned/{name}", '{"a": "b"}')
    expect(of).to_contain_text("2 changes, 1 event.")  # the engine also notes its layout
    expect(items.last).to_contain_text("Event versioned/ kv-v1/write")
    expect(value("Metadata: kv-v1/write")).to_contain_text(name)
    expect(page.locator("img")).to_have_count(0)
    picture(page, "events")

    # What others send is in the list.
    ask("PUT", "demo/others", b'{"value": "theirs"}')
    region = page.get_by_role("region", name="Requests", exact=True).first
    row = region.get_by_role("row").filter(has_text="demo/others")
    assert "theirs" not in page.content(), "a value is in the page before it was asked for"
    row.get_by_role("button", name="Effects of request").press("Enter")
    expect(value("After: demo/kv/others")).to_have_text("theirs")
    expect(page.get_by_role("heading", name="Changes of storage, and events")).to_be_focused()


def live_requests(page):
    region = page.get_by_role("region", name="Requests", exact=True).first
    ask("PUT", "demo/live", b'{"value": "x"}')
    row = region.get_by_role("row").filter(has_text="demo/live")
    expect(row).to_have_count(1)
    cells = row.get_by_role("cell").all_text_contents()
    time, operation, path, status, took, cpu, *storage, effects = cells
    assert re.fullmatch(r"\d\d:\d\d:\d\d", time), cells
    assert [operation, path, status] == ["create", "demo/live", "200"], cells
    assert re.fullmatch(r"[\d.]+ (µs|ms)", took) and re.fullmatch(r"[\d.]+ (µs|ms)", cpu), cells
    assert (storage, effects) == (["1", "1", "0"], "1 change"), cells
    ask("GET", "demo/live")
    expect(region.get_by_role("row").filter(has_text="demo/live")).to_have_count(2)
    # The newest request comes first.
    expect(region.get_by_role("row").nth(1)).to_contain_text("read")


def clock(page):
    region = page.get_by_role("region", name="Clock")
    region.get_by_role("button", name="Freeze").click()
    expect(region).to_contain_text(", frozen")
    before = region.get_by_role("time").text_content()
    region.get_by_label("Move forward by").fill("24h")
    region.get_by_role("button", name="Move").click()
    expect(region.get_by_role("time")).not_to_have_text(before)
    region.get_by_label("Move forward by").fill("soon")
    region.get_by_role("button", name="Move").click()
    expect(page.locator("#said")).to_contain_text("advance must be a duration")
    region.get_by_role("button", name="Unfreeze").click()
    expect(region).not_to_contain_text(", frozen")


def accessible(page):
    # Every control has a name, and every part of the page has a role.
    tree = page.locator("body").aria_snapshot()
    for line in tree.splitlines():
        assert not re.search(r"- (button|textbox|combobox|link|region|table|checkbox)( \[.*)?:?$", line) or "table" in line, line
    for part in [
        "- banner",
        "- main",
        '- heading "airlock dev" [level=1]',
        '- heading "Mounts" [level=2]',
        '- combobox "Method"',
        '- textbox "Path, without /v1/"',
        '- textbox "Move forward by"',
        '- columnheader "Guest CPU"',
        '- button "Stored keys of demo/"',
    ]:
        assert part in tree, f"no {part} in\n{tree}"
    assert page.locator("html").get_attribute("lang") == "en"
    for scheme in ["light", "dark"]:
        page.emulate_media(color_scheme=scheme)
        weak = page.evaluate(CONTRAST)
        assert not weak, f"{scheme}: {weak}"
        picture(page, scheme)
    # The keyboard reaches every control. The first is the link that skips to the content.
    page.reload()
    expect(page.get_by_role("main")).to_be_visible()
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    seen = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.id"))
    assert {"Help of demo/", "Stored keys of users/", "method", "path", "freeze", "by", "sign-out"} <= seen, seen
    # The page fits a phone's screen without scrolling sideways.
    page.set_viewport_size({"width": 360, "height": 740})
    picture(page, "narrow")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it is wider than the screen"
    page.set_viewport_size({"width": 1280, "height": 900})


def sign_out(page):
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Token")).to_be_visible()
    expect(page.get_by_role("main")).to_be_hidden()
    assert page.evaluate("sessionStorage.length") == 0


with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=os.environ["AIRLOCK_BROWSER"], args=ARGUMENTS)
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(20_000)
    expect.set_options(timeout=20_000)
    troubles, asked = [], []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text) if "Security" in message.text else None)
    page.on("dialog", lambda dialog: troubles.append(dialog.message))
    page.on("request", lambda request: asked.append(request.url))
    for step in [
        sign_in,
        mounts,
        help_and_openapi,
        routes_as_forms,
        leases,
        stored_keys,
        requests_by_form,
        effects,
        live_requests,
        clock,
        accessible,
        sign_out,
    ]:
        step(page)
    assert not troubles, troubles
    assert all(url.startswith((ADDRESS, "data:")) for url in asked), "the page asks other servers"
    browser.close()
