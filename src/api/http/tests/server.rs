//! A server on the loopback interface that answers by a script, one connection per answer.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// What the server does with a request.
#[derive(Clone)]
pub(super) enum Reply {
    /// Sends these bytes and closes.
    Bytes(Vec<u8>),
    /// Sends these bytes, then nothing, and keeps the connection open.
    Stall(Vec<u8>),
    /// Sends these bytes, then resets the connection.
    Reset(Vec<u8>),
    /// Sends a body that never ends, in chunks.
    Endless,
}

impl Reply {
    /// Makes an answer with a body of a known length.
    pub(super) fn new(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Self {
        let mut bytes = head(status, headers);
        bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
        bytes.extend_from_slice(body);
        Self::Bytes(bytes)
    }
}

/// Returns the status line and the headers, without the empty line.
pub(super) fn head(status: u16, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} x\r\nconnection: close\r\n");
    let line = |(name, value): &(&str, &str)| format!("{name}: {value}\r\n");
    text.extend(headers.iter().map(line));
    text.into_bytes()
}

/// A running server. Dropping the value stops it.
pub(super) struct Server {
    pub(super) address: String,
    requests: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Starts a server that sends the replies in order, and repeats the last one.
    pub(super) async fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}/v1", listener.local_addr().expect("bound"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        let seen = Arc::clone(&requests);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            let mut replies = replies.into_iter();
            let mut reply = replies.next().expect("a reply");
            loop {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                let request = read_head(&mut stream).await;
                seen.lock().expect("not poisoned").push(request);
                connections.spawn(give(stream, reply.clone()));
                reply = replies.next().unwrap_or(reply);
            }
        });
        Self {
            address,
            requests,
            _tasks: tasks,
        }
    }

    /// Returns the heads of the requests so far.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("not poisoned").clone()
    }
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).expect("requests are ASCII")
}

async fn give(mut stream: TcpStream, reply: Reply) {
    // The client may close the connection at any point. Many tests do that on purpose.
    match reply {
        Reply::Bytes(bytes) => {
            if stream.write_all(&bytes).await.is_ok() {
                stream.shutdown().await.ok();
            }
        }
        Reply::Stall(bytes) => {
            stream.write_all(&bytes).await.ok();
            tokio::time::sleep(Duration::from_mins(1)).await;
        }
        Reply::Reset(bytes) => {
            stream.write_all(&bytes).await.ok();
            stream.flush().await.ok();
            stream
                .set_zero_linger()
                .expect("an option every socket has");
        }
        Reply::Endless => {
            let mut head = head(200, &[("transfer-encoding", "chunked")]);
            head.extend_from_slice(b"\r\n1\r\n{\r\n");
            stream.write_all(&head).await.ok();
            let mut chunk = b"100000\r\n".to_vec();
            chunk.resize(chunk.len() + (1 << 20), b' ');
            chunk.extend_from_slice(b"\r\n");
            while stream.write_all(&chunk).await.is_ok() {}
        }
    }
}
