//! The parts of Vault that a test describes: the entities that make requests, and requests with headers.

use serde_json::{Map, Value, json};

/// An entity, with its names in authentication methods and its groups. The mount finds it by its id.
#[derive(Clone, Debug)]
pub struct Entity(Value);

impl Entity {
    /// Makes an entity with this id, which a [`Request`] names.
    pub fn new(id: &str) -> Self {
        Self(json!({ "id": id, "metadata": {}, "aliases": [], "groups": [] }))
    }

    /// Sets its name.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.0["name"] = name.into();
        self
    }

    /// Adds a metadata value.
    #[must_use]
    pub fn metadata(mut self, name: &str, value: &str) -> Self {
        self.0["metadata"][name] = value.into();
        self
    }

    /// Disables it.
    #[must_use]
    pub fn disabled(mut self) -> Self {
        self.0["disabled"] = true.into();
        self
    }

    /// Adds its name in an authentication method, such as `userpass`, with the accessor of that method's mount.
    #[must_use]
    pub fn alias(self, name: &str, mount_type: &str, mount_accessor: &str) -> Self {
        let alias = json!({ "name": name, "mount-type": mount_type, "mount-accessor": mount_accessor });
        self.push("aliases", alias)
    }

    /// Adds a group that it is in.
    #[must_use]
    pub fn group(self, id: &str, name: &str) -> Self {
        self.push("groups", json!({ "id": id, "name": name }))
    }

    fn push(mut self, list: &str, item: Value) -> Self {
        if let Value::Array(items) = &mut self.0[list] {
            items.push(item);
        }
        self
    }

    pub(crate) fn json(&self) -> &Value {
        &self.0
    }
}

/// A request, for [`Mount::request`](crate::Mount::request).
#[derive(Clone, Debug)]
pub struct Request(Map<String, Value>);

impl Request {
    /// Makes a request of any kind: `read`, `write`, `patch`, `delete`, `list`, `tick`, `create`, `update` and `help`.
    pub fn new(operation: &str, path: &str) -> Self {
        let fields = [("operation", operation), ("path", path)];
        Self(
            fields
                .map(|(name, value)| (name.into(), value.into()))
                .into_iter()
                .collect(),
        )
    }

    /// Sets the data, an object; null for none.
    #[must_use]
    pub fn data(mut self, data: Value) -> Self {
        if !data.is_null() {
            self.0.insert("data".into(), data);
        }
        self
    }

    /// Sets the id of the entity that makes the request.
    #[must_use]
    pub fn entity(mut self, id: &str) -> Self {
        self.0.insert("entity".into(), id.into());
        self
    }

    /// Sets an HTTP header, one that the mount lets through.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let headers = self.0.entry("headers").or_insert_with(|| json!({}));
        headers[name] = value.into();
        self
    }

    /// Returns the operation and the path, such as `read notes/a`.
    pub(crate) fn name(&self) -> String {
        let text = |name: &str| self.0[name].as_str().unwrap_or_default();
        format!("{} {}", text("operation"), text("path"))
            .trim_end()
            .into()
    }

    pub(crate) fn json(self) -> Value {
        Value::Object(self.0)
    }
}
