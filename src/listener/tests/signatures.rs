//! Which signatures are accepted, and what happens with a signed body.

use tokio::io::AsyncWriteExt;

use super::super::ListenerLimits;
use super::support::{BODY, Stand, one_answer, post, secret, signed, signed_and_more, status};
use crate::webhook::{Verifier, Webhook, WebhookSecret};

/// Sends a body with a signature.
async fn send(stand: &Stand, body: &str, signature: &str) -> u16 {
    let request = post(&[("x-kombo-signature", signature)], body.as_bytes());
    status(&stand.exchange(request).await)
}

#[tokio::test]
async fn a_signed_webhook_is_taken_in_and_acknowledged() {
    let stand = Stand::new().await;
    assert_eq!(stand.deliver().await, 200);
    let taken = stand.notebook.taken.lock().expect("no panic").clone();
    let [Webhook::DataChanged(notification)] = taken.as_slice() else {
        panic!("{taken:?}");
    };
    assert_eq!(notification.models.len(), 1);
    let text = stand.metrics.encode();
    let accepted = "type=\"data-changed\",outcome=\"accepted\"} 1";
    assert!(text.contains(accepted), "{text}");
}

#[tokio::test]
async fn nothing_that_is_nearly_a_signature_is_believed() {
    let stand = Stand::new().await;
    // Finds a body whose signature differs between the two Base64 alphabets.
    let mut bodies = (0..).map(|n| BODY.replace("e1", &format!("e{n}")));
    let special = |body: &String| secret().sign(body.as_bytes()).contains(['-', '_']);
    let body = bodies.find(special).expect("most have one");
    let good = secret().sign(body.as_bytes());
    let value: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    let rewritten = serde_json::to_string_pretty(&value).expect("JSON");
    let other = WebhookSecret::new("whsec_other_12345678").expect("a secret");
    for (case, body, signature) in [
        ("empty", &body, String::new()),
        ("short", &body, good[..42].to_owned()),
        ("padded", &body, format!("{good}=")),
        (
            "standard alphabet",
            &body,
            good.replace('-', "+").replace('_', "/"),
        ),
        ("long", &body, good.repeat(20)),
        ("written anew", &rewritten, good.clone()),
        ("of another secret", &body, other.sign(body.as_bytes())),
        ("beyond ASCII", &body, "é".repeat(21) + "a"),
    ] {
        assert_eq!(send(&stand, body, &signature).await, 401, "{case}");
    }
    assert_eq!(
        status(&stand.exchange(post(&[], body.as_bytes())).await),
        401
    );
    let twice = [("x-kombo-signature", good.as_str()); 2];
    assert_eq!(
        status(&stand.exchange(post(&twice, body.as_bytes())).await),
        401
    );
    assert_eq!(stand.notebook.count(), 0);
    assert_eq!(send(&stand, &body, &good).await, 200);
}

#[tokio::test]
async fn a_secret_can_be_changed_while_webhooks_come_in() {
    let stand = Stand::new().await;
    let new = WebhookSecret::new("whsec_new_12345678").expect("a secret");
    let signature = new.sign(BODY.as_bytes());
    assert_eq!(send(&stand, BODY, &signature).await, 401);
    let both = Verifier::new(new.clone()).with_other(secret());
    stand.verifier.swap(both);
    assert_eq!(send(&stand, BODY, &signature).await, 200);
    assert_eq!(stand.deliver().await, 200);
    stand.verifier.swap(Verifier::new(new));
    assert_eq!(stand.deliver().await, 401);
}

#[tokio::test]
async fn a_flood_of_unsigned_requests_waits_and_a_signed_one_does_not() {
    let stand = Stand::limited(ListenerLimits {
        strangers_per_second: 1,
        ..ListenerLimits::default()
    })
    .await;
    let mut answers = Vec::new();
    for _ in 0..20 {
        answers.push(stand.exchange(post(&[], b"{}")).await);
    }
    assert_eq!(status(&answers[0]), 401);
    let refused: Vec<&String> = answers.iter().filter(|text| status(text) == 429).collect();
    // Twenty requests take less than twenty seconds on any machine, so some are refused.
    assert!(!refused.is_empty());
    assert!(
        refused
            .iter()
            .all(|text| text.contains("retry-after: 1\r\n"))
    );
    assert_eq!(stand.deliver().await, 200);
}

#[tokio::test]
async fn a_replay_is_acknowledged_every_time() {
    let stand = Stand::new().await;
    let mut stream = stand.connect().await;
    let request = signed_and_more(BODY);
    for _ in 0..2000 {
        stream.write_all(&request).await.expect("sent");
        assert_eq!(status(&one_answer(&mut stream).await), 200);
    }
    assert_eq!(stand.notebook.count(), 2000);
}

#[tokio::test]
async fn an_id_is_taken_as_it_is_or_refused() {
    let stand = Stand::new().await;
    let about = |id: &str| BODY.replace("personio:CBNMt7dSNCzBdnRTx87dev4E", id);
    for (id, expected) in [
        ("personio:../../etc/passwd", 200),
        ("personio:a.b/c", 200),
        ("personio:a\\u0000b", 400),
        ("personio:a\\u000d\\u000ab", 400),
        ("personio", 400),
        ("", 400),
        (&format!("personio:{}", "a".repeat(10_000)), 400),
    ] {
        let text = stand.exchange(signed(&about(id))).await;
        assert_eq!(status(&text), expected, "{}", &id[..id.len().min(40)]);
    }
    let taken = stand.notebook.taken.lock().expect("no panic").clone();
    let ids = taken.iter().map(|webhook| match webhook {
        Webhook::DataChanged(notification) => notification.integration.as_str().to_owned(),
        other => panic!("{other:?}"),
    });
    let ids: Vec<String> = ids.collect();
    assert_eq!(ids, ["personio:../../etc/passwd", "personio:a.b/c"]);
}

#[tokio::test]
async fn what_kombo_may_add_is_taken_and_what_is_no_webhook_is_refused() {
    let stand = Stand::new().await;
    for (body, expected) in [
        (BODY.replace("hris_employees", "hris_new_things"), 200),
        (BODY.replace("data-changed", "something-new"), 200),
        (BODY.replace("\"id\"", "\"new\":1,\"id\""), 200),
        (String::new(), 400),
        ("null".to_owned(), 400),
        ("{\"id\":\"e1\"}".to_owned(), 400),
        (BODY[..BODY.len() - 1].to_owned(), 400),
        ("[".repeat(60_000), 400),
    ] {
        let text = stand.exchange(signed(&body)).await;
        assert_eq!(status(&text), expected, "{}", &body[..body.len().min(60)]);
    }
    assert_eq!(stand.notebook.count(), 3);
    let text = stand.metrics.encode();
    assert!(text.contains("outcome=\"not_json\"} "), "{text}");
    assert!(!text.contains("something-new"), "{text}");
}

#[tokio::test]
async fn a_signed_array_is_answered_as_what_is_not_understood() {
    let stand = Stand::new().await;
    let value: serde_json::Value = serde_json::from_str(BODY).expect("JSON");
    let array = serde_json::json!([value["id"], value["type"], value["data"]]).to_string();
    let signature = secret().sign(array.as_bytes());
    assert_eq!(send(&stand, &array, &signature).await, 400);
    assert_eq!(stand.notebook.count(), 0);
    let text = stand.metrics.encode();
    assert!(text.contains("\"shape\""), "{text}");
}
