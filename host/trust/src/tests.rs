//! The vectors in `tests/vectors` were made by the `minisign` crate, version 0.10.0: two key pairs, and signatures of
//! `component` with fixed trusted comments.

use super::*;

const COMPONENT: &[u8] = b"component";
const ALTERED: &[u8] = b"Component";
const SIGNATURE: &str = include_str!("../tests/vectors/plain.minisig");
const BY_ANOTHER: &str = include_str!("../tests/vectors/encrypted.minisig");
const SIGNER: &str = "C04B0BFAE9BD6D86";
const ANOTHER: &str = "3E8234C12C72845A";

/// minisign's own example of a legacy signature, of `test`.
const LEGACY: &str = "untrusted comment: signature from minisign secret key
RWQf6LRCGA9i59SLOFxz6NxvASXDJeRtuZykwQepbDEGt87ig1BNpWaVWuNrm73YiIiJbq71Wi+dP9eKL8OC351vwIasSSbXxwA=
trusted comment: timestamp:1555779966\tfile:test
QtKMXWyYcwdpZAlPF7tE2ENJkRd1ujvKjlj1m9RtHTBnZPa5WKU5uWRs5GoP5M/VqE81QFuMKI5k/SfNQUaOAA==
";

fn key() -> PublicKey {
    include_str!("../tests/vectors/plain.pub").parse().unwrap()
}

fn another_key() -> PublicKey {
    include_str!("../tests/vectors/encrypted.pub").parse().unwrap()
}

fn signed() -> Trust {
    Trust::new([], [key()])
}

#[track_caller]
fn refused(trust: &Trust, component: &[u8], signature: Option<&str>) -> String {
    trust.vouch(component, signature).unwrap_err().to_string()
}

#[track_caller]
fn assert_has(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "no {word:?}: {text}");
    }
    assert!(!text.contains('\n'), "{text}");
}

#[test]
fn a_signature_by_minisign_vouches_for_name_and_version() {
    let voucher = signed().vouch(COMPONENT, Some(SIGNATURE)).unwrap();
    assert_eq!(voucher.digest(), Digest::of(COMPONENT));
    assert!(matches!(voucher.by(), By::Signature(_)));
    let by = voucher.signed().unwrap();
    assert_eq!(
        (by.signer().to_string(), by.name(), by.version().to_string()),
        (SIGNER.to_owned(), "kv", "1.2.0".to_owned())
    );
    let extra = include_str!("../tests/vectors/extra.minisig");
    let voucher = signed().vouch(COMPONENT, Some(extra)).unwrap();
    voucher.confirm("my_kv.v2", "1.2.0-rc.1+build.7").unwrap();
}

#[test]
fn a_guest_that_is_not_what_was_signed_is_refused() {
    let voucher = signed().vouch(COMPONENT, Some(SIGNATURE)).unwrap();
    voucher.confirm("kv", "1.2.0").unwrap();
    for (name, version) in [("kw", "1.2.0"), ("kv", "1.2.1"), ("kv", "1.2.0+x")] {
        let error = voucher.confirm(name, version).unwrap_err().to_string();
        let itself = format!("{name} {version}");
        assert_has(&error, &["kv 1.2.0", &itself, SIGNER]);
    }
    let unsigned = Trust::unpinned().vouch(COMPONENT, Some(SIGNATURE)).unwrap();
    unsigned.confirm("anything", "9.9.9").unwrap();
}

#[test]
fn without_a_pin_and_a_key_nothing_runs() {
    for signature in [None, Some(SIGNATURE), Some("garbage")] {
        let nothing = Trust::new([], []).vouch(COMPONENT, signature);
        assert_eq!(nothing, Err(Refused::NothingTrusted));
    }
}

#[test]
fn another_key_is_refused_and_both_are_named() {
    let error = refused(&signed(), COMPONENT, Some(BY_ANOTHER));
    assert_has(&error, &[SIGNER, ANOTHER, "not trusted", "--trust"]);
    let error = refused(&signed(), COMPONENT, None);
    assert_has(&error, &["not signed", SIGNER]);
}

#[test]
fn an_altered_component_comment_or_signature_is_refused() {
    assert_has(
        &refused(&signed(), ALTERED, Some(SIGNATURE)),
        &["does not verify", SIGNER],
    );
    let lines: Vec<&str> = SIGNATURE.lines().collect();
    for (line, old, new) in [(1, "qykT", "qylT"), (2, "1.2.0", "1.3.0"), (3, "pmef", "pmeg")] {
        let mut altered: Vec<String> = lines.iter().map(ToString::to_string).collect();
        assert!(altered[line].contains(old));
        altered[line] = altered[line].replace(old, new);
        let error = refused(&signed(), COMPONENT, Some(&altered.join("\n")));
        assert_has(&error, &["does not verify", SIGNER]);
    }
    // The untrusted comment is not covered.
    let other = SIGNATURE.replace("signature from", "anything from");
    signed().vouch(COMPONENT, Some(&other)).unwrap();
}

/// Anybody can make a key with the id of a trusted one.
#[test]
fn a_signature_that_only_borrows_a_trusted_id_is_refused() {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    let line = |text: &str| BASE64_STANDARD.decode(text.lines().nth(1).unwrap()).unwrap();
    let mut forged = line(BY_ANOTHER);
    forged[2..10].copy_from_slice(&line(SIGNATURE)[2..10]);
    let old = BY_ANOTHER.lines().nth(1).unwrap();
    let forged = BY_ANOTHER.replace(old, &BASE64_STANDARD.encode(forged));
    assert_has(
        &refused(&signed(), COMPONENT, Some(&forged)),
        &["does not verify"],
    );

    // Two trusted keys may have the same id.
    let mut twin = BASE64_STANDARD.decode(another_key().to_string()).unwrap();
    twin[2..10].copy_from_slice(&line(SIGNATURE)[2..10]);
    let twin: PublicKey = BASE64_STANDARD.encode(twin).parse().unwrap();
    assert_eq!(twin.id(), key().id());
    let both = Trust::new([], [twin, key()]);
    both.vouch(COMPONENT, Some(SIGNATURE)).unwrap();
    both.vouch(COMPONENT, Some(&forged)).unwrap();
}

#[test]
fn texts_that_are_not_signatures_are_refused() {
    let lines: Vec<&str> = SIGNATURE.lines().collect();
    let mut texts = vec![
        String::new(),
        "\n\n\n\n".to_owned(),
        "garbage".to_owned(),
        "\u{0}\u{ffff}".repeat(40),
        SIGNATURE.replacen("untrusted comment", "comment", 1),
        SIGNATURE.replacen("RU", "AA", 1),
        format!("{SIGNATURE}{SIGNATURE}"),
        include_str!("../tests/vectors/plain.pub").to_owned(),
        include_str!("../tests/vectors/plain.key").to_owned(),
    ];
    texts.extend((0..4).map(|kept| lines[..kept].join("\n")));
    texts.extend((0..SIGNATURE.len() - 1).map(|kept| SIGNATURE[..kept].to_owned()));
    for text in texts {
        assert_eq!(
            text.parse::<Signature>().err(),
            Some(BadSignature::Malformed),
            "{text:?}"
        );
        assert_has(
            &refused(&signed(), COMPONENT, Some(&text)),
            &["not in minisign's format"],
        );
    }
    signed().vouch(COMPONENT, Some(SIGNATURE.trim_end())).unwrap();
    signed()
        .vouch(COMPONENT, Some(&SIGNATURE.replace('\n', "\r\n")))
        .unwrap();
}

#[test]
fn huge_and_legacy_signatures_are_refused() {
    let huge = SIGNATURE.replacen("from", &"f".repeat(LONGEST_SIGNATURE), 1);
    assert_has(&refused(&signed(), COMPONENT, Some(&huge)), &["4 KiB"]);
    let key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    let trust = Trust::new([], [key.parse().unwrap()]);
    assert_has(&refused(&trust, b"test", Some(LEGACY)), &["legacy"]);
}

#[test]
fn a_signature_that_does_not_say_of_what_is_refused() {
    let nameless = include_str!("../tests/vectors/nameless.minisig");
    assert_has(
        &refused(&signed(), COMPONENT, Some(nameless)),
        &[SIGNER, "control character", "minisign -S -t 'name="],
    );
}

#[test]
fn a_rotated_key_is_trusted_as_long_as_both_are() {
    let both = Trust::new([], [key(), another_key()]);
    for (signature, signer) in [(SIGNATURE, SIGNER), (BY_ANOTHER, ANOTHER)] {
        let voucher = both.vouch(COMPONENT, Some(signature)).unwrap();
        assert_eq!(voucher.signed().unwrap().signer().to_string(), signer);
    }
    let rotated = Trust::new([], [another_key()]);
    rotated.vouch(COMPONENT, Some(BY_ANOTHER)).unwrap();
    assert_has(&refused(&rotated, COMPONENT, Some(SIGNATURE)), &["not trusted"]);
}

#[test]
fn a_pin_is_enough_and_keeps_a_valid_signature() {
    let both = Trust::new([Digest::of(COMPONENT)], [key()]);
    for signature in [None, Some("garbage"), Some(BY_ANOTHER), Some(LEGACY)] {
        let voucher = both.vouch(COMPONENT, signature).unwrap();
        assert_eq!(voucher.by(), &By::Pin(None));
    }
    let voucher = both.vouch(COMPONENT, Some(SIGNATURE)).unwrap();
    assert!(matches!(voucher.by(), By::Pin(Some(signed)) if signed.name() == "kv"));
    assert!(voucher.confirm("kv", "1.3.0").is_err());
}

#[test]
fn a_component_that_is_neither_pinned_nor_signed_is_refused() {
    let digest = Digest::of(ALTERED).to_string();
    let pinned = Trust::new([Digest::of(COMPONENT)], []);
    pinned.vouch(COMPONENT, None).unwrap();
    let error = refused(&pinned, ALTERED, Some(SIGNATURE));
    assert_has(&error, &[&digest, "--guest-sha256"]);
    let both = Trust::new([Digest::of(COMPONENT)], [key()]);
    let error = refused(&both, ALTERED, None);
    assert_has(&error, &[&digest, "--guest-sha256", "not signed"]);
    let error = refused(&both, ALTERED, Some(SIGNATURE));
    assert_has(&error, &[&digest, "does not verify"]);
}

#[test]
fn unpinned_runs_everything_and_believes_no_signature() {
    let voucher = Trust::unpinned().vouch(ALTERED, Some(SIGNATURE)).unwrap();
    assert_eq!((voucher.by(), voucher.signed()), (&By::Unpinned, None));
}
