//! Defines what a handler may return.

use crate::Response;

/// The result of a handler if it is not an error: a [`Response`], an `Option` of one, or `()`.
///
/// `None` and `()` mean no response: 404 for reads and lists, 204 for all other operations.
#[diagnostic::on_unimplemented(
    message = "a handler returns a `Response`, an `Option<Response>` or `()`, not `{Self}`"
)]
pub trait Reply: IntoResponse {}

impl Reply for Response {}
impl Reply for Option<Response> {}
impl Reply for () {}

/// Makes a response of a handler's result.
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

/// The result of an existence check, so that it can also be derived from a read.
impl IntoResponse for bool {
    fn into_response(self) -> Option<Response> {
        self.then(Response::default)
    }
}
