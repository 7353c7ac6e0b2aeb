//! The errors that Vault sends to a caller.

use serde_json::{Value, json};

use crate::json::sorted;

/// Lists errors in one text, as Vault's core does with every error but a caller's own mistake.
pub fn collected(texts: &[&str]) -> String {
    let head = match texts.len() {
        1 => "1 error occurred:".to_owned(),
        count => format!("{count} errors occurred:"),
    };
    let lines: String = texts.iter().map(|text| format!("\n\t* {text}")).collect();
    format!("{head}{lines}\n\n")
}

/// Returns the body of an error, with its fields in Vault's order. `data` is what an engine's error has beside its text.
pub fn body(errors: &[String], data: Option<Value>) -> Value {
    match data {
        Some(data) => json!({ "errors": errors, "data": sorted(data) }),
        None => json!({ "errors": errors }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::to_text_in_order;

    #[test]
    fn errors_are_counted_as_vault_counts_them() {
        assert_eq!(collected(&["a"]), "1 error occurred:\n\t* a\n\n");
        assert_eq!(collected(&["a", "b"]), "2 errors occurred:\n\t* a\n\t* b\n\n");
    }

    #[test]
    fn the_data_of_an_error_follows_the_errors() {
        assert_eq!(to_text_in_order(&body(&[], None)), r#"{"errors":[]}"#);
        assert_eq!(
            to_text_in_order(&body(&["no".to_owned()], Some(json!({"b": 1, "a": 2})))),
            r#"{"errors":["no"],"data":{"a":2,"b":1}}"#
        );
    }
}
