//! How a listener starts and ends.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::sync::Semaphore;

use super::super::{ListenError, Listener, ListenerLimits, ListenerSettings};
use super::support::{
    BODY, Notebook, Stand, one_answer, rest, settings, signed, signed_and_more, status,
};

#[tokio::test]
async fn a_public_address_needs_tls_or_a_proxy() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let settings = ListenerSettings {
            address: address.parse().expect("an address"),
            ..settings()
        };
        let refused = Listener::bind(settings.clone()).await;
        assert!(
            matches!(refused, Err(ListenError::Setting(bad)) if bad.option == "address"),
            "{address}"
        );
        let behind_proxy = ListenerSettings {
            behind_proxy: true,
            ..settings
        };
        assert!(behind_proxy.check().is_ok(), "{address}");
    }
}

#[tokio::test]
async fn a_path_that_no_request_has_is_refused() {
    for path in ["", "webhooks", "/a?b", "/a b", "/a#b", "http://host/a"] {
        let settings = ListenerSettings {
            path: path.to_owned(),
            ..settings()
        };
        let refused = settings.check();
        assert!(
            matches!(refused, Err(bad) if bad.option == "path"),
            "{path:?}"
        );
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let stand = Stand::new().await;
    let settings = ListenerSettings {
        address: stand.address,
        ..settings()
    };
    let refused = Listener::bind(settings)
        .await
        .map(|bound| bound.local_addr());
    let port = stand.address.port().to_string();
    assert!(refused.expect_err("taken").to_string().contains(&port));
}

#[tokio::test]
async fn a_shutdown_finishes_what_has_begun_and_takes_nothing_new() {
    let closed = Notebook {
        gate: Semaphore::new(0),
        ..Notebook::open()
    };
    let mut stand = Stand::with(settings(), closed).await;
    let mut resting = stand.connect().await;
    let mut stream = stand.connect().await;
    stream.write_all(&signed(BODY)).await.expect("sent");
    stand.notebook.reached(1).await;
    stand.stop();
    assert_eq!(rest(&mut resting).await, "", "closed");
    stand.notebook.gate.add_permits(1);
    assert_eq!(status(&rest(&mut stream).await), 200);
    assert!(stand.tasks.join_next().await.expect("one task").is_ok());
    let refused = tokio::net::TcpStream::connect(stand.address).await;
    assert!(refused.is_err());
}

#[tokio::test]
async fn a_request_that_was_half_sent_is_told_to_come_again() {
    let mut stand = Stand::new().await;
    let mut stream = stand.connect().await;
    stream
        .write_all(&signed_and_more(BODY))
        .await
        .expect("sent");
    assert_eq!(status(&one_answer(&mut stream).await), 200);
    let second = signed_and_more(BODY);
    let (begun, end) = second.split_at(30);
    stream.write_all(begun).await.expect("sent");
    stand.stop();
    // The connection may be closed or answered already, but the webhook is not acknowledged.
    drop(stream.write_all(end).await);
    let answer = status(&rest(&mut stream).await);
    assert!([0, 503].contains(&answer), "{answer}");
    assert_eq!(stand.notebook.count(), 1);
    assert!(stand.tasks.join_next().await.expect("one task").is_ok());
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_ever() {
    let settings = ListenerSettings {
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
        limits: ListenerLimits {
            request_time: Duration::from_millis(50),
            header_time: Duration::from_hours(1),
            ..ListenerLimits::default()
        },
        ..settings()
    };
    let mut stand = Stand::with(settings, Notebook::open()).await;
    let mut stream = stand.connect().await;
    stream
        .write_all(b"POST /webhooks/kombo HTTP/1.1\r\n")
        .await
        .expect("sent");
    stand.stop();
    assert!(stand.tasks.join_next().await.expect("one task").is_ok());
}
