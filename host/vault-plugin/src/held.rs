//! Values that are kept for an answer until the server has taken it.

use std::any::Any;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::NamedService;

/// A value that an answer needs for as long as this process keeps the answer, such as a permit for its memory. It is
/// dropped once the last byte is written to the connection, or the caller has gone away.
///
/// ```
/// use std::sync::Arc;
/// use tokio::sync::Semaphore;
/// use vault_plugin::{Error, Held, Response};
///
/// /// Answers with at most as many large texts at a time as the semaphore has permits.
/// async fn answer(large: Arc<Semaphore>, text: &str) -> Result<Response, Error> {
///     let permit = large.acquire_owned().await;
///     let permit = permit.map_err(|_| Error::Internal("the semaphore is closed".to_owned()))?;
///     let mut answer = Response::json(&serde_json::json!({ "text": text }))?;
///     answer.held = Some(Held::new(permit));
///     Ok(answer)
/// }
/// ```
#[derive(Clone)]
pub struct Held {
    _value: Arc<dyn Any + Send + Sync>,
}

impl Held {
    /// Keeps a value until the answer is sent.
    pub fn new(value: impl Any + Send + Sync) -> Self {
        Self {
            _value: Arc::new(value),
        }
    }
}

/// The value says nothing about the answer, so all are equal.
impl PartialEq for Held {
    fn eq(&self, _: &Held) -> bool {
        true
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").finish_non_exhaustive()
    }
}

/// A service that keeps the [`Held`] in the extensions of an answer, if there is one, until the answer is sent.
#[derive(Clone)]
pub(crate) struct UntilSent<S>(pub(crate) S);

impl<S: NamedService> NamedService for UntilSent<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<http::Request<Body>> for UntilSent<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let answer = self.0.call(request);
        Box::pin(async move { answer.await.map(hold) })
    }
}

/// Makes each piece of the body keep the answer's [`Held`], because the transport keeps pieces until they are written.
fn hold(mut answer: http::Response<Body>) -> http::Response<Body> {
    let Some(held) = answer.extensions_mut().remove::<Held>() else {
        return answer;
    };
    answer.map(|body| {
        Body::new(body.map_frame(move |frame| {
            frame.map_data(|bytes| {
                Bytes::from_owner(Piece {
                    bytes,
                    _held: held.clone(),
                })
            })
        }))
    })
}

struct Piece {
    bytes: Bytes,
    _held: Held,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_held_goes_with_the_last_piece() {
        let value = Arc::new(());
        let body = http_body_util::Full::new(Bytes::from_static(b"answer"));
        let mut answer = http::Response::new(Body::new(body));
        answer.extensions_mut().insert(Held::new(value.clone()));
        let mut body = hold(answer).into_body();
        let frame = body.frame().await.unwrap().unwrap();
        drop(body);
        let mut bytes = frame.into_data().unwrap();
        assert_eq!(&bytes, "answer");
        let rest = bytes.split_off(3);
        drop(bytes);
        assert_eq!(Arc::strong_count(&value), 2);
        drop(rest);
        assert_eq!(Arc::strong_count(&value), 1);
    }
}
