//! Documents with the wrong structure, with the exact messages.

use super::bad::{document, sink};
use super::{SHORT, load, message};

#[test]
fn one_source_and_one_sink_of_known_types_must_be_joined() {
    let two = "sources:\n  a: {type: kombo}\n  b: {type: kombo}\nsinks: {}";
    let no_type = "sources:\n  a: {}\nsinks: {}";
    let cases = [
        (
            document("data_dir: x"),
            "kombo.yaml: sources is missing; add sources: {kombo: {type: kombo, region: eu}}",
        ),
        (
            document("sources: {}"),
            "kombo.yaml:1: sources is missing; add sources: {kombo: {type: kombo, region: eu}}",
        ),
        (
            document("\nsources:"),
            "kombo.yaml:2: sources is missing; add sources: {kombo: {type: kombo, region: eu}}",
        ),
        (
            document("# nothing yet"),
            "kombo.yaml: sources is missing; add sources: {kombo: {type: kombo, region: eu}}",
        ),
        (
            document("sources: {kombo: {type: kombo}}"),
            "kombo.yaml: sinks is missing; add sinks: {lake: {type: delta_lake, inputs: [kombo], url: ./kombo-lake}}",
        ),
        (
            document("sources: [kombo]"),
            "kombo.yaml:1: sources is a list, but must be a map: a name, then its options",
        ),
        (
            document("sources: {kombo: eu}"),
            "kombo.yaml:1: sources.kombo is text, but must be a map of options",
        ),
        (
            document(two),
            "kombo.yaml:3: sources.b is one source too many: this version takes exactly one, and there is \"a\" already",
        ),
        (
            document(no_type),
            "kombo.yaml:2: sources.a.type is missing; add type: kombo",
        ),
        (
            document(&SHORT.replace("type: kombo", "type: kafka")),
            "kombo.yaml:1: sources.kombo.type is \"kafka\", but the only type of source is kombo",
        ),
        (
            document(&SHORT.replace("type: delta_lake", "type: 3")),
            "kombo.yaml:2: sinks.lake.type is a number, but must be delta_lake",
        ),
    ];
    for (said, expected) in cases {
        assert_eq!(said, expected);
    }
}

#[test]
fn a_sink_needs_inputs_that_are_there_and_a_place() {
    let cases = [
        (
            document(&SHORT.replace("[kombo]", "[kombu]")),
            "kombo.yaml:2: sinks.lake.inputs[0] is \"kombu\", which names no source; did you mean \"kombo\"?",
        ),
        (
            document(&SHORT.replace("[kombo]", "[kombo, other]")),
            "kombo.yaml:2: sinks.lake.inputs[1] is \"other\", which names no source; the source here is \"kombo\"",
        ),
        (
            sink("url: ./lake"),
            "kombo.yaml:4: sinks.lake.inputs is missing; add inputs: [kombo]",
        ),
        (
            sink("url: ./lake\ninputs: []"),
            "kombo.yaml:6: sinks.lake.inputs is missing; add inputs: [kombo]",
        ),
        (
            sink("inputs: [kombo]"),
            "kombo.yaml:4: sinks.lake.url is missing; add url: ./kombo-lake, or a bucket such as s3://bucket/prefix",
        ),
    ];
    for (said, expected) in cases {
        assert_eq!(said, expected);
    }
}

#[test]
fn a_file_that_is_not_of_its_format_names_the_line() {
    let json = |text| message(load("kombo.json", text));
    let cases = [
        (
            document("a: 1\nb: [\n"),
            "kombo.yaml:2: unclosed bracket '['",
        ),
        (
            document("a: 1\n b: 2\n"),
            "kombo.yaml:2: mapping values are not allowed in this context",
        ),
        (
            document("a: 1\n\ta: 2\n"),
            "kombo.yaml:1: while scanning a plain scalar, found a tab",
        ),
        (
            document("a: 1\na: 2\n"),
            "kombo.yaml:2: the key \"a\" is there twice",
        ),
        (
            document("endpoints: [*/users]"),
            "kombo.yaml:1: a value that begins with * needs quotes, such as \"*/users\"",
        ),
        (
            document("a: 1\n---\nb: 2"),
            "kombo.yaml:3: there is more than one document (a line with --- begins another)",
        ),
        (
            json("{\n\"a\": 1,\n}"),
            "kombo.json:3: key must be a string",
        ),
        (
            json("{\"a\": 1,\n\"a\": 2}"),
            "kombo.json:2: the key \"a\" is there twice",
        ),
    ];
    for (said, expected) in cases {
        assert_eq!(said, expected);
    }
}

#[test]
fn lines_are_right_in_json_too() {
    let json = "{\"sources\": {\n\t\"kombo\": {\"type\": \"kombo\",\n\t\t\"plan\": \"al\"}},\n\"sinks\": {\"lake\": {\"type\": \"delta_lake\"}}}";
    assert_eq!(
        message(load("conf/kombo.json", json)),
        "conf/kombo.json:3: sources.kombo.plan is not one of changed, all; did you mean \"all\"?"
    );
}
