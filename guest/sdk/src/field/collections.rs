//! Decodes fields that hold several values.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{FieldType, Kind, coerce, numbers};

impl FieldType for Map<String, Value> {
    const KIND: Kind = Kind::Map;

    fn from_json(value: Value) -> Result<Option<Self>, String> {
        coerce::map("", value).map(Some)
    }

    fn to_json(&self) -> Value {
        Value::Object(self.clone())
    }
}

impl FieldType for Vec<Value> {
    const KIND: Kind = Kind::Slice;

    fn from_json(value: Value) -> Result<Option<Self>, String> {
        Ok(Some(coerce::list(value)))
    }

    fn to_json(&self) -> Value {
        Value::Array(self.clone())
    }
}

impl FieldType for Vec<String> {
    const KIND: Kind = Kind::CommaStringSlice;

    fn from_json(value: Value) -> Result<Option<Self>, String> {
        trimmed(coerce::comma_list(value)).map(Some)
    }

    fn to_json(&self) -> Value {
        self.iter().map(String::as_str).collect()
    }
}

impl FieldType for Vec<i64> {
    const KIND: Kind = Kind::CommaIntSlice;

    fn from_json(value: Value) -> Result<Option<Self>, String> {
        coerce::each(coerce::comma_list(value), |at, item| {
            numbers::int(at, item, "int")
        })
        .map(Some)
    }

    fn to_json(&self) -> Value {
        self.iter().copied().collect()
    }
}

fn trimmed(items: Vec<Value>) -> Result<Vec<String>, String> {
    coerce::each(items, |at, item| {
        coerce::text(at, item).map(|text| text.trim().to_string())
    })
}

/// A list of texts that may hold commas. (In a plain `Vec<String>`, commas separate.)
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StringSlice(pub Vec<String>);

impl FieldType for StringSlice {
    const KIND: Kind = Kind::StringSlice;

    fn from_json(value: Value) -> Result<Option<Self>, String> {
        let items = match value {
            Value::String(text) if text.is_empty() => Vec::new(),
            other => coerce::list(other),
        };
        trimmed(items).map(|items| Some(StringSlice(items)))
    }

    fn to_json(&self) -> Value {
        self.0.to_json()
    }
}

impl FieldType for BTreeMap<String, String> {
    const KIND: Kind = Kind::KvPairs;

    fn from_json(value: Value) -> Result<Option<Self>, String> {
        let texts = |map: Map<String, Value>| {
            map.into_iter()
                .map(|(key, value)| Ok((key, coerce::text("", value)?)))
                .collect::<Result<_, String>>()
        };
        if let Ok(pairs) = coerce::map("", value.clone()).and_then(texts) {
            return Ok(Some(pairs));
        }
        coerce::each(coerce::list(value), coerce::text)?
            .into_iter()
            .map(|pair| match pair.split_once('=') {
                Some((key, value)) if !key.is_empty() => Ok((key.to_string(), value.to_string())),
                _ => Err(format!("invalid key pair {pair:?}")),
            })
            .collect::<Result<_, String>>()
            .map(Some)
    }

    fn to_json(&self) -> Value {
        self.iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect()
    }
}

/// HTTP headers: an object, an object as JSON text with or without base64, or a list of `name:value`. Names are
/// converted to the usual form, `Content-Type`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Headers(pub BTreeMap<String, Vec<String>>);

impl Headers {
    fn add(&mut self, name: &str, value: String) {
        self.0.entry(canonical(name)).or_default().push(value);
    }

    fn from_map(map: Map<String, Value>) -> Result<Self, String> {
        let mut headers = Headers::default();
        for (name, value) in map {
            let values = match value {
                Value::Array(values) => values,
                one @ (Value::String(_) | Value::Number(_)) => vec![one],
                _ => return Err(format!("unrecognized type for header key:{name}")),
            };
            for value in values {
                match value {
                    Value::String(value) => headers.add(&name, value),
                    Value::Number(value) => headers.add(&name, value.to_string()),
                    _ => return Err(format!("received non-string value for header key:{name}")),
                }
            }
        }
        Ok(headers)
    }
}

impl FieldType for Headers {
    const KIND: Kind = Kind::Header;

    fn from_json(value: Value) -> Result<Option<Self>, String> {
        if let Ok(map) = coerce::map("", value.clone()) {
            return Headers::from_map(map).map(Some);
        }
        if let Value::String(text) = &value {
            let decoded = STANDARD
                .decode(text)
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok());
            let map = crate::codec::read(decoded.as_deref().unwrap_or(text).as_bytes())
                .map_err(|_| "headers given as text must be a JSON object")?;
            return Headers::from_map(map).map(Some);
        }
        let mut headers = Headers::default();
        for pair in coerce::list(value) {
            match pair.as_str().and_then(|pair| pair.split_once(':')) {
                Some((name, value)) if !name.is_empty() => headers.add(name, value.into()),
                _ => {
                    return Err(format!(
                        "invalid key pair {:?}",
                        pair.as_str().unwrap_or_default()
                    ));
                }
            }
        }
        Ok(Some(headers))
    }

    fn to_json(&self) -> Value {
        self.0
            .iter()
            .map(|(name, values)| (name.as_str(), values.to_json()))
            .collect()
    }
}

/// Converts `content-type` to `Content-Type`. A text that cannot be a header's name does not change.
fn canonical(name: &str) -> String {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !name.bytes().all(token) {
        return name.into();
    }
    let mut upper = true;
    name.chars()
        .map(|c| {
            let c = if upper {
                c.to_ascii_uppercase()
            } else {
                c.to_ascii_lowercase()
            };
            upper = c == '-';
            c
        })
        .collect()
}
