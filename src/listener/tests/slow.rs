//! Slow senders. Each test waits until the listener closes the connection.

use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::super::{ListenerLimits, ListenerSettings};
use super::support::{
    BODY, Notebook, Stand, one_answer, request, rest, secret, settings, signed_and_more, status,
};
use tokio::sync::Semaphore;

/// A time limit that ends soon.
const MOMENT: Duration = Duration::from_millis(50);

/// A time limit that no test reaches.
const FOR_EVER: Duration = Duration::from_hours(1);

fn patient() -> ListenerLimits {
    ListenerLimits {
        header_time: FOR_EVER,
        body_time: FOR_EVER,
        request_time: FOR_EVER,
        idle_time: FOR_EVER,
        ..ListenerLimits::default()
    }
}

#[tokio::test]
async fn silence_is_closed() {
    let stand = Stand::limited(ListenerLimits {
        header_time: MOMENT,
        ..patient()
    })
    .await;
    assert_eq!(stand.exchange("").await, "");
}

#[tokio::test]
async fn headers_that_do_not_end_are_closed() {
    let stand = Stand::limited(ListenerLimits {
        header_time: MOMENT,
        ..patient()
    })
    .await;
    let mut stream = stand.connect().await;
    let (mut reader, mut writer) = stream.split();
    let dribble = async {
        let start = b"POST /webhooks/kombo HTTP/1.1\r\nhost: localhost\r\n".iter();
        for byte in start.chain(std::iter::repeat(&b'a')) {
            if writer.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let mut nothing = Vec::new();
    let closed = tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut nothing);
    tokio::select! {
        () = dribble => {}
        ended = closed => drop(ended),
    }
    assert_eq!(stand.deliver().await, 200);
}

#[tokio::test]
async fn the_next_request_of_a_connection_has_to_end_its_headers_too() {
    let stand = Stand::limited(ListenerLimits {
        header_time: Duration::from_millis(500),
        ..patient()
    })
    .await;
    let mut stream = stand.connect().await;
    stream
        .write_all(&signed_and_more(BODY))
        .await
        .expect("sent");
    assert_eq!(status(&one_answer(&mut stream).await), 200);
    stream.write_all(b"POST /web").await.expect("sent");
    assert_eq!(status(&rest(&mut stream).await), 0);
}

#[tokio::test]
async fn a_connection_that_rests_too_long_is_closed() {
    let stand = Stand::limited(ListenerLimits {
        idle_time: MOMENT,
        ..patient()
    })
    .await;
    let mut stream = stand.connect().await;
    stream
        .write_all(&signed_and_more(BODY))
        .await
        .expect("sent");
    assert_eq!(status(&rest(&mut stream).await), 200);
}

#[tokio::test]
async fn a_body_that_does_not_end_is_given_up() {
    let stand = Stand::limited(ListenerLimits {
        body_time: MOMENT,
        ..patient()
    })
    .await;
    let (signature, length) = (secret().sign(BODY.as_bytes()), BODY.len().to_string());
    let headers = [
        ("x-kombo-signature", signature.as_str()),
        ("content-length", length.as_str()),
    ];
    let body = &BODY.as_bytes()[..20];
    let request = request("POST /webhooks/kombo", &headers, body);
    assert_eq!(status(&stand.exchange(request).await), 408);
    assert_eq!(stand.notebook.count(), 0);
}

#[tokio::test]
async fn an_intake_that_does_not_answer_is_overloaded() {
    let settings = ListenerSettings {
        limits: ListenerLimits {
            request_time: MOMENT,
            ..patient()
        },
        ..settings()
    };
    let closed = Notebook {
        gate: Semaphore::new(0),
        ..Notebook::open()
    };
    let stand = Stand::with(settings, closed).await;
    assert_eq!(stand.deliver().await, 503);
    assert_eq!(stand.notebook.count(), 0);
}
