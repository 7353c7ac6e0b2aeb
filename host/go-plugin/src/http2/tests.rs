//! Tests the connection with tonic's client, and with frames that no client would send.

mod double;

use bytes::Bytes;
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic::codegen::http;

use crate::Services;
use double::{CROWD, Client, Double, KEPT, call, chat, soon};

#[tokio::test]
async fn a_call_is_answered_and_an_error_keeps_its_status() {
    let client = Client::of(&Double::new()).await;
    let answer = client.call("/test.Double/Echo", b"hello".to_vec()).await;
    assert_eq!(answer.unwrap(), b"hello");
    let status = client.call("/test.Double/Fail", vec![]).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::FailedPrecondition, "not today")
    );
}

#[tokio::test]
async fn an_unknown_service_is_unimplemented() {
    let client = Client::of(&Double::new()).await;
    for path in [
        "/test.Other/Echo",
        "/test.Double/Nothing",
        "/test.Double",
        "/",
        "//Echo",
    ] {
        let status = client.call(path, vec![]).await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented, "{path}");
    }
}

#[tokio::test]
async fn messages_of_8_mib_pass_in_both_directions() {
    let client = Client::of(&Double::new()).await;
    let message: Vec<u8> = (0..8u32 << 20).map(|at| (at % 251) as u8).collect();
    let answer = client.call("/test.Double/Echo", message.clone()).await.unwrap();
    assert!(answer == message, "the message came back as something else");
}

#[tokio::test]
async fn streams_flow_in_both_directions_at_once() {
    let double = Double::new();
    let client = Client::of(&double).await;
    let (sender, messages) = mpsc::channel(1);
    let answers = chat(
        client.channel.clone(),
        "/test.Double/Chat",
        ReceiverStream::new(messages),
    );
    let mut answers = soon(answers).await.unwrap();
    for at in 0..10u8 {
        // Each message waits for the answer to the one before.
        sender.send(vec![at]).await.unwrap();
        assert_eq!(soon(answers.message()).await.unwrap(), Some(vec![at]));
    }
    double.runs(1).await;
    drop(sender);
    assert_eq!(soon(answers.message()).await.unwrap(), None);
    double.runs(0).await;
}

#[tokio::test]
async fn a_stream_longer_than_the_window_waits_for_its_reader() {
    let client = Client::of(&Double::new()).await;
    let messages = tokio_stream::iter((0..100u8).map(|at| vec![at; 100_000]));
    let mut answers = chat(client.channel.clone(), "/test.Double/Chat", messages)
        .await
        .unwrap();
    for at in 0..100 {
        let answer = soon(answers.message()).await.unwrap().unwrap();
        assert!(answer == vec![at; 100_000], "answer {at} is wrong");
        tokio::task::yield_now().await;
    }
    assert_eq!(soon(answers.message()).await.unwrap(), None);
}

#[tokio::test]
async fn a_caller_who_gives_up_ends_the_handler() {
    let double = Double::new();
    let client = Client::of(&double).await;
    let waiting = tokio::spawn(call(client.channel.clone(), "/test.Double/Wait", vec![]));
    double.runs(1).await;
    waiting.abort();
    double.runs(0).await;
    client.call("/test.Double/Echo", vec![]).await.unwrap();
}

#[tokio::test]
async fn a_caller_who_gives_up_ends_a_stream_of_answers() {
    let double = Double::new();
    let (mut client, _) = raw(&double).await;
    let (answer, messages) = begin(&mut client, "Chat", "1H");
    let answer = soon(answer).await.unwrap();
    double.runs(1).await;
    drop((answer, messages));
    double.runs(0).await;
}

#[tokio::test]
async fn a_broken_connection_ends_its_handlers() {
    let double = Double::new();
    let client = Client::of(&double).await;
    let mut calls = JoinSet::new();
    for _ in 0..3 {
        calls.spawn(call(client.channel.clone(), "/test.Double/Wait", vec![]));
    }
    double.runs(3).await;
    client.break_connection();
    double.runs(0).await;
    while let Some(result) = calls.join_next().await {
        result.unwrap().unwrap_err();
    }
}

#[tokio::test]
async fn five_hundred_calls_run_at_once() {
    let client = Client::of(&Double::new()).await;
    let mut calls = JoinSet::new();
    for _ in 0..CROWD {
        calls.spawn(call(
            client.channel.clone(),
            "/test.Double/Meet",
            b"here".to_vec(),
        ));
    }
    for result in calls.join_all().await {
        assert_eq!(result.unwrap(), b"here");
    }
}

#[tokio::test]
async fn a_panic_leaves_the_other_calls_alone() {
    let double = Double::new();
    let client = Client::of(&double).await;
    let _waiting = tokio::spawn(call(client.channel.clone(), "/test.Double/Wait", vec![]));
    double.runs(1).await;
    let status = client.call("/test.Double/Panic", vec![]).await.unwrap_err();
    assert_eq!(status.code(), Code::Cancelled);
    client.call("/test.Double/Echo", vec![]).await.unwrap();
    double.runs(1).await;
}

#[tokio::test]
async fn many_quick_resets_close_the_connection() {
    let (mut client, server) = duplex(1 << 20);
    tokio::spawn(super::serve(server, Services::new(), 10));
    let mut frames = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    for call in 0..100u32 {
        let stream = (2 * call + 1).to_be_bytes();
        // POST http / as indices of HPACK's static table, and the code CANCEL.
        frames.extend([&b"\0\0\x03\x01\x04"[..], &stream, b"\x83\x86\x84"].concat());
        frames.extend([&b"\0\0\x04\x03\0"[..], &stream, b"\0\0\0\x08"].concat());
    }
    client.write_all(&frames).await.unwrap();
    let mut answer = Vec::new();
    soon(client.read_to_end(&mut answer)).await.unwrap();
    // GOAWAY is frame 7, and ENHANCE_YOUR_CALM is code 11.
    let goaway = answer.windows(4).position(|window| window == [7, 0, 0, 0]);
    let goaway = &answer[goaway.expect("the connection closed without a word")..];
    assert_eq!(goaway[10..14], [0, 0, 0, 11]);
}

/// Returns a client of HTTP/2, with windows of 64 KiB that it opens by hand, and a handle to break its connection.
async fn raw(double: &Double) -> (SendRequest<Bytes>, AbortHandle) {
    let (ours, theirs) = duplex(1 << 16);
    tokio::spawn(double.services().serve(theirs));
    let (client, connection) = h2::client::handshake(ours).await.unwrap();
    let connection = tokio::spawn(connection);
    (client.ready().await.unwrap(), connection.abort_handle())
}

/// Calls a method with an empty message. The caller of `Chat` may send more of them.
fn begin(
    client: &mut SendRequest<Bytes>,
    method: &str,
    timeout: &str,
) -> (ResponseFuture, SendStream<Bytes>) {
    let request = http::Request::post(format!("http://double/test.Double/{method}"))
        .header("content-type", "application/grpc")
        .header("grpc-timeout", timeout)
        .body(())
        .unwrap();
    let (answer, mut messages) = client.send_request(request, false).unwrap();
    messages
        .send_data(Bytes::from_static(&[0; 5]), method != "Chat")
        .unwrap();
    (answer, messages)
}

#[tokio::test]
async fn a_call_that_outlasts_its_timeout_is_ended() {
    let double = Double::new();
    let (mut client, _) = raw(&double).await;
    let answer = soon(begin(&mut client, "Wait", "10m").0).await.unwrap();
    assert_eq!(answer.headers()["grpc-status"], "4");
    double.runs(0).await;
}

#[tokio::test]
async fn what_is_held_is_dropped_after_the_last_byte() {
    let double = Double::new();
    let (mut client, _) = raw(&double).await;
    let answer = soon(begin(&mut client, "Keep", "1H").0).await.unwrap();
    let mut body = answer.into_body();
    let (mut received, mut last) = (0, 0);
    while let Some(bytes) = soon(body.data()).await {
        assert!(double.keeps(), "dropped after {received} bytes");
        last = bytes.unwrap().len();
        received += last;
        if received + (1 << 16) >= KEPT {
            // From here on the server may already have written the rest.
            break;
        }
        body.flow_control().release_capacity(last).unwrap();
    }
    assert!(received > KEPT / 2, "only {received} bytes came");
    body.flow_control().release_capacity(last).unwrap();
    while let Some(bytes) = soon(body.data()).await {
        body.flow_control()
            .release_capacity(bytes.unwrap().len())
            .unwrap();
    }
    let trailers = soon(body.trailers()).await.unwrap().unwrap();
    assert_eq!(trailers["grpc-status"], "0");
    double.lets_go().await;
}

#[tokio::test]
async fn what_is_held_is_dropped_when_the_caller_gives_up() {
    let double = Double::new();
    let (mut client, _) = raw(&double).await;
    let answer = soon(begin(&mut client, "Keep", "1H").0).await.unwrap();
    assert!(double.keeps());
    drop(answer);
    double.lets_go().await;
}

#[tokio::test]
async fn what_is_held_is_dropped_when_the_connection_breaks() {
    let double = Double::new();
    let (mut client, connection) = raw(&double).await;
    let _answer = soon(begin(&mut client, "Keep", "1H").0).await.unwrap();
    assert!(double.keeps());
    connection.abort();
    double.lets_go().await;
}
