//! Ends a request at once, as the host does if an import has no error to return.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::Error;

/// The reason why a request was ended. It unwinds the engine's stack like a panic, but nothing prints it.
struct Stop(Error);

/// Ends the running request with this error, whatever its engine would do next.
pub(super) fn stop(error: Error) -> ! {
    resume_unwind(Box::new(Stop(error)))
}

/// Runs a request to its end, or until it is stopped. A panic of the engine continues.
///
/// The caller has to drop what a stopped request has written: then nobody sees the state that unwinding left.
pub(super) fn until_stopped<T>(request: impl FnOnce() -> T) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(request)).map_err(|panic: Box<dyn Any + Send>| {
        match panic.downcast::<Stop>() {
            Ok(stop) => stop.0,
            Err(panic) => resume_unwind(panic),
        }
    })
}
