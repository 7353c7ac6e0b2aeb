//! Requests, and the answers to their errors.

use super::plugin::Plugin;
use super::server::StorageDouble;
use super::soon;
use crate::proto::pb;

fn error(reply: pb::HandleRequestReply) -> (u32, i64, String) {
    assert_eq!(reply.response, None);
    let error = reply.err.unwrap();
    (error.err_type, error.err_code, error.err_msg)
}

#[tokio::test]
async fn data_comes_back_as_it_went() {
    let plugin = Plugin::start(&StorageDouble::vault()).await;
    let mount = plugin.mounted("one").await;
    let exact = r#"{ "n": 12345678901234567890.10, "s": "☃" }"#;
    assert_eq!(
        mount.ask("echo", exact).await.unwrap().response.unwrap().data,
        exact
    );
    for none in ["null", ""] {
        assert_eq!(
            mount.ask("echo", none).await.unwrap().response.unwrap().data,
            "null"
        );
    }
    assert_eq!(
        mount.ask("nothing", "null").await.unwrap(),
        pb::HandleRequestReply::default()
    );
}

#[tokio::test]
async fn messages_may_be_larger_than_grpcs_default() {
    let storage = StorageDouble::vault();
    let plugin = Plugin::start(&storage).await;
    let mount = plugin.mounted("one").await;
    let large = format!(r#"{{"value":"{}"}}"#, "x".repeat(6 << 20));
    assert_eq!(
        mount.ask("echo", &large).await.unwrap().response.unwrap().data,
        large
    );
}

#[tokio::test]
async fn errors_are_sent_as_what_vault_makes_the_right_status_of() {
    let plugin = Plugin::start(&StorageDouble::vault()).await;
    let mount = plugin.mounted("one").await;
    let user = mount.ask("user", "null").await.unwrap();
    assert_eq!(user.response.unwrap().data, r#"{"error":"no such role"}"#);
    assert_eq!(user.err, None);
    assert_eq!(
        error(mount.ask("coded", "null").await.unwrap()),
        (3, 418, "short and stout".into())
    );
    assert_eq!(error(mount.ask("elsewhere", "null").await.unwrap()).0, 6);
}

#[tokio::test]
async fn an_answer_that_vault_cannot_read_is_an_internal_error() {
    let plugin = Plugin::start(&StorageDouble::vault()).await;
    let mount = plugin.mounted("one").await;
    let complaint = "the engine answered what Vault cannot read: data: not a JSON object";
    assert_eq!(
        error(mount.ask("not-an-object", "null").await.unwrap()),
        (2, 0, complaint.into())
    );
}

#[tokio::test]
async fn help_is_never_nothing_and_costs_no_other_mount_its_documentation() {
    let plugin = Plugin::start(&StorageDouble::vault()).await;
    let mount = plugin.mounted("one").await;
    assert_eq!(mount.help("request", "a").await.response.unwrap().data, "null");
    assert_eq!(mount.help("", "").await.response.unwrap().data, "null");
    assert_eq!(error(mount.help("request", "").await), (2, 0, "no help".into()));
}

#[tokio::test]
async fn a_panic_is_an_error_of_its_request_alone() {
    let plugin = Plugin::start(&StorageDouble::vault()).await;
    let mount = plugin.mounted("one").await;
    let panic = error(mount.ask("panic", "null").await.unwrap());
    assert_eq!(
        panic,
        (2, 0, "the engine panicked; the plugin's log says where".into())
    );
    assert!(mount.ask("mount", "null").await.unwrap().response.is_some());
}

#[tokio::test]
async fn existence_checks_answer_found_exists_and_errors() {
    let plugin = Plugin::start(&StorageDouble::vault()).await;
    let mount = plugin.mounted("one").await;
    let answer = async |path| {
        let reply = mount.exists(path).await.unwrap();
        (
            reply.check_found,
            reply.exists,
            reply.err.map(|error| error.err_type),
        )
    };
    assert_eq!(answer("there").await, (true, true, None));
    assert_eq!(answer("not-there").await, (true, false, None));
    assert_eq!(answer("unchecked").await, (false, false, None));
    assert_eq!(answer("user").await, (false, false, Some(1)));
}

#[tokio::test]
async fn work_goes_on_when_the_caller_hangs_up() {
    let storage = StorageDouble::vault();
    let plugin = Plugin::start(&storage).await;
    let mount = plugin.mounted("one").await;
    let caller = {
        let mount = mount.clone();
        tokio::spawn(async move { mount.ask("slow", "null").await })
    };
    soon(plugin.signals.started.notified()).await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    // After a round trip on the same connection, the plugin has seen that the caller went away.
    mount.special_paths().await.unwrap();
    plugin.signals.go_on.notify_one();
    soon(plugin.signals.done.notified()).await;
    assert_eq!(storage.keys(), ["slow"]);
}

#[tokio::test]
async fn an_engine_can_tell_that_its_caller_hung_up() {
    let plugin = Plugin::start(&StorageDouble::vault()).await;
    let mount = plugin.mounted("one").await;
    let caller = {
        let mount = mount.clone();
        tokio::spawn(async move { mount.ask("wait-for-hang-up", "null").await })
    };
    soon(plugin.signals.started.notified()).await;
    caller.abort();
    soon(plugin.signals.done.notified()).await;
}

#[tokio::test]
async fn a_standbys_refusal_goes_back_as_the_text_that_makes_it_forward() {
    let storage = StorageDouble::vault();
    let plugin = Plugin::start(&storage).await;
    let mount = plugin.mounted("one").await;
    storage.refuse_writes("cannot write to readonly storage");
    let refusal = error(mount.ask("store", "null").await.unwrap());
    assert_eq!(refusal, (0, 0, "cannot write to readonly storage".into()));
}

#[tokio::test]
async fn events_and_observations_are_unsupported_where_the_server_has_none() {
    let plugin = Plugin::start(&StorageDouble::openbao()).await;
    let mount = plugin.mounted("one").await;
    let event = error(mount.ask("event", "null").await.unwrap()).2;
    assert_eq!(event, "the server does not offer sending of an event");
    let observation = error(mount.ask("observation", "null").await.unwrap()).2;
    assert_eq!(
        observation,
        "the server does not offer recording of an observation"
    );
}
