//! Floods of bodies without a signature: what they may take, and what signed webhooks notice of them.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

use super::super::{ListenerLimits, ListenerSettings};
use super::support::{
    BODY, Notebook, Stand, one_answer, post, request, rest, secret, settings, signed, status,
};

const FULL: usize = 64 * 1024;
const SENDER: u8 = 9;

fn limits(bodies: usize) -> ListenerLimits {
    let for_ever = Duration::from_hours(1);
    ListenerLimits {
        bodies_bytes: bodies * FULL,
        body_time: for_ever,
        request_time: for_ever,
        ..ListenerLimits::default()
    }
}

/// Connects from an address of loopback.
async fn from(stand: &Stand, last: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    let source = SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0));
    socket.bind(source).expect("bound");
    socket.connect(stand.address).await.expect("connected")
}

/// Sends a request from an address, and returns the answer until the connection is closed.
async fn ask(stand: &Stand, last: u8, request: &[u8]) -> String {
    let mut stream = from(stand, last).await;
    drop(stream.write_all(request).await);
    rest(&mut stream).await
}

/// Sends a request that breaks off, and waits until the connection is closed.
async fn break_off(stand: &Stand, last: u8, request: &[u8]) {
    let mut stream = from(stand, last).await;
    drop(stream.write_all(request).await);
    drop(stream.shutdown().await);
    rest(&mut stream).await;
}

/// Returns the head of a request with the signature of another body.
fn announced(length: &str) -> Vec<u8> {
    let signature = secret().sign(b"another body");
    let headers = [
        ("x-kombo-signature", signature.as_str()),
        ("expect", "100-continue"),
        ("content-length", length),
    ];
    request("POST /webhooks/kombo", &headers, b"")
}

/// Announces a full body from an address. Returns the connection if the listener waits for the body.
async fn hold(stand: &Stand, last: u8) -> Option<TcpStream> {
    let mut stream = from(stand, last).await;
    let head = announced(&FULL.to_string());
    stream.write_all(&head).await.expect("sent");
    (status(&one_answer(&mut stream).await) == 100).then_some(stream)
}

/// Returns a signed webhook with so long a body that its memory is counted.
fn long() -> Vec<u8> {
    signed(&BODY.replace("{\"id\"", &format!("{}{{\"id\"", " ".repeat(8000))))
}

#[tokio::test]
async fn a_body_without_room_is_refused_before_it_is_read() {
    let stand = Stand::limited(limits(4)).await;
    let held = hold(&stand, 1).await.expect("one body has room");
    let text = ask(&stand, 1, &announced(&FULL.to_string())).await;
    assert_eq!(status(&text), 503);
    assert!(text.contains("retry-after: 1\r\n"), "{text}");
    assert!(text.contains("connection: close\r\n"), "{text}");
    let metrics = stand.metrics.encode();
    assert!(metrics.contains("outcome=\"no_room\"} 1"), "{metrics}");
    drop(held);
    // The listener takes a moment to see that the connection is closed.
    while hold(&stand, 1).await.is_none() {}
}

#[tokio::test]
async fn a_body_of_unknown_length_takes_the_room_of_the_longest() {
    let stand = Stand::limited(limits(4)).await;
    let _held = hold(&stand, 1).await.expect("one body has room");
    let signature = secret().sign(BODY.as_bytes());
    let headers = [
        ("x-kombo-signature", signature.as_str()),
        ("transfer-encoding", "chunked"),
    ];
    let chunked = request("POST /webhooks/kombo", &headers, b"");
    assert_eq!(status(&ask(&stand, 1, &chunked).await), 503);
}

#[tokio::test]
async fn bodies_of_strangers_leave_room_for_those_of_kombo() {
    let stand = Stand::limited(limits(8)).await;
    let mut held = Vec::new();
    for last in 1..=5 {
        for _ in 0..3 {
            held.extend(hold(&stand, last).await);
        }
    }
    assert_eq!(held.len(), 6, "two of each address, six of all");
    assert_eq!(status(&ask(&stand, SENDER, &long()).await), 503);
    // A webhook of the usual size always has room, and proves its address.
    assert_eq!(status(&ask(&stand, SENDER, &signed(BODY)).await), 200);
    assert_eq!(status(&ask(&stand, SENDER, &long()).await), 200);
    assert_eq!(status(&ask(&stand, SENDER + 1, &long()).await), 503);
    assert_eq!(status(&ask(&stand, 1, &signed(BODY)).await), 200);
}

#[tokio::test]
async fn too_many_wrong_signatures_are_refused_before_the_body_is_read() {
    let stand = Stand::limited(ListenerLimits {
        strangers_per_second: 1,
        ..limits(64)
    })
    .await;
    let wrong = post(&[("x-kombo-signature", &secret().sign(b"x"))], b"{}");
    // On a slow machine a second may pass between the two requests, and bring a new allowance.
    let mut seen = Vec::new();
    while !seen.contains(&429) && seen.len() < 50 {
        drop(ask(&stand, 1, &wrong).await);
        // Nothing of this body ever comes, so an answer other than 100 means that nobody waited for it.
        let mut stream = from(&stand, 1).await;
        stream.write_all(&announced("2")).await.expect("sent");
        seen.push(status(&one_answer(&mut stream).await));
    }
    assert!(seen.contains(&429), "{seen:?}");
    assert!(stand.metrics.encode().contains("outcome=\"limited\"} "));
    assert_eq!(status(&ask(&stand, SENDER, &signed(BODY)).await), 200);
}

#[tokio::test]
async fn bodies_that_break_off_count_only_if_they_cost_something() {
    let stand = Stand::limited(ListenerLimits {
        strangers_per_second: 1,
        ..limits(64)
    })
    .await;
    let broken = |bytes: usize| [announced(&FULL.to_string()), vec![b' '; bytes]].concat();
    for _ in 0..20 {
        break_off(&stand, 1, &broken(100)).await;
    }
    let limited = || stand.metrics.encode().contains("outcome=\"limited\"} ");
    assert!(!limited());
    for _ in 0..20 {
        // A refusal closes the connection with unread bytes, and the reset can overtake the answer.
        break_off(&stand, 1, &broken(FULL / 2)).await;
    }
    assert!(limited());
}

#[tokio::test]
async fn a_sender_that_is_proved_is_not_limited() {
    let stand = Stand::limited(ListenerLimits {
        strangers_per_second: 1,
        ..limits(64)
    })
    .await;
    assert_eq!(stand.deliver().await, 200);
    let wrong = post(&[("x-kombo-signature", &secret().sign(b"x"))], b"{}");
    for _ in 0..20 {
        assert_eq!(status(&stand.exchange(&wrong).await), 401);
        assert_eq!(status(&stand.exchange(post(&[], b"{}")).await), 401);
    }
    assert_eq!(stand.deliver().await, 200);
}

#[tokio::test]
async fn behind_a_proxy_strangers_do_not_limit_kombo() {
    let settings = ListenerSettings {
        behind_proxy: true,
        limits: ListenerLimits {
            strangers_per_second: 1,
            ..limits(4)
        },
        ..settings()
    };
    let stand = Stand::with(settings, Notebook::open()).await;
    let wrong = post(&[("x-kombo-signature", &secret().sign(b"x"))], b"{}");
    for _ in 0..20 {
        assert_eq!(status(&stand.exchange(&wrong).await), 401);
        assert_eq!(status(&stand.exchange(post(&[], b"{}")).await), 401);
    }
    let held = [hold(&stand, 1).await, hold(&stand, 1).await];
    assert!(held.iter().all(Option::is_some), "no share of an address");
    assert_eq!(status(&stand.exchange(long()).await), 200);
}

#[tokio::test]
async fn signed_webhooks_at_one_time_use_up_no_allowance() {
    let stand = Stand::limited(ListenerLimits {
        strangers_per_second: 1,
        ..limits(64)
    })
    .await;
    let webhook = signed(BODY);
    let (start, end) = webhook.split_at(webhook.len() - 1);
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut stream = from(&stand, SENDER).await;
        stream.write_all(start).await.expect("sent");
        streams.push(stream);
    }
    for stream in &mut streams {
        stream.write_all(end).await.expect("sent");
        assert_eq!(status(&rest(stream).await), 200);
    }
}
