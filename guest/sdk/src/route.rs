//! Routes: which paths an engine has, and which function answers which operation.
//!
//! ```
//! # use airlock_sdk::{Context, Response, Result, Routes, fields, route};
//! fields! {
//!     struct At {
//!         /// Whose key it is.
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
//! The first route that matches is taken, whatever its operations. `{name}` is one segment, `{name...}` the rest of the
//! path, which may be empty. What they capture goes into the field of that name and beats what the body says.
//!
//! The table is a constant: it costs a request nothing, and a wrong pattern, a captured name that is no field, or an
//! operation declared twice does not compile:
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
//! Nor does a handler that takes or returns what none can:
//!
//! ```compile_fail
//! # use airlock_sdk::{Context, Response, Result, Routes, fields, route};
//! # fields! { struct At { name: String } }
//! fn read_key(_: &Context, name: String) -> Result<Option<Response>> { Ok(None) } // `name` is no `fields!`
//! const ROUTES: Routes = &[&route("keys/{name}").read(read_key)];
//! # fn main() { let _ = ROUTES; }
//! ```

use std::marker::PhantomData;

use crate::field::{Field, FieldError, Fields, Raw};
use crate::{Context, Response, Result};

pub(crate) mod pattern;

/// An engine's routes, in the order in which they are tried.
pub type Routes = &'static [&'static dyn AnyRoute];

/// Begins a route: `route("users/{username}")`.
///
/// A pattern that cannot match is refused when the constant is compiled.
pub const fn route(pattern: &'static str) -> Route<()> {
    pattern::check(pattern);
    let head = Head {
        pattern,
        synopsis: "",
        description: "",
        verbs: 0,
        unauthenticated: false,
        sudo: false,
    };
    Route { head, operations: () }
}

/// A path of the engine and what can be done there. Made by [`route`].
#[derive(Clone, Copy)]
pub struct Route<O> {
    head: Head,
    operations: O,
}

/// What a route says apart from its functions.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct Head {
    pub(crate) pattern: &'static str,
    pub(crate) synopsis: &'static str,
    pub(crate) description: &'static str,
    verbs: u16,
    pub(crate) unauthenticated: bool,
    pub(crate) sudo: bool,
}

impl Head {
    pub(crate) const fn has(&self, verb: Verb) -> bool {
        self.verbs & verb.bit() != 0
    }
}

/// What a route can be asked for. `Exists` is the existence check.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    Create,
    Read,
    Update,
    Patch,
    Delete,
    List,
    Scan,
    Exists,
}

impl Verb {
    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl<O: Operations> Route<O> {
    /// One line for the list of paths: what is here.
    pub const fn synopsis(mut self, text: &'static str) -> Self {
        self.head.synopsis = text;
        self
    }

    /// The help text of the path.
    pub const fn description(mut self, text: &'static str) -> Self {
        self.head.description = text;
        self
    }

    /// Serves the path without a token.
    pub const fn unauthenticated(mut self) -> Self {
        self.head.unauthenticated = true;
        self
    }

    /// Asks for a token whose policy has `sudo` on the path. Vault knows such paths exactly or by prefix, so only the last
    /// segment of the route may be captured.
    pub const fn sudo(mut self) -> Self {
        if pattern::captures_inside(self.head.pattern) {
            panic!("a route with `sudo` may capture its last segment only");
        }
        self.head.sudo = true;
        self
    }

    /// Reads. No response (`Ok(None)`) is a 404.
    pub const fn read<F, H, R>(self, handler: H) -> Route<(On<F, H, R>, O)>
    where
        F: Fields,
        H: Fn(&Context, F) -> Result<R> + Copy + 'static,
        R: Reply,
    {
        self.on(Verb::Read.bit(), handler)
    }

    /// Lists; see [`Response::list`]. The request's path ends in `/`; the pattern may or may not.
    pub const fn list<F, H, R>(self, handler: H) -> Route<(On<F, H, R>, O)>
    where
        F: Fields,
        H: Fn(&Context, F) -> Result<R> + Copy + 'static,
        R: Reply,
    {
        self.on(Verb::List.bit(), handler)
    }

    /// Lists recursively, where the server is OpenBao.
    pub const fn scan<F, H, R>(self, handler: H) -> Route<(On<F, H, R>, O)>
    where
        F: Fields,
        H: Fn(&Context, F) -> Result<R> + Copy + 'static,
        R: Reply,
    {
        self.on(Verb::Scan.bit(), handler)
    }

    /// Writes. Without [`create`](Route::create) every write to the path is an update, and policies need `update` for it.
    pub const fn update<F, H, R>(self, handler: H) -> Route<(On<F, H, R>, O)>
    where
        F: Fields,
        H: Fn(&Context, F) -> Result<R> + Copy + 'static,
        R: Reply,
    {
        self.on(Verb::Update.bit(), handler)
    }

    /// Writes to where nothing is yet. The route needs an existence check first: either [`exists`](Route::exists) or
    /// [`read`](Route::read), from which it is derived.
    ///
    /// ```compile_fail
    /// # use airlock_sdk::{Context, Response, Result, Routes, route};
    /// # fn create_key(_: &Context, _: ()) -> Result<()> { Ok(()) }
    /// const ROUTES: Routes = &[&route("keys").create(create_key)];
    /// # fn main() { let _ = ROUTES; }
    /// ```
    pub const fn create<F, H, R>(self, handler: H) -> Route<(On<F, H, R>, O)>
    where
        F: Fields,
        H: Fn(&Context, F) -> Result<R> + Copy + 'static,
        R: Reply,
    {
        self.checks_existence();
        self.on(Verb::Create.bit(), handler)
    }

    /// Creates and updates with one function; see [`create`](Route::create), whose check it needs as well. Ask
    /// `cx.request.operation` which it is.
    ///
    /// ```compile_fail
    /// # use airlock_sdk::{Context, Response, Result, Routes, route};
    /// # fn write_key(_: &Context, _: ()) -> Result<()> { Ok(()) }
    /// const ROUTES: Routes = &[&route("keys").write(write_key)];
    /// # fn main() { let _ = ROUTES; }
    /// ```
    pub const fn write<F, H, R>(self, handler: H) -> Route<(On<F, H, R>, O)>
    where
        F: Fields,
        H: Fn(&Context, F) -> Result<R> + Copy + 'static,
        R: Reply,
    {
        self.checks_existence();
        self.on(Verb::Create.bit() | Verb::Update.bit(), handler)
    }

    /// Patches; see [`Patch`](crate::Patch).
    pub const fn patch<F, H, R>(self, handler: H) -> Route<(On<F, H, R>, O)>
    where
        F: Fields,
        H: Fn(&Context, F) -> Result<R> + Copy + 'static,
        R: Reply,
    {
        self.on(Verb::Patch.bit(), handler)
    }

    /// Deletes.
    pub const fn delete<F, H, R>(self, handler: H) -> Route<(On<F, H, R>, O)>
    where
        F: Fields,
        H: Fn(&Context, F) -> Result<R> + Copy + 'static,
        R: Reply,
    {
        self.on(Verb::Delete.bit(), handler)
    }

    /// Whether there is something at the path, so that Vault asks its policies for `create` or for `update`. Without it
    /// the check is derived from [`read`](Route::read): what it answers exists.
    pub const fn exists<F, H>(self, check: H) -> Route<(On<F, H, bool>, O)>
    where
        F: Fields,
        H: Fn(&Context, F) -> Result<bool> + Copy + 'static,
    {
        self.on(Verb::Exists.bit(), check)
    }

    const fn checks_existence(&self) {
        if !self.head.has(Verb::Exists) && !self.head.has(Verb::Read) {
            panic!("a route that can create needs an existence check: declare `exists` or `read` before it");
        }
    }

    const fn on<F, H, R>(mut self, verbs: u16, handler: H) -> Route<(On<F, H, R>, O)>
    where
        F: Fields,
        H: Fn(&Context, F) -> Result<R> + Copy + 'static,
    {
        if self.head.verbs & verbs != 0 {
            panic!("a route declares an operation twice");
        }
        pattern::check_captures(self.head.pattern, F::FIELDS);
        self.head.verbs |= verbs;
        Route {
            head: self.head,
            operations: (
                On {
                    verbs,
                    handler,
                    types: PhantomData,
                },
                self.operations,
            ),
        }
    }
}

/// What a handler may return besides an error: a [`Response`], an `Option` of one, or `()`.
///
/// `None` and `()` are no response: 404 for reads and lists, 204 for anything else.
#[diagnostic::on_unimplemented(
    message = "a handler returns a `Response`, an `Option<Response>` or `()`, not `{Self}`"
)]
pub trait Reply: IntoResponse {}

impl Reply for Response {}
impl Reply for Option<Response> {}
impl Reply for () {}

/// How a handler's answer becomes a response.
#[doc(hidden)]
pub trait IntoResponse: 'static {
    fn into_response(self) -> Option<Response>;
}

impl IntoResponse for Response {
    fn into_response(self) -> Option<Response> {
        Some(self)
    }
}

impl IntoResponse for Option<Response> {
    fn into_response(self) -> Option<Response> {
        self
    }
}

impl IntoResponse for () {
    fn into_response(self) -> Option<Response> {
        None
    }
}

/// An existence check's answer, so that it can be derived from a read.
impl IntoResponse for bool {
    fn into_response(self) -> Option<Response> {
        self.then(Response::default)
    }
}

/// A function of a route, the operations that it answers, and the fields that it takes.
#[doc(hidden)]
pub struct On<F, H, R> {
    verbs: u16,
    handler: H,
    types: PhantomData<fn(F) -> R>,
}

impl<F, H: Copy, R> Clone for On<F, H, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F, H: Copy, R> Copy for On<F, H, R> {}

/// An operation, whatever its types.
#[doc(hidden)]
pub trait AnyOperation {
    fn fields(&self) -> &'static [Field];
    fn validate(&self, raw: Raw) -> Result<(), FieldError>;
    fn call(&self, cx: &Context, raw: &mut Raw) -> Result<Option<Response>>;
}

impl<F, H, R> AnyOperation for On<F, H, R>
where
    F: Fields,
    H: Fn(&Context, F) -> Result<R>,
    R: IntoResponse,
{
    fn fields(&self) -> &'static [Field] {
        F::FIELDS
    }

    fn validate(&self, mut raw: Raw) -> Result<(), FieldError> {
        F::parse(&mut raw).map(drop)
    }

    fn call(&self, cx: &Context, raw: &mut Raw) -> Result<Option<Response>> {
        let fields = F::parse(raw).map_err(FieldError::refuse)?;
        (self.handler)(cx, fields).map(R::into_response)
    }
}

/// The operations of a route: a list of [`On`], each of its own type.
#[doc(hidden)]
pub trait Operations: Copy + 'static {
    fn find(&self, verb: Verb) -> Option<&dyn AnyOperation>;
}

impl Operations for () {
    fn find(&self, _: Verb) -> Option<&dyn AnyOperation> {
        None
    }
}

impl<F, H, R, O> Operations for (On<F, H, R>, O)
where
    F: Fields,
    H: Fn(&Context, F) -> Result<R> + Copy + 'static,
    R: IntoResponse,
    O: Operations,
{
    fn find(&self, verb: Verb) -> Option<&dyn AnyOperation> {
        if self.0.verbs & verb.bit() != 0 {
            Some(&self.0)
        } else {
            self.1.find(verb)
        }
    }
}

/// A route, whatever its operations. Only [`Route`] is one.
pub trait AnyRoute: sealed::Sealed {
    #[doc(hidden)]
    fn head(&self) -> &Head;
    #[doc(hidden)]
    fn operation(&self, verb: Verb) -> Option<&dyn AnyOperation>;
}

impl<O: Operations> AnyRoute for Route<O> {
    fn head(&self) -> &Head {
        &self.head
    }

    fn operation(&self, verb: Verb) -> Option<&dyn AnyOperation> {
        self.operations.find(verb)
    }
}

mod sealed {
    pub trait Sealed {}
    impl<O> Sealed for super::Route<O> {}
}
