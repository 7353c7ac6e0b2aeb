//! Tests the commands that put guests into a mount's storage, against a real Vault.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use airlock_tests::{Client, Output, Server, Storage, airlock_for, files, free_port, run};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};

static SERVER: LazyLock<Server> = LazyLock::new(|| Server::start("push", Storage::Memory));

fn airlock(client: &Client, arguments: &[&str]) -> Output {
    run(&mut airlock_for(client, arguments))
}

fn guest() -> String {
    files::guest("kv").to_str().unwrap().to_owned()
}

/// Checks that a command failed with one line that has all of `words`, and showed no token.
#[track_caller]
fn assert_refused(output: &Output, words: &[&str]) {
    output.assert_refused(words);
    assert!(!output.stderr.contains(SERVER.client().token()), "{output:?}");
}

fn mount(path: &str, engine: &str, options: &Value) {
    let body = json!({"type": engine, "options": options});
    SERVER
        .client()
        .write(&format!("sys/mounts/{path}"), body)
        .expect_success("mount");
}

#[test]
fn pushes_nothing_to_vaults_own_kv() {
    for (path, version) in [("kv1", "1"), ("kv2", "2")] {
        mount(path, "kv", &json!({"version": version}));
        for arguments in [
            &["push", &guest(), "--mount", path][..],
            &["status", "--mount", path],
            &["rollback", "--mount", path],
            &["downgrade", &"ab".repeat(32), "--mount", path],
            &["guests", "--mount", path],
            &["gc", "--mount", path],
        ] {
            let output = airlock(SERVER.client(), arguments);
            assert_refused(&output, &[&format!("no Airlock at {path}/"), "nothing was sent"]);
        }
        let keys = SERVER.stored_keys(path);
        assert!(!keys.iter().any(|key| key.contains("airlock")), "{keys:?}");
    }
}

/// A KV engine answers what somebody has stored in it, so its own word is not enough.
#[test]
fn a_kv_engine_that_claims_to_be_airlock_is_sent_nothing() {
    mount("forged", "kv", &json!({"version": "1"}));
    let status = json!({
        "host": "airlock", "host_version": "0.1.0", "protocol": 1, "can_write": true, "accepts_push": true,
        "why_not": null, "running": null, "cause": null, "active": null, "previous": [], "highest": null,
    });
    let forged = SERVER.mounted("forged");
    forged.write(".airlock/status", status).expect_success("forge");
    let output = airlock(SERVER.client(), &["push", &guest(), "--mount", "forged"]);
    assert_refused(&output, &["forged/ is Vault's own kv engine", "nothing was sent"]);
    assert_eq!(SERVER.stored_keys("forged"), [".airlock/status"]);
}

#[test]
fn other_engines_and_missing_mounts_are_refused() {
    mount("transit", "transit", &json!({}));
    for path in ["transit", "cubbyhole", "sys", "identity", "no-such-mount"] {
        let output = airlock(SERVER.client(), &["push", &guest(), "--mount", path]);
        assert_refused(&output, &[path, "nothing was sent"]);
    }
}

#[test]
fn a_missing_or_unknown_token_is_refused() {
    let nobody = SERVER.client().with_token("");
    let push = ["push", &guest(), "--mount", "demo"];
    assert_refused(
        &airlock(&nobody, &push),
        &["no token", "vault login", "VAULT_TOKEN"],
    );

    let stranger = SERVER.client().with_token("hvs.s3cret");
    let output = airlock(&stranger, &push);
    assert_refused(&output, &["demo/", "log in again"]);
    assert!(!output.stderr.contains("s3cret"), "{output:?}");

    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join(".vault-token"), SERVER.client().token()).unwrap();
    let output = run(airlock_for(&nobody, push).env("HOME", home.path()));
    assert_refused(&output, &["nothing is mounted at demo/"]);
}

#[test]
fn a_token_without_the_policy_is_told_the_line_to_add() {
    mount("kv-denied", "kv", &json!({}));
    let token = SERVER
        .client()
        .write("auth/token/create", json!({"policies": ["default"]}))
        .expect_success("token");
    let token = token.body["auth"]["client_token"].as_str().unwrap();
    let output = airlock(
        &SERVER.client().with_token(token),
        &["status", "--mount", "kv-denied"],
    );
    let line = r#"path "kv-denied/.airlock/status" { capabilities = ["read", "sudo"] }"#;
    assert_refused(&output, &["permission denied", line]);
    assert!(!output.stderr.contains(token), "{output:?}");
}

#[test]
fn a_wrong_address_is_named() {
    let arguments = ["status", "--mount", "demo"];
    let with = |address: &str| run(airlock_for(SERVER.client(), arguments).env("VAULT_ADDR", address));
    let nobody = format!("http://127.0.0.1:{}", free_port());
    assert_refused(&with(&nobody), &[&nobody, "connection refused", "VAULT_ADDR"]);
    let tls = SERVER.client().address().replace("http:", "https:");
    assert_refused(&with(&tls), &[&tls, "http://"]);
    assert_refused(&with("127.0.0.1:8200"), &["VAULT_ADDR", "https://"]);
    let host = "http://no-such-host.invalid";
    assert_refused(&with(host), &[host, "no such host"]);
}

/// Makes an authority, and a certificate for 127.0.0.1 that it has signed.
struct Certificates {
    authority: String,
    server: String,
    key: String,
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

fn certificates() -> Certificates {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(params, authority_key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["127.0.0.1".to_owned(), "vault.example".to_owned()]).unwrap();
    Certificates {
        authority: pem("CERTIFICATE", authority.der()),
        server: pem("CERTIFICATE", params.signed_by(&key, &issuer).unwrap().der()),
        key: pem("PRIVATE KEY", &key.serialize_der()),
    }
}

#[test]
fn tls_takes_the_variables_of_vaults_command() {
    let (port, cluster_port) = (free_port(), free_port());
    let made = certificates();
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (certificate, key) = (file("server.pem", &made.server), file("server.key", &made.key));
    let authorities = directory.path().join("authorities");
    std::fs::create_dir(&authorities).unwrap();
    let authority = file("authorities/ca.pem", &made.authority);
    let server = Server::start_configured("push-tls", Storage::Memory, |_| {
        format!(
            "listener \"tcp\" {{\n  address = \"127.0.0.1:{port}\"\n  cluster_address = \"127.0.0.1:{cluster_port}\"\n  \
             tls_cert_file = \"{certificate}\"\n  tls_key_file = \"{key}\"\n}}\n"
        )
    });
    let with = |address: String, variables: &[(&str, &str)]| {
        let mut command = airlock_for(server.client(), ["status", "--mount", "demo"]);
        command.env("VAULT_ADDR", address).envs(variables.iter().copied());
        run(&mut command)
    };
    let by_ip = || format!("https://127.0.0.1:{port}");
    let by_name = || format!("https://localhost:{port}");
    let reached = "nothing is mounted at demo/";

    assert_refused(&with(by_ip(), &[]), &["UnknownIssuer", "VAULT_CACERT"]);
    assert_refused(&with(by_ip(), &[("VAULT_CACERT", &authority)]), &[reached]);
    assert_refused(
        &with(by_ip(), &[("VAULT_CACERT_BYTES", &made.authority)]),
        &[reached],
    );
    let authorities = authorities.to_str().unwrap();
    assert_refused(&with(by_ip(), &[("BAO_CAPATH", authorities)]), &[reached]);
    assert_refused(
        &with(by_name(), &[("VAULT_CACERT", &authority)]),
        &["TLS", "localhost", "VAULT_TLS_SERVER_NAME"],
    );
    let named = [
        ("VAULT_CACERT", authority.as_str()),
        ("VAULT_TLS_SERVER_NAME", "vault.example"),
    ];
    assert_refused(&with(by_name(), &named), &[reached]);
    let own = [
        ("VAULT_CACERT", authority.as_str()),
        ("VAULT_CLIENT_CERT", &certificate),
        ("VAULT_CLIENT_KEY", &key),
    ];
    assert_refused(&with(by_ip(), &own), &[reached]);
    let plain = with(format!("http://127.0.0.1:{port}"), &[]);
    assert_refused(&plain, &["https://"]);

    let output = with(by_name(), &[("VAULT_SKIP_VERIFY", "true")]);
    assert_eq!(output.status, 1, "{output:?}");
    assert!(
        output.stderr.starts_with("airlock: warning: VAULT_SKIP_VERIFY"),
        "{output:?}"
    );
    assert!(output.stderr.contains(reached), "{output:?}");
}

/// Answers each connection with a redirect, and returns its own address and what it was sent. A real standby redirects
/// only while it cannot forward.
fn redirecting(location: impl Fn(&str) -> String + Send + 'static) -> (String, Receiver<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = String::new();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while let Some(line) = lines.next().map(Result::unwrap).filter(|line| !line.is_empty()) {
                head += &(line + "\n");
            }
            let path = head.split(' ').nth(1).unwrap().to_owned();
            let answer = format!(
                "HTTP/1.1 307 Temporary Redirect\r\nLocation: {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                location(&path)
            );
            stream.write_all(answer.as_bytes()).unwrap();
            sender.send(head).unwrap();
        }
    });
    (address, receiver)
}

#[test]
fn a_standbys_redirect_is_followed_with_the_token_and_no_other() {
    let status = |address: &str| {
        run(airlock_for(SERVER.client(), ["status", "--mount", "demo"]).env("VAULT_ADDR", address))
    };
    let active = SERVER.client().address().to_owned();
    let (standby, asked) = redirecting(move |path| format!("{active}{path}"));
    assert_refused(&status(&standby), &["nothing is mounted at demo/"]);
    assert!(asked.recv().unwrap().contains(SERVER.client().token()));

    let (thief, stolen) = redirecting(|path| format!("http://127.0.0.1:1{path}"));
    for location in ["/v1/other", "https://127.0.0.1:1/v1/demo/.airlock/status"] {
        let (other, _asked) = redirecting(move |_| location.to_owned());
        assert_refused(&status(&other), &["redirected", "not followed"]);
    }
    let (elsewhere, _asked) = redirecting({
        let thief = thief.clone();
        move |_| format!("{thief}/v1/sys/other")
    });
    assert_refused(&status(&elsewhere), &["not followed", "another path"]);
    assert!(stolen.try_recv().is_err());

    let (twice, _asked) = redirecting(move |path| format!("{thief}{path}"));
    assert_refused(&status(&twice), &["not followed", "again"]);
}

#[test]
fn a_sealed_server_is_named() {
    let server = Server::start("push-sealed", Storage::Memory);
    server.seal();
    let output = airlock(server.client(), &["status", "--mount", "demo"]);
    assert_refused(&output, &["demo/", "sealed", "unseal"]);
}

#[test]
fn wrong_usage_ends_with_status_2() {
    for arguments in [
        &["push", "--mount", "demo"][..],
        &["push", &guest()],
        &["push", &guest(), "--mount", "demo/../sys"],
        &["status", "--mount", ""],
    ] {
        assert_eq!(airlock(SERVER.client(), arguments).status, 2, "{arguments:?}");
    }
}
