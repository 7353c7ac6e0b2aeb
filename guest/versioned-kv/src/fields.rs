//! Decodes types of fields that Vault's engine has and the SDK does not.

use airlock_sdk::field::Kind;
use airlock_sdk::{FieldType, Map, Value};

/// An object, or `null`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Object(pub Option<Map>);

impl FieldType for Object {
    const KIND: Kind = Kind::Map;

    fn from_json(value: Value) -> Result<Option<Self>, String> {
        if value.is_null() {
            return Ok(Some(Object(None)));
        }
        Ok(Map::from_json(value)?.map(|map| Object(Some(map))))
    }

    fn to_json(&self) -> Value {
        self.0.as_ref().map_or(Value::Null, Map::to_json)
    }
}

/// An object as its JSON text, or `null`. It is never parsed, so it may be nested as deeply as Vault allows.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Text(pub String);

impl FieldType for Text {
    const KIND: Kind = Kind::Map;

    fn from_json(value: Value) -> Result<Option<Self>, String> {
        let object = Object::from_json(value)?;
        Ok(object.map(|object| Text(object.to_json().to_string())))
    }

    fn from_text(json: &str) -> Result<Option<Self>, String> {
        if json.starts_with('{') {
            return Ok(Some(Text(json.into())));
        }
        // Vault accepts a list of objects as an object.
        let value = airlock_sdk::value(json).map_err(|error| error.to_string())?;
        Text::from_json(value)
    }

    fn to_json(&self) -> Value {
        airlock_sdk::value(&self.0).unwrap_or_default()
    }
}
