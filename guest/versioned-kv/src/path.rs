//! Names the type of the routes that the other modules declare.

use airlock_sdk::route::AnyRoute;

/// The route of a path, with any types.
pub(crate) type Path = &'static AnyRoute;
