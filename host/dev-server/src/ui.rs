//! The page at `/ui`, and what it asks for.

use http::Request;
use hyper::body::Incoming;

use crate::answer::{Answer, Refusal};
use crate::core::Core;

pub(crate) async fn answer(_request: Request<Incoming>, _core: &Core) -> Answer {
    Refusal::status(404).into_answer()
}
