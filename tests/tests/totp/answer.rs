//! Answers without the parts in which the two engines may differ.

use std::fmt;

use airlock_tests::twins::Plain;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// An answer without what is random in it, and without what only OpenBao's engine has.
#[derive(PartialEq)]
pub struct Alike(Plain);

impl Alike {
    /// Replaces, and nothing else:
    ///
    /// - the key in a URL by its length;
    /// - a QR code by the size of its picture: the two engines choose another mask, and draw other bits a pixel;
    /// - a code by its length, because that of a generated key is random; other tests compare codes;
    /// - the members beside a code that only OpenBao has.
    pub fn of(mut answer: Plain) -> Self {
        if let Ok(mut body) = serde_json::from_str::<Value>(&answer.body) {
            if let Some(data) = body.get_mut("data").and_then(Value::as_object_mut) {
                if let Some(code) = data.get_mut("code") {
                    *code = json!(code.as_str().map(str::len));
                    for more in ["expire_time", "generated", "period"] {
                        data.shift_remove(more);
                    }
                }
                if let Some(Value::String(url)) = data.get_mut("url") {
                    let (shown, secret) = url.split_once("&secret=").unwrap();
                    *url = format!("{shown} and a key of {} characters", secret.len());
                }
                if let Some(Value::String(barcode)) = data.get_mut("barcode") {
                    let png = STANDARD.decode(&*barcode).unwrap();
                    assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
                    *barcode = format!("a picture: {:?}", &png[16..24]);
                }
            }
            answer.body = body.to_string();
        }
        Alike(answer)
    }
}

impl fmt::Display for Alike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
