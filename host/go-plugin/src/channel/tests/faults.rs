//! Calls that fail on their way, and those of them that are made again.

use std::error::Error as _;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use h2::Reason;
use h2::server::Builder;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tonic::Code;

use super::double::{answer_echo, channel, echo, serve, served};
use super::soon;

#[tokio::test]
async fn a_request_that_the_peer_refused_is_sent_once_more() {
    let (channel, requests) = served(|number, request, mut respond| async move {
        match number {
            0 => respond.send_reset(Reason::REFUSED_STREAM),
            _ => answer_echo(request, respond).await,
        }
    });
    assert_eq!(echo(&channel, "text").await.unwrap(), "text");
    assert_eq!(requests.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_request_that_the_peer_refused_twice_fails() {
    let (channel, requests) = served(|_, _, mut respond| async move {
        respond.send_reset(Reason::REFUSED_STREAM);
    });
    let status = echo(&channel, "text").await.unwrap_err();
    assert!(status.source().is_some());
    assert_eq!(requests.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_call_that_the_peer_breaks_off_is_not_made_again() {
    for reason in [Reason::CANCEL, Reason::NO_ERROR, Reason::INTERNAL_ERROR] {
        let (channel, requests) = served(move |_, _, mut respond| async move {
            respond.send_reset(reason);
        });
        let status = echo(&channel, "text").await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable);
        let cause = status.source().unwrap().to_string();
        assert!(status.message().ends_with(&cause), "{status}");
        assert_eq!(requests.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn a_call_that_is_refused_after_its_answer_began_is_not_made_again() {
    let (channel, requests) = served(|_, _, mut respond| async move {
        let mut stream = respond.send_response(http::Response::new(()), false).unwrap();
        stream.send_data(Bytes::from_static(b"\0"), false).unwrap();
        tokio::task::yield_now().await;
        stream.send_reset(Reason::REFUSED_STREAM);
    });
    let status = echo(&channel, "text").await.unwrap_err();
    assert!(status.source().is_some());
    assert_eq!(requests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_connection_that_is_killed_fails_its_calls_and_is_replaced() {
    let (channel, mut connections) = channel();
    let (status, mut connections) = tokio::join!(echo(&channel, "text"), async {
        let io = connections.recv().await.unwrap();
        let mut connection = h2::server::handshake(io).await.unwrap();
        let _call = connection.accept().await.unwrap().unwrap();
        drop(connection);
        connections
    });
    assert!(status.unwrap_err().source().is_some());
    assert!(connections.try_recv().is_err(), "the call was made again");

    let (answer, ()) = tokio::join!(
        async {
            let answer = echo(&channel, "again").await;
            drop(channel);
            answer
        },
        async {
            let io = connections.recv().await.unwrap();
            serve(Builder::new(), io, answer_echo).await;
        }
    );
    assert_eq!(answer.unwrap(), "again");
}

#[tokio::test]
async fn after_a_goaway_the_next_call_uses_another_connection() {
    let (channel, mut connections) = channel();
    let server = tokio::spawn(async move {
        let mut served = 0;
        while let Some(io) = connections.recv().await {
            served += 1;
            let mut connection = h2::server::handshake(io).await.unwrap();
            while let Some(Ok((request, respond))) = connection.accept().await {
                tokio::spawn(answer_echo(request, respond));
                // The call that is open is still answered.
                connection.graceful_shutdown();
            }
        }
        served
    });
    for text in ["one", "two", "three"] {
        assert_eq!(echo(&channel, text).await.unwrap(), text);
    }
    drop(channel);
    assert_eq!(soon(server).await.unwrap(), 3);
}

/// Reads a connection's frames up to the headers of a request.
async fn read_to_headers(io: &mut DuplexStream) {
    const HEADERS: u8 = 1;
    io.read_exact(&mut [0; b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len()])
        .await
        .unwrap();
    loop {
        let mut head = [0; 9];
        io.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        io.read_exact(&mut payload).await.unwrap();
        if head[3] == HEADERS {
            return;
        }
    }
}

/// Settings without a value, and a GOAWAY that names the last stream that is processed.
fn goaway(last: u8) -> [u8; 26] {
    let mut frames = [0; 26];
    frames[3] = 4;
    frames[9..13].copy_from_slice(&[0, 0, 8, 7]);
    frames[21] = last;
    frames
}

#[tokio::test]
async fn a_request_that_a_goaway_excludes_is_sent_once_more() {
    let (channel, mut connections) = channel();
    tokio::spawn(async move {
        let mut first = connections.recv().await.unwrap();
        read_to_headers(&mut first).await;
        first.write_all(&goaway(0)).await.unwrap();
        serve(Builder::new(), connections.recv().await.unwrap(), answer_echo).await;
    });
    assert_eq!(echo(&channel, "text").await.unwrap(), "text");
}

#[tokio::test]
async fn a_request_that_a_goaway_includes_is_not_sent_again() {
    let (channel, mut connections) = channel();
    let (status, ()) = tokio::join!(echo(&channel, "text"), async {
        let mut first = connections.recv().await.unwrap();
        read_to_headers(&mut first).await;
        first.write_all(&goaway(1)).await.unwrap();
    });
    assert!(status.unwrap_err().source().is_some());
    assert!(connections.try_recv().is_err(), "the call was made again");
}
