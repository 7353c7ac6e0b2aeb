//! Converts a request's body to the data that an engine gets.

use http::HeaderMap;
use serde_json::Value;
use vault_core::json::without_lone_surrogates;
use vault_plugin::{Json, Operation};

use crate::answer::Refusal;
use crate::call::is_percent_encoded;
use crate::go::{check_limits, check_syntax, without_space};

/// Vault's default `max_request_size`, in bytes.
pub(crate) const MAX_BODY: usize = 32 << 20;

const MERGE_PATCH: &str = "application/merge-patch+json";
const FORM: &str = "application/x-www-form-urlencoded";

/// Reads the body of an update or a patch.
///
/// # Errors
/// Returns 400, 415 or 500 with Vault's texts.
pub(crate) fn data_of_body(
    operation: &Operation,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Option<Json>, Refusal> {
    check_limits(body).map_err(|text| Refusal::new(500, text))?;
    let content_type = headers
        .get("content-type")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let media_type = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let patch = *operation == Operation::Patch;
    if patch && media_type.is_empty() {
        return Err(Refusal::new(400, "mime: no media type"));
    }
    if patch && media_type != MERGE_PATCH {
        let text = format!("PATCH requires Content-Type of {MERGE_PATCH}, provided {media_type}");
        return Err(Refusal::new(415, text));
    }
    if !patch && media_type == FORM && !looks_like_json(body) {
        return form(body);
    }
    json(body).map_err(|why| {
        let detail = if patch {
            String::new()
        } else {
            format!(": failed to parse JSON input: {why}")
        };
        Refusal::new(400, format!("error parsing JSON{detail}"))
    })
}

/// Returns true if the body looks like JSON. `curl -d` declares every body to be a form, so Vault looks at the body
/// itself.
fn looks_like_json(body: &[u8]) -> bool {
    matches!(without_space(body).first(), Some(b'{' | b'['))
}

fn form(body: &[u8]) -> Result<Option<Json>, Refusal> {
    if !is_percent_encoded(body) {
        return Err(Refusal::user("error parsing form data"));
    }
    let mut fields = serde_json::Map::new();
    for (name, value) in form_urlencoded::parse(body) {
        match fields.get_mut(name.as_ref()) {
            Some(Value::String(values)) => *values = format!("{values},{value}"),
            _ => {
                fields.insert(name.into_owned(), Value::from(value));
            }
        }
    }
    if fields.is_empty() {
        return Ok(None);
    }
    Ok(Json::encode(&fields).ok())
}

/// Returns the body unchanged if it is an object. The error has Go's text.
fn json(body: &[u8]) -> Result<Option<Json>, String> {
    let body = without_space(body);
    if body.is_empty() {
        return Ok(None);
    }
    check_syntax(body)?;
    let kind = match body[0] {
        b'{' => {
            // Go replaces invalid text in strings by U+FFFD, so that is what the engine gets.
            let text = without_lone_surrogates(String::from_utf8_lossy(body));
            return Ok(Json::from_text(text));
        }
        b'n' => return Ok(None),
        b'[' => "array",
        b'"' => "string",
        b't' | b'f' => "bool",
        _ => "number",
    };
    Err(format!(
        "json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn read(
        operation: &Operation,
        media_type: &'static str,
        body: &str,
    ) -> Result<Option<String>, (u16, String)> {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static(media_type));
        match data_of_body(operation, &headers, body.as_bytes()) {
            Ok(data) => Ok(data.map(Json::into_string)),
            Err(refusal) => Err((refusal.status, refusal.errors.join(";"))),
        }
    }

    #[test]
    fn an_object_goes_on_as_it_came() {
        let body = r#"{"n": 12345678901234567890.10, "s":"é"}"#;
        assert_eq!(
            read(&Operation::Update, "application/json", body)
                .unwrap()
                .unwrap(),
            body
        );
        assert_eq!(read(&Operation::Update, FORM, body).unwrap().unwrap(), body);
        assert_eq!(
            read(
                &Operation::Patch,
                "application/merge-patch+json; charset=utf-8",
                body
            )
            .unwrap()
            .unwrap(),
            body
        );
    }

    #[test]
    fn a_form_becomes_texts() {
        assert_eq!(
            read(&Operation::Update, FORM, "a=b&c=d&c=e").unwrap().unwrap(),
            r#"{"a":"b","c":"d,e"}"#
        );
    }

    #[test]
    fn nothing_and_null_are_no_data() {
        for body in ["", " ", " \t\r\n", "null", "null \n"] {
            assert_eq!(read(&Operation::Update, "application/json", body), Ok(None));
        }
    }

    #[test]
    fn what_is_no_object_is_refused_in_gos_words() {
        for (body, text) in [
            (
                "[]",
                "json: cannot unmarshal array into Go value of type map[string]interface {}",
            ),
            (
                "1",
                "json: cannot unmarshal number into Go value of type map[string]interface {}",
            ),
            ("x", "invalid character 'x' looking for beginning of value"),
            // Rust counts a form feed among white space, and JSON does not.
            ("\x0c", r"invalid character '\f' looking for beginning of value"),
            (
                " \x0c\n",
                r"invalid character '\f' looking for beginning of value",
            ),
        ] {
            let expected = format!("error parsing JSON: failed to parse JSON input: {text}");
            assert_eq!(
                read(&Operation::Update, "application/json", body),
                Err((400, expected))
            );
        }
        assert_eq!(
            read(&Operation::Patch, "application/json", "{}").unwrap_err().0,
            415
        );
        assert_eq!(
            read(&Operation::Update, "application/json", "{").unwrap_err().0,
            500
        );
    }
}
