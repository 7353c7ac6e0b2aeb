//! Declares routes: the paths of an engine, and the functions for their operations.
//!
//! ```
//! # use airlock_sdk::{Context, Response, Result, Routes, fields, route};
//! fields! {
//!     struct At {
//!         /// Name of the key's owner.
//!         name: String,
//!     }
//! }
//!
//! # fn read_key(_: &Context, _: At) -> Result<Option<Response>> { Ok(None) }
//! # fn delete_key(_: &Context, _: At) -> Result<()> { Ok(()) }
//! # fn list_keys(_: &Context, _: ()) -> Result<Response> { Ok(Response::list([""; 0])) }
//! const ROUTES: Routes = &[
//!     &route("keys/").synopsis("List the keys.").list(list_keys),
//!     &route("keys/{name}").synopsis("One key.").read(read_key).delete(delete_key),
//! ];
//! ```
//!
//! The first route that matches is used, whatever its operations. `{name}` matches one segment, `{name...}` the rest of
//! the path, which may be empty. The captured text becomes the field of that name and takes precedence over the body.
//!
//! The table is a constant, so that it costs a request nothing. A wrong pattern, a captured name that is not a field,
//! an operation declared twice, and a route that no request can reach do not compile, and the error names the route:
//!
//! ```compile_fail
//! # use airlock_sdk::{Context, Response, Result, Routes, fields, route};
//! # fields! { struct At { name: String } }
//! # fn read_key(_: &Context, _: At) -> Result<Option<Response>> { Ok(None) }
//! const ROUTES: Routes = &[&route("keys/{nmae}").read(read_key)];
//! # fn main() { let _ = ROUTES; }
//! ```
//! ```compile_fail
//! # use airlock_sdk::{Context, Response, Result, Routes, fields, route};
//! # fields! { struct At { name: String } }
//! # fn read_key(_: &Context, _: At) -> Result<Option<Response>> { Ok(None) }
//! const ROUTES: Routes = &[&route("keys/{name}").read(read_key).read(read_key)];
//! # fn main() { let _ = ROUTES; }
//! ```
//!
//! ```compile_fail
//! # use airlock_sdk::{Context, Response, Result, Routes, fields, route};
//! # fields! { struct At { name: String } }
//! # fn read_key(_: &Context, _: At) -> Result<Option<Response>> { Ok(None) }
//! # fn read_config(_: &Context, _: ()) -> Result<Option<Response>> { Ok(None) }
//! const ROUTES: Routes = route::checked(&[
//!     &route("keys/{name}").read(read_key),
//!     &route("keys/config").read(read_config), // the route above it matches the same path
//! ]);
//! # fn main() { let _ = ROUTES; }
//! ```
//!
//! [`export!`](crate::export) checks the order of [`Engine::ROUTES`](crate::Engine::ROUTES); [`checked`] checks a table
//! that [`Engine::routes`](crate::Engine::routes) chooses.
//!
//! A handler with a wrong argument or result does not compile either:
//!
//! ```compile_fail
//! # use airlock_sdk::{Context, Response, Result, Routes, fields, route};
//! # fields! { struct At { name: String } }
//! fn read_key(_: &Context, name: String) -> Result<Option<Response>> { Ok(None) } // `name` is no `fields!`
//! const ROUTES: Routes = &[&route("keys/{name}").read(read_key)];
//! # fn main() { let _ = ROUTES; }
//! ```

use crate::field::{Field, Fields};
use crate::refuse::refuse;
use crate::{Context, Result};

mod display;
mod operations;
mod order;
pub(crate) mod pattern;
mod reply;

#[doc(hidden)]
pub use crate::verb::Verb;
pub use display::Display;
#[doc(hidden)]
pub use operations::{AnyOperation, On, Operations};
pub use order::checked;
#[doc(hidden)]
pub use reply::IntoResponse;
pub use reply::Reply;

/// An engine's routes, in the order in which they are tried.
pub type Routes = &'static [&'static AnyRoute];

/// A route with any operations.
pub type AnyRoute = Route<dyn Operations>;

/// Begins a route: `route("users/{username}")`.
///
/// Refuses a pattern that cannot match, when the constant is compiled.
#[track_caller]
pub const fn route(pattern: &'static str) -> Route<()> {
    pattern::check(pattern);
    let head = Head {
        pattern,
        synopsis: "",
        description: "",
        verbs: 0,
        captured: &[],
        unauthenticated: false,
        sudo: false,
        display: Display::new(),
    };
    Route { head, operations: () }
}

/// A path of the engine, and its operations. [`route`] makes one.
///
/// The compiler forgets the type of its operations in a table; see [`AnyRoute`]. The rest stays readable in constants,
/// so that a table is checked when it is compiled.
pub struct Route<O: ?Sized> {
    head: Head,
    operations: O,
}

impl<O: Copy> Clone for Route<O> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<O: Copy> Copy for Route<O> {}

/// The properties of a route, apart from its functions.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Head {
    pub(crate) pattern: &'static str,
    pub(crate) synopsis: &'static str,
    pub(crate) description: &'static str,
    verbs: u16,
    /// The fields of its first operation. Those that the pattern captures have the same types in every operation.
    captured: &'static [Field],
    pub(crate) unauthenticated: bool,
    pub(crate) sudo: bool,
    pub(crate) display: Display,
}

impl Head {
    pub(crate) const fn has(&self, verb: Verb) -> bool {
        self.verbs & verb.bit() != 0
    }
}

impl<O: Operations + ?Sized> Route<O> {
    pub(crate) const fn head(&self) -> &Head {
        &self.head
    }

    pub(crate) fn operation(&self, verb: Verb) -> Option<&dyn AnyOperation> {
        self.operations.find(verb)
    }
}

impl<O: Operations + Copy> Route<O> {
    /// Sets one line about the path, for the list of paths.
    pub const fn synopsis(mut self, text: &'static str) -> Self {
        self.head.synopsis = text;
        self
    }

    /// Sets the help text of the path.
    pub const fn description(mut self, text: &'static str) -> Self {
        self.head.description = text;
        self
    }

    /// Sets what user interfaces and generated clients show of the path, for OpenAPI.
    pub const fn display(mut self, display: Display) -> Self {
        self.head.display = display;
        self
    }

    /// Serves the path without a token.
    pub const fn unauthenticated(mut self) -> Self {
        self.head.unauthenticated = true;
        self
    }

    /// Asks for a token whose policy has `sudo` on the path. Vault knows such paths only exactly or by prefix, so only
    /// the last segment of the route may be captured.
    #[track_caller]
    pub const fn sudo(mut self) -> Self {
        if pattern::captures_inside(self.head.pattern) {
            refuse(&[
                "the route `",
                self.head.pattern,
                "` has `sudo`, so it may capture its last segment only",
            ]);
        }
        self.head.sudo = true;
        self
    }

    /// Declares the read. No response (`Ok(None)`) is a 404.
    #[track_caller]
    pub const fn read<F, H, R>(self, handler: H) -> Route<(On<F, H, R>, O)>
    where
        F: Fields,
        H: Fn(&Context, F) -> Result<R> + Copy + 'static,
        R: Reply,
    {
        self.on(Verb::Read.bit(), handler)
    }

    /// Declares the list; see [`Response::list`](crate::Response::list). The request's path ends in `/`; the pattern may or may not.
    #[track_caller]
    pub const fn list<F, H, R>(self, handler: H) -> Route<(On<F, H, R>, O)>
    where
        F: Fields,
        H: Fn(&Context, F) -> Result<R> + Copy + 'static,
        R: Reply,
    {
        self.on(Verb::List.bit(), handler)
    }

    /// Declares the recursive list of OpenBao.
    #[track_caller]
    pub const fn scan<F, H, R>(self, handler: H) -> Route<(On<F, H, R>, O)>
    where
        F: Fields,
        H: Fn(&Context, F) -> Result<R> + Copy + 'static,
        R: Reply,
    {
        self.on(Verb::Scan.bit(), handler)
    }

    /// Declares the update. Without [`create`](Route::create) every write to the path is an update, and policies need
    /// `update`.
    #[track_caller]
    pub const fn update<F, H, R>(self, handler: H) -> Route<(On<F, H, R>, O)>
    where
        F: Fields,
        H: Fn(&Context, F) -> Result<R> + Copy + 'static,
        R: Reply,
    {
        self.on(Verb::Update.bit(), handler)
    }

    /// Declares the create: a write to a path that does not exist. The route needs an existence check before it, either
    /// [`exists`](Route::exists) or [`read`](Route::read), from which the check is derived.
    ///
    /// ```compile_fail
    /// # use airlock_sdk::{Context, Response, Result, Routes, route};
    /// # fn create_key(_: &Context, _: ()) -> Result<()> { Ok(()) }
    /// const ROUTES: Routes = &[&route("keys").create(create_key)];
    /// # fn main() { let _ = ROUTES; }
    /// ```
    #[track_caller]
    pub const fn create<F, H, R>(self, handler: H) -> Route<(On<F, H, R>, O)>
    where
        F: Fields,
        H: Fn(&Context, F) -> Result<R> + Copy + 'static,
        R: Reply,
    {
        self.checks_existence();
        self.on(Verb::Create.bit(), handler)
    }

    /// Declares create and update with one function; see [`create`](Route::create), whose check it also needs.
    /// `cx.request.operation` tells which of the two it is.
    ///
    /// ```compile_fail
    /// # use airlock_sdk::{Context, Response, Result, Routes, route};
    /// # fn write_key(_: &Context, _: ()) -> Result<()> { Ok(()) }
    /// const ROUTES: Routes = &[&route("keys").write(write_key)];
    /// # fn main() { let _ = ROUTES; }
    /// ```
    #[track_caller]
    pub const fn write<F, H, R>(self, handler: H) -> Route<(On<F, H, R>, O)>
    where
        F: Fields,
        H: Fn(&Context, F) -> Result<R> + Copy + 'static,
        R: Reply,
    {
        self.checks_existence();
        self.on(Verb::Create.bit() | Verb::Update.bit(), handler)
    }

    /// Declares the patch; see [`Patch`](crate::Patch).
    #[track_caller]
    pub const fn patch<F, H, R>(self, handler: H) -> Route<(On<F, H, R>, O)>
    where
        F: Fields,
        H: Fn(&Context, F) -> Result<R> + Copy + 'static,
        R: Reply,
    {
        self.on(Verb::Patch.bit(), handler)
    }

    /// Declares the delete.
    #[track_caller]
    pub const fn delete<F, H, R>(self, handler: H) -> Route<(On<F, H, R>, O)>
    where
        F: Fields,
        H: Fn(&Context, F) -> Result<R> + Copy + 'static,
        R: Reply,
    {
        self.on(Verb::Delete.bit(), handler)
    }

    /// Declares the existence check, which returns true if the path exists. Vault then asks its policies for `update`,
    /// and otherwise for `create`. Without it, the check is derived from [`read`](Route::read): a path exists if its
    /// read answers something.
    #[track_caller]
    pub const fn exists<F, H>(self, check: H) -> Route<(On<F, H, bool>, O)>
    where
        F: Fields,
        H: Fn(&Context, F) -> Result<bool> + Copy + 'static,
    {
        self.on(Verb::Exists.bit(), check)
    }

    #[track_caller]
    const fn checks_existence(&self) {
        if !self.head.has(Verb::Exists) && !self.head.has(Verb::Read) {
            refuse(&[
                "the route `",
                self.head.pattern,
                "` can create, so it needs an existence check: declare `exists` or `read` before it",
            ]);
        }
    }

    #[track_caller]
    const fn on<F, H, R>(mut self, verbs: u16, handler: H) -> Route<(On<F, H, R>, O)>
    where
        F: Fields,
        H: Fn(&Context, F) -> Result<R> + Copy + 'static,
    {
        if self.head.verbs & verbs != 0 {
            refuse(&["the route `", self.head.pattern, "` declares an operation twice"]);
        }
        if self.head.verbs == 0 {
            self.head.captured = F::FIELDS;
        }
        pattern::check_captures(self.head.pattern, F::FIELDS, self.head.captured);
        self.head.verbs |= verbs;
        Route {
            head: self.head,
            operations: (On::new(verbs, handler), self.operations),
        }
    }
}

impl<F, H, R, O> Route<(On<F, H, R>, O)>
where
    On<F, H, R>: Copy,
    O: Copy,
{
    /// Declares the data that the last operation answers, for OpenAPI. Nothing checks the answer against it.
    ///
    /// ```
    /// # use airlock_sdk::{Context, Response, Result, Routes, fields, route};
    /// # fields! { struct At { name: String } }
    /// # fn read_key(_: &Context, _: At) -> Result<Option<Response>> { Ok(None) }
    /// fields! {
    ///     struct Key {
    ///         /// The public half of the key, in PEM.
    ///         public_key: String,
    ///     }
    /// }
    ///
    /// const ROUTES: Routes = &[&route("keys/{name}").read(read_key).answers::<Key>()];
    /// # fn main() { let _ = ROUTES; }
    /// ```
    pub const fn answers<T: Fields>(mut self) -> Self {
        self.operations.0.answer = T::FIELDS;
        self
    }

    /// Sets the name of the last operation in the OpenAPI document; see [`Display`].
    pub const fn display_operation(mut self, display: Display) -> Self {
        self.operations.0.display = display;
        self
    }
}
