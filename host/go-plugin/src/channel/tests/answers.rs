//! Answers of a server, right and wrong.

use std::error::Error as _;

use bytes::Bytes;
use h2::Reason;
use h2::server::Builder;
use http::{Method, Version};
use prost::Message as _;
use tokio::sync::oneshot;
use tonic::{Code, Status};

use super::double::{
    answer, answer_echo, answer_without_body, blob, body, channel, echo, prefixed, serve, served,
};
use super::soon;
use crate::MAX_MESSAGE_SIZE;

/// Returns the outcome of a call that is answered with this body and these trailers.
async fn answered(sent: Bytes, trailers: &'static [(&'static str, &'static str)]) -> Result<Bytes, Status> {
    let (channel, _) = served(move |_, _, respond| {
        answer(respond, sent.clone(), trailers);
        std::future::ready(())
    });
    echo(&channel, "question").await
}

/// Returns the outcome of a call that is answered with headers alone.
async fn refused(status: u16, headers: &'static [(&'static str, &'static str)]) -> Result<Bytes, Status> {
    let (channel, _) = served(move |_, _, respond| {
        answer_without_body(respond, status, headers);
        std::future::ready(())
    });
    echo(&channel, "question").await
}

#[tokio::test]
async fn a_request_has_the_form_that_grpc_servers_expect() {
    let (channel, _) = served(|_, request, respond| async move {
        let (head, stream) = request.into_parts();
        assert_eq!((&head.method, head.version), (&Method::POST, Version::HTTP_2));
        assert_eq!(head.uri, "http://localhost/test.Service/Echo");
        assert_eq!(head.headers["te"], "trailers");
        assert_eq!(head.headers["content-type"], "application/grpc");
        let message = blob("text").encode_to_vec();
        let body = body(http::Request::new(stream)).await;
        assert_eq!(body, prefixed(0, message.len(), &message));
        answer(respond, body, &[("grpc-status", "0")]);
    });
    assert_eq!(echo(&channel, "text").await.unwrap(), "text");
}

#[tokio::test]
async fn an_empty_message_is_a_message() {
    assert_eq!(
        answered(prefixed(0, 0, b""), &[("grpc-status", "0")])
            .await
            .unwrap(),
        ""
    );
}

#[tokio::test]
async fn an_error_in_the_trailers_counts_more_than_the_message() {
    let trailers = &[("grpc-status", "7"), ("grpc-message", "50%25 of %C3%A4pples")];
    for sent in [Bytes::new(), prefixed(0, 0, b"")] {
        let status = answered(sent, trailers).await.unwrap_err();
        assert_eq!(
            (status.code(), status.message()),
            (Code::PermissionDenied, "50% of äpples")
        );
        assert!(status.source().is_none());
    }
}

#[tokio::test]
async fn an_error_may_come_without_a_body() {
    let status = refused(200, &[("grpc-status", "2"), ("grpc-message", "disk%20full")]).await;
    let status = status.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unknown, "disk full"));
    assert!(status.source().is_none());
}

#[tokio::test]
async fn details_that_nobody_reads_may_be_damaged() {
    let status = refused(200, &[("grpc-status", "2"), ("grpc-status-details-bin", "!")]).await;
    assert_eq!(status.unwrap_err().code(), Code::Unknown);
}

#[tokio::test]
async fn an_answer_of_another_kind_of_server_is_told_by_its_http_status() {
    let status = refused(503, &[]).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (
            Code::Unavailable,
            "the answer has the HTTP status 503 Service Unavailable and no gRPC status"
        )
    );
    assert_eq!(refused(404, &[]).await.unwrap_err().code(), Code::Unimplemented);
    let status = refused(404, &[("grpc-status", "5")]).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
}

#[tokio::test]
async fn an_answer_that_is_not_one_plain_message_is_refused() {
    let two = [prefixed(0, 0, b""), prefixed(0, 0, b"")].concat();
    for (sent, text) in [
        (Bytes::new(), "the answer has no message"),
        (Bytes::from(two), "the answer has more than one message"),
        (prefixed(0, 3, b"ab"), "the answer ends within its message"),
        (Bytes::from_static(b"\0\0"), "the answer ends within its message"),
        (
            prefixed(1, 0, b""),
            "the answer is compressed, which was not agreed on",
        ),
    ] {
        let status = answered(sent, &[("grpc-status", "0")]).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::Internal, text));
        assert!(status.source().is_none());
    }
    let status = answered(prefixed(0, 2, b"\xff\xff"), &[("grpc-status", "0")]).await;
    let text = status.unwrap_err();
    assert!(text.message().starts_with("cannot decode the answer: "), "{text}");
}

#[tokio::test]
async fn an_answer_without_a_status_is_not_a_success() {
    let status = answered(prefixed(0, 0, b""), &[]).await.unwrap_err();
    assert_eq!(status.code(), Code::Unknown);
    let status = refused(200, &[]).await.unwrap_err();
    assert_eq!(status.code(), Code::Unknown);
}

#[tokio::test]
async fn a_message_may_arrive_in_the_smallest_parts() {
    let (channel, _) = served(|_, request, mut respond| async move {
        let body = body(request).await;
        let mut stream = respond.send_response(http::Response::new(()), false).unwrap();
        for at in 0..body.len() {
            stream.send_data(body.slice(at..=at), false).unwrap();
        }
        let trailers = std::iter::once(("grpc-status".parse().unwrap(), "0".parse().unwrap()));
        stream.send_trailers(trailers.collect()).unwrap();
    });
    assert_eq!(echo(&channel, "text").await.unwrap(), "text");
}

#[tokio::test]
async fn messages_of_megabytes_pass_windows_of_64_kib() {
    let (channel, mut connections) = channel();
    tokio::spawn(async move {
        let mut builder = Builder::new();
        builder
            .initial_window_size(64 << 10)
            .initial_connection_window_size(64 << 10);
        serve(builder, connections.recv().await.unwrap(), answer_echo).await;
    });
    // The answer is larger than the channel's own window, too.
    let sent = Bytes::from(vec![b'x'; 5 << 20]);
    let calls = [echo(&channel, sent.clone()), echo(&channel, sent.clone())];
    for received in futures_util::future::join_all(calls).await {
        assert!(received.unwrap() == sent);
    }
}

#[tokio::test]
async fn an_answer_over_the_limit_is_refused_by_its_prefix() {
    let (seen, reset) = oneshot::channel();
    let seen = std::sync::Mutex::new(Some(seen));
    let seen = std::sync::Arc::new(seen);
    let (channel, _) = served(move |_, _, mut respond| {
        let seen = seen.lock().unwrap().take().unwrap();
        async move {
            let mut stream = respond.send_response(http::Response::new(()), false).unwrap();
            stream
                .send_data(prefixed(0, MAX_MESSAGE_SIZE + 1, b""), false)
                .unwrap();
            let reason = std::future::poll_fn(|cx| stream.poll_reset(cx)).await;
            seen.send(reason.unwrap()).unwrap();
        }
    });
    let status = echo(&channel, "question").await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (
            Code::OutOfRange,
            "the answer has 2147483648 bytes and at most 2147483647 are possible"
        )
    );
    assert_eq!(soon(reset).await.unwrap(), Reason::CANCEL);
}

#[tokio::test]
async fn a_path_that_is_not_valid_is_an_error() {
    let (channel, requests) = served(|_, request, respond| answer_echo(request, respond));
    for path in ["", "a b", "\u{7f}"] {
        let status = soon(channel.unary::<(), ()>(path, &())).await;
        assert_eq!(status.unwrap_err().code(), Code::Internal, "{path:?}");
    }
    assert_eq!(requests.load(std::sync::atomic::Ordering::SeqCst), 0);
}
