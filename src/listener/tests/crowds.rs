//! More connections than there are places.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::super::{ListenerLimits, ListenerSettings, Overloaded};
use super::support::{
    BODY, Notebook, Stand, one_answer, rest, settings, signed, signed_and_more, status,
};

fn crowded(connections: usize, connections_per_address: usize) -> ListenerLimits {
    let for_ever = Duration::from_hours(1);
    ListenerLimits {
        connections,
        connections_per_address,
        header_time: for_ever,
        idle_time: for_ever,
        body_time: for_ever,
        request_time: for_ever,
        ..ListenerLimits::default()
    }
}

/// Opens connections that send these bytes and then wait.
async fn open(stand: &Stand, count: usize, words: &[u8]) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    for _ in 0..count {
        let mut stream = stand.connect().await;
        // The oldest connections may be closed by now.
        drop(stream.write_all(words).await);
        streams.push(stream);
    }
    streams
}

#[tokio::test]
async fn hundreds_of_idle_connections_keep_nobody_waiting() {
    let stand = Stand::limited(crowded(100, 100)).await;
    let _idle = open(&stand, 400, b"").await;
    for _ in 0..20 {
        assert_eq!(stand.deliver().await, 200);
    }
}

#[tokio::test]
async fn hundreds_of_slow_senders_keep_nobody_waiting() {
    let stand = Stand::limited(crowded(100, 100)).await;
    let request = signed(BODY);
    let (begun, _) = request.split_at(request.len() - 5);
    let _headers = open(&stand, 200, b"POST /webhooks/kombo HTTP/1.1\r\nx-a: ").await;
    let _bodies = open(&stand, 200, begun).await;
    for _ in 0..20 {
        assert_eq!(stand.deliver().await, 200);
    }
    assert_eq!(stand.notebook.count(), 20);
}

#[tokio::test]
async fn a_connection_that_has_delivered_outlasts_a_crowd_that_has_not() {
    let stand = Stand::limited(crowded(20, 20)).await;
    let mut stream = stand.connect().await;
    stream
        .write_all(&signed_and_more(BODY))
        .await
        .expect("sent");
    assert_eq!(status(&one_answer(&mut stream).await), 200);
    let _idle = open(&stand, 200, b"POST").await;
    stream
        .write_all(&signed_and_more(BODY))
        .await
        .expect("sent");
    assert_eq!(status(&one_answer(&mut stream).await), 200);
}

#[tokio::test]
async fn one_address_takes_no_more_places_than_it_may() {
    let stand = Stand::limited(crowded(1000, 5)).await;
    let mut idle = open(&stand, 6, b"").await;
    // The oldest connection was closed to make room, so reading from it ends.
    assert_eq!(rest(&mut idle[0]).await, "");
    assert_eq!(stand.deliver().await, 200);
}

#[tokio::test]
async fn behind_a_proxy_one_address_is_everybody() {
    let settings = ListenerSettings {
        behind_proxy: true,
        limits: crowded(1000, 1),
        ..settings()
    };
    let stand = Stand::with(settings, Notebook::open()).await;
    let mut streams = open(&stand, 50, b"POST").await;
    let request = signed_and_more(BODY);
    for stream in &mut streams {
        stream.write_all(&request[4..]).await.expect("sent");
        assert_eq!(status(&one_answer(stream).await), 200);
    }
}

#[tokio::test]
async fn when_all_are_being_answered_a_newcomer_is_closed_at_once() {
    let settings = ListenerSettings {
        limits: crowded(3, 3),
        ..settings()
    };
    let closed = Notebook {
        gate: Semaphore::new(0),
        ..Notebook::open()
    };
    let stand = Stand::with(settings, closed).await;
    let mut answering = open(&stand, 3, &signed(BODY)).await;
    stand.notebook.reached(3).await;
    assert_eq!(stand.deliver().await, 0);
    stand.notebook.gate.add_permits(10);
    for stream in &mut answering {
        assert_eq!(status(&rest(stream).await), 200);
    }
    assert_eq!(stand.deliver().await, 200);
}

#[tokio::test]
async fn an_overloaded_service_says_when_to_come_again() {
    let overloaded = Notebook {
        overloaded: Some(Overloaded {
            retry_after: Duration::from_secs(7),
        }),
        ..Notebook::open()
    };
    let stand = Stand::with(settings(), overloaded).await;
    let text = stand.exchange(signed(BODY)).await;
    assert_eq!(status(&text), 503);
    assert!(text.contains("retry-after: 7\r\n"), "{text}");
    assert!(stand.metrics.encode().contains("outcome=\"overloaded\"} 1"));
}
