//! Implements the exports of the contract for an engine.

use std::marker::PhantomData;

use crate::bindings::airlock::engine::{log, types as wit};
use crate::bindings::exports::airlock::engine::backend;
use crate::engine::storage_prefixes;
use crate::host::Host;
use crate::{Engine, Options, dispatch};

/// The component of an engine.
pub struct Component<E>(PhantomData<fn() -> E>);

impl<E: Engine> backend::Guest for Component<E> {
    fn describe() -> backend::Description {
        let description = E::DESCRIPTION;
        let owned = |prefixes: &[&str]| prefixes.iter().map(|prefix| prefix.to_string()).collect();
        backend::Description {
            name: description.name.into(),
            version: description.version.into(),
            about: description.about.into(),
            storage_version: description.storage_version,
            storage: owned(&storage_prefixes::<E>()),
            cacheable: owned(description.cacheable),
            redo_record: description.redo_record,
            scratch_bytes: description.scratch_bytes,
            needs: backend::Needs {
                memory_bytes: description.needs.memory_bytes,
                cpu_milliseconds: description.needs.cpu_milliseconds,
                wall_milliseconds: description.needs.wall_milliseconds,
                storage_operations: description.needs.storage_operations,
            },
        }
    }

    fn special_paths(config: Vec<(String, String)>) -> backend::Paths {
        let paths = E::special_paths(&Options(config));
        backend::Paths {
            root: paths.root,
            unauthenticated: paths.unauthenticated,
            local_storage: paths.local_storage,
            seal_wrap_storage: paths.seal_wrap_storage,
            write_forwarded_storage: paths.write_forwarded_storage,
            limited: paths.limited,
            allow_snapshot_read: paths.allow_snapshot_read,
        }
    }

    fn initialize() -> Result<(), wit::Error> {
        log_panics();
        dispatch::initialize::<E>(&Host).map_err(Into::into)
    }

    fn handle_request(request: wit::Request) -> Result<Option<wit::Response>, wit::Error> {
        log_panics();
        let response = dispatch::handle::<E>(&Host, request.into())?;
        Ok(response.map(Into::into))
    }

    fn check_existence(request: wit::Request) -> Result<Option<bool>, wit::Error> {
        log_panics();
        dispatch::exists::<E>(&Host, request.into()).map_err(Into::into)
    }

    fn invalidate(key: String) {
        dispatch::invalidate::<E>(&Host, &key);
    }
}

/// Writes to Vault's log where the engine panicked. It leaves out the message, which may hold a secret.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let mut fields = vec![("at".to_owned(), place)];
        if panic.location().is_some_and(|place| is_time_of_std(place.file())) {
            let hint = "a guest has no `SystemTime::now` and `Instant::now`; take the time from `cx.clock`";
            fields.push(("hint".to_owned(), hint.to_owned()));
        }
        log::log(log::Level::Error, "the engine panicked", &fields);
    }));
}

/// Returns true for the file of the standard library whose functions panic, because this target has no clock. Its path
/// differs between versions: `sys/pal/unsupported/time.rs`, `sys/time/unsupported.rs`.
fn is_time_of_std(file: &str) -> bool {
    file.contains("/std/src/sys/") && file.contains("unsupported") && file.contains("time")
}
