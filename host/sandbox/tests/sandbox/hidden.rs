//! The host keeps its own records in the mount's storage. A guest that may use every key can neither see nor change
//! them.

use airlock_sandbox::Limits;
use airlock_sandbox::types::{Operation, Request};

use crate::support::{Bench, sandbox};
use crate::synthetic::{ANY_KEY, Synthetic};

/// Imports, and functions that trap unless the answer at address 4300 is `denied`, or a list of one name.
const EXPECTATIONS: &str = r#"
    (import "airlock:engine/storage@0.1.0" "get" (func $get (param i32 i32 i32)))
    (import "airlock:engine/storage@0.1.0" "put" (func $put (param i32 i32 i32 i32 i32 i32)))
    (import "airlock:engine/storage@0.1.0" "delete" (func $delete (param i32 i32 i32)))
    (import "airlock:engine/storage@0.1.0" "list" (func $list (param i32 i32 i32)))
    (import "airlock:engine/storage@0.1.0" "list-page" (func $list-page (param i32 i32 i32 i32 i32 i32)))
    (data (i32.const 4200) ".airlock/told")
    (func $expect-denied
        (if (i32.eqz (i32.load8_u (i32.const 4300))) (then unreachable))
        (if (i32.ne (i32.load8_u (i32.const 4304)) (i32.const 1)) (then unreachable)))
    (func $expect-one-name
        (if (i32.load8_u (i32.const 4300)) (then unreachable))
        (if (i32.ne (i32.load (i32.const 4308)) (i32.const 1)) (then unreachable)))"#;

#[tokio::test]
async fn a_guest_of_every_key_meets_none_of_the_hosts() {
    let guest = Synthetic {
        module: format!("{EXPECTATIONS}\n{ANY_KEY}").leak(),
        handle_request: "
            (call $list (i32.const 0) (i32.const 0) (i32.const 4300)) (call $expect-one-name)
            (call $list-page (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 9) (i32.const 4300))
            (call $expect-one-name)
            (call $list (i32.const 4200) (i32.const 9) (i32.const 4300)) (call $expect-denied)
            (call $get (i32.const 4200) (i32.const 13) (i32.const 4300)) (call $expect-denied)
            (call $put (i32.const 4200) (i32.const 13) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 4300))
            (call $expect-denied)
            (call $delete (i32.const 4200) (i32.const 13) (i32.const 4300)) (call $expect-denied)
            (i32.const 16)",
        ..Synthetic::default()
    };
    let guest = sandbox().load(&guest.component(), Limits::default()).await;
    let bench = Bench::of(guest.unwrap());
    bench.store(".airlock/told", "the host's");
    bench.store("own", "1");
    let outcome = bench.run(Request::new(Operation::Read, "any")).await;
    outcome.result.unwrap();
    assert_eq!(bench.stored(".airlock/told").unwrap(), "the host's");
}
