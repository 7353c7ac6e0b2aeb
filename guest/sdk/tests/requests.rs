//! Requests find their handlers; a request without a handler gets the right error.

use airlock_sdk::testing::{Mount, request};
use airlock_sdk::{
    Context, Description, Engine, Error, Map, Name, NameWithAt, Operation, Response, Result, Routes, System,
    Value, fields, json, route,
};

fields! {
    struct At {
        name: Name,
    }

    struct Write {
        name: Name,
        text: String,
        size: u8 = 1,
    }

    struct Mail {
        name: NameWithAt,
    }

    struct Anything {
        path: String,
        data: Map as rest,
    }
}

struct Notes;

impl Engine for Notes {
    const DESCRIPTION: Description =
        Description::new("notes", "1.2.3", "Keeps notes.").storage(&["note/", "raw/"]);

    const ROUTES: Routes = &[
        &route("notes/").list(list),
        &route("notes/{name}").read(read).write(write).delete(delete),
        &route("checked/{name}").exists(always).create(write).update(write),
        &route("mail/{name}").read(mail),
        &route("echo/{path...}").update(echo),
        &route("public/{name}").unauthenticated().read(read),
        &route("admin").sudo().read(config),
        &route("{path...}").read(catch_all),
    ];
}

fn key(name: &Name) -> String {
    format!("note/{name}")
}

fn list(cx: &Context, _: ()) -> Result<Response> {
    Ok(Response::list(cx.storage.list("note/")?))
}

fn read(cx: &Context, at: At) -> Result<Option<Response>> {
    let note: Option<Value> = cx.storage.get_json(&key(&at.name))?;
    note.map(|note| Response::json(&note)).transpose()
}

fn mail(_: &Context, mail: Mail) -> Result<Response> {
    Response::json(&json!({ "name": mail.name.as_str() }))
}

fn write(cx: &Context, note: Write) -> Result<Response> {
    cx.storage
        .put_json(&key(&note.name), &json!({ "text": note.text, "size": note.size }))?;
    if note.text == "bad" {
        return Err(Error::user("not that"));
    }
    Response::json(&json!({ "created": cx.request.operation == Operation::Create }))
}

fn delete(cx: &Context, at: At) -> Result<()> {
    cx.storage.delete(&key(&at.name))
}

fn always(_: &Context, _: At) -> Result<bool> {
    Ok(true)
}

fn echo(_: &Context, given: Anything) -> Result<Response> {
    Response::json(&json!({ "path": given.path, "data": given.data }))
}

fn config(_: &Context, _: ()) -> Result<()> {
    Ok(())
}

fields! {
    struct Rest {
        path: String,
    }
}

fn catch_all(_: &Context, rest: Rest) -> Result<Response> {
    Response::json(&json!({ "caught": rest.path }))
}

#[test]
fn the_read_decides_whether_a_write_creates() {
    let mount = Mount::<Notes>::new();
    assert_eq!(
        mount.write("notes/a", json!({ "text": "x" })).data()["created"],
        true
    );
    assert_eq!(
        mount.write("notes/a", json!({ "text": "y" })).data()["created"],
        false
    );
}

#[test]
fn a_check_of_its_own_goes_before_the_read() {
    let mount = Mount::<Notes>::new();
    assert_eq!(
        mount.write("checked/a", json!({ "text": "x" })).data()["created"],
        false
    );
}

#[test]
fn a_path_without_create_has_no_existence_check() {
    let mount = Mount::<Notes>::new();
    assert_eq!(mount.exists(request(Operation::Update, "echo/a", None)), Ok(None));
    assert_eq!(
        mount.exists(request(Operation::Update, "notes/a/b", None)),
        Ok(None)
    );
}

#[test]
fn the_first_route_that_matches_is_taken() {
    let mount = Mount::<Notes>::new();
    assert_eq!(mount.read("notes/a/b").data()["caught"], "notes/a/b");
    assert_eq!(mount.read("").data()["caught"], "");
    assert_eq!(mount.read("notes/a").status(), 404);
}

#[test]
fn a_known_path_without_the_operation_is_405() {
    let mount = Mount::<Notes>::new();
    assert_eq!(mount.delete("admin").error(), &Error::UnsupportedOperation);
    let header = request(Operation::Header, "admin", None);
    assert_eq!(mount.send(header).status(), 405);
}

#[test]
fn a_path_whose_part_is_not_a_name_is_another_path() {
    let mount = Mount::<Notes>::new();
    for path in ["notes/-a", "notes/a b", "notes/a@b", "notes/ü", "mail/ann@"] {
        assert_eq!(mount.read(path).data()["caught"], path);
    }
    assert_eq!(mount.read("notes/a.b-c_").status(), 404);
    assert_eq!(
        mount.read("mail/ann@example.com").data()["name"],
        "ann@example.com"
    );
}

#[test]
fn a_folder_without_the_operation_is_405_with_and_without_its_slash() {
    let mount = Mount::<Notes>::new();
    for path in ["notes", "notes/"] {
        assert_eq!(mount.delete(path).error(), &Error::UnsupportedOperation, "{path}");
    }
}

#[test]
fn lists_find_their_route_with_and_without_the_slash() {
    let mount = Mount::<Notes>::new();
    assert_eq!(mount.write("notes/a", json!({ "text": "x" })).status(), 200);
    for path in ["notes", "notes/"] {
        assert_eq!(mount.send(request(Operation::List, path, None)).keys(), ["a"]);
    }
}

#[test]
fn unknown_parameters_are_named_in_a_warning() {
    let mount = Mount::<Notes>::new();
    let reply = mount.write("notes/a", json!({ "text": "x", "zeta": 1, "alpha": 2 }));
    assert_eq!(
        reply.warnings(),
        ["Endpoint ignored these unrecognized parameters: [alpha zeta]"]
    );
    // A field of another operation of the route is known, so it causes no warning.
    assert!(
        mount
            .read_with("notes/a", json!({ "size": 1 }))
            .warnings()
            .is_empty()
    );
    assert!(mount.write("echo/a", json!({ "zeta": 1 })).warnings().is_empty());
}

#[test]
fn a_parameter_that_the_path_replaces_is_named_in_a_warning() {
    let mount = Mount::<Notes>::new();
    let reply = mount.write("notes/a", json!({ "text": "x", "name": "b" }));
    assert_eq!(
        reply.warnings(),
        [
            "Endpoint replaced the value of these parameters with the values captured from the endpoint's path: [name]"
        ]
    );
    assert!(mount.stored().contains_key("note/a"));
}

#[test]
fn a_field_that_does_not_convert_is_told_in_vaults_words() {
    let mount = Mount::<Notes>::new();
    let cause = "error converting input for field \"size\": cannot parse '' as int: \
                 strconv.ParseInt: parsing \"big\": invalid syntax";
    let data = json!({ "text": "x", "size": "big" });
    // The existence check runs first. It refuses the field and returns only the cause.
    assert_eq!(mount.write("notes/a", data.clone()).error(), &Error::user(cause));
    let direct = mount.send(request(Operation::Update, "notes/a", Some(data)));
    assert_eq!(
        direct.error(),
        &Error::user(format!("Field validation failed: {cause}"))
    );
}

#[test]
fn a_required_field_that_is_missing_is_named() {
    let missing = Mount::<Notes>::new().send(request(Operation::Update, "notes/a", None));
    assert_eq!(
        missing.error(),
        &Error::user("Field validation failed: missing required field \"text\"")
    );
}

#[test]
fn a_request_that_fails_leaves_nothing_behind() {
    let mount = Mount::<Notes>::new();
    assert_eq!(
        mount.write("notes/a", json!({ "text": "bad" })).error(),
        &Error::user("not that")
    );
    assert!(mount.stored().is_empty());
}

#[test]
fn numbers_pass_through_with_every_digit() {
    let data: Value = serde_json::from_str(r#"{"n":12345678901234567890.125}"#).unwrap();
    let reply = Mount::<Notes>::new().write("echo/x/y", data);
    assert_eq!(
        reply.data().to_string(),
        r#"{"path":"x/y","data":{"n":12345678901234567890.125}}"#
    );
}

#[test]
fn special_paths_come_from_the_routes() {
    let paths = Mount::<Notes>::new().special_paths();
    assert_eq!(paths.unauthenticated, ["public/+"]);
    assert_eq!(paths.root, ["admin"]);
}

#[test]
fn a_tick_does_nothing_where_there_is_nothing_to_do() {
    assert_eq!(Mount::<Notes>::new().tick().status(), 204);
}

struct ByOption;

const NEW: Routes = &[&route("new/{name}").read(read).write(write)];

impl Engine for ByOption {
    const DESCRIPTION: Description =
        Description::new("by-option", "1.2.3", "Serves other routes by an option.");
    const ROUTES: Routes = &[&route("old").read(config)];

    fn routes(system: &System) -> Routes {
        match system.config().get("version") {
            Some("2") => NEW,
            _ => Self::ROUTES,
        }
    }
}

#[test]
fn an_option_of_the_mount_can_choose_other_routes() {
    let old = Mount::<ByOption>::new();
    assert_eq!(old.read("new/a").error(), &Error::UnsupportedPath);
    let new = Mount::<ByOption>::with_options(&[("version", "2")]);
    assert_eq!(new.write("new/a", json!({ "text": "x" })).status(), 200);
    assert_eq!(new.read("old").error(), &Error::UnsupportedPath);
    assert!(
        new.help("").data()["help"]
            .as_str()
            .unwrap()
            .contains("new/{name}")
    );
}
