//! Makes help texts, for `vault path-help`, from the declarations.

use std::fmt::Write as _;

use serde_json::Value;

use crate::codec::Object;
use crate::field::{Field, Kind};
use crate::route::pattern::capture_folder;
use crate::route::{AnyRoute, Routes};
use crate::verb::VERBS;
use crate::{Context, Engine, Error, Response, Result, codec, openapi};

/// Answers a request for help: for the whole engine if the path is empty, else for the route that matches.
///
/// Vault builds one document from the answers of all mounts for the empty path, so that answer must not fail.
pub(crate) fn answer<E: Engine>(cx: &Context) -> Result<Response> {
    let path = cx.request.path.as_str();
    // Vault sends the name of the mount's type as a prefix for names in the document. Without it they are shorter.
    let data = cx.request.object().unwrap_or_default();
    let prefix = data
        .get("requestResponsePrefix")
        .and_then(Value::as_str)
        .unwrap_or("");
    let routes = E::routes(&cx.system);
    if path.is_empty() {
        return Ok(respond(
            &engine::<E>(routes),
            &openapi::document::<E>(routes, prefix),
        ));
    }
    let route = routes
        .iter()
        .find(|route| capture_folder(route.head().pattern, path).is_some());
    let route = route.ok_or(Error::UnsupportedPath)?;
    Ok(respond(
        &of_route(path, route),
        &openapi::document::<E>(&[*route], prefix),
    ))
}

fn respond(help: &str, openapi: &str) -> Response {
    let data = Object::text(|data| {
        data.string("help", help)
            .strings("see_also", &[])
            .json("openapi", openapi);
    });
    Response {
        data: Some(data),
        ..Response::default()
    }
}

fn engine<E: Engine>(routes: Routes) -> String {
    let description = E::DESCRIPTION;
    let mut text = format!("{}\n\n## PATHS\n\n", description.help.trim());
    text.push_str("Ask for the help of any path that fits one of these to see what it takes.\n");
    for route in routes {
        let head = route.head();
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\n    {}\n        {}\n",
            head.pattern,
            or(head.synopsis, "(no synopsis)")
        );
    }
    text
}

fn of_route(path: &str, route: &AnyRoute) -> String {
    let head = route.head();
    let verbs: Vec<&str> = VERBS
        .iter()
        .filter(|verb| head.has(**verb))
        .map(|verb| verb.name())
        .collect();
    let mut text = format!(
        "Request:    {path}\nRoute:      {}\nOperations: {}\n\n{}\n",
        head.pattern,
        verbs.join(", "),
        or(head.synopsis, "(no synopsis)")
    );
    let fields = fields(route);
    if !fields.is_empty() {
        text.push_str("\n## PARAMETERS\n");
    }
    for field in fields {
        let _ = write!(
            text,
            "\n    {} ({})\n        {}\n",
            field.name(),
            kind(field.kind),
            about(&field)
        );
    }
    if !head.description.is_empty() {
        let _ = write!(text, "\n## DESCRIPTION\n\n{}\n", head.description.trim());
    }
    text
}

/// Returns the description of a field, its allowed values and its default.
fn about(field: &Field) -> String {
    let description = field.description();
    let mut text = or(&description, "(no description)").to_string();
    if !field.allowed.is_empty() {
        let _ = write!(text, " One of: {}.", field.allowed.join(", "));
    }
    if let Some(default) = field.default {
        let _ = write!(text, " Default: {}.", codec::text(&default()));
    }
    if field.is_deprecated {
        text.insert_str(0, "(DEPRECATED) ");
    }
    text
}

/// Returns the fields of all operations of a route, ordered by name, without a field that takes the rest.
fn fields(route: &AnyRoute) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    for operation in VERBS.iter().filter_map(|verb| route.operation(*verb)) {
        for field in operation.fields().iter().filter(|field| !field.is_rest()) {
            if let Err(at) = fields.binary_search_by_key(&field.name(), Field::name) {
                fields.insert(at, *field);
            }
        }
    }
    fields
}

fn or<'t>(text: &'t str, otherwise: &'t str) -> &'t str {
    let text = text.trim();
    if text.is_empty() { otherwise } else { text }
}

/// Returns Vault's name of a kind of field.
fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::String => "string",
        Kind::Lowercase => "lowercase string",
        Kind::Name | Kind::NameWithAt => "name string",
        Kind::Int => "int",
        Kind::Int64 => "int64",
        Kind::Float => "float",
        Kind::Bool => "bool",
        Kind::Map => "map",
        Kind::KvPairs => "keypair",
        Kind::Duration => "duration (sec)",
        Kind::Slice | Kind::StringSlice | Kind::CommaStringSlice | Kind::CommaIntSlice => "slice",
        Kind::Header => "header",
        Kind::Time => "time",
        Kind::Any => "any",
    }
}
