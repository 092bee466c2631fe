//! A listener on a port of its own, and a client that sends arbitrary bytes.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;

use super::super::{
    Intake, Listener, ListenerLimits, ListenerSettings, Overloaded, SharedVerifier, TlsReloader,
};
use crate::build_info::BUILD_INFO;
use crate::metrics::Metrics;
use crate::webhook::{Verifier, Webhook, WebhookSecret};

/// A body that Kombo could have sent.
pub(super) const BODY: &str = r#"{"id":"e1","type":"data-changed","data":{"integration_id":"personio:CBNMt7dSNCzBdnRTx87dev4E","integration_tool":"personio","integration_category":"HRIS","changed_models":[{"name":"hris_employees"}]}}"#;

/// An intake that accepts every webhook while its gate is open.
pub(super) struct Notebook {
    pub(super) taken: Mutex<Vec<Webhook>>,
    /// Number of calls of `take`.
    pub(super) asked: AtomicUsize,
    /// One permit for each webhook that may be taken.
    pub(super) gate: Semaphore,
    pub(super) overloaded: Option<Overloaded>,
}

impl Notebook {
    pub(super) fn open() -> Self {
        Self {
            taken: Mutex::default(),
            asked: AtomicUsize::new(0),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            overloaded: None,
        }
    }

    /// Waits until so many webhooks have reached the gate.
    pub(super) async fn reached(&self, count: usize) {
        while self.asked.load(Ordering::Relaxed) < count {
            tokio::task::yield_now().await;
        }
    }

    pub(super) fn count(&self) -> usize {
        self.taken.lock().expect("no panic").len()
    }
}

impl Intake for Notebook {
    async fn take(&self, webhook: Webhook) -> Result<(), Overloaded> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.gate.acquire().await.expect("never closed").forget();
        if let Some(overloaded) = self.overloaded {
            return Err(overloaded);
        }
        self.taken.lock().expect("no panic").push(webhook);
        Ok(())
    }
}

/// A listener that runs until it is dropped or stopped.
pub(super) struct Stand {
    pub(super) address: SocketAddr,
    pub(super) notebook: Arc<Notebook>,
    pub(super) metrics: Metrics,
    pub(super) verifier: SharedVerifier,
    pub(super) tls: Option<TlsReloader>,
    stop: Option<oneshot::Sender<()>>,
    pub(super) tasks: JoinSet<()>,
}

pub(super) fn secret() -> WebhookSecret {
    WebhookSecret::new("whsec_test_12345678").expect("a secret")
}

pub(super) fn settings() -> ListenerSettings {
    ListenerSettings {
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
        ..ListenerSettings::default()
    }
}

impl Stand {
    pub(super) async fn new() -> Self {
        Self::with(settings(), Notebook::open()).await
    }

    pub(super) async fn limited(limits: ListenerLimits) -> Self {
        let settings = ListenerSettings {
            limits,
            ..settings()
        };
        Self::with(settings, Notebook::open()).await
    }

    pub(super) async fn with(settings: ListenerSettings, notebook: Notebook) -> Self {
        let bound = Listener::bind(settings).await.expect("a port");
        let verifier = SharedVerifier::new(Verifier::new(secret()));
        let (metrics, notebook) = (
            Metrics::new("kombo", "lake", &BUILD_INFO),
            Arc::new(notebook),
        );
        let (stop, stopped) = oneshot::channel();
        let (address, tls) = (bound.local_addr(), bound.tls());
        let mut tasks = JoinSet::new();
        tasks.spawn(bound.serve(
            verifier.clone(),
            Arc::clone(&notebook),
            metrics.clone(),
            async { drop(stopped.await) },
        ));
        Self {
            address,
            notebook,
            metrics,
            verifier,
            tls,
            stop: Some(stop),
            tasks,
        }
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("connected")
    }

    /// Sends bytes on a new connection, and returns all bytes that come back until it is closed.
    pub(super) async fn exchange(&self, request: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        // If the request is refused early, the connection may be closed before all bytes are sent.
        drop(stream.write_all(request.as_ref()).await);
        rest(&mut stream).await
    }

    /// Sends a signed webhook on a new connection, and returns the status.
    pub(super) async fn deliver(&self) -> u16 {
        status(&self.exchange(signed(BODY)).await)
    }

    /// Begins the shutdown.
    pub(super) fn stop(&mut self) {
        drop(self.stop.take());
    }
}

/// Returns all bytes that come until the connection is closed, in whatever way.
pub(super) async fn rest(stream: &mut TcpStream) -> String {
    let (mut all, mut part) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = stream.read(&mut part).await {
        all.extend_from_slice(&part[..count]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// Returns one answer of a connection that stays open.
pub(super) async fn one_answer(stream: &mut TcpStream) -> String {
    let (mut all, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&all).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let mut lines = head.lines();
            let length = lines.find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.and_then(|text| text.parse().ok()).unwrap_or(0) {
                return text;
            }
        }
        match stream.read(&mut part).await {
            Ok(count @ 1..) => all.extend_from_slice(&part[..count]),
            _ => return text,
        }
    }
}

/// Returns the status of an answer, or 0 if there is none.
pub(super) fn status(answer: &str) -> u16 {
    let word = answer.split(' ').nth(1);
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// Returns a POST request with a body and its correct length.
pub(super) fn post(headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let length = body.len().to_string();
    let mut all = headers.to_vec();
    all.extend([("content-length", length.as_str()), ("connection", "close")]);
    request("POST /webhooks/kombo", &all, body)
}

/// Returns a request as written, with only a host added.
pub(super) fn request(line: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut text = format!("{line} HTTP/1.1\r\nhost: localhost\r\n");
    let all = headers.iter();
    text.extend(all.map(|(name, value)| format!("{name}: {value}\r\n")));
    text.push_str("\r\n");
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// Returns a POST request with a webhook and its signature.
pub(super) fn signed(body: &str) -> Vec<u8> {
    let signature = secret().sign(body.as_bytes());
    post(&[("x-kombo-signature", &signature)], body.as_bytes())
}

/// Returns a signed webhook on a connection that stays open.
pub(super) fn signed_and_more(body: &str) -> Vec<u8> {
    let (signature, length) = (secret().sign(body.as_bytes()), body.len().to_string());
    let headers = [
        ("x-kombo-signature", signature.as_str()),
        ("content-length", length.as_str()),
    ];
    request("POST /webhooks/kombo", &headers, body.as_bytes())
}
