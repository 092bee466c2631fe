//! Tests of everything around the rows: cursors, errors, limits.

use super::*;

/// Reads a page. Returns the argument of `on_next`, which must be called once, with the cursor of the summary.
fn next_of(body: &str) -> Result<Option<Cursor>, DecodeError> {
    let mut heard = Vec::new();
    let summary = decoder().page(body.as_bytes(), ObservedAt::from_micros(1), |next| {
        heard.push(next);
    })?;
    assert_eq!(heard, std::slice::from_ref(&summary.next));
    Ok(summary.next)
}

#[test]
fn the_envelope_comes_in_any_order_and_may_hold_more() {
    for body in [
        r#"{"status":"success","data":{"next":"c2","results":[{"id":"a"}]}}"#,
        r#" {"warnings":[{"x":[]}],"data":{"total":1,"results":[{"id":"a"}],"next":"c2","next_":1},"status":"success"} "#,
        r#"{"d\u0061ta":{"results":[],"n\u0065xt":"c2"}}"#,
    ] {
        assert_eq!(next_of(body), Ok(Cursor::from_next("c2")), "{body}");
    }
}

#[test]
fn a_next_that_is_missing_null_or_blank_is_the_last_page() {
    for next in ["", r#""next":null,"#, r#""next":"","#, r#""next":" \n","#] {
        assert_eq!(
            next_of(&format!(r#"{{"data":{{{next}"results":[]}}}}"#)),
            Ok(None),
            "{next}"
        );
    }
}

#[test]
fn a_page_never_ends_in_silence() {
    for (body, problem) in [
        ("[]", "the answer is not an object"),
        ("{}", "the answer has no list of rows"),
        (r#"{"data":null}"#, "the answer has no list of rows"),
        (
            r#"{"data":[{"results":[]}]}"#,
            "the answer has no list of rows",
        ),
        (r#"{"results":[]}"#, "the answer has no list of rows"),
        (
            r#"{"data":{"next":null,"packages":[]}}"#,
            "the answer has no list of rows",
        ),
        (r#"{"data":{"results":null}}"#, "the rows are not a list"),
        (
            r#"{"data":{"results":[],"results":[]}}"#,
            "the answer has two lists of rows",
        ),
        (
            r#"{"data":{"results":[]},"data":{"results":[]}}"#,
            "the answer has `data` twice",
        ),
        (
            r#"{"data":{"next":null,"results":[],"next":"c"}}"#,
            "the answer has `data.next` twice",
        ),
        (
            r#"{"data":{"next":7,"results":[]}}"#,
            "`data.next` is neither a string nor null",
        ),
        (
            r#"{"data":{"next":{},"results":[]}}"#,
            "`data.next` is neither a string nor null",
        ),
        (
            r#"{"data":{"next":"\udc00","results":[]}}"#,
            "`data.next` is not Unicode",
        ),
    ] {
        assert_eq!(
            next_of(body),
            Err(DecodeError::Envelope { problem }),
            "{body}"
        );
    }
}

#[test]
fn an_error_in_a_page_is_known_by_its_code_alone() {
    for (body, code) in [
        (
            r#"{"status":"error","error":{"code":"PLATFORM.INPUT_INVALID","message":"jane@example.com"}}"#,
            Some("PLATFORM.INPUT_INVALID"),
        ),
        (
            r#"{"error":{"message":"m","code":null},"data":{"results":[]},"status":"error"}"#,
            None,
        ),
        (r#"{"status":"error","error":"jane@example.com"}"#, None),
        (
            r#"{"status":"error","error":{"code":"jane@example.com"}}"#,
            None,
        ),
    ] {
        let code = code.map(str::to_owned);
        assert_eq!(error_of(body), DecodeError::Kombo { code }, "{body}");
    }
}

#[test]
fn a_text_that_is_not_json_is_refused_with_the_place_and_not_the_text() {
    for (body, at, expected) in [
        ("", 0, "a value"),
        ("<html>jane</html>", 0, "a value"),
        (
            r#"{"data":{"results":[{"id":"jane"#,
            31,
            "the end of a string",
        ),
        (r#"{"data":{"results":[{"id":"a"},]}}"#, 31, "a value"),
        (r#"{"data":{"results":[]}} {"#, 24, "the end of the page"),
        (
            r#"{"data":{"results":[{"id":01}]}}"#,
            27,
            "a comma or the end of an object",
        ),
        (r#"{"data":{"results":[{"id":"\x"}]}}"#, 28, "an escape"),
    ] {
        let error = error_of(body);
        assert_eq!(
            error,
            DecodeError::NotJson {
                at,
                bytes: body.len(),
                expected
            },
            "{body}"
        );
        assert!(error.is_retryable() && !format!("{error} {error:?}").contains("jane"));
    }
    let error = decoder().page(b"{\"data\":\"\xff\"}", ObservedAt::from_micros(1), |_| {});
    assert_eq!(
        error.expect_err("not UTF-8"),
        DecodeError::NotUtf8 { at: 9 }
    );
}

#[test]
fn a_page_over_a_limit_is_refused() {
    let limits = DecodeLimits {
        page_bytes: 100,
        page_rows: 2,
        ..DecodeLimits::default()
    };
    let refused = |body: &str| {
        let mut decoder = decoder_of(&endpoint_with(FIELDS), limits);
        read(&mut decoder, body).expect_err("over a limit")
    };
    assert_eq!(
        refused(&" ".repeat(101)),
        DecodeError::PageTooBig {
            bytes: 101,
            limit: 100
        }
    );
    let three = r#"{"data":{"results":[{"id":"a"},{"id":"b"},{"id":"c"}]}}"#;
    assert_eq!(refused(three), DecodeError::TooManyRows { limit: 2 });
}

#[test]
fn a_million_levels_are_refused_wherever_they_stand() {
    let deep = "[".repeat(1_000_000);
    let objects = r#"{"a":"#.repeat(1_000_000);
    for limit in [128, usize::MAX] {
        let limits = DecodeLimits {
            depth: limit,
            ..DecodeLimits::default()
        };
        for value in [&deep, &objects] {
            for body in [
                value.clone(),
                format!(r#"{{"x":{value}"#),
                format!(r#"{{"data":{{"results":[{value}"#),
                format!(r#"{{"data":{{"results":[{{"id":"a","free":{value}"#),
                format!(r#"{{"data":{{"results":[{{"id":"a","one":{{"a":{value}"#),
                format!(r#"{{"data":{{"results":[{{"id":"a","many":[{{"a":{value}"#),
            ] {
                let error = read(&mut decoder_of(&endpoint_with(FIELDS), limits), &body)
                    .expect_err("too deep");
                let refused = matches!(error, DecodeError::TooDeep { limit: at, .. } if at == limit.min(512))
                    || body.starts_with('[');
                assert!(refused, "{error:?}");
            }
        }
    }
}

#[test]
fn the_deepest_page_allowed_is_read() {
    let limits = DecodeLimits::default();
    let nested = |levels: usize| {
        let value = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        page_of(&format!(r#"{{"id":"a","free":{value}}}"#))
    };
    // The envelope, `data`, the list and the row are four levels.
    let mut decoder = decoder_of(&endpoint_with(FIELDS), limits);
    assert!(read(&mut decoder, &nested(limits.depth - 4)).is_ok());
    let error = read(&mut decoder, &nested(limits.depth - 3)).expect_err("too deep");
    assert!(matches!(error, DecodeError::TooDeep { limit: 128, .. }));
}
