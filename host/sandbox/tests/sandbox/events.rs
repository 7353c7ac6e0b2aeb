//! Tests when events leave, and on which thread their request ends.

use std::sync::{Arc, Mutex};

use airlock_sandbox::types::{Operation, Request};
use airlock_sandbox::{Events, Limits, MountContext, Services};
use async_trait::async_trait;

use crate::support::{Bench, sandbox};
use crate::synthetic::Synthetic;

const SEND: &str = r#"
    (import "airlock:engine/events@0.1.0" "send" (func $send (param i32 i32 i32 i32 i32)))
    (data (i32.const 4200) "e/1e/2e/3{}")
    (func $send-all
        (call $send (i32.const 4200) (i32.const 3) (i32.const 4209) (i32.const 2) (i32.const 4300))
        (call $send (i32.const 4203) (i32.const 3) (i32.const 4209) (i32.const 2) (i32.const 4300))
        (call $send (i32.const 4206) (i32.const 3) (i32.const 4209) (i32.const 2) (i32.const 4300)))"#;

/// Keeps the types of events, and the threads that sent them.
#[derive(Default)]
struct Sent(Mutex<Vec<(String, String)>>);

#[async_trait]
impl Events for Sent {
    async fn send(&self, event_type: &str, _: &str) -> Result<(), String> {
        let thread = std::thread::current().name().unwrap_or_default().to_owned();
        self.0.lock().unwrap().push((event_type.to_owned(), thread));
        Ok(())
    }
}

/// Returns what a guest sends that ends with this code, which returns the address of its answer.
async fn sent(data: &str, answer: &'static str) -> Vec<(String, String)> {
    let guest = Synthetic {
        module: format!("{SEND}\n{data}").leak(),
        handle_request: format!("(call $send-all) {answer}").leak(),
        ..Synthetic::default()
    };
    let guest = sandbox().load(&guest.component(), Limits::default()).await;
    let mut bench = Bench::of(guest.unwrap());
    let sent = Arc::new(Sent::default());
    let services = Services {
        events: sent.clone(),
        ..Services::default()
    };
    let storage = bench.mount.storage().clone();
    bench.mount = MountContext::new(storage, services, vec![], bench.guest.limits());
    let outcome = bench.run(Request::new(Operation::Read, "any")).await;
    outcome.result.unwrap();
    std::mem::take(&mut *sent.0.lock().unwrap())
}

#[tokio::test]
async fn events_leave_in_the_order_in_which_they_were_sent() {
    let sent = sent("", "(i32.const 16)").await;
    let types: Vec<_> = sent.iter().map(|(event_type, _)| event_type.as_str()).collect();
    assert_eq!(types, ["e/1", "e/2", "e/3"]);
}

/// An answer whose data are spaces and an empty object at address 65536. The code writes the data's length before it
/// returns.
const DATA: &str =
    r#"(data (i32.const 4096) "\00\00\00\00\00\00\00\00\01\00\00\00\00\00\00\00\01\00\00\00\00\00\01\00")"#;

#[tokio::test]
async fn an_answer_over_256_kib_goes_on_in_the_slow_lane() {
    for (bytes, is_slow) in [(250 << 10, false), (260 << 10, true)] {
        let answer = format!(
            "(drop (memory.grow (i32.const 8)))
            (memory.fill (i32.const 65536) (i32.const 32) (i32.const {bytes}))
            (i32.store16 (i32.const {}) (i32.const 0x7d7b))
            (i32.store (i32.const 4120) (i32.const {bytes}))
            (i32.const 4096)",
            65536 + bytes - 2
        );
        let sent = sent(DATA, answer.leak()).await;
        let in_slow_lane = sent.iter().filter(|(_, thread)| thread == "slow-lane").count();
        assert_eq!(in_slow_lane, if is_slow { 3 } else { 0 }, "{bytes}: {sent:?}");
    }
}
