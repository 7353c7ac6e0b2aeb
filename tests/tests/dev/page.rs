//! Tests the page at `/ui` in a browser.

use std::io::Write as _;
use std::process::Command;

use airlock_tests::{DevServer, files, run};
use serde_json::json;

#[test]
fn the_page_shows_and_does_what_it_should_in_a_real_browser() {
    let found = run(&mut Command::new(files::root().join("tests/clients/browser.sh")));
    if found.status != 0 {
        let said = format!("the_page…: not run: {}\n", found.stderr.trim());
        std::io::stderr().write_all(said.as_bytes()).unwrap();
        return;
    }
    let mount = |path: &str, guest: &str| format!("--mount={path}={}", files::guest(guest).display());
    let server = DevServer::start([
        mount("demo", "kv"),
        mount("users", "users"),
        mount("versioned", "versioned-kv"),
    ]);
    let demo = server.mount("demo");
    for key in ["team/db", "team/deep/er", "markup"] {
        let value = json!({"value": "hunter2 <img src=x onerror=alert(1)>"});
        demo.write(key, value).expect_success("write");
    }
    let mut python = Command::new(files::python());
    python
        .arg(files::root().join("tests/clients/page.py"))
        .env("VAULT_ADDR", server.client().address())
        .env("VAULT_TOKEN", server.client().token())
        .env("AIRLOCK_BROWSER", found.stdout.trim());
    run(&mut python).expect_success("the page");
}
