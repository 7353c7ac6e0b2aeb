//! Makes the OpenAPI document of routes, which `sys/internal/specs/openapi` of Vault joins to those of other mounts.
//!
//! The document repeats each schema where it is used, because Vault drops the references in a plugin's document.

use crate::Engine;
use crate::codec::{self, Object};
use crate::field::{Field, Kind};
use crate::route::pattern::{Segment, segments};
use crate::route::{AnyOperation, AnyRoute, Display, Head};
use crate::verb::{VERBS, Verb};

/// Returns the document of some routes, as JSON. The ids of operations begin with `prefix`.
pub(crate) fn document<E: Engine>(routes: &[&'static AnyRoute], prefix: &str) -> String {
    Object::text(|document| {
        document.string("openapi", "3.0.2");
        document.object("info", |info| {
            info.string("title", E::DESCRIPTION.name);
            info.string("description", E::DESCRIPTION.about);
            info.string("version", E::DESCRIPTION.version);
        });
        document.object("paths", |paths| {
            for route in routes {
                document_route(route, prefix, paths);
            }
        });
        document.object("components", |components| {
            components.json("schemas", "{}");
        });
    })
}

/// Adds the paths of a route. A list has its own path, with a slash at the end, so that it does not collide with the
/// read.
fn document_route(route: &AnyRoute, prefix: &str, paths: &mut Object<'_>) {
    let path = openapi_path(route.head().pattern);
    let path = path.trim_end_matches('/');
    document_path(
        route,
        prefix,
        paths,
        path,
        &[Verb::Create, Verb::Read, Verb::Update, Verb::Patch, Verb::Delete],
    );
    document_path(route, prefix, paths, &format!("{path}/"), &[Verb::List]);
}

fn document_path(route: &AnyRoute, prefix: &str, paths: &mut Object<'_>, path: &str, verbs: &[Verb]) {
    let head = route.head();
    if !verbs.iter().any(|verb| head.has(*verb)) {
        return;
    }
    paths.object(path, |item| {
        item.string("description", &one_line(head.synopsis));
        item.json("parameters", &path_parameters(route));
        item.truth("x-vault-sudo", head.sudo);
        item.truth("x-vault-unauthenticated", head.unauthenticated);
        item.truth(
            "x-vault-createSupported",
            head.has(Verb::Create) && verbs.contains(&Verb::Create),
        );
        if head.display.has_attributes() {
            item.object("x-vault-displayAttrs", |attributes| {
                attributes
                    .truth("navigation", head.display.navigation)
                    .some_string("itemType", head.display.item_type)
                    .some_string("action", head.display.action);
            });
        }
        for verb in verbs {
            // A write is one operation, whether it creates or updates.
            let folded = *verb == Verb::Create && head.has(Verb::Update);
            let Some(operation) = route.operation(*verb).filter(|_| !folded) else {
                continue;
            };
            let method = match verb {
                Verb::Create | Verb::Update => "post",
                Verb::Patch => "patch",
                Verb::Delete => "delete",
                _ => "get",
            };
            item.object(method, |document| {
                document_operation(head, *verb, operation, prefix, document)
            });
        }
    });
}

fn document_operation(
    head: &Head,
    verb: Verb,
    operation: &dyn AnyOperation,
    prefix: &str,
    document: &mut Object<'_>,
) {
    let fields: Vec<&Field> = operation
        .fields()
        .iter()
        .filter(|field| !captures(head.pattern, field.name()))
        .collect();
    document.string("summary", &one_line(head.synopsis));
    document.string(
        "operationId",
        &operation_id(head, verb, operation.display(), prefix),
    );
    document.strings("tags", &["secrets"]);
    document_answer(verb, operation.answer(), document);
    if matches!(verb, Verb::Create | Verb::Update | Verb::Patch) {
        document.object("requestBody", |request| {
            request.truth("required", true);
            request.object("content", |content| {
                content.object("application/json", |json| {
                    json.object("schema", |body| document_body(&fields, verb == Verb::Patch, body));
                });
            });
        });
        return;
    }
    let in_query = fields.iter().filter(|field| field.in_query);
    let mut parameters: Vec<String> = in_query
        .map(|field| parameter(field, "query", field.required))
        .collect();
    if verb == Verb::List {
        let list = concat!(
            r#"{"name":"list","description":"Must be set to `true`","in":"query","required":true,"#,
            r#""schema":{"type":"string","enum":["true"]}}"#,
        );
        parameters.push(list.into());
    }
    document.json("parameters", &array(&parameters));
}

/// Adds what an operation answers: the declared fields, or else what every operation of its kind answers.
fn document_answer(verb: Verb, fields: &'static [Field], document: &mut Object<'_>) {
    let usual = match verb {
        _ if !fields.is_empty() => {
            document.object("responses", |responses| {
                responses.object("200", |answer| {
                    answer.string("description", "OK");
                    answer.object("content", |content| {
                        content.object("application/json", |json| {
                            let fields: Vec<&Field> = fields.iter().collect();
                            json.object("schema", |schema| document_body(&fields, false, schema));
                        });
                    });
                });
            });
            return;
        }
        Verb::Delete => r#"{"204":{"description":"empty body"}}"#,
        Verb::List => concat!(
            r#"{"200":{"description":"OK","content":{"application/json":{"schema":{"type":"object","#,
            r#""properties":{"keys":{"type":"array","items":{"type":"string"}}}}}}}}"#,
        ),
        _ => r#"{"200":{"description":"OK"}}"#,
    };
    document.json("responses", usual);
}

/// Adds the schema of a request's body. A patch has no required fields.
fn document_body(fields: &[&Field], patch: bool, body: &mut Object<'_>) {
    let named = || fields.iter().filter(|field| !field.is_rest());
    let required: Vec<&str> = named()
        .filter(|field| field.required && !patch)
        .map(|field| field.name())
        .collect();
    body.string("type", "object");
    body.object("properties", |properties| {
        for field in named() {
            properties.object(field.name(), |property| {
                property.string("description", &field.description());
                property.truth("deprecated", field.is_deprecated);
                document_schema(field, property);
            });
        }
    });
    if !required.is_empty() {
        body.strings("required", &required);
    }
    body.truth("additionalProperties", fields.iter().any(|field| field.is_rest()));
}

fn path_parameters(route: &AnyRoute) -> String {
    // Every operation has the fields that its path captures: the compiler has checked it.
    let operation = VERBS.iter().find_map(|verb| route.operation(*verb));
    let fields = operation.map_or(&[][..], |operation| operation.fields());
    let captured = fields
        .iter()
        .filter(|field| captures(route.head().pattern, field.name()));
    array(
        &captured
            .map(|field| parameter(field, "path", true))
            .collect::<Vec<_>>(),
    )
}

fn parameter(field: &Field, place: &str, required: bool) -> String {
    Object::text(|parameter| {
        parameter.string("name", field.name());
        parameter.string("description", &field.description());
        parameter.string("in", place);
        parameter.truth("required", required);
        parameter.truth("deprecated", field.is_deprecated);
        parameter.object("schema", |schema| document_schema(field, schema));
    })
}

fn document_schema(field: &Field, schema: &mut Object<'_>) {
    let (kind, format, items) = match field.kind {
        Kind::String | Kind::Name | Kind::NameWithAt | Kind::Header => ("string", "", ""),
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
    let pattern = match field.kind {
        Kind::Name => r"\w([\w-.]*\w)?",
        Kind::NameWithAt => r"\w([\w-.@]*\w)?",
        _ => "",
    };
    schema
        .some_string("type", kind)
        .some_string("format", format)
        .some_string("pattern", pattern);
    if !items.is_empty() {
        schema.object("items", |schema| {
            schema.string("type", items);
        });
    }
    if !field.allowed.is_empty() {
        schema.strings("enum", field.allowed);
    }
    if let Some(default) = field.default {
        schema.json("default", &codec::text(&default()));
    }
    let display = &field.display;
    let texts = [display.name, display.value, display.group, display.edit_type];
    if field.is_sensitive || texts.iter().any(|text| !text.is_empty()) {
        schema.object("x-vault-displayAttrs", |attributes| {
            attributes
                .some_string("name", display.name)
                .some_string("value", display.value)
                .some_string("group", display.group)
                .some_string("editType", display.edit_type)
                .truth("sensitive", field.is_sensitive);
        });
    }
}

fn array(items: &[String]) -> String {
    format!("[{}]", items.join(","))
}

/// Returns the path of a pattern, such as `/users/{username}`.
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

/// Returns the id of an operation, such as `users-write-users-username`, as Vault makes it for its own engines.
fn operation_id(head: &Head, verb: Verb, own: Display, default_prefix: &str) -> String {
    let or = |own: &'static str, path: &'static str| if own.is_empty() { path } else { own };
    let prefix = or(own.prefix, head.display.prefix);
    let declared = or(own.verb, head.display.verb);
    let suffix = or(own.suffix, head.display.suffix);
    let words = head
        .pattern
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let usual = match verb {
        Verb::Update => "write",
        verb => verb.name(),
    };
    let mut parts = match (prefix, declared) {
        ("", "") => vec![default_prefix, usual],
        (prefix, "") => vec![prefix, usual],
        (prefix, verb) => vec![prefix, verb],
    };
    match suffix {
        "" if declared.is_empty() => parts.extend(words),
        suffix => parts.push(suffix),
    }
    parts.retain(|part| !part.is_empty());
    parts.join("-").to_ascii_lowercase()
}

fn captures(pattern: &'static str, name: &str) -> bool {
    let captured = |segment| matches!(segment, Segment::One(part) | Segment::Rest(part) if part == name);
    segments(pattern).any(captured)
}

fn one_line(text: &str) -> String {
    text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}
