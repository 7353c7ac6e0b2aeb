//! Tests that ids, numbers, keys and signatures that other crates make in a guest are what they should be: on a real server, and
//! checked with other code.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use airlock_tests::{Mount, Plugin, Server, Storage, files};
use aws_lc_rs::signature::{ED25519, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY};
use aws_lc_rs::signature::{RsaPublicKeyComponents, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const MESSAGE: &str = "a message that is signed";

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let server = Server::start("crates_in_guests", Storage::Memory);
    Plugin::serving("keys", &files::guest("keys")).register(&server);
    server.mount("keys", "keys");
    server
});

fn read(path: &str) -> Value {
    mounted().read(path).expect_success(path).data().clone()
}

fn mounted() -> Mount {
    SERVER.mounted("keys")
}

/// Returns the fields of a signature by a new key, as bytes.
fn signed<const N: usize>(kind: &str, fields: [&str; N]) -> [Vec<u8>; N] {
    let answer = mounted().write(kind, json!({ "message": MESSAGE }));
    let answer = answer.expect_success(kind);
    fields.map(|field| STANDARD.decode(answer.data()[field].as_str().unwrap()).unwrap())
}

#[test]
fn ids_are_unique_and_have_their_version_and_the_time() {
    let mut seen = BTreeSet::new();
    let milliseconds = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    for _ in 0..50 {
        let before = milliseconds();
        let ids = read("ids");
        let after = milliseconds();
        for (name, version) in [("v4", '4'), ("v7", '7')] {
            let id = ids[name].as_str().unwrap().to_owned();
            let characters: Vec<char> = id.chars().collect();
            assert_eq!((characters.len(), characters[14]), (36, version), "{id}");
            assert!(matches!(characters[19], '8' | '9' | 'a' | 'b'), "{id}");
            if name == "v7" {
                // Its first 48 bits are the time.
                let time = u128::from_str_radix(&id.replace('-', "")[..12], 16).unwrap();
                assert!((before..=after).contains(&time), "{id}: {before} to {after}");
            }
            assert!(seen.insert(id));
        }
    }
}

#[test]
fn numbers_are_of_the_range_and_differ_between_requests() {
    let numbers = |of: &Value| -> Vec<u64> {
        let numbers = of.as_array().unwrap().iter();
        numbers.map(|number| number.as_u64().unwrap()).collect()
    };
    let drawn: Vec<Value> = (0..5).map(|_| read("numbers")).collect();
    let orders: BTreeSet<_> = drawn.iter().map(|drawn| numbers(&drawn["cards"])).collect();
    assert_eq!(orders.len(), 5, "the same order came twice");
    for order in orders {
        let cards: BTreeSet<_> = order.iter().copied().collect();
        assert_eq!(cards, (0..52).collect());
    }
    let dice: BTreeSet<_> = drawn.iter().flat_map(|drawn| numbers(&drawn["dice"])).collect();
    assert_eq!(dice, (1..=6).collect());
}

#[test]
fn an_ed25519_signature_verifies_with_other_code() {
    let [public, signature] = signed("ed25519", ["public", "signature"]);
    let key = UnparsedPublicKey::new(&ED25519, &public);
    key.verify(MESSAGE.as_bytes(), &signature).unwrap();
    assert!(key.verify(b"another message", &signature).is_err());
    let [other, _] = signed("ed25519", ["public", "signature"]);
    assert_ne!(public, other, "two keys are the same");
}

#[test]
fn an_rsa_signature_verifies_with_other_code() {
    let [n, e, signature] = signed("rsa", ["modulus", "exponent", "signature"]);
    assert_eq!(n.len(), 128);
    let key = RsaPublicKeyComponents { n: &n, e: &e };
    let verify = |message: &[u8]| {
        key.verify(
            &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
            message,
            &signature,
        )
    };
    verify(MESSAGE.as_bytes()).unwrap();
    assert!(verify(b"another message").is_err());
    let [other, ..] = signed("rsa", ["modulus", "exponent", "signature"]);
    assert_ne!(n, other, "two keys are the same");
}
