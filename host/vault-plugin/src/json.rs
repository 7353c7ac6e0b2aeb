//! JSON text on the wire.

use airlock_logical::Json;
use airlock_logical::json::Flaw;

/// Returns the text for the wire: `null` for `None`, because Vault cannot read an empty text.
///
/// # Errors
/// The flaw of a text that is not an object, or not one that Vault can decode.
pub(crate) fn to_wire(json: Option<Json>) -> Result<String, Flaw> {
    match json {
        None => Ok("null".to_owned()),
        Some(json) => json.into_checked(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_goes_out_as_null_and_anything_else_unchanged() {
        assert_eq!(to_wire(None).unwrap(), "null");
        let text = r#" {"n": 9007199254740993} "#;
        assert_eq!(to_wire(Json::from_text(text)).unwrap(), text);
        assert_eq!(to_wire(Json::from_text("[1]")), Err(Flaw::NotAnObject));
    }
}
