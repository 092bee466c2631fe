//! Requests that are malformed, too long or incomplete.

use tokio::io::AsyncWriteExt;

use super::support::{BODY, Stand, post, request, rest, secret, signed, status};

const TEN_MB: usize = 10 * 1024 * 1024;

/// Returns a well-formed signature that belongs to some other body.
fn plausible() -> String {
    secret().sign(b"another body")
}

#[tokio::test]
async fn a_body_of_ten_megabytes_is_refused_before_it_comes() {
    let stand = Stand::new().await;
    let (signature, length) = (plausible(), TEN_MB.to_string());
    let headers = [
        ("x-kombo-signature", signature.as_str()),
        ("content-length", length.as_str()),
    ];
    let head = request("POST /webhooks/kombo", &headers, b"");
    assert_eq!(status(&stand.exchange(head).await), 413);
}

#[tokio::test]
async fn whoever_sends_ten_megabytes_all_the_same_disturbs_nobody() {
    let stand = Stand::new().await;
    let body = vec![b' '; TEN_MB];
    let request = post(&[("x-kombo-signature", &secret().sign(&body))], &body);
    // Closing a connection with unread bytes resets it, and the reset can overtake the answer.
    let answer = status(&stand.exchange(request).await);
    assert!([0, 413].contains(&answer), "{answer}");
    assert_eq!(stand.deliver().await, 200);
    assert_eq!(stand.notebook.count(), 1);
}

#[tokio::test]
async fn chunks_without_end_are_cut_off() {
    let stand = Stand::new().await;
    let signature = plausible();
    let headers = [
        ("x-kombo-signature", signature.as_str()),
        ("transfer-encoding", "chunked"),
    ];
    let mut stream = stand.connect().await;
    let head = request("POST /webhooks/kombo", &headers, b"");
    stream.write_all(&head).await.expect("sent");
    let chunk = format!("400\r\n{}\r\n", "a".repeat(1024));
    let mut chunks = 0;
    while chunks < 100_000 && stream.write_all(chunk.as_bytes()).await.is_ok() {
        chunks += 1;
    }
    assert!(chunks < 100_000, "it listened on and on");
    assert_eq!(stand.deliver().await, 200);
    let text = stand.metrics.encode();
    assert!(
        text.contains("kombo_http_server_responses_sent_total{"),
        "{text}"
    );
    assert!(text.contains("status=\"413\"} 1"), "{text}");
}

#[tokio::test]
async fn chunks_that_end_are_a_body_like_any_other() {
    let stand = Stand::new().await;
    let signature = secret().sign(BODY.as_bytes());
    let headers = [
        ("x-kombo-signature", signature.as_str()),
        ("transfer-encoding", "chunked"),
        ("connection", "close"),
    ];
    let (first, second) = BODY.split_at(10);
    let size = second.len();
    let body = format!("a\r\n{first}\r\n{size:x}\r\n{second}\r\n0\r\n\r\n");
    let request = request("POST /webhooks/kombo", &headers, body.as_bytes());
    assert_eq!(status(&stand.exchange(request).await), 200);
}

#[tokio::test]
async fn a_wrong_length_is_never_taken_for_the_webhook() {
    let stand = Stand::new().await;
    let signature = secret().sign(BODY.as_bytes());
    let sized = |lengths: &[(&'static str, &str)]| {
        let mut headers = vec![("x-kombo-signature", signature.as_str())];
        headers.extend_from_slice(lengths);
        headers.push(("connection", "close"));
        request("POST /webhooks/kombo", &headers, BODY.as_bytes())
    };
    let (short, right) = ((BODY.len() - 1).to_string(), BODY.len().to_string());
    let twice = format!("{right}, {right}");
    for (case, lengths, expected) in [
        ("short", vec![("content-length", short.as_str())], 401),
        ("none", vec![], 401),
        ("negative", vec![("content-length", "-1")], 400),
        ("no number", vec![("content-length", "many")], 400),
        (
            "beyond numbers",
            vec![("content-length", "99999999999999999999")],
            400,
        ),
        (
            "two",
            vec![("content-length", right.as_str()), ("content-length", "5")],
            400,
        ),
        ("two in one", vec![("content-length", twice.as_str())], 400),
        ("another coding", vec![("transfer-encoding", "gzip")], 400),
        (
            "chunks that are not the last coding",
            vec![("transfer-encoding", "chunked, gzip")],
            400,
        ),
    ] {
        assert_eq!(
            status(&stand.exchange(sized(&lengths)).await),
            expected,
            "{case}"
        );
    }
    assert_eq!(stand.notebook.count(), 0);
}

/// What hyper does with two equal lengths, or with chunks beside a length. It drops one header before anybody else sees it, so
/// a guard here would never fire. A proxy in front may believe the header that hyper drops. The bytes after the chunks
/// would then be the request of somebody else (request smuggling). So they must never be read as a request.
#[tokio::test]
async fn with_chunks_beside_a_length_nothing_after_the_chunks_is_a_request() {
    let stand = Stand::new().await;
    let (signature, length) = (secret().sign(BODY.as_bytes()), BODY.len().to_string());
    let chunks = format!("{:x}\r\n{BODY}\r\n0\r\n\r\n", BODY.len());
    let (chunked, sized) = (
        ("transfer-encoding", "chunked"),
        ("content-length", &*length),
    );
    for (case, two, body, expected) in [
        ("a length, then chunks", [sized, chunked], &*chunks, 1),
        ("chunks, then a length", [chunked, sized], &*chunks, 1),
        ("no chunks", [sized, chunked], BODY, 0),
        ("two equal lengths", [sized, sized], BODY, 2),
    ] {
        let before = stand.notebook.count();
        let headers = [[("x-kombo-signature", &*signature)].as_slice(), &two].concat();
        let mut sent = request("POST /webhooks/kombo", &headers, body.as_bytes());
        sent.extend(signed(BODY));
        let text = stand.exchange(sent).await;
        let first = if expected == 0 { 400 } else { 200 };
        assert_eq!(status(&text), first, "{case}: {text}");
        assert_eq!(stand.notebook.count() - before, expected, "{case}: {text}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_body() {
    let stand = Stand::new().await;
    let length = (BODY.len() + 1).to_string();
    let signature = secret().sign(BODY.as_bytes());
    let headers = [
        ("x-kombo-signature", signature.as_str()),
        ("content-length", length.as_str()),
    ];
    let mut stream = stand.connect().await;
    let request = request("POST /webhooks/kombo", &headers, BODY.as_bytes());
    stream.write_all(&request).await.expect("sent");
    stream.shutdown().await.expect("half closed");
    let answer = status(&rest(&mut stream).await);
    assert!([0, 400].contains(&answer), "{answer}");
    assert_eq!(stand.notebook.count(), 0);
}

#[tokio::test]
async fn a_packed_body_is_refused_unread() {
    let stand = Stand::new().await;
    let signature = secret().sign(BODY.as_bytes());
    let send = |encoding: &'static str| {
        let headers = [
            ("x-kombo-signature", signature.as_str()),
            ("content-encoding", encoding),
        ];
        stand.exchange(post(&headers, BODY.as_bytes()))
    };
    for encoding in ["gzip", "br", "identity, gzip", "GZIP"] {
        assert_eq!(status(&send(encoding).await), 415, "{encoding}");
    }
    assert_eq!(status(&send("identity").await), 200);
}

#[tokio::test]
async fn there_is_one_path_and_one_method() {
    let stand = Stand::new().await;
    for (line, expected) in [
        ("POST /", 404),
        ("POST /webhooks/kombo/", 404),
        ("POST /webhooks/../webhooks/kombo", 404),
        ("POST /webhooks/%6bombo", 404),
        ("GET /metrics", 404),
        ("GET /webhooks/kombo", 405),
        ("DELETE /webhooks/kombo", 405),
        ("CONNECT localhost:80", 404),
    ] {
        let text = stand
            .exchange(request(line, &[("connection", "close")], b""))
            .await;
        assert_eq!(status(&text), expected, "{line}");
        assert_eq!(text.contains("allow: POST\r\n"), expected == 405, "{text}");
    }
}

#[tokio::test]
async fn too_many_headers_or_too_large_ones_are_refused() {
    let stand = Stand::new().await;
    let many: Vec<(String, String)> = (0..200)
        .map(|n| (format!("x-{n}"), "a".to_owned()))
        .collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(n, v)| (&**n, &**v)).collect();
    let large = "a".repeat(20 * 1024);
    for headers in [many, vec![("x-large", large.as_str())]] {
        let text = stand.exchange(post(&headers, BODY.as_bytes())).await;
        assert_eq!(status(&text), 431);
    }
    assert_eq!(stand.deliver().await, 200);
}

#[tokio::test]
async fn noise_is_answered_with_an_error_or_nothing() {
    let stand = Stand::new().await;
    for noise in [
        &b"\x16\x03\x01\x02\x00\x01\x00"[..],
        b"\r\n\r\n\r\n\r\nx",
        &[0xff; 64],
        b"GET",
    ] {
        let mut stream = stand.connect().await;
        stream.write_all(noise).await.expect("sent");
        stream.shutdown().await.expect("half closed");
        let answer = status(&rest(&mut stream).await);
        assert!([0, 400].contains(&answer), "{answer}");
    }
    assert_eq!(stand.deliver().await, 200);
}

#[tokio::test]
async fn an_answer_says_neither_what_came_in_nor_who_answers() {
    let stand = Stand::new().await;
    let marked = "jane-doe";
    let signature = plausible();
    let mark = [
        ("x-kombo-signature", signature.as_str()),
        ("x-mark", marked),
    ];
    let mut requests = vec![
        post(&mark, marked.as_bytes()),
        request("POST /jane-doe", &[("connection", "close")], b""),
        request("JANE-DOE /webhooks/kombo", &[("connection", "close")], b""),
        signed(&BODY.replace("e1", marked)),
        signed(&BODY.replace("personio:", marked)),
        signed(marked),
    ];
    requests.push(request("jane-doe", &[], b""));
    for request in requests {
        let text = stand.exchange(request).await.to_lowercase();
        assert!(status(&text) > 0, "{text}");
        assert!(!text.contains(marked) && text.len() < 300, "{text}");
        assert!(
            !text.contains("server:") && !text.contains("kombo"),
            "{text}"
        );
    }
    assert!(!stand.metrics.encode().contains(marked));
}
