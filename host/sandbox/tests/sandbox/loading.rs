//! Tests what is refused at load, and the errors that say so.

use std::time::Duration;

use airlock_sandbox::{CallError, Guest, Limit, Limits, LoadError};

use crate::support::{component, load, sandbox};
use crate::synthetic::Synthetic;

async fn try_load(component: &[u8], limits: Limits) -> Result<Guest, LoadError> {
    sandbox().load(component, limits).await
}

async fn refused(component: &[u8]) -> LoadError {
    match try_load(
        component,
        Limits {
            start: Duration::from_millis(200),
            ..Limits::default()
        },
    )
    .await
    {
        Ok(_) => panic!("it was loaded"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_guest_says_what_it_is() {
    let guest = load("kv", Limits::default()).await;
    assert_eq!(guest.description().name, "kv");
    assert_eq!(guest.description().storage, ["kv/"]);
    assert_eq!(guest.digest().len(), 64);
    assert!(
        guest
            .imports()
            .iter()
            .all(|import| import.starts_with("airlock:engine/")),
        "{:?}",
        guest.imports()
    );
    let paths = load("adversary", Limits::default())
        .await
        .special_paths(&[])
        .await
        .unwrap();
    assert_eq!(paths.root, ["root/*"]);
}

/// A request looks up only the export that it calls, so all of them have to be checked before.
#[tokio::test]
async fn a_guest_with_an_export_of_another_type_is_not_loaded() {
    let guest = Synthetic::default();
    let wit = guest
        .wit
        .replace("invalidate: func(key: string)", "invalidate: func(key: list<u8>)");
    assert_ne!(wit, guest.wit);
    let guest = Synthetic { wit, ..guest };
    assert!(try_load(&guest.component(), Limits::default()).await.is_err());
}

#[tokio::test]
async fn a_synthetic_guest_loads() {
    let guest = try_load(&Synthetic::default().component(), Limits::default())
        .await
        .unwrap();
    assert_eq!(
        (
            guest.description().name.as_str(),
            guest.description().version.as_str()
        ),
        ("synthetic", "1.0.0")
    );
}

#[tokio::test]
async fn what_is_no_component_is_refused() {
    assert!(matches!(refused(b"not wasm").await, LoadError::NotAComponent(_)));
    let module = wat::parse_str("(module)").unwrap();
    let error = refused(&module).await.to_string();
    assert!(
        error.contains("core module") && error.contains("airlock componentize"),
        "{error}"
    );
}

#[tokio::test]
async fn a_damaged_component_is_refused() {
    let mut bytes = component("kv");
    bytes.truncate(bytes.len() / 2);
    assert!(matches!(refused(&bytes).await, LoadError::Compile(_)));
}

#[tokio::test]
async fn another_version_of_the_contract_is_refused_with_both_versions() {
    let error = refused(&Synthetic::version("0.2.0").component()).await;
    assert_eq!(
        error.to_string(),
        "built for version 0.2.0 of the airlock:engine contract, and this host serves 0.1.0: use a newer airlock"
    );
    let error = refused(&Synthetic::version("0.0.3").component())
        .await
        .to_string();
    assert!(
        error.contains("0.0.3") && error.contains("0.1.0") && error.contains("rebuild"),
        "{error}"
    );
}

#[tokio::test]
async fn an_import_that_is_not_granted_is_named() {
    let guest = Synthetic {
        module: r#"(import "other:net/sockets@1.0.0" "open" (func (result i32)))"#,
        ..Synthetic::importing(
            "other:net/sockets@1.0.0",
            "package other:net@1.0.0 { interface sockets { open: func() -> u32; } }",
        )
    };
    match refused(&guest.component()).await {
        LoadError::Ungranted { import } => assert_eq!(import, "other:net/sockets@1.0.0"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_component_that_is_no_engine_is_refused() {
    let empty = b"\0asm\x0d\0\x01\0";
    assert!(matches!(refused(empty).await, LoadError::NotAnEngine));
}

#[tokio::test]
async fn a_describe_that_never_ends_meets_its_deadline() {
    let guest = Synthetic {
        describe: "(loop (br 0)) unreachable",
        ..Synthetic::default()
    };
    match refused(&guest.component()).await {
        LoadError::Describe(CallError::Limit { exceeded, .. }) => {
            assert_eq!(exceeded.limit, Limit::Start);
            assert_eq!(
                exceeded.to_string(),
                "over the limit of 200 ms to start (--start-ms)"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_describe_that_calls_an_import_is_refused() {
    let guest = Synthetic {
        module: r#"(import "airlock:engine/clock@0.1.0" "now" (func $now (param i32)))"#,
        describe: "(call $now (i32.const 0)) (i32.const 1024)",
        ..Synthetic::default()
    };
    let error = refused(&guest.component()).await;
    assert!(
        matches!(error, LoadError::Describe(CallError::Contract { .. })),
        "{error:?}"
    );
    assert!(error.to_string().contains("clock.now"), "{error}");
}

#[tokio::test]
async fn a_describe_that_points_outside_its_memory_is_a_trap() {
    let guest = Synthetic {
        describe: "(i32.const -16)",
        ..Synthetic::default()
    };
    assert!(matches!(
        refused(&guest.component()).await,
        LoadError::Describe(CallError::Trap { .. })
    ));
}

#[tokio::test]
async fn a_description_that_makes_no_sense_is_refused() {
    let guest = Synthetic {
        describe: "(i32.const 4096)",
        ..Synthetic::default()
    };
    assert!(
        refused(&guest.component())
            .await
            .to_string()
            .contains("its description is wrong: the name")
    );
}

#[tokio::test]
async fn a_memory_that_starts_over_the_limit_is_refused() {
    let limits = Limits {
        memory_bytes: 64 << 10,
        ..Limits::default()
    };
    match try_load(&component("kv"), limits).await.map(|_| ()) {
        Err(LoadError::Describe(CallError::Limit { exceeded, .. })) => {
            assert_eq!(exceeded.limit, Limit::Memory);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn more_memories_or_tables_than_the_pool_has_are_refused() {
    let guest = Synthetic {
        module: "(table 1 funcref) ".repeat(6).leak(),
        ..Synthetic::default()
    };
    let error = refused(&guest.component()).await;
    assert!(matches!(error, LoadError::Link(_)), "{error:?}");
    let guest = Synthetic {
        module: "(table 2000000 funcref)",
        ..Synthetic::default()
    };
    let error = refused(&guest.component()).await;
    assert!(matches!(error, LoadError::Link(_)), "{error:?}");
}
