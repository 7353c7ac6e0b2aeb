//! The life of a channel's connections.

use std::future::{pending, poll_fn, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::future::join_all;
use h2::Reason;
use h2::server::Builder;
use tokio::io::{AsyncReadExt as _, DuplexStream};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, mpsc, oneshot};

use super::double::{Blob, PATH, answer_echo, blob, channel, echo, serve};
use super::soon;
use crate::Channel;

#[tokio::test]
async fn a_dropped_call_resets_its_stream_and_no_other() {
    let (channel, mut connections) = channel();
    let (seen, reset) = oneshot::channel();
    tokio::spawn(async move {
        let io = connections.recv().await.unwrap();
        let mut connection = h2::server::handshake(io).await.unwrap();
        let (_request, mut respond) = connection.accept().await.unwrap().unwrap();
        tokio::spawn(async move {
            let reason = poll_fn(|cx| respond.poll_reset(cx)).await;
            seen.send(reason.unwrap()).unwrap();
        });
        while let Some(Ok((request, respond))) = connection.accept().await {
            tokio::spawn(answer_echo(request, respond));
        }
    });
    channel.connect().await.unwrap();
    let (message, call) = (blob("text"), channel.clone());
    let call = tokio::spawn(async move { call.unary::<_, ()>(PATH, &message).await });
    // The next call begins once the first one is on its way.
    tokio::task::yield_now().await;
    assert_eq!(echo(&channel, "other").await.unwrap(), "other");
    call.abort();
    assert_eq!(soon(reset).await.unwrap(), Reason::CANCEL);
    assert_eq!(echo(&channel, "after").await.unwrap(), "after");
}

#[tokio::test]
async fn dropping_the_last_clone_closes_the_connection() {
    let (channel, mut connections) = channel();
    let server = tokio::spawn(async move {
        let io = connections.recv().await.unwrap();
        serve(Builder::new(), io, answer_echo).await;
    });
    let clone = channel.clone();
    assert_eq!(echo(&channel, "text").await.unwrap(), "text");
    drop(channel);
    assert_eq!(echo(&clone, "clone").await.unwrap(), "clone");
    assert!(!server.is_finished());
    drop(clone);
    soon(server).await.unwrap();
}

#[tokio::test]
async fn dropping_an_unused_channel_closes_its_connection() {
    let (channel, mut connections) = channel();
    channel.connect().await.unwrap();
    channel.connect().await.unwrap();
    let mut io = connections.recv().await.unwrap();
    assert!(connections.try_recv().is_err(), "it connected twice");
    drop(channel);
    soon(io.read_to_end(&mut Vec::new())).await.unwrap();
}

#[tokio::test]
async fn calls_keep_to_the_peers_limit_of_streams() {
    const LIMIT: usize = 10;
    let (channel, mut connections) = channel();
    let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = most.clone();
    tokio::spawn(async move {
        let mut builder = Builder::new();
        builder.max_concurrent_streams(u32::try_from(LIMIT).unwrap());
        let answer = move |request, respond| {
            let (open, most) = (open.clone(), most.clone());
            async move {
                most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                open.fetch_sub(1, Ordering::SeqCst);
                answer_echo(request, respond).await;
            }
        };
        serve(builder, connections.recv().await.unwrap(), answer).await;
    });
    // Before the first answer the channel does not know the limit.
    assert_eq!(echo(&channel, "first").await.unwrap(), "first");
    let calls = (0..200_u32).map(|number| echo(&channel, Bytes::copy_from_slice(&number.to_be_bytes())));
    for (number, answer) in join_all(calls).await.into_iter().enumerate() {
        assert_eq!(answer.unwrap(), u32::try_from(number).unwrap().to_be_bytes()[..]);
    }
    let most = seen.load(Ordering::SeqCst);
    assert!(most > 1 && most <= LIMIT, "{most}");
}

#[tokio::test]
async fn calls_that_begin_before_the_peer_says_its_limit_succeed() {
    let (channel, mut connections) = channel();
    tokio::spawn(async move {
        let mut builder = Builder::new();
        builder.max_concurrent_streams(10);
        serve(builder, connections.recv().await.unwrap(), answer_echo).await;
    });
    let calls = (0..200).map(|_| echo(&channel, "text"));
    let failed = join_all(calls).await.into_iter().filter(Result::is_err).count();
    assert_eq!(failed, 0);
}

#[tokio::test]
async fn calls_at_the_same_time_share_one_attempt_to_connect() {
    let (attempts, go_on) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (opened, mut connections) = mpsc::unbounded_channel();
    let channel = Channel::new({
        let (attempts, go_on) = (attempts.clone(), go_on.clone());
        move || {
            attempts.fetch_add(1, Ordering::SeqCst);
            let (go_on, opened) = (go_on.clone(), opened.clone());
            async move {
                go_on.notified().await;
                let (near, far) = tokio::io::duplex(1 << 16);
                opened.send(far).map(|()| near)
            }
        }
    });
    tokio::spawn(async move {
        serve(Builder::new(), connections.recv().await.unwrap(), answer_echo).await;
    });
    let first = channel.clone();
    let first = tokio::spawn(async move { echo(&first, "text").await });
    let others = tokio::spawn(async move { join_all((0..20).map(|_| echo(&channel, "text"))).await });
    tokio::task::yield_now().await;
    // The attempt does not end with the call that caused it.
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    go_on.notify_one();
    assert!(soon(others).await.unwrap().iter().all(Result::is_ok));
    assert_eq!(attempts.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_connection_outlives_the_runtime_of_the_call_that_opened_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        let (io, _) = listener.accept().await.unwrap();
        serve(Builder::new(), io, answer_echo).await;
    });
    let channel = Channel::new(move || UnixStream::connect(path.clone()));
    let elsewhere = channel.clone();
    let call = tokio::task::spawn_blocking(move || {
        // This runtime has neither sockets nor timers.
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(elsewhere.unary::<_, Blob>(PATH, &blob("text")))
    });
    assert_eq!(soon(call).await.unwrap().unwrap(), blob("text"));
    assert_eq!(echo(&channel, "after").await.unwrap(), "after");
}

#[tokio::test]
async fn a_failed_attempt_fails_all_who_wait_and_the_next_call_tries_again() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let count = attempts.clone();
    let channel = Channel::new(move || {
        count.fetch_add(1, Ordering::SeqCst);
        ready(Err::<DuplexStream, _>("nobody is there"))
    });
    for number in 1..=2 {
        for answer in join_all((0..20).map(|_| echo(&channel, "text"))).await {
            let status = answer.unwrap_err();
            assert_eq!(status.message(), "cannot connect to the host: nobody is there");
            assert_eq!(
                std::error::Error::source(&status).unwrap().to_string(),
                "nobody is there"
            );
        }
        assert_eq!(attempts.load(Ordering::SeqCst), number);
    }
    assert_eq!(
        channel.connect().await.unwrap_err().to_string(),
        "nobody is there"
    );
}

#[tokio::test]
async fn after_an_attempt_that_panicked_the_next_call_tries_again() {
    let (opened, mut connections) = mpsc::unbounded_channel();
    let mut first = true;
    let channel = Channel::new(move || {
        let panics = std::mem::take(&mut first);
        let opened = opened.clone();
        async move {
            assert!(!panics, "in the connector");
            let (near, far) = tokio::io::duplex(1 << 16);
            opened.send(far).map(|()| near)
        }
    });
    tokio::spawn(async move {
        serve(Builder::new(), connections.recv().await.unwrap(), answer_echo).await;
    });
    let status = echo(&channel, "text").await.unwrap_err();
    assert!(std::error::Error::source(&status).is_some());
    assert_eq!(echo(&channel, "text").await.unwrap(), "text");
}

#[tokio::test]
async fn dropping_the_channel_ends_an_attempt_to_connect() {
    let (held, mut gone) = mpsc::channel::<()>(1);
    let channel = Channel::new(move || {
        let held = held.clone();
        async move {
            pending::<()>().await;
            drop(held);
            Err::<DuplexStream, _>("never")
        }
    });
    let call = tokio::spawn(async move { echo(&channel, "text").await });
    tokio::task::yield_now().await;
    call.abort();
    assert_eq!(soon(gone.recv()).await, None);
}
