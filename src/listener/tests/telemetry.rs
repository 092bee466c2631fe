//! Health and metrics over HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::super::{ListenError, Report, Telemetry, TelemetrySettings};
use super::support::{request, rest, status};

async fn ask(address: std::net::SocketAddr, line: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let request = request(line, &[("connection", "close")], b"");
    stream.write_all(&request).await.expect("sent");
    rest(&mut stream).await
}

fn at(address: &str) -> TelemetrySettings {
    TelemetrySettings {
        address: address.parse().expect("an address"),
        ..TelemetrySettings::default()
    }
}

/// What a service says: whether it lives, takes webhooks, and is well.
#[derive(Clone, Default)]
struct Says([Arc<AtomicBool>; 3]);

impl Says {
    fn well() -> Self {
        let says = Self::default();
        says.0
            .iter()
            .for_each(|one| one.store(true, Ordering::Relaxed));
        says
    }

    fn no(&self, which: usize) {
        self.0[which].store(false, Ordering::Relaxed);
    }

    fn yes(&self, which: usize) -> bool {
        self.0[which].load(Ordering::Relaxed)
    }
}

impl Report for Says {
    fn is_live(&self) -> bool {
        self.yes(0)
    }

    fn is_ready(&self) -> bool {
        self.yes(1)
    }

    fn health(&self) -> (bool, String) {
        (self.yes(2), "{\"troubles\":[]}".to_owned())
    }

    fn metrics(&self) -> String {
        "kombo_pages_total 7\n".to_owned()
    }
}

#[tokio::test]
async fn health_and_metrics_are_answered_and_nothing_else() {
    let telemetry = Telemetry::bind(&at("127.0.0.1:0")).await.expect("a port");
    let (address, says) = (telemetry.local_addr(), Says::well());
    let (stop, stopped) = oneshot::channel::<()>();
    let mut tasks = JoinSet::new();
    tasks.spawn(telemetry.serve(says.clone(), async { drop(stopped.await) }));
    for (which, path, document) in [
        (2, "/health", "{\"troubles\":[]}"),
        (1, "/ready", "{\"ok\":false}"),
        (0, "/live", "{\"ok\":false}"),
    ] {
        let text = ask(address, &format!("GET {path}")).await;
        assert_eq!(status(&text), 200, "{text}");
        says.no(which);
        let text = ask(address, &format!("GET {path}")).await;
        assert!(status(&text) == 503 && text.ends_with(document), "{text}");
    }
    let text = ask(address, "GET /metrics").await;
    assert!(
        text.contains("content-type: text/plain; version=0.0.4"),
        "{text}"
    );
    assert!(
        status(&text) == 200 && text.ends_with("\r\n\r\nkombo_pages_total 7\n"),
        "{text}"
    );
    assert_eq!(status(&ask(address, "HEAD /metrics").await), 200);
    assert_eq!(status(&ask(address, "GET /").await), 404);
    assert_eq!(status(&ask(address, "POST /health").await), 405);
    drop(stop);
    assert!(tasks.join_next().await.expect("one task").is_ok());
}

/// Serves the pages and returns the status for each host.
async fn asked_as<const N: usize>(exposed: bool, hosts: [&str; N]) -> [u16; N] {
    let settings = TelemetrySettings {
        exposed,
        ..at("127.0.0.1:0")
    };
    let telemetry = Telemetry::bind(&settings).await.expect("a port");
    let address = telemetry.local_addr();
    let mut tasks = JoinSet::new();
    tasks.spawn(telemetry.serve(Says::well(), std::future::pending()));
    let mut found = [0; N];
    for (host, found) in hosts.iter().zip(&mut found) {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        let request = format!("GET {host}connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        *found = status(&rest(&mut stream).await);
    }
    found
}

#[tokio::test]
async fn a_page_of_a_stranger_cannot_read_them_by_a_name_of_its_own() {
    let hosts = [
        "/health HTTP/1.1\r\nhost: localhost:8686\r\n",
        "/metrics HTTP/1.1\r\nhost: 127.0.0.1\r\n",
        "/health HTTP/1.0\r\n",
        "http://localhost/health HTTP/1.1\r\nhost: localhost\r\n",
        "/health HTTP/1.1\r\nhost: example.com\r\n",
        "/metrics HTTP/1.1\r\nhost: example.com:8686\r\n",
        "/health HTTP/1.1\r\nhost: localhost\r\nhost: example.com\r\n",
        "http://example.com/health HTTP/1.1\r\nhost: localhost\r\n",
        "/health HTTP/1.1\r\nhost: \u{e4}\r\n",
    ];
    let seen = asked_as(false, hosts).await;
    assert_eq!(seen, [200, 200, 200, 200, 421, 421, 421, 421, 421]);
    // A service name, as Prometheus uses it.
    assert_eq!(asked_as(true, hosts).await, [200; 9]);
}

#[tokio::test]
async fn a_public_address_has_to_be_meant() {
    let refused = Telemetry::bind(&at("0.0.0.0:0")).await;
    assert!(matches!(refused, Err(ListenError::Setting(bad)) if bad.option == "address"));
}
