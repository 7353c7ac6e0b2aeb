//! gRPC's framing of one message, for the targets behind services.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use tonic::body::Body;

/// Adds the five bytes of gRPC's header to a message.
pub fn frame(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], &length[..], message].concat().into()
}

/// Makes a call of a method, as a server sends it for one mount.
pub fn call(method: &str, mount: &str, body: Bytes) -> http::Request<Body> {
    http::Request::post(format!("http://localhost/pb.Backend/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("multiplex_id", mount)
        .body(Body::new(Full::new(body)))
        .unwrap()
}

/// Returns the message of an answer, or its gRPC status if that is an error.
pub async fn message(answer: http::Response<Body>) -> Result<Bytes, String> {
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.map_err(|status| status.to_string())?;
    let status = body
        .trailers()
        .and_then(|trailers| trailers.get("grpc-status"))
        .or_else(|| parts.headers.get("grpc-status"));
    let status = status.map_or("none", |status| status.to_str().unwrap());
    match status {
        "0" => Ok(body.to_bytes().slice(5..)),
        other => Err(other.to_owned()),
    }
}
