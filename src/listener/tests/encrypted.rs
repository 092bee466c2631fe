//! TLS, and that HTTP/2 is not spoken.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::super::{ListenError, ListenerLimits, ListenerSettings, TlsFiles};
use super::support::{BODY, Notebook, Stand, secret, settings};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/tls")
        .join(name)
}

fn pair(name: &str) -> TlsFiles {
    TlsFiles {
        crt_file: fixture(&format!("{name}.crt.pem")),
        key_file: fixture(&format!("{name}.key.pem")),
    }
}

async fn encrypted(files: TlsFiles, limits: ListenerLimits) -> Stand {
    let settings = ListenerSettings {
        tls: Some(files),
        limits,
        ..settings()
    };
    Stand::with(settings, Notebook::open()).await
}

fn client(builder: reqwest::ClientBuilder) -> reqwest::Client {
    let pem = |name| fs::read(fixture(name)).expect("a certificate");
    let certificate = |name| reqwest::Certificate::from_pem(&pem(name)).expect("a certificate");
    let trusted = ["localhost.crt.pem", "renewed.crt.pem"].map(certificate);
    let builder = builder.no_proxy().tls_certs_only(trusted);
    builder.build().expect("a client")
}

async fn deliver(client: &reqwest::Client, scheme: &str, stand: &Stand) -> reqwest::Response {
    let port = stand.address.port();
    client
        .post(format!("{scheme}://127.0.0.1:{port}/webhooks/kombo"))
        .header("x-kombo-signature", secret().sign(BODY.as_bytes()))
        .body(BODY)
        .send()
        .await
        .expect("an answer")
}

/// Returns the certificate a new connection is shown, and the protocol agreed on.
async fn shown(stand: &Stand, protocols: &[&[u8]]) -> (CertificateDer<'static>, Option<Vec<u8>>) {
    let mut roots = RootCertStore::empty();
    for name in ["localhost.crt.pem", "renewed.crt.pem"] {
        let certificate = CertificateDer::from_pem_file(fixture(name)).expect("a certificate");
        roots.add(certificate).expect("a root");
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let connector = TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = connector.connect(name, stand.connect().await).await;
    let stream = stream.expect("a handshake");
    let (_, session) = stream.get_ref();
    let certificate = session.peer_certificates().expect("a certificate")[0].clone();
    (certificate, session.alpn_protocol().map(<[u8]>::to_vec))
}

#[tokio::test]
async fn http2_without_tls_ends_the_connection_and_no_other() {
    let stand = Stand::new().await;
    let mut held = stand.connect().await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    held.write_all(preface).await.expect("sent");
    let (mut all, ended) = (Vec::new(), held.read_to_end(&mut Vec::new()).await);
    ended.expect("a clean end, not a reset");
    held.read_to_end(&mut all).await.expect("nothing more");
    assert!(all.is_empty(), "{all:?}");
    assert_eq!(stand.deliver().await, 200);
}

#[tokio::test]
async fn http1_alone_is_spoken_over_tls() {
    let stand = encrypted(pair("localhost"), ListenerLimits::default()).await;
    // This client offers both versions.
    let answer = deliver(&client(reqwest::Client::builder()), "https", &stand).await;
    let (status, version) = (answer.status().as_u16(), answer.version());
    assert_eq!((status, version), (200, reqwest::Version::HTTP_11));
    let (_, protocol) = shown(&stand, &[b"h2", b"http/1.1"]).await;
    assert_eq!(protocol.as_deref(), Some(&b"http/1.1"[..]));
    let two = client(reqwest::Client::builder().http2_prior_knowledge());
    let url = format!("https://127.0.0.1:{}/", stand.address.port());
    assert!(two.post(url).send().await.is_err());
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_after_a_reload() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = TlsFiles {
        crt_file: folder.path().join("crt.pem"),
        key_file: folder.path().join("key.pem"),
    };
    let install = |from: &TlsFiles| {
        fs::copy(&from.crt_file, &files.crt_file).expect("copied");
        fs::copy(&from.key_file, &files.key_file).expect("copied");
    };
    install(&pair("localhost"));
    let stand = encrypted(files.clone(), ListenerLimits::default()).await;
    let reloader = stand.tls.clone().expect("TLS");
    let (first, _) = shown(&stand, &[]).await;

    fs::write(&files.crt_file, "half a certifi").expect("written");
    assert!(matches!(reloader.reload(), Err(ListenError::Pem { .. })));
    fs::copy(pair("renewed").crt_file, &files.crt_file).expect("copied");
    let mismatch = reloader.reload().expect_err("the old key");
    assert!(matches!(mismatch, ListenError::Pair { .. }), "{mismatch}");
    assert_eq!(shown(&stand, &[]).await.0, first, "the one in use stays");

    install(&pair("renewed"));
    reloader.reload().expect("a pair");
    assert_ne!(shown(&stand, &[]).await.0, first);
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_closed() {
    let moment = ListenerLimits {
        handshake_time: Duration::from_millis(50),
        ..ListenerLimits::default()
    };
    let stand = encrypted(pair("localhost"), moment).await;
    assert_eq!(stand.exchange(b"\x16\x03\x01").await, "");
}

#[tokio::test]
async fn handshakes_that_do_not_end_keep_nobody_waiting() {
    let few = ListenerLimits {
        connections: 10,
        handshake_time: Duration::from_hours(1),
        ..ListenerLimits::default()
    };
    let stand = encrypted(pair("localhost"), few).await;
    let mut begun = Vec::new();
    for _ in 0..100 {
        let mut stream = stand.connect().await;
        drop(stream.write_all(b"\x16").await);
        begun.push(stream);
    }
    let client = client(reqwest::Client::builder());
    assert_eq!(deliver(&client, "https", &stand).await.status(), 200);
}

#[tokio::test]
async fn plain_text_gets_nothing_where_tls_is_spoken() {
    let stand = encrypted(pair("localhost"), ListenerLimits::default()).await;
    let text = stand.exchange(super::support::signed(BODY)).await;
    assert!(!text.contains("HTTP"), "{text}");
    assert_eq!(stand.notebook.count(), 0);
}

#[tokio::test]
async fn files_that_are_no_certificate_are_named_and_not_shown() {
    let missing = TlsFiles {
        crt_file: fixture("nowhere.pem"),
        ..pair("localhost")
    };
    let swapped = TlsFiles {
        crt_file: pair("localhost").key_file,
        key_file: pair("localhost").crt_file,
    };
    let other = TlsFiles {
        key_file: pair("renewed").key_file,
        ..pair("localhost")
    };
    for (files, named) in [
        (missing, "nowhere.pem"),
        (swapped, "localhost.key.pem"),
        (other, "renewed.key.pem"),
    ] {
        let text = files.check().expect_err("not a pair").to_string();
        assert!(text.contains(named) && !text.contains("PRIVATE"), "{text}");
    }
    assert!(pair("renewed").check().is_ok());
}
