//! `Debug` shows nothing secret: here each text that could be secret is the same one.

use std::time::Duration;

use crate::*;

const SECRET: &str = "hunter2";

fn json() -> Json {
    Json::from_text(format!("{{\"{SECRET}\":\"{SECRET}\"}}")).unwrap()
}

fn secret() -> Secret {
    Secret {
        lease_id: SECRET.into(),
        ..Secret::new(Duration::from_secs(1), json())
    }
}

fn auth() -> Auth {
    Auth {
        client_token: SECRET.into(),
        internal_data: Some(json()),
        ..Auth::default()
    }
}

#[test]
fn debug_shows_no_secret() {
    let mut request = Request::new(Operation::Update, SECRET);
    request.data = Some(json());
    request.client_token = SECRET.into();
    request.client_token_accessor = SECRET.into();
    request.secret = Some(secret());
    request.auth = Some(auth().into());
    request.headers.insert("X-A".into(), vec![SECRET.into()]);
    request.recover_source_path = SECRET.into();
    let wrapped = WrapInfo {
        token: SECRET.into(),
        creation_path: SECRET.into(),
        ..WrapInfo::default()
    };
    let mut response = Response::new()
        .with_data(json())
        .with_secret(secret())
        .with_warning(SECRET);
    response = response
        .with_header("X-A", SECRET)
        .with_redirect(SECRET)
        .with_wrap_info(wrapped.clone());
    response.auth = Some(auth().into());
    let raw = RawHttp {
        status: 200,
        content_type: "text/plain".into(),
        body: SECRET.into(),
    };
    let event = Event {
        metadata: Some(json()),
        ..Event::default()
    };
    let shown = [
        format!("{request:?}"),
        format!("{response:?}"),
        format!("{raw:?}"),
        format!("{wrapped:?}"),
        format!("{event:?}"),
        format!("{:?}", StorageEntry::new(SECRET, SECRET)),
        format!("{:?}", json()),
    ];
    for text in shown {
        assert!(!text.contains(SECRET), "{text}");
    }
}
