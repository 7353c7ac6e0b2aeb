//! Calls the functions of a route, each of its own type.

use std::marker::PhantomData;

use super::{Display, IntoResponse};
use crate::field::{Field, FieldError, Fields, Raw};
use crate::verb::Verb;
use crate::{Context, Response, Result};

/// A function of a route, with its operations and its fields.
#[doc(hidden)]
pub struct On<F, H, R> {
    verbs: u16,
    handler: H,
    /// The fields of its answer's data, for OpenAPI; empty if they are not declared.
    pub(super) answer: &'static [Field],
    pub(super) display: Display,
    types: PhantomData<fn(F) -> R>,
}

impl<F, H, R> On<F, H, R> {
    pub(super) const fn new(verbs: u16, handler: H) -> On<F, H, R> {
        let types = PhantomData;
        let answer = &[];
        On {
            verbs,
            handler,
            answer,
            display: Display::new(),
            types,
        }
    }
}

impl<F, H: Copy, R> Clone for On<F, H, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F, H: Copy, R> Copy for On<F, H, R> {}

/// An operation with any types.
#[doc(hidden)]
pub trait AnyOperation {
    fn fields(&self) -> &'static [Field];
    fn answer(&self) -> &'static [Field];
    fn display(&self) -> Display;
    fn validate(&self, raw: Raw<'_>) -> Result<(), FieldError>;
    fn call(&self, cx: &Context, raw: &mut Raw<'_>) -> Result<Option<Response>>;
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

    fn answer(&self) -> &'static [Field] {
        self.answer
    }

    fn display(&self) -> Display {
        self.display
    }

    fn validate(&self, mut raw: Raw<'_>) -> Result<(), FieldError> {
        F::parse(&mut raw).map(drop)
    }

    fn call(&self, cx: &Context, raw: &mut Raw<'_>) -> Result<Option<Response>> {
        let fields = F::parse(raw).map_err(FieldError::refuse)?;
        (self.handler)(cx, fields).map(R::into_response)
    }
}

/// The operations of a route: a list of [`On`], each of its own type.
#[doc(hidden)]
pub trait Operations: 'static {
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
