//! Runs the clients that people use with KV on the versioned KV guest: the `vault kv` commands, hvac's classes for both
//! versions, and Vault Agent's templates. Each also runs on the built-in engine, with the same result.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::process::Command;
use std::sync::LazyLock;

use airlock_tests::twins::plain_text;
use airlock_tests::{Mount, Output, Plugin, Server, Storage, files, run, vault};
use serde_json::json;

/// All mounts are made at the start: tuning one makes Vault reload the process that serves them all, which fails
/// requests to the others.
static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let server = Server::start("kv-clients", Storage::Memory);
    Plugin::versioned_kv().register(&server);
    for (name, version) in [
        ("cli", 1),
        ("hvac", 1),
        ("agent", 1),
        ("cli", 2),
        ("hvac", 2),
        ("agent", 2),
        ("unwrap", 2),
    ] {
        let [builtin, guest] = names(name, version);
        server.mount_builtin_kv(&builtin, version);
        server.mount_versioned_kv(&guest, version);
    }
    server
});

/// Returns the names of the built-in engine's mount and the guest's. They have the same length, because `vault` centres
/// a heading over them.
fn names(name: &str, version: u8) -> [String; 2] {
    ["theirs", "airlck"].map(|whose| format!("{name}{version}-{whose}"))
}

fn pair(name: &str, version: u8) -> [Mount; 2] {
    names(name, version).map(|name| SERVER.mounted(&name))
}

/// Runs the commands of a script on both mounts; their output must be the same. Each line is the expected exit status
/// and a command.
fn expect_same_output(script: &str, pair: &[Mount; 2]) {
    let mut wrong = String::new();
    for line in script.lines() {
        let (status, command) = line.split_once(' ').unwrap();
        let [builtin, guest] = pair.each_ref().map(|mount| {
            let arguments = command.split(' ').map(|word| word.replace("MOUNT", mount.name()));
            let output = vault(mount.client(), arguments);
            let text = plain_text(&(output.stdout + &output.stderr), mount.name());
            format!("{} {text}\n", output.status)
        });
        if !builtin.starts_with(&format!("{status} ")) || builtin != guest {
            wrong += &format!("{line}\nbuilt-in: {builtin}guest: {guest}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn python(script: &str, arguments: &[&str]) -> Output {
    run(Command::new(files::python())
        .arg(files::root().join("tests/clients").join(script))
        .args(arguments)
        .env("VAULT_ADDR", SERVER.client().address())
        .env("VAULT_TOKEN", SERVER.client().token()))
}

#[test]
fn vault_kv_commands_work_on_version_1() {
    expect_same_output(include_str!("version_1.commands"), &pair("cli", 1));
}

#[test]
fn vault_kv_commands_work_on_version_2() {
    expect_same_output(include_str!("version_2.commands"), &pair("cli", 2));
}

#[test]
fn vault_kv_turns_versioning_on() {
    let server = Server::start("kv-versioning", Storage::Memory);
    Plugin::versioned_kv().register(&server);
    let pair = [
        server.mount_builtin_kv("theirs", 1),
        server.mount_versioned_kv("airlck", 1),
    ];
    for mount in &pair {
        mount
            .write("team/db", json!({"password": "old"}))
            .expect_success("write");
        let command = ["kv", "enable-versioning", mount.name()];
        let enabled = vault(server.client(), command).expect_success("enable-versioning");
        assert!(enabled.stdout.contains("Success"), "{enabled:?}");
        mount.wait_until_versioned();
    }
    expect_same_output(include_str!("after_versioning.commands"), &pair);
}

#[test]
fn hvac_has_all_methods_of_version_1() {
    for mount in pair("hvac", 1) {
        python("hvac_kv_v1.py", &[mount.name()]).expect_success(mount.name());
    }
}

#[test]
fn hvac_has_all_methods_of_version_2() {
    for mount in pair("hvac", 2) {
        python("hvac_kv_v2.py", &[mount.name()]).expect_success(mount.name());
    }
}

#[test]
fn vault_agent_renders_templates() {
    let directory = tempfile::tempdir().unwrap();
    let [one, two] = [pair("agent", 1), pair("agent", 2)];
    let mut templates = String::new();
    let mut rendered = Vec::new();
    for mount in one.iter().chain(&two) {
        let versioned = two.iter().any(|two| two.name() == mount.name());
        let (secret, data) = match versioned {
            true => (mount.path("data/app"), ".Data.data"),
            false => (mount.path("app"), ".Data"),
        };
        for number in 1..=2 {
            let app = json!({"user": "ann", "number": number});
            let body = if versioned { json!({"data": app}) } else { app };
            SERVER.client().write(&secret, body).expect_success("write");
        }
        let mut contents = format!(
            "{{{{ with secret `{secret}` }}}}{{{{ {data}.user }}}} {{{{ {data}.number }}}}{{{{ end }}}}"
        );
        let mut expected = "ann 2".to_owned();
        if versioned {
            contents += &format!(
                "{{{{ with secret `{secret}?version=1` }}}} {{{{ {data}.number }}}} {{{{ .Data.metadata.version }}}}{{{{ end }}}}"
            );
            contents += &format!(
                "{{{{ range secrets `{}` }}}} {{{{ . }}}}{{{{ end }}}}",
                mount.path("metadata/")
            );
            expected += " 1 1 app";
        }
        let file = directory.path().join(mount.name());
        let contents = json!(contents);
        templates += &format!("template {{\n  contents = {contents}\n  destination = {file:?}\n}}\n");
        rendered.push((file, expected));
    }
    let token = directory.path().join("token");
    fs::write(&token, SERVER.client().token()).unwrap();
    let config = directory.path().join("agent.hcl");
    let head = format!(
        "vault {{ address = {:?} }}\nexit_after_auth = true\nauto_auth {{\n  method {{\n    type = \"token_file\"\n    \
         config = {{ token_file_path = {token:?} }}\n  }}\n}}\n",
        SERVER.client().address(),
    );
    fs::write(&config, head + &templates).unwrap();
    let agent = run(Command::new(files::vault())
        .arg("agent")
        .arg("-config")
        .arg(&config));
    let agent = agent.expect_success("vault agent");
    for (file, expected) in rendered {
        assert_eq!(
            fs::read_to_string(&file).unwrap_or_default(),
            expected,
            "{file:?}: {agent:?}"
        );
    }
}

#[test]
fn wrapped_secret_is_unwrapped_by_vault() {
    for mount in pair("unwrap", 2) {
        mount
            .write("data/a", json!({"data": {"x": 1}}))
            .expect_success("write");
        let wrapped = vault(
            SERVER.client(),
            [
                "read",
                "-wrap-ttl=60s",
                "-field=wrapping_token",
                &mount.path("data/a"),
            ],
        )
        .expect_success("wrap");
        let unwrapped = vault(SERVER.client(), ["unwrap", "-format=json", wrapped.stdout.trim()])
            .expect_success("unwrap");
        let unwrapped: serde_json::Value = serde_json::from_str(&unwrapped.stdout).unwrap();
        assert_eq!(unwrapped["data"]["data"], json!({"x": 1}));
    }
}
