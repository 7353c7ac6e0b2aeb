//! The OpenAPI document of routes, as `sys/internal/specs/openapi` of Vault joins it to that of other mounts.
//!
//! Schemas stand where they are used: Vault drops the references of a document that comes from a plugin.

use serde_json::Value;

use crate::Engine;
use crate::dispatch::VERBS;
use crate::field::{Field, Kind};
use crate::help;
use crate::route::pattern::{Segment, segments};
use crate::route::{AnyOperation, AnyRoute, Head, Verb};

/// A JSON object. It is a function, and not `json!`, because that is several times as much code in a guest.
#[inline(never)]
pub(crate) fn object(members: Vec<(&str, Value)>) -> Value {
    members
        .into_iter()
        .map(|(name, value)| (name.to_string(), value))
        .collect()
}

/// The document of some routes. `prefix` begins the ids of operations.
pub(crate) fn document<E: Engine>(routes: &[&'static dyn AnyRoute], prefix: &str) -> Value {
    let info = object(vec![
        ("title", E::DESCRIPTION.name.into()),
        ("description", E::DESCRIPTION.about.into()),
        ("version", E::DESCRIPTION.version.into()),
    ]);
    let mut paths = Vec::new();
    for route in routes {
        paths.extend(document_route(*route, prefix));
    }
    object(vec![
        ("openapi", "3.0.2".into()),
        ("info", info),
        ("paths", paths.into_iter().collect()),
        ("components", object(vec![("schemas", object(vec![]))])),
    ])
}

/// The paths of a route: a list has one of its own, with a slash at the end, so that it does not meet the read.
fn document_route(route: &dyn AnyRoute, prefix: &str) -> Vec<(String, Value)> {
    let head = route.head();
    let path = openapi_path(head.pattern);
    let (mut item, mut list) = (Vec::new(), Vec::new());
    for verb in VERBS {
        // A write is one operation, whether it creates or updates; OpenAPI knows no recursive list.
        let folded = verb == Verb::Create && head.has(Verb::Update);
        let Some(operation) = route.operation(verb).filter(|_| !folded && verb != Verb::Scan) else {
            continue;
        };
        let method = match verb {
            Verb::Create | Verb::Update => "post",
            Verb::Patch => "patch",
            Verb::Delete => "delete",
            _ => "get",
        };
        let into = if verb == Verb::List { &mut list } else { &mut item };
        into.push((method, document_operation(head, verb, operation, prefix)));
    }
    let mut paths = Vec::new();
    for (mut item, path) in [
        (item, path.clone()),
        (list, format!("{}/", path.trim_end_matches('/'))),
    ] {
        if item.is_empty() {
            continue;
        }
        if head.has(Verb::Create) && item.iter().any(|(method, _)| *method == "post") {
            item.push(("x-vault-createSupported", true.into()));
        }
        if head.sudo {
            item.push(("x-vault-sudo", true.into()));
        }
        if head.unauthenticated {
            item.push(("x-vault-unauthenticated", true.into()));
        }
        item.push(("description", one_line(head.synopsis)));
        item.push(("parameters", path_parameters(route)));
        paths.push((path, object(item)));
    }
    paths
}

fn document_operation(head: &Head, verb: Verb, operation: &dyn AnyOperation, prefix: &str) -> Value {
    let fields: Vec<&Field> = operation
        .fields()
        .iter()
        .filter(|field| !captures(head.pattern, field.name()))
        .collect();
    let (status, description) = if verb == Verb::Delete {
        ("204", "empty body")
    } else {
        ("200", "OK")
    };
    let mut response = vec![("description", description.into())];
    if verb == Verb::List {
        let keys = object(vec![
            ("type", "array".into()),
            ("items", object(vec![("type", "string".into())])),
        ]);
        let list = object(vec![
            ("type", "object".into()),
            ("properties", object(vec![("keys", keys)])),
        ]);
        response.push(("content", content(list)));
    }
    let mut document = vec![
        ("summary", one_line(head.synopsis)),
        ("operationId", operation_id(head.pattern, verb, prefix).into()),
        ("tags", Value::Array(vec!["secrets".into()])),
        ("responses", object(vec![(status, object(response))])),
    ];
    if matches!(verb, Verb::Create | Verb::Update | Verb::Patch) {
        let body = body(&fields, verb == Verb::Patch);
        document.push((
            "requestBody",
            object(vec![("required", true.into()), ("content", content(body))]),
        ));
        return object(document);
    }
    let in_query = fields.iter().filter(|field| field.in_query);
    let mut parameters: Vec<Value> = in_query
        .map(|field| parameter(field, "query", field.required))
        .collect();
    if verb == Verb::List {
        let schema = object(vec![
            ("type", "string".into()),
            ("enum", Value::Array(vec!["true".into()])),
        ]);
        parameters.push(object(vec![
            ("name", "list".into()),
            ("description", "Must be set to `true`".into()),
            ("in", "query".into()),
            ("required", true.into()),
            ("schema", schema),
        ]));
    }
    if !parameters.is_empty() {
        document.push(("parameters", parameters.into()));
    }
    object(document)
}

fn content(schema: Value) -> Value {
    object(vec![("application/json", object(vec![("schema", schema)]))])
}

/// The schema of a request's body. A patch requires nothing.
fn body(fields: &[&Field], patch: bool) -> Value {
    let named = || fields.iter().filter(|field| !field.is_rest());
    let properties = named().map(|field| (field.name(), schema(field, true))).collect();
    let required: Vec<Value> = named()
        .filter(|field| field.required && !patch)
        .map(|field| field.name().into())
        .collect();
    let mut body = vec![("type", "object".into()), ("properties", object(properties))];
    if !required.is_empty() {
        body.push(("required", required.into()));
    }
    if fields.iter().any(|field| field.is_rest()) {
        body.push(("additionalProperties", true.into()));
    }
    object(body)
}

fn path_parameters(route: &dyn AnyRoute) -> Value {
    let mut parameters = Vec::new();
    for segment in segments(route.head().pattern) {
        let (Segment::One(name) | Segment::Rest(name)) = segment else {
            continue;
        };
        // Every operation has the fields that its path captures; the compiler saw to that.
        let operation = VERBS.iter().find_map(|verb| route.operation(*verb));
        let fields = operation.map_or(&[][..], |operation| operation.fields());
        let field = fields.iter().find(|field| field.name() == name);
        parameters.extend(field.map(|field| parameter(field, "path", true)));
    }
    parameters.into()
}

fn parameter(field: &Field, place: &str, required: bool) -> Value {
    let mut parameter = vec![
        ("name", field.name().into()),
        ("description", field.description().into()),
        ("in", place.into()),
        ("required", required.into()),
        ("schema", schema(field, false)),
    ];
    if field.is_deprecated {
        parameter.push(("deprecated", true.into()));
    }
    object(parameter)
}

/// The schema of a field; of one in a body with its description.
fn schema(field: &Field, in_body: bool) -> Value {
    let (kind, format, items) = match field.kind {
        Kind::String | Kind::Name | Kind::Header => ("string", "", ""),
        Kind::Lowercase => ("string", "lowercase", ""),
        Kind::Int => ("integer", "", ""),
        Kind::Int64 => ("integer", "int64", ""),
        Kind::Float => ("number", "float", ""),
        Kind::Bool => ("boolean", "", ""),
        Kind::Map => ("object", "map", ""),
        Kind::KvPairs => ("object", "kvpairs", ""),
        Kind::Duration => ("string", "duration", ""),
        Kind::Time => ("string", "date-time", ""),
        Kind::Slice => ("array", "", "object"),
        Kind::StringSlice | Kind::CommaStringSlice => ("array", "", "string"),
        Kind::CommaIntSlice => ("array", "", "integer"),
        Kind::Any => ("", "", ""),
    };
    let pattern = if field.kind == Kind::Name {
        r"\w([\w-.]*\w)?"
    } else {
        ""
    };
    let mut schema: Vec<(&str, Value)> = [("type", kind), ("format", format), ("pattern", pattern)]
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(name, text)| (name, text.into()))
        .collect();
    if in_body {
        schema.push(("description", field.description().into()));
    }
    if !items.is_empty() {
        schema.push(("items", object(vec![("type", items.into())])));
    }
    if !field.allowed.is_empty() {
        schema.push(("enum", field.allowed.iter().copied().collect()));
    }
    if let Some(default) = field.default {
        schema.push(("default", default()));
    }
    if in_body && field.is_deprecated {
        schema.push(("deprecated", true.into()));
    }
    if field.is_sensitive {
        schema.push(("x-vault-displayAttrs", object(vec![("sensitive", true.into())])));
    }
    object(schema)
}

/// `/users/{username}`.
fn openapi_path(pattern: &'static str) -> String {
    let mut path = String::new();
    for segment in segments(pattern) {
        let (open, name, close) = match segment {
            Segment::Literal(literal) => ("/", literal, ""),
            Segment::One(name) | Segment::Rest(name) => ("/{", name, "}"),
        };
        path.extend([open, name, close]);
    }
    path
}

/// `users-write-users-username`, as Vault makes it for its own engines.
fn operation_id(pattern: &str, verb: Verb, prefix: &str) -> String {
    let verb = if verb == Verb::Update {
        "write"
    } else {
        help::name(verb)
    };
    let words = pattern.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let parts: Vec<&str> = [prefix, verb]
        .into_iter()
        .chain(words)
        .filter(|part| !part.is_empty())
        .collect();
    parts.join("-").to_ascii_lowercase()
}

fn captures(pattern: &'static str, name: &str) -> bool {
    segments(pattern).any(
        |segment| matches!(segment, Segment::One(captured) | Segment::Rest(captured) if captured == name),
    )
}

fn one_line(text: &str) -> Value {
    text.split_ascii_whitespace().collect::<Vec<_>>().join(" ").into()
}
