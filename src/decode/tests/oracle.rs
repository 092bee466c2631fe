//! Tests with random bytes: nothing panics, and the scanner accepts the same JSON as `serde_json`.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde::de::IgnoredAny;

use super::*;

/// A page with every kind of value, used as the input for damage.
const PAGE: &str = r#"{"status":"success","data":{"next":"c\u0032","results":[{"id":"a","text":"é\n\ud83d\ude00","int":-5,"float":4.5e1,"bool":true,"at":"2026-01-02T03:04:05.678Z","day":"2026-01-02","midnight":"2026-01-02T00:00:00.000Z","free":{"n":[1.0,null,false]},"one":{"a":"x","b":7},"many":[{"a":"y"},null],"ints":[1,2],"new":[{}]},{"id":"b"}]}}"#;

fn is_json(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

fn scans(text: &str) -> bool {
    let mut scan = Scanner::new(text, MAX_DEPTH);
    scan.skip().and_then(|_| scan.end()).is_ok()
}

/// Replaces, inserts, removes or repeats a few bytes.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let byte =
        prop_oneof![3 => select(b"\"\\{}[],:-+.eE019tfnul \n\x00\xff".to_vec()), 1 => any::<u8>()];
    let damage = (0..4, any::<Index>(), any::<Index>(), byte);
    prop::collection::vec(damage, 1..4).prop_map(|damages| {
        let mut bytes = PAGE.as_bytes().to_vec();
        for (kind, from, to, byte) in damages {
            let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
            match kind {
                0 => bytes[from] = byte,
                1 => bytes.insert(from, byte),
                2 => drop(bytes.drain(from.min(to)..from.max(to))),
                _ => bytes
                    .splice(from..from, bytes[from.min(to)..from.max(to)].to_vec())
                    .for_each(drop),
            }
            bytes.push(b' ');
        }
        bytes
    })
}

/// Decodes a page, which must not panic, and compares the verdict with `serde_json`.
fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
    let mut decoder = decoder();
    match decoder.page(bytes, ObservedAt::from_micros(1), |_| {}) {
        Ok(summary) => {
            prop_assert!(is_json(bytes));
            prop_assert_eq!(decoder.pending_rows() as u64, summary.rows);
            if let Some(batch) = decoder.take_batch() {
                for row in 0..batch.num_rows() {
                    prop_assert!(
                        rebuild(&decoder.endpoint, &batch, row)
                            .is_ok_and(|text| is_json(text.as_bytes()))
                    );
                }
            }
        }
        Err(DecodeError::NotJson { .. } | DecodeError::NotUtf8 { .. }) => {
            prop_assert!(!is_json(bytes));
        }
        Err(_) => prop_assert_eq!(decoder.pending_rows(), 0),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn json_is_what_serde_json_accepts(text in "[\\[\\]{}\",:0-9eE+.truefalsn \\\\u/bdD\n\t\u{1}é-]{0,24}") {
        prop_assert_eq!(scans(&text), is_json(text.as_bytes()));
    }

    #[test]
    fn a_number_is_what_serde_json_accepts(text in "-?[0-9]{0,3}[.]?[0-9]{0,2}([eE][+-]?[0-9]{0,2})?") {
        prop_assert_eq!(scans(&text), is_json(text.as_bytes()));
    }

    #[test]
    fn a_string_is_what_serde_json_accepts(inside in "([ -~\u{0}-\u{20}]|é|😀|\\\\[\"\\\\/bfnrtu]|[0-9a-fA-F]{4}){0,20}") {
        let text = format!("\"{inside}\"");
        prop_assert_eq!(scans(&text), is_json(text.as_bytes()));
    }

    #[test]
    fn content_is_what_serde_json_reads(text in any::<String>(), run in "[ -~]{0,40}") {
        let sent = serde_json::to_string(&(run + &text)).expect("text");
        let read = Scanner::new(&sent, 1).string().expect("a string");
        let oracle: String = serde_json::from_str(&sent).expect("text");
        prop_assert_eq!(read.as_str(), Some(oracle.as_str()));
    }

    #[test]
    fn a_damaged_page_never_panics_and_is_judged_as_serde_json_does(bytes in damaged()) {
        check(&bytes)?;
    }

    #[test]
    fn random_bytes_never_panic(bytes in any::<Vec<u8>>()) {
        check(&bytes)?;
    }
}
