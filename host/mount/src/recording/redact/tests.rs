use serde_json::json;

use super::*;

const SECRET: &str = "canary-of-a-secret-7f3a";

fn redaction() -> Redaction {
    let document = json!({"paths": {"/keys/{name}": {"parameters": [{"name": "name", "in": "path"}]}}});
    let mut vocabulary = Vocabulary::of(b"issuer created password of");
    vocabulary.add(&document);
    Redaction {
        tokens: Tokens::new().unwrap(),
        vocabulary,
    }
}

#[test]
fn json_keeps_its_shape_and_its_equalities() {
    let value = json!({
        "issuer": SECRET, SECRET: [SECRET, {"issuer": null}], "name": true, "created": 1234, "password": "7",
        "of": [-12.5, 0.5, 3, "1234", 12345678901234567890_u64],
    });
    let redaction = redaction();
    let redacted = redaction.value(&value);
    let text = redacted.to_string();
    assert!(!text.contains(SECRET) && !text.contains("1234"), "{text}");
    let token = redaction.text(SECRET);
    assert_eq!(token.len(), 32);
    assert_eq!(redacted["issuer"], json!(token));
    assert_eq!(redacted[&token], json!([token, {"issuer": null}]));
    assert_eq!(
        (&redacted["name"], &redacted["password"]),
        (&json!(true), &json!("7"))
    );
    // A number and the text of the same number have the same token.
    assert_eq!(
        redacted["created"].to_string(),
        redacted["of"][3].as_str().unwrap()
    );
    let of = redacted["of"].as_array().unwrap();
    assert!(
        of[0].as_f64().unwrap() < -9.0 && of[0].to_string().len() == 5,
        "{text}"
    );
    // All digits are one run; a digit alone stays.
    assert!(
        of[1].as_f64().is_some_and(|number| number >= 1.0) && of[1].to_string().len() == 3,
        "{text}"
    );
    assert_eq!(of[2], 3);
    assert!(of[4].is_u64(), "{text}");
}

#[test]
fn paths_and_stored_texts_have_the_same_tokens() {
    let redaction = redaction();
    let path = redaction.path(&format!("keys/{SECRET}/7/"));
    assert_eq!(path, format!("keys/{}/7/", redaction.text(SECRET)));
    assert_eq!(
        redaction.stored(SECRET.as_bytes()),
        redaction.text(SECRET).into_bytes()
    );
    let json = redaction.stored(json!({"issuer": SECRET}).to_string().as_bytes());
    assert_eq!(
        json,
        json!({"issuer": redaction.text(SECRET)}).to_string().into_bytes()
    );
    let bytes = redaction.stored(b"\xff\xfe\x00secret bytes");
    assert!(bytes.len() == 16 && !bytes.windows(6).any(|part| part == b"secret"));
}

#[test]
fn a_text_with_slashes_that_is_no_path_keeps_none_of_them() {
    let redaction = redaction();
    let key = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIP//////////////////////////////////////////\n-----END PRIVATE KEY-----\n";
    for text in [
        key,
        "a note/with/slashes in it",
        &key.replace("PRIVATE KEY", "MY KEY"),
    ] {
        let value = redaction.value(&json!({ "issuer": text }));
        let token = value["issuer"].as_str().unwrap();
        assert!(!token.contains('/'), "{text}: {token}");
        assert_eq!(redaction.text(text), token);
    }
    assert!(redaction.text(key).starts_with("-----BEGIN PRIVATE KEY-----\n"));
    // A path in a value has the tokens of the path.
    assert_eq!(redaction.text("a/b"), redaction.path("a/b"));
}

#[test]
fn callers_keep_only_their_shape_and_equalities() {
    let text = |name: &str| format!("{SECRET}-{name}");
    let pairs = BTreeMap::from([
        ("issuer".to_owned(), text("value")),
        (text("name"), text("value")),
    ]);
    let entity = Entity {
        id: text("entity"),
        name: text("entity-name"),
        aliases: vec![Alias {
            id: text("alias"),
            name: text("alias-name"),
            mount_type: text("type"),
            mount_accessor: text("accessor"),
            metadata: pairs.clone(),
            ..Alias::default()
        }],
        metadata: pairs.clone(),
        disabled: true,
        ..Entity::default()
    };
    let group = Group {
        id: text("group"),
        name: text("group-name"),
        metadata: pairs,
        ..Group::default()
    };
    let heard = Heard {
        system: vec![
            (
                format!("entity_info {SECRET}-entity"),
                SystemAnswer::Entity(Ok(Some(entity))),
            ),
            (
                format!("groups_for_entity {SECRET}-entity"),
                SystemAnswer::Groups(Ok(vec![group])),
            ),
            (
                format!("identity_token {SECRET} 0"),
                SystemAnswer::Token(Ok((text("token"), 3600))),
            ),
            (
                "groups_for_entity x".to_owned(),
                SystemAnswer::Groups(Err(SystemError::Busy(text("words")))),
            ),
        ],
        ..Heard::default()
    };
    let redaction = redaction();
    let token = |name: &str| redaction.text(&text(name));
    let told = crate::recording::format::Told::of(redaction.heard(&heard));
    let told = serde_json::to_value(&told).unwrap();
    assert!(!told.to_string().contains("canary"), "{told}");
    let pairs = json!({"issuer": token("value"), token("name"): token("value")});
    assert_eq!(
        told["system"],
        json!([
            ["entity_info", {"entity": {"Ok": {
                "id": token("entity"),
                "name": token("entity-name"),
                "aliases": [[token("alias"), token("alias-name"), token("type"), token("accessor"), pairs]],
                "metadata": pairs,
                "disabled": true,
            }}}],
            ["groups_for_entity", {"groups": {"Ok": [
                {"id": token("group"), "name": token("group-name"), "metadata": pairs},
            ]}}],
            ["identity_token", {"token": {"Ok": [token("token"), 3600]}}],
            ["groups_for_entity", {"groups": {"Err": "busy"}}],
        ])
    );
}

#[test]
fn no_field_of_a_request_keeps_its_text() {
    let text = |name: &str| format!("{SECRET}-{name}");
    let mut request = types::Request::new(types::Operation::Update, text("path"));
    for field in [
        &mut request.id,
        &mut request.mount_point,
        &mut request.mount_type,
        &mut request.mount_accessor,
        &mut request.entity_id,
        &mut request.display_name,
        &mut request.client_token,
        &mut request.client_token_accessor,
        &mut request.replication_cluster,
        &mut request.recover_source_path,
    ] {
        *field = text("field");
    }
    request.data = Json::from_text(json!({SECRET: SECRET}).to_string());
    request.headers = vec![types::Header {
        name: text("header"),
        values: vec![text("value")],
    }];
    request.connection = Some(types::Connection {
        remote_addr: text("address"),
        remote_port: 4321,
    });
    request.secret = Some(Secret {
        internal_data: request.data.clone(),
        lease_id: text("lease"),
        ..Secret::default()
    });
    let redacted = redaction().request(&request).unwrap();
    let written = crate::recording::format::Asked::of(redacted);
    let written = serde_json::to_string(&written).unwrap();
    assert!(
        !written.contains("canary") && !written.contains("4321"),
        "{written}"
    );
}

#[test]
fn what_a_run_heard_keeps_no_key_and_no_word_of_the_server() {
    let heard = Heard {
        lookups: vec![
            Lookup::Get {
                key: SECRET.to_owned(),
                entry: Some(StorageEntry::new(SECRET, SECRET)),
            },
            Lookup::List {
                folder: format!("{SECRET}/"),
                page: Some((SECRET.to_owned(), 7)),
                names: vec![SECRET.to_owned(), format!("{SECRET}/")],
            },
        ],
        times: vec![SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000)],
        random: vec![SECRET.as_bytes().to_vec()],
        system: vec![
            (
                format!("entity_info {SECRET}"),
                SystemAnswer::Entity(Err(SystemError::Failed(SECRET.to_owned()))),
            ),
            (
                "vault_version ".to_owned(),
                SystemAnswer::Text(Ok("1.21.0".to_owned())),
            ),
            (
                format!("generate_password {SECRET}"),
                SystemAnswer::Text(Ok(SECRET.to_owned())),
            ),
        ],
    };
    let redaction = redaction();
    let redacted = redaction.heard(&heard);
    assert_eq!(redacted.random[0].len(), SECRET.len());
    assert_ne!(redacted.times, heard.times);
    let written = crate::recording::format::Told::of(redacted.clone());
    let written = serde_json::to_string(&written).unwrap();
    assert!(!written.contains("canary"), "{written}");
    assert!(written.contains(&redaction.text(SECRET)), "{written}");
    assert!(written.contains("1.21.0"), "{written}");
}
