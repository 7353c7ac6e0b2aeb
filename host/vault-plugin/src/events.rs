//! Vault's event bus, and the observations that Vault Enterprise records. OpenBao has neither: calls fail there with
//! [`crate::ServerError::Unsupported`].

use std::fmt;
use std::io;
use std::sync::Arc;

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};

use crate::link::Link;
use crate::methods;
use crate::proto::{logical, pb};
use crate::{Json, ServerError};

/// Sends events to all subscribers. Events are not kept: an event without a subscriber is lost.
#[derive(Clone)]
pub struct Events {
    link: Arc<Link>,
}

/// Something that happened.
///
/// ```
/// use serde_json::json;
/// use vault_plugin::{Error, Event, Events, Json, ServerError};
///
/// async fn written(events: &Events, path: &str) -> Result<(), Error> {
///     let metadata = json!({ "path": path, "modified": "true", "operation": "update" });
///     let event = Event { metadata: Some(Json::encode(&metadata)?), ..Event::default() };
///     match events.send("greeter/write", event).await {
///         Err(ServerError::Unsupported(_)) => Ok(()), // OpenBao
///         sent => Ok(sent?),
///     }
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// A unique id. If it is empty, [`Events::send`] makes one up.
    pub id: String,
    /// A JSON object. Vault puts the mount's path before `path` and `data_path`, and reads `modified` and `operation`;
    /// all four must be text, such as `"true"`. Numbers travel as 64-bit floats.
    pub metadata: Option<Json>,
    /// The entities that it is about.
    pub entity_ids: Vec<String>,
    /// A note for people.
    pub note: String,
}

impl Events {
    pub(crate) fn new(link: Arc<Link>) -> Events {
        Events { link }
    }

    /// Sends an event of a type such as `kv-v2/data-write`.
    ///
    /// # Errors
    /// [`ServerError::Unsupported`] on OpenBao; [`ServerError::EventData`] if the metadata is not a JSON object;
    /// [`ServerError::Failed`], [`ServerError::Unanswered`] and [`ServerError::Closed`] if the server did not take it.
    pub async fn send(&self, event_type: &str, event: Event) -> Result<(), ServerError> {
        let event = logical::EventData {
            id: if event.id.is_empty() {
                random_id()?
            } else {
                event.id
            },
            metadata: event.metadata.as_ref().map(to_struct).transpose()?,
            entity_ids: event.entity_ids,
            note: event.note,
        };
        let args = pb::SendEventRequest {
            event_type: event_type.to_owned(),
            event: Some(event),
        };
        self.link.call(&methods::events::SEND_EVENT, &args).await?;
        Ok(())
    }
}

/// Records facts for Vault's operator. Vault's community edition accepts them and drops them.
#[derive(Clone)]
pub struct Observations {
    link: Arc<Link>,
}

impl Observations {
    pub(crate) fn new(link: Arc<Link>) -> Observations {
        Observations { link }
    }

    /// Records an observation; the data is a JSON object whose numbers travel as 64-bit floats.
    ///
    /// # Errors
    /// Those of [`Events::send`].
    pub async fn record(&self, observation_type: &str, data: &Json) -> Result<(), ServerError> {
        let data = Some(to_struct(data)?);
        let args = pb::RecordObservationRequest {
            observation_type: observation_type.to_owned(),
            data,
        };
        self.link.call(&methods::observations::RECORD, &args).await?;
        Ok(())
    }
}

/// Makes a random UUID, version 4.
fn random_id() -> Result<String, ServerError> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|error| ServerError::NoRandomBytes(io::Error::other(error)))?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = |part: &[u8]| part.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let parts = [
        &bytes[..4],
        &bytes[4..6],
        &bytes[6..8],
        &bytes[8..10],
        &bytes[10..],
    ];
    Ok(parts.map(hex).join("-"))
}

fn to_struct(json: &Json) -> Result<Struct, ServerError> {
    let map: serde_json::Map<String, serde_json::Value> = json.decode().map_err(ServerError::EventData)?;
    Ok(Struct {
        fields: map
            .into_iter()
            .map(|(name, value)| (name, to_value(value)))
            .collect(),
    })
}

fn to_value(value: serde_json::Value) -> Value {
    use serde_json::Value as Json;
    let kind = match value {
        Json::Null => Kind::NullValue(0),
        Json::Bool(truth) => Kind::BoolValue(truth),
        Json::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or(f64::NAN)),
        Json::String(text) => Kind::StringValue(text),
        Json::Array(values) => Kind::ListValue(ListValue {
            values: values.into_iter().map(to_value).collect(),
        }),
        Json::Object(map) => Kind::StructValue(Struct {
            fields: map
                .into_iter()
                .map(|(name, value)| (name, to_value(value)))
                .collect(),
        }),
    };
    Value { kind: Some(kind) }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

impl fmt::Debug for Observations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observations").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_becomes_a_struct_of_the_same_shape() {
        let metadata =
            Json::from_text(r#"{"modified":true,"path":"a","n":1.5,"list":[null,{"x":"y"}]}"#).unwrap();
        let fields = to_struct(&metadata).unwrap().fields;
        assert_eq!(fields["modified"].kind, Some(Kind::BoolValue(true)));
        assert_eq!(fields["path"].kind, Some(Kind::StringValue("a".into())));
        assert_eq!(fields["n"].kind, Some(Kind::NumberValue(1.5)));
        let Some(Kind::ListValue(list)) = &fields["list"].kind else {
            panic!("not a list")
        };
        assert_eq!(list.values[0].kind, Some(Kind::NullValue(0)));
        let Some(Kind::StructValue(inner)) = &list.values[1].kind else {
            panic!("not a struct")
        };
        assert_eq!(inner.fields["x"].kind, Some(Kind::StringValue("y".into())));
    }

    #[test]
    fn metadata_that_is_no_object_is_the_engines_fault() {
        let error = to_struct(&Json::from_text("[1]").unwrap()).unwrap_err();
        assert!(matches!(error, ServerError::EventData(_)), "{error:?}");
    }

    #[test]
    fn ids_are_version_4_uuids_and_differ() {
        let (one, other) = (random_id().unwrap(), random_id().unwrap());
        assert_eq!(one.len(), 36);
        assert_eq!(&one[14..15], "4");
        assert_ne!(one, other);
    }
}
