//! The receiver of webhooks, and one POST to it. The POST is written to a socket by hand: the twin talks to this machine
//! only, and the home of the HTTP client is the room `api`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Most bytes of an answer that are read. The first line has the status.
const ANSWER_BYTES: usize = 1024;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A URL on loopback, such as `http://127.0.0.1:8080/webhooks/kombo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookTarget {
    address: SocketAddr,
    /// Path with the query.
    path: String,
}

/// Why webhooks cannot be sent to a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The text is no plain `http` URL.
    #[error("it must be a URL such as http://127.0.0.1:8080/webhooks/kombo")]
    Form,
    /// The URL is of another machine.
    #[error(
        "the twin sends webhooks to loopback only, such as http://127.0.0.1:8080/webhooks/kombo"
    )]
    NotLoopback,
}

impl FromStr for WebhookTarget {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let url = url::Url::parse(text).map_err(|_| TargetError::Form)?;
        if url.scheme() != "http" || !url.username().is_empty() || url.password().is_some() {
            return Err(TargetError::Form);
        }
        let ip = match url.host().ok_or(TargetError::Form)? {
            url::Host::Ipv4(ip) => IpAddr::V4(ip),
            url::Host::Ipv6(ip) => IpAddr::V6(ip),
            url::Host::Domain("localhost") => IpAddr::V4(Ipv4Addr::LOCALHOST),
            url::Host::Domain(_) => return Err(TargetError::NotLoopback),
        };
        if !ip.is_loopback() {
            return Err(TargetError::NotLoopback);
        }
        let address = SocketAddr::new(ip, url.port_or_known_default().unwrap_or(80));
        Ok(Self {
            address,
            path: url[url::Position::BeforePath..url::Position::AfterQuery].to_owned(),
        })
    }
}

impl WebhookTarget {
    /// Posts a body and returns the status of the answer.
    pub(super) async fn post(&self, body: &str, signature: &str) -> io::Result<u16> {
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
        timeout(PATIENCE, self.post_patiently(body, signature))
            .await
            .map_err(late)?
    }

    async fn post_patiently(&self, body: &str, signature: &str) -> io::Result<u16> {
        let mut stream = TcpStream::connect(self.address).await?;
        let request = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             X-Kombo-Signature: {signature}\r\nConnection: close\r\n\r\n{body}",
            self.path,
            self.address,
            body.len()
        );
        // A receiver that refuses early may close the connection before it has read everything. Its answer is read anyway.
        let sent = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::with_capacity(ANSWER_BYTES);
        let mut limited = stream.take(ANSWER_BYTES as u64);
        while !answer.contains(&b'\n') && limited.read_buf(&mut answer).await? > 0 {}
        sent?;
        status(&answer).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no HTTP answer"))
    }
}

fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\n').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    if !words.next()?.starts_with("HTTP/1.") {
        return None;
    }
    words.next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_plain_url_on_loopback() {
        let target: WebhookTarget = "http://localhost:8080/a/b?c=d".parse().expect("a target");
        assert_eq!(target.address.to_string(), "127.0.0.1:8080");
        assert_eq!(target.path, "/a/b?c=d");
        let target: WebhookTarget = "http://[::1]:9/".parse().expect("a target");
        assert_eq!(target.address.to_string(), "[::1]:9");
        assert_eq!(target.path, "/");
        for (text, error) in [
            ("127.0.0.1:8080", TargetError::Form),
            ("https://127.0.0.1/x", TargetError::Form),
            ("http://me:pw@127.0.0.1/x", TargetError::Form),
            ("http://10.0.0.1/x", TargetError::NotLoopback),
            ("http://0.0.0.0/x", TargetError::NotLoopback),
            ("http://example.com/x", TargetError::NotLoopback),
            ("http://localhost.example.com/x", TargetError::NotLoopback),
        ] {
            assert_eq!(text.parse::<WebhookTarget>(), Err(error), "{text}");
        }
    }

    #[test]
    fn the_status_is_in_the_first_line() {
        assert_eq!(status(b"HTTP/1.1 200 OK\r\nx: y\r\n"), Some(200));
        assert_eq!(status(b"HTTP/1.0 503\r\n"), Some(503));
        for nonsense in [
            &b""[..],
            b"\n",
            b"200",
            b"HTTP/1.1",
            b"SSH-2.0 200 x",
            b"HTTP/1.1 \xff",
        ] {
            assert_eq!(status(nonsense), None);
        }
    }
}
