use std::io::Read as _;

use airlock_sdk::Operation;
use airlock_sdk::testing::request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

fn refused(parameters: Value) -> String {
    let mount = Mount::<Totp>::new();
    let reply = mount.write("keys/a", parameters);
    assert!(mount.stored().is_empty());
    reply.error().to_string()
}

#[test]
fn a_read_shows_everything_but_the_key_and_the_skew() {
    let mount = mount_with(json!({
        "issuer": "Example", "account_name": "ann", "period": "1m", "algorithm": "SHA512", "digits": "8"
    }));
    let shown = json!({
        "issuer": "Example", "account_name": "ann", "period": 60, "algorithm": "SHA512", "digits": 8
    });
    assert_eq!(mount.read("keys/ann@example.com").data(), &shown);
    assert_eq!(code(&mount).len(), 8);
}

#[test]
fn parameters_that_are_left_out_have_vaults_defaults() {
    let shown = json!({ "issuer": "", "account_name": "", "period": 30, "algorithm": "SHA1", "digits": 6 });
    assert_eq!(mount_with(json!({})).read("keys/ann@example.com").data(), &shown);
}

#[test]
fn wrong_parameters_are_refused_in_vaults_words() {
    for (parameters, words) in [
        (json!({}), "the key value is required"),
        (
            json!({ "generate": true, "key": SECRET }),
            "a key should not be passed if generate is true",
        ),
        (
            json!({ "generate": true, "url": "x" }),
            "a url should not be passed if generate is true",
        ),
        (
            json!({ "generate": true, "issuer": "I" }),
            "the account_name value is required for generated keys",
        ),
        (
            json!({ "generate": true, "account_name": "a" }),
            "the issuer value is required for generated keys",
        ),
        (
            json!({ "key": SECRET, "digits": 7 }),
            "the digits value can only be 6 or 8",
        ),
        (
            json!({ "key": SECRET, "algorithm": "sha1" }),
            "the algorithm value is not valid",
        ),
        (
            json!({ "key": SECRET, "period": 0 }),
            "the period value must be greater than zero",
        ),
        (
            json!({ "key": SECRET, "skew": 2 }),
            "the skew value must be 0 or 1",
        ),
        (
            json!({ "key": SECRET, "qr_size": -1 }),
            "the qr_size value must be greater than or equal to zero",
        ),
        (
            json!({ "key": SECRET, "key_size": 0 }),
            "the key_size value must be greater than zero",
        ),
        (
            json!({ "key": "ABC1" }),
            "invalid key value: illegal base32 data at input byte 3",
        ),
        (
            json!({ "url": "otpauth://totp/%zz" }),
            "an error occurred while parsing url string",
        ),
        (
            json!({ "url": "otpauth://totp/a?period=x" }),
            "an error occurred while parsing period value in url",
        ),
        (
            json!({ "url": "otpauth://totp/a?digits=x" }),
            "an error occurred while parsing digits value in url",
        ),
        (
            json!({ "url": "otpauth://totp/a?period=-1" }),
            "the period value must be greater than zero",
        ),
        (json!({ "url": "otpauth://totp/a" }), "the key value is required"),
    ] {
        assert_eq!(refused(parameters.clone()), words, "{parameters}");
    }
    let wrong_type = refused(json!({ "key": SECRET, "digits": "six" }));
    assert!(wrong_type.contains("cannot parse '' as int"), "{wrong_type}");
}

#[test]
fn a_url_has_all_parameters_and_takes_precedence() {
    let mount = Mount::<Totp>::new();
    let url = "otpauth://totp/Label%20Co:ann@example.com?secret=gezdgnbvgy3tqojq&period=60&digits=8&algorithm=SHA256";
    let given = json!({ "url": url, "issuer": "I", "account_name": "x", "key": "wrong", "digits": 6 });
    assert_eq!(mount.write("keys/a", given).status(), 204);
    let shown = json!({
        "issuer": "Label Co", "account_name": "ann@example.com", "period": 60, "algorithm": "SHA256", "digits": 8
    });
    assert_eq!(mount.read("keys/a").data(), &shown);
    let named = json!({ "url": format!("{url}&issuer=Named+Co") });
    assert_eq!(mount.write("keys/a", named).status(), 204);
    assert_eq!(mount.read("keys/a").data()["issuer"], "Named Co");
}

#[test]
fn a_generated_key_has_a_url_that_can_be_imported() {
    let mount = Mount::<Totp>::new();
    let given = json!({
        "generate": true, "issuer": "A&B=c d", "account_name": "ann@example.com/ü?", "qr_size": 0, "period": 45
    });
    let made = mount.write("keys/made", given);
    let url = made.data()["url"].as_str().unwrap();
    assert!(made.data().get("barcode").is_none());
    assert_eq!(mount.write("keys/imported", json!({ "url": url })).status(), 204);
    assert_eq!(mount.read("keys/imported").data(), mount.read("keys/made").data());
    assert_eq!(mount.read("code/imported").data(), mount.read("code/made").data());
}

#[test]
fn the_size_of_a_generated_key_can_be_chosen() {
    let mount = Mount::<Totp>::new();
    for (size, length) in [(1, 2), (20, 32), (64, 103)] {
        let given = json!({
            "generate": true, "issuer": "I", "account_name": "a", "qr_size": 0, "key_size": size
        });
        let made = mount.write("keys/made", given);
        let url = made.data()["url"].as_str().unwrap();
        assert_eq!(url.split_once("&secret=").unwrap().1.len(), length);
    }
    let huge = json!({ "generate": true, "issuer": "I", "account_name": "a", "key_size": 1_u64 << 40 });
    assert_eq!(mount.write("keys/huge", huge).status(), 400);
}

#[test]
fn a_key_that_is_not_exported_is_not_shown() {
    let mount = Mount::<Totp>::new();
    let given = json!({ "generate": true, "issuer": "I", "account_name": "a", "exported": false });
    assert_eq!(mount.write("keys/hidden", given).status(), 204);
    assert_eq!(mount.read("code/hidden").status(), 200);
}

/// Reads the QR code in a picture, with other code than drew it.
fn scanned(barcode: &Value, size: usize) -> String {
    let png = STANDARD.decode(barcode.as_str().unwrap()).unwrap();
    let begin = png.windows(4).position(|bytes| bytes == b"IDAT").unwrap();
    let mut rows = Vec::new();
    flate2::read::ZlibDecoder::new(&png[begin + 4..])
        .read_to_end(&mut rows)
        .unwrap();
    let width = 1 + size.div_ceil(8);
    assert_eq!(
        (rows.len(), &png[16..20]),
        (width * size, &u32::try_from(size).unwrap().to_be_bytes()[..])
    );
    let light = |x: usize, y: usize| rows[y * width + 1 + x / 8] & (0x80 >> (x % 8)) != 0;
    // The reader needs a quiet zone, which a picture whose size is that of the code does not have.
    let edge = 16;
    let whole = size + 2 * edge;
    let gray = |at: usize| {
        let (x, y) = (at % whole, at / whole);
        let inside = (edge..edge + size).contains(&x) && (edge..edge + size).contains(&y);
        if !inside || light(x - edge, y - edge) {
            255
        } else {
            0
        }
    };
    let picture: Vec<u8> = (0..whole * whole).map(gray).collect();
    let code = quircs::Quirc::default()
        .identify(whole, whole, &picture)
        .next()
        .unwrap()
        .unwrap();
    String::from_utf8(code.decode().unwrap().payload).unwrap()
}

#[test]
fn the_barcode_is_a_picture_of_the_url() {
    let mount = Mount::<Totp>::new();
    for (size, account) in [(200, "ann"), (123, "bo"), (501, &"long".repeat(40))] {
        let given = json!({ "generate": true, "issuer": "Co", "account_name": account, "qr_size": size });
        let made = mount.write("keys/made", given);
        assert_eq!(json!(scanned(&made.data()["barcode"], size)), made.data()["url"]);
    }
}

#[test]
fn a_picture_that_cannot_be_drawn_fails_without_the_key() {
    let mount = Mount::<Totp>::new();
    for (parameters, status, words) in [
        (
            json!({ "qr_size": 10 }),
            500,
            "can not scale barcode to an image smaller than 41x41",
        ),
        (
            json!({ "key_size": 3_000 }),
            500,
            "the URL is too long; choose a smaller key_size, or qr_size=0",
        ),
        (
            json!({ "qr_size": 1_u64 << 40 }),
            400,
            "the qr_size value must be at most 8192",
        ),
    ] {
        let mut given = json!({ "generate": true, "issuer": "I", "account_name": "x@y" });
        given
            .as_object_mut()
            .unwrap()
            .extend(parameters.as_object().unwrap().clone());
        let reply = mount.write("keys/a", given);
        assert_eq!(reply.status(), status);
        let error = reply.error().to_string();
        assert!(error.ends_with(words), "{error}");
    }
    assert!(mount.stored().is_empty());
}

#[test]
fn keys_are_listed_in_pages_and_deleted() {
    let mount = Mount::<Totp>::new();
    for name in ["a", "b@c", "d"] {
        assert_eq!(
            mount
                .write(&format!("keys/{name}"), json!({ "key": SECRET }))
                .status(),
            204
        );
    }
    assert_eq!(mount.list("keys").keys(), ["a", "b@c", "d"]);
    assert_eq!(
        mount
            .list_with("keys", json!({ "after": "a", "limit": 1 }))
            .keys(),
        ["b@c"]
    );
    assert_eq!(
        mount.list_with("keys", json!({ "after": "a" })).keys(),
        ["b@c", "d"]
    );
    for name in ["a", "b@c", "d", "d"] {
        assert_eq!(mount.delete(&format!("keys/{name}")).status(), 204);
    }
    assert_eq!(mount.list("keys").status(), 404);
    assert_eq!(mount.read("keys/a").status(), 404);
}

#[test]
fn paths_that_do_not_exist_are_404_and_others_405() {
    let mount = mount_with(json!({}));
    for path in ["keys/-a", "keys/a/b", "keys/a b", "code/", "other", ""] {
        assert_eq!(mount.read(path).error(), &Error::UnsupportedPath, "{path}");
    }
    for path in ["keys", "keys/"] {
        assert_eq!(mount.read(path).error(), &Error::UnsupportedOperation, "{path}");
    }
    assert_eq!(mount.read("code/none").error().to_string(), "unknown key: none");
}

#[test]
fn a_write_is_an_update_as_in_vaults_engine() {
    let mount = Mount::<Totp>::new();
    assert_eq!(mount.exists(request(Operation::Update, "keys/a", None)), Ok(None));
}

#[test]
fn keys_are_sealed_and_errors_have_no_secret() {
    let mount = mount_with(json!({}));
    assert_eq!(mount.special_paths().seal_wrap_storage, ["key/"]);
    mount.store_json("key/broken", &json!({ "key": "!!SECRET" }));
    let error = mount.read("code/broken").error().to_string();
    assert!(!error.contains("SECRET"), "{error}");
}
