//! A mount from its registration to its end.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::Status;

use super::plugin::{NOBODY, Plugin};
use super::server::StorageDouble;
use super::soon;
use crate::proto::pb;

#[tokio::test]
async fn a_registration_learns_the_version_and_holds_nothing() {
    let plugin = Plugin::start(&StorageDouble::vault()).await;
    let registration = plugin.mount("registration");
    // Nothing is served at the broker id, so an attempt to dial would fail.
    assert_eq!(registration.register().await.unwrap(), "");
    assert_eq!(plugin.version().await, "v1.2.3");
    assert_eq!(registration.backend_type().await.unwrap(), 1);
    let error = registration.ask("nothing", "null").await.unwrap_err();
    assert_eq!(error.message(), "no backend instance found");
    registration.cleanup().await.unwrap();
}

#[tokio::test]
async fn mounts_of_one_process_have_their_own_options_and_ids() {
    let plugin = Plugin::start(&StorageDouble::vault()).await;
    let (one, other) = (plugin.mount("one"), plugin.mount("other"));
    assert_eq!(one.setup(1, &[("name", "first")]).await.unwrap(), "");
    assert_eq!(other.setup(2, &[("name", "second")]).await.unwrap(), "");
    let data = async |mount: &super::plugin::MountClient| {
        mount.ask("mount", "null").await.unwrap().response.unwrap().data
    };
    assert_eq!(data(&one).await, r#"{"uuid":"one","name":"first"}"#);
    assert_eq!(data(&other).await, r#"{"uuid":"other","name":"second"}"#);

    one.cleanup().await.unwrap();
    assert_eq!(
        one.ask("mount", "null").await.unwrap_err().message(),
        "no backend instance found"
    );
    assert_eq!(data(&other).await, r#"{"uuid":"other","name":"second"}"#);
}

#[tokio::test]
async fn a_setup_that_fails_says_why_and_leaves_no_mount() {
    let plugin = Plugin::start(&StorageDouble::vault()).await;
    let mount = plugin.mount("one");
    assert_eq!(
        mount.setup(1, &[("setup", "fails")]).await.unwrap(),
        "the option setup is wrong"
    );
    assert_eq!(
        mount.setup(1, &[("setup", "panics")]).await.unwrap(),
        "the engine panicked; the plugin's log says where"
    );
    assert_eq!(
        mount.setup(NOBODY, &[]).await.unwrap(),
        "the host did not offer its service 0 within 5 s"
    );
    mount.cleanup().await.unwrap();
}

#[tokio::test]
async fn special_paths_are_answered_without_a_mount_too() {
    let plugin = Plugin::start(&StorageDouble::vault()).await;
    let mount = plugin.mount("one");
    mount.setup(1, &[("setup", "fails")]).await.unwrap();
    assert_eq!(mount.special_paths().await.unwrap(), pb::Paths::default());
    assert_eq!(mount.backend_type().await.unwrap(), 1);
}

#[tokio::test]
async fn a_question_for_a_path_is_no_error_once_the_mount_is_gone() {
    let plugin = Plugin::start(&StorageDouble::vault()).await;
    let mount = plugin.mounted("one").await;
    mount.cleanup().await.unwrap();
    let reply = mount.ask_for_path("mount").await.unwrap();
    assert_eq!(reply.response, None);
    assert_eq!(reply.err.unwrap().err_msg, "unsupported operation");
}

#[tokio::test]
async fn a_second_setup_takes_the_first_mount_down_before_it_begins() {
    let storage = StorageDouble::vault();
    let plugin = Plugin::start(&storage).await;
    let mount = plugin.mounted("one").await;
    let slow = {
        let mount = mount.clone();
        tokio::spawn(async move { mount.ask("slow", "null").await })
    };
    soon(plugin.signals.started.notified()).await;
    let mut again = {
        let mount = mount.clone();
        tokio::spawn(async move { mount.setup(1, &[("name", "second")]).await })
    };
    tokio::select! {
        biased;
        _ = &mut again => panic!("set up over a mount that is still writing"),
        () = soon(plugin.signals.cleaned.notified()) => {}
    }
    plugin.signals.go_on.notify_one();
    soon(slow).await.unwrap().unwrap();
    assert_eq!(soon(again).await.unwrap().unwrap(), "");
    assert_eq!(storage.keys(), ["slow"]);
    let data = mount.ask("mount", "null").await.unwrap().response.unwrap().data;
    assert_eq!(data, r#"{"uuid":"one","name":"second"}"#);
}

#[tokio::test]
async fn a_cleanup_during_a_slow_setup_leaves_no_mount() {
    let plugin = Plugin::start(&StorageDouble::vault()).await;
    let mount = plugin.mount("one");
    let setup = {
        let mount = mount.clone();
        tokio::spawn(async move { mount.setup(1, &[("setup", "slow")]).await })
    };
    soon(plugin.signals.started.notified()).await;
    mount.cleanup().await.unwrap();
    plugin.signals.go_on.notify_one();
    let answer = soon(setup).await.unwrap().unwrap();
    assert_eq!(answer, "the mount was taken down while it was set up");
    soon(plugin.signals.cleaned.notified()).await;
    let error = mount.ask("mount", "null").await.unwrap_err();
    assert_eq!(error.message(), "no backend instance found");
}

#[tokio::test]
async fn initialize_answers_the_engines_error() {
    let plugin = Plugin::start(&StorageDouble::vault()).await;
    let mount = plugin.mount("one");
    mount.setup(1, &[("initialize", "fails")]).await.unwrap();
    assert_eq!(mount.initialize().await.unwrap().unwrap().err_msg, "no key");
}

#[tokio::test]
async fn a_call_without_an_id_is_refused() {
    let plugin = Plugin::start(&StorageDouble::vault()).await;
    let mut client = plugin.mounted("one").await.client;
    let error = client.special_paths(pb::Empty {}).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::InvalidArgument);
}

#[tokio::test]
async fn special_paths_and_invalidated_keys_reach_their_ends() {
    let plugin = Plugin::start(&StorageDouble::vault()).await;
    let mount = plugin.mounted("one").await;
    assert_eq!(mount.special_paths().await.unwrap().unauthenticated, ["open/*"]);
    mount.invalidate("policy/metadata").await.unwrap();
    soon(plugin.signals.done.notified()).await;
}

#[tokio::test]
async fn cleanup_waits_for_calls_that_are_still_running() {
    let storage = StorageDouble::vault();
    let plugin = Plugin::start(&storage).await;
    let mount = plugin.mounted("one").await;
    let slow = {
        let mount = mount.clone();
        tokio::spawn(async move { mount.ask("slow", "null").await })
    };
    soon(plugin.signals.started.notified()).await;
    let mut cleanup = {
        let mount = mount.clone();
        tokio::spawn(async move { mount.cleanup().await })
    };
    assert!(
        tokio::time::timeout(std::time::Duration::from_millis(50), &mut cleanup)
            .await
            .is_err()
    );
    plugin.signals.go_on.notify_one();
    soon(cleanup).await.unwrap().unwrap();
    soon(slow).await.unwrap().unwrap();
    assert_eq!(storage.keys(), ["slow"]);
}

#[tokio::test]
async fn what_an_engine_left_running_finds_storage_closed() {
    let plugin = Plugin::start(&StorageDouble::vault()).await;
    let mount = plugin.mounted("one").await;
    mount.ask("after-the-end", "null").await.unwrap();
    mount.cleanup().await.unwrap();
    plugin.signals.go_on.notify_one();
    soon(plugin.signals.done.notified()).await;
}

/// Starts a call of a mount in a task of its own, and waits until the engine has begun to work on it.
async fn begun(plugin: &Plugin, path: &'static str) -> JoinHandle<Result<pb::HandleRequestReply, Status>> {
    let mount = plugin.mounted("one").await;
    let call = tokio::spawn(async move { mount.ask(path, "null").await });
    soon(plugin.signals.started.notified()).await;
    call
}

/// Returns true if a call is still unanswered after everything that can happen at once has happened.
async fn is_unanswered<T>(call: &mut JoinHandle<T>) -> bool {
    timeout(Duration::from_millis(50), call).await.is_err()
}

#[tokio::test]
async fn the_end_of_the_process_answers_the_calls_that_are_done() {
    let storage = StorageDouble::vault();
    let plugin = Plugin::start(&storage).await;
    let slow = begun(&plugin, "slow").await;
    let ending = {
        let mounts = plugin.mounts.clone();
        tokio::spawn(async move { mounts.end_all().await })
    };
    plugin.signals.go_on.notify_one();
    soon(ending).await.unwrap();
    soon(slow).await.unwrap().unwrap();
    assert_eq!(storage.keys(), ["slow"]);
}

#[tokio::test]
async fn the_end_of_the_process_does_not_wait_for_calls_that_are_not() {
    let plugin = Plugin::start(&StorageDouble::vault()).await;
    let mut slow = begun(&plugin, "slow").await;
    soon(plugin.mounts.end_all()).await;
    assert!(is_unanswered(&mut slow).await);
}

#[tokio::test]
async fn calls_that_the_end_makes_fail_are_left_to_be_sent_again() {
    let storage = StorageDouble::vault();
    let plugin = Plugin::start(&storage).await;
    let mut slow = begun(&plugin, "slow").await;
    plugin.server_leaves.cancel();
    plugin.signals.go_on.notify_one();
    // Storage is closed at once, although its server would still answer.
    soon(plugin.mounts.end_all()).await;
    assert!(is_unanswered(&mut slow).await);
    assert_eq!(storage.keys(), [""; 0]);
}

#[tokio::test]
async fn calls_that_come_at_the_end_are_not_begun() {
    let plugin = Plugin::start(&StorageDouble::vault()).await;
    let mount = plugin.mounted("one").await;
    plugin.mounts.end_all().await;
    let other = mount.clone();
    let mut request = tokio::spawn(async move { mount.ask("nothing", "null").await });
    let mut check = tokio::spawn(async move { other.exists("there").await });
    assert!(is_unanswered(&mut request).await);
    assert!(is_unanswered(&mut check).await);
}

#[tokio::test]
async fn a_call_whose_link_breaks_awaits_the_end_that_is_announced_after() {
    let storage = StorageDouble::vault();
    let plugin = Plugin::start(&storage).await;
    let mut slow = begun(&plugin, "slow").await;
    storage.hang_up();
    plugin.signals.go_on.notify_one();
    assert!(is_unanswered(&mut slow).await);
    plugin.server_leaves.cancel();
    assert!(is_unanswered(&mut slow).await);
}

#[tokio::test]
async fn a_call_whose_link_breaks_for_another_reason_is_answered() {
    let storage = StorageDouble::vault();
    let plugin = Plugin::start(&storage).await;
    let slow = begun(&plugin, "slow").await;
    storage.hang_up();
    plugin.signals.go_on.notify_one();
    let reply = soon(slow).await.unwrap().unwrap();
    assert!(reply.err.unwrap().err_msg.contains("was not answered"));
}
