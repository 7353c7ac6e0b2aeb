//! The requests that both engines get.
//!
//! They leave out what docs/totp.md names as differences. Where codes are validated, a period is ten years long, so that
//! none ends while a test runs.

use airlock_tests::Dice;
use airlock_tests::twins::Step;
use serde_json::{Value, json};

use crate::SECRET;

const TEN_YEARS: u64 = 315_360_000;

/// Writes a key for each value of each parameter, and reads what was stored.
pub fn parameters() -> Vec<Step> {
    let numbers = json!([
        0,
        1,
        2,
        6,
        7,
        8,
        30,
        -1,
        "6",
        "8",
        "0x6",
        "",
        null,
        true,
        1.5,
        "x",
        9_000_000_000_u64,
        [6],
        {}
    ]);
    let texts = json!([
        "",
        "a",
        "SHA1",
        "sha1",
        "SHA256",
        "SHA512",
        "MD5",
        5,
        null,
        true,
        "ü é",
        "a:b",
        ["a"],
        {}
    ]);
    let keys = json!([
        "",
        "A",
        "AB",
        "ABC",
        "ABCD",
        "ABCDE",
        "ABCDEF",
        "ABCDEFG",
        "ABCDEFGH",
        "abcdefgh",
        "ABCDEFG1",
        "AB======",
        "ABC=====",
        "AB==CD==",
        "=",
        "ABCDEFGHA",
        "ABCD EFG",
        "ABCDEFG=",
        "ABCDEF==",
        "ABCD====EFGH",
        "ABCDEFG=ABCDEFGH",
        "ü",
        "ABCDEFGHü",
        "ABCDE\nFGH",
        22222222,
        null,
        true
    ]);
    let periods = json!([
        0,
        1,
        30,
        "30",
        "30s",
        "1m",
        "1h30m",
        "2d",
        "",
        null,
        -5,
        "-5s",
        "0s",
        "1.5h",
        "500ms",
        "soon",
        1.5,
        true,
        [1]
    ]);
    let flags = json!([
        true,
        false,
        "true",
        "false",
        "T",
        0,
        1,
        2,
        "",
        null,
        "yes",
        [true]
    ]);
    let sizes = json!([0, 1, 20, 40, 41, 45, 64, 100, 200, 300, "200", -1, null, "x"]);
    // The built-in engine draws a key of any size, and takes the memory for it.
    let key_sizes = json!([0, 1, 2, 20, 64, 100, -1, "20", "", null, true, 1.5, "x", [20], {}]);
    let generated = json!({"generate": true, "issuer": "Example", "account_name": "ann@example.com"});
    let given = json!({"key": SECRET});
    let mut steps = Vec::new();
    for (name, values) in [
        ("generate", &flags),
        ("exported", &flags),
        ("key_size", &key_sizes),
        ("key", &keys),
        ("issuer", &texts),
        ("account_name", &texts),
        ("period", &periods),
        ("algorithm", &texts),
        ("digits", &numbers),
        ("skew", &numbers),
        ("qr_size", &sizes),
        ("other", &flags),
        ("name", &texts),
    ] {
        for value in values.as_array().unwrap() {
            for base in [&given, &generated] {
                let mut body = base.clone();
                body[name] = value.clone();
                steps.push(Step::new("POST", "keys/a").body(body));
                steps.push(Step::new("GET", "keys/a"));
            }
        }
        steps.push(Step::new("DELETE", "keys/a"));
    }
    for issuer in [
        "with space",
        "sl/ash",
        "semi;colon",
        "com,ma",
        "per%cent",
        "ques?tion",
        "ha#sh",
        "quo\"te",
        "ü",
        "(a)'b*!",
    ] {
        let body = json!({"generate": true, "issuer": issuer, "account_name": format!("{issuer}@b&c=d+e"), "qr_size": 0});
        steps.push(Step::new("POST", "keys/a").body(body));
        steps.push(Step::new("GET", "keys/a"));
    }
    steps
}

/// Writes keys from URLs, and reads what was stored.
pub fn urls() -> Vec<Step> {
    let mut urls: Vec<String> = [
        "otpauth://totp/Co:ann?secret=KEY",
        "otpauth://totp/Co:ann?secret=KEY&issuer=Other",
        "otpauth://totp/Co:ann?secret=KEY&issuer=",
        "otpauth://totp/ann?secret=KEY",
        "otpauth://totp/?secret=KEY",
        "otpauth://totp?secret=KEY",
        "otpauth:totp/Co:ann?secret=KEY",
        "otpauth:/totp/Co:ann?secret=KEY",
        "OTPAUTH://TOTP/Co:ann?secret=KEY",
        "//totp/Co:ann?secret=KEY",
        "///totp/Co:ann?secret=KEY",
        "/Co:ann?secret=KEY",
        "Co:ann?secret=KEY",
        "1Co:ann?secret=KEY",
        "ann?secret=KEY",
        "a/b:c?secret=KEY",
        "?secret=KEY",
        "*",
        ":x?secret=KEY",
        "x y:z?secret=KEY",
        "otpauth://totp/Co%3Aann?secret=KEY",
        "otpauth://totp/Co%20Ltd:ann%40b?secret=KEY",
        "otpauth://totp/Co Ltd:ann?secret=KEY",
        "otpauth://totp/a:b:c?secret=KEY",
        "otpauth://totp//a:b?secret=KEY",
        "otpauth://totp/%zz?secret=KEY",
        "otpauth://totp/%2?secret=KEY",
        "otpauth://totp/a?secret=KEY&issuer=%zz",
        "otpauth://totp/a?secret=KEY&issuer=a+b%20c",
        "otpauth://totp/a?secret=KEY&issuer=a;b",
        "otpauth://totp/a?secret=KEY;issuer=a",
        "otpauth://totp/a?secret=KEY&issuer=a&issuer=b",
        "otpauth://totp/a?secret=&secret=KEY",
        "otpauth://totp/a?secret=KEY#fragment",
        "otpauth://totp/a#?secret=KEY",
        "otpauth://totp/a?secret=KEY#%zz",
        "otpauth://user:pass@totp/a?secret=KEY",
        "otpauth://us er@totp/a?secret=KEY",
        "otpauth://totp:80/a?secret=KEY",
        "otpauth://totp:x/a?secret=KEY",
        "otpauth://to tp/a?secret=KEY",
        "otpauth://to%74p/a?secret=KEY",
        "otpauth://to%C3%BCp/a?secret=KEY",
        "otpauth://[::1]/a?secret=KEY",
        "otpauth://[::1/a?secret=KEY",
        "otpauth://totp/a?secret=KEY&period=60&digits=8&algorithm=SHA256",
        "otpauth://totp/a?secret=KEY&algorithm=sha256",
        "otpauth://totp/a?secret=KEY&algorithm=",
        "otpauth://totp/a?SECRET=KEY",
        "otpauth://totp/a?secret=%4BEY",
        "otpauth://totp/a?secret=not base32",
        "otpauth://totp/a?secret",
        "otpauth://totp/a",
        "otpauth://totp/a?secret=KEY&unknown=1",
        "otpauth://totp/a\u{7f}?secret=KEY",
        "otpauth://totp/\u{fc}:\u{e9}?secret=KEY",
    ]
    .map(|url| url.replace("KEY", SECRET))
    .to_vec();
    for number in [
        "0",
        "-1",
        "6",
        "8",
        "+8",
        "08",
        "0x8",
        "8_0",
        " 8",
        "8.0",
        "",
        "x",
        "99999999999999999999",
    ] {
        for name in ["period", "digits"] {
            urls.push(format!("otpauth://totp/a?secret={SECRET}&{name}={number}"));
        }
    }
    let mut steps = Vec::new();
    for url in urls {
        for more in [
            json!({}),
            json!({"issuer": "I", "account_name": "x", "key": "ABCDEFGH", "digits": 8}),
        ] {
            let mut body = more.clone();
            body["url"] = json!(url);
            steps.push(Step::new("POST", "keys/a").body(body));
            steps.push(Step::new("GET", "keys/a"));
            steps.push(Step::new("DELETE", "keys/a"));
        }
    }
    steps
}

/// Every method on every kind of path.
pub fn paths() -> Vec<Step> {
    let mut steps = Vec::new();
    for path in [
        "",
        "keys",
        "keys/",
        "keys/a",
        "keys/a/",
        "keys/a/b",
        "keys/-a",
        "keys/a-",
        "keys/a-b.c_d",
        "keys/ann@example.com",
        "keys/a@",
        "keys/a%20b",
        "keys/%C3%BC",
        "keys/a%2Fb",
        "code",
        "code/",
        "code/a",
        "code/none",
        "code/-a",
        "code/a/b",
        "code/a@b",
        "other",
        "keysa",
        "Keys/a",
        "keys?list=true",
        "keys/?after=a",
        "keys?after=a&limit=1",
        "keys?limit=2",
        "keys?limit=0",
        "keys?limit=-1",
        "keys?after=zzz",
        "keys/a?other=1",
        "code/a?other=1",
        "keys?other=1",
    ] {
        for method in ["POST", "PUT", "GET", "LIST", "DELETE", "SCAN"] {
            let body = match method {
                "POST" | "PUT" if path.starts_with("code") => json!({"code": "000000"}).to_string(),
                "POST" | "PUT" => json!({"key": SECRET, "period": TEN_YEARS}).to_string(),
                _ => String::new(),
            };
            steps.push(Step::new(method, path).body(body));
        }
        steps.push(Step::new("POST", "keys/zeta").body(json!({"key": SECRET})));
        steps.push(Step::new("POST", "keys/a").body(json!({"key": SECRET, "period": TEN_YEARS})));
    }
    steps
}

/// Draws requests to few keys, so that requests meet the effects of earlier ones.
pub fn drawn(length: usize, seed: u64) -> Vec<Step> {
    let mut dice = Dice::new(seed);
    (0..length).map(|_| step(&mut dice)).collect()
}

fn step(dice: &mut Dice) -> Step {
    let name = dice.pick(&["a", "a", "b.c-d", "ann@example.com", "-"]);
    let (key, code) = (format!("keys/{name}"), format!("code/{name}"));
    match dice.below(16) {
        0..3 => Step::new("POST", &key).body(drawn_key(dice)),
        3 => Step::new("DELETE", &key),
        4 => Step::new("GET", &key),
        5 => Step::new(
            "LIST",
            dice.pick(&[
                "keys",
                "keys/",
                "keys?after=a",
                "keys?limit=1",
                "keys?after=b&limit=5",
            ]),
        ),
        6..8 => Step::new("GET", &code),
        8..12 => Step::new("POST", &code).body(json!({"code": "CODE"})),
        12..15 => Step::new("POST", &code).body(json!({"code": "WRONG"})),
        _ => Step::new("POST", &code).body(json!({"code": "CODE", "other": 1})),
    }
}

/// Draws a key. Most are right, and each has another secret, so that its first code is accepted.
fn drawn_key(dice: &mut Dice) -> Value {
    let secret: String = (0..16)
        .map(|_| dice.pick(&["A", "b", "Q", "z", "2", "7"]))
        .collect();
    let mut key = json!({
        "digits": dice.pick(&[json!(6), json!(6), json!(8), json!("8")]),
        "algorithm": dice.pick(&["SHA1", "SHA256", "SHA512"]),
        "period": dice.pick(&[json!(TEN_YEARS), json!("87600h")]),
    });
    match dice.below(6) {
        0 => key["generate"] = json!(true),
        1 => {
            key["url"] = json!(format!(
                "otpauth://totp/Co:ann?secret={secret}&period={TEN_YEARS}"
            ))
        }
        _ => key["key"] = json!(secret),
    }
    match dice.below(20) {
        0 => key["digits"] = json!(7),
        1 => key["algorithm"] = json!("SHA384"),
        2 => key["key"] = json!("ABC1"),
        3 => key["skew"] = json!(2),
        4 => key["key_size"] = json!(0),
        5 => key["qr_size"] = json!(-1),
        _ => (),
    }
    for (name, values) in [
        ("issuer", json!(["Example", "Co Ltd", ""])),
        ("account_name", json!(["ann@example.com", "bea", ""])),
        ("skew", json!([0, 1, "1"])),
        ("exported", json!([true, false])),
        ("key_size", json!([1, 10, 20, 64])),
        ("qr_size", json!([0, 10, 100, 200])),
        ("other", json!([1])),
    ] {
        if key.get(name).is_none() && dice.below(3) < 2 {
            key[name] = dice.pick(values.as_array().unwrap());
        }
    }
    key
}
