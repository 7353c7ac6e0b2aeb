//! Help and OpenAPI, as Vault shows them.

use std::time::Duration;

use airlock_sdk::field::Given;
use airlock_sdk::route::Display;
use airlock_sdk::testing::{Mount, request};
use airlock_sdk::{
    Context, Description, Engine, Name, Operation, Patch, Response, Result, Routes, Value, choices, fields,
    json, route,
};

choices! {
    enum Kind { Small = "small", Large = "large" }
}

fields! {
    struct At {
        /// Name of the role.
        name: Name,
    }

    struct Write {
        /// Name of the role.
        name: Name,
        /// Its time
        /// to live.
        ttl: Duration = Duration::from_secs(90),
        /// Kind of role.
        kind: Kind = Kind::Small,
        /// A "secret".
        password: String as sensitive,
        /// For old callers.
        old: Option<Vec<i64>> as deprecated,
    }

    /// The data of a role.
    struct Role {
        /// Its time to live.
        ttl: Duration,
        /// Who made it.
        creator: Option<String>,
    }

    struct Page {
        /// The name to begin after.
        after: Option<String> as query,
    }

    /// Fields of several handlers.
    struct Connection {
        /// Where the directory is.
        url: String as display_name("URL") as display_value("ldaps://example.com") as display_group("Connection"),
        /// The certificate of its issuer.
        certificate: Given<String> as display_input("file") = Given::default_of(String::new()),
    }

    struct Connect {
        /// Name of the directory.
        name: Name,
        ..connection: Connection,
    }
}

struct Roles;

impl Engine for Roles {
    const DESCRIPTION: Description = Description::new("roles", "1.2.3", "Keeps roles.")
        .help("This engine keeps roles.\nAnd nothing else.");

    const ROUTES: Routes = &[
        &route("roles/").synopsis("List the roles.").list(list),
        &route("roles/{name}")
            .synopsis("Manage a role.")
            .description("A role is a role.")
            .read(read)
            .answers::<Role>()
            .write(write)
            .patch(patch)
            .delete(delete),
        &route("login")
            .synopsis("Come in.")
            .unauthenticated()
            .update(login),
        &route("connect/{name}").update(connect).answers::<Connection>(),
        &route("creds/{name}")
            .display(
                Display::new()
                    .operation_prefix("role")
                    .operation_suffix("credentials")
                    .item_type("Credential")
                    .action("Generate")
                    .navigation(),
            )
            .read(read)
            .display_operation(Display::new().operation_verb("Generate"))
            .delete(delete),
        &route("verb/{name}")
            .display(Display::new().operation_verb("sign"))
            .read(read),
        &route("suffix/{name}")
            .display(Display::new().operation_suffix("thing"))
            .read(read)
            .update(write)
            .display_operation(Display::new().operation_prefix("own").operation_suffix("other")),
    ];
}

fn list(_: &Context, _: Page) -> Result<Response> {
    Ok(Response::list(["a"]))
}

fn read(_: &Context, _: At) -> Result<()> {
    Ok(())
}

fn write(_: &Context, given: Write) -> Result<Response> {
    let Write {
        name,
        ttl,
        kind,
        password,
        old,
    } = given;
    Response::json(
        &json!({ "name": name, "ttl": ttl.as_secs(), "kind": kind, "length": password.len(), "old": old }),
    )
}

fn patch(_: &Context, patch: Patch<At, Write>) -> Result<()> {
    let _ = patch.at.name;
    Ok(())
}

fn delete(_: &Context, _: At) -> Result<()> {
    Ok(())
}

fn connect(_: &Context, given: Connect) -> Result<Response> {
    let Connect { name, connection } = given;
    Response::json(&json!({
        "name": name,
        "url": connection.url,
        "certificate": *connection.certificate,
        "given": connection.certificate.is_given(),
    }))
}

fn login(_: &Context, _: ()) -> Result<()> {
    Ok(())
}

fn document() -> Value {
    // As Vault asks for its document of all engines.
    let prefix = json!({ "requestResponsePrefix": "roles" });
    let help = Mount::<Roles>::new().send(request(Operation::Help, "", Some(prefix)));
    help.data()["openapi"].clone()
}

#[test]
fn the_help_of_the_engine_lists_its_paths() {
    let help = Mount::<Roles>::new().help("");
    let help = help.data()["help"].as_str().unwrap();
    assert!(
        help.starts_with("This engine keeps roles.\nAnd nothing else.\n"),
        "{help}"
    );
    assert!(
        help.contains("    roles/{name}\n        Manage a role.\n"),
        "{help}"
    );
}

#[test]
fn the_help_of_a_path_lists_its_parameters() {
    let mount = Mount::<Roles>::new();
    let help = mount.help("roles/ann");
    let help = help.data()["help"].as_str().unwrap();
    for part in [
        "Request:    roles/ann\nRoute:      roles/{name}\nOperations: create, read, update, patch, delete\n",
        "\n    kind (string)\n        Kind of role. One of: small, large. Default: \"small\".\n",
        "\n    old (slice)\n        (DEPRECATED) For old callers.\n",
        "\n    ttl (duration (sec))\n        Its time to live. Default: 90.\n",
        "\n## DESCRIPTION\n\nA role is a role.\n",
    ] {
        assert!(help.contains(part), "{part:?} is missing in:\n{help}");
    }
    assert_eq!(mount.help("roles").status(), 200);
    assert_eq!(mount.help("nowhere").status(), 404);
}

#[test]
fn a_path_has_one_operation_for_each_method() {
    let document = document();
    let role = &document["paths"]["/roles/{name}"];
    for (method, id) in [
        ("get", "roles-read-roles-name"),
        ("post", "roles-write-roles-name"),
        ("patch", "roles-patch-roles-name"),
        ("delete", "roles-delete-roles-name"),
    ] {
        assert_eq!(role[method]["operationId"], id);
        assert_eq!(role[method]["summary"], "Manage a role.");
    }
    assert_eq!(role["x-vault-createSupported"], true);
    assert_eq!(
        role["delete"]["responses"],
        json!({ "204": { "description": "empty body" } })
    );
    assert_eq!(
        role["parameters"],
        json!([{
            "name": "name", "description": "Name of the role.", "in": "path", "required": true,
            "schema": { "type": "string", "pattern": r"\w([\w-.]*\w)?" },
        }])
    );
    assert_eq!(document["paths"]["/login"]["x-vault-unauthenticated"], true);
}

#[test]
fn an_answer_is_described_if_the_route_declares_it() {
    let document = document();
    let role = &document["paths"]["/roles/{name}"];
    let schema = &role["get"]["responses"]["200"]["content"]["application/json"]["schema"];
    let expected = json!({
        "type": "object",
        "properties": {
            "ttl": { "description": "Its time to live.", "type": "string", "format": "duration" },
            "creator": { "description": "Who made it.", "type": "string" },
        },
        "required": ["ttl"],
    });
    assert_eq!(*schema, expected);
    assert_eq!(
        role["post"]["responses"],
        json!({ "200": { "description": "OK" } })
    );
}

#[test]
fn what_a_field_shows_in_user_interfaces_is_described() {
    let document = document();
    let connect = &document["paths"]["/connect/{name}"];
    let body = &connect["post"]["requestBody"]["content"]["application/json"]["schema"];
    let shown = |field: &str| body["properties"][field]["x-vault-displayAttrs"].clone();
    let url = json!({ "name": "URL", "value": "ldaps://example.com", "group": "Connection" });
    assert_eq!(shown("url"), url);
    assert_eq!(shown("certificate"), json!({ "editType": "file" }));
    assert_eq!(body["required"], json!(["url"]));
    assert_eq!(body["properties"]["certificate"]["default"], "");
}

/// The ids that `constructOperationID` of Vault's SDK makes of the same attributes.
#[test]
fn the_name_of_an_operation_is_made_as_in_vault() {
    let document = document();
    let id = |path: &str, method: &str| document["paths"][path][method]["operationId"].clone();
    assert_eq!(id("/creds/{name}", "get"), "role-generate-credentials");
    assert_eq!(id("/creds/{name}", "delete"), "role-delete-credentials");
    assert_eq!(id("/verb/{name}", "get"), "sign");
    assert_eq!(id("/suffix/{name}", "get"), "roles-read-thing");
    assert_eq!(id("/suffix/{name}", "post"), "own-write-other");
    assert_eq!(
        document["paths"]["/creds/{name}"]["x-vault-displayAttrs"],
        json!({ "navigation": true, "itemType": "Credential", "action": "Generate" })
    );
    assert_eq!(
        document["paths"]["/verb/{name}"]["x-vault-displayAttrs"],
        Value::Null
    );
}

#[test]
fn a_group_of_fields_is_read_and_a_default_is_told_apart() {
    let mount = Mount::<Roles>::new();
    let reply = mount.write("connect/a", json!({ "url": "u" }));
    assert_eq!(
        reply.data(),
        &json!({ "name": "a", "url": "u", "certificate": "", "given": false })
    );
    let reply = mount.write("connect/a", json!({ "url": "u", "certificate": "" }));
    assert_eq!(reply.data()["given"], true);
    assert!(reply.warnings().is_empty());
    assert_eq!(mount.write("connect/a", json!({})).status(), 400);
}

#[test]
fn a_list_has_a_path_of_its_own() {
    let list = &document()["paths"]["/roles/"]["get"];
    assert_eq!(list["parameters"][0]["name"], "after");
    assert_eq!(list["parameters"][0]["in"], "query");
    assert_eq!(list["parameters"][1]["name"], "list");
    let schema = &list["responses"]["200"]["content"]["application/json"]["schema"];
    assert_eq!(schema["properties"]["keys"]["type"], "array");
}

#[test]
fn a_body_is_described_field_by_field_and_a_patch_requires_nothing() {
    let document = document();
    let body = |method: &str| {
        document["paths"]["/roles/{name}"][method]["requestBody"]["content"]["application/json"]["schema"]
            .clone()
    };
    assert_eq!(
        body("post"),
        json!({
            "type": "object",
            "properties": {
                "ttl": { "description": "Its time to live.", "type": "string", "format": "duration", "default": 90 },
                "kind": {
                    "description": "Kind of role.", "type": "string", "enum": ["small", "large"], "default": "small",
                },
                "password": {
                    "description": "A \"secret\".", "type": "string", "x-vault-displayAttrs": { "sensitive": true },
                },
                "old": {
                    "description": "For old callers.", "deprecated": true, "type": "array",
                    "items": { "type": "integer" },
                },
            },
            "required": ["password"],
        })
    );
    assert_eq!(body("patch")["required"], Value::Null);
}
