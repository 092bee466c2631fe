//! One Markdown file as text: its headings, links, code and blocks.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::source_text::{files, relative, root};

/// One Markdown file.
pub(super) struct Page {
    /// Path below the repository, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

/// A fenced block.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// The line of the fence, from 1.
    pub(super) line: usize,
    /// The first word after the fence, such as `console`.
    pub(super) language: String,
    pub(super) text: String,
}

impl Page {
    /// Returns the Markdown files at the top of the repository, in `docs/` and in `examples/`.
    pub(super) fn all() -> Vec<Self> {
        let top = fs::read_dir(root()).expect("readable");
        let top = top.map(|entry| entry.expect("listable").path());
        let mut paths: Vec<_> = top
            .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
            .collect();
        for folder in ["docs", "examples"] {
            let folder = root().join(folder);
            if folder.is_dir() {
                paths.extend(files(&folder, "md"));
            }
        }
        let mut pages: Vec<_> = paths.iter().map(|path| Self::read(path)).collect();
        pages.sort_by(|a, b| a.path.cmp(&b.path));
        pages
    }

    /// Reads one file.
    pub(super) fn read(path: &Path) -> Self {
        Self {
            path: relative(path),
            text: fs::read_to_string(path).expect("readable"),
        }
    }

    /// Returns the fenced blocks.
    pub(super) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut open: Option<(String, Block)> = None;
        for (at, line) in self.text.lines().enumerate() {
            let code = line.trim_start();
            match &mut open {
                Some((fence, _)) if code.trim_end() == fence => {
                    blocks.extend(open.take().map(|(_, block)| block));
                }
                Some((_, block)) => {
                    block.text.push_str(line);
                    block.text.push('\n');
                }
                None => {
                    open = fence(code).map(|(fence, language)| {
                        let block = Block {
                            line: at + 1,
                            language,
                            text: String::new(),
                        };
                        (fence, block)
                    });
                }
            }
        }
        assert!(open.is_none(), "{}: a fenced block has no end", self.path);
        blocks
    }

    /// Returns the lines outside fenced blocks, with their numbers.
    fn prose(&self) -> Vec<(usize, &str)> {
        let mut open: Option<String> = None;
        let mut lines = Vec::new();
        for (at, line) in self.text.lines().enumerate() {
            let code = line.trim_start();
            match &open {
                Some(fence) if code.trim_end() == fence => open = None,
                Some(_) => {}
                None => match fence(code) {
                    Some((fence, _)) => open = Some(fence),
                    None => lines.push((at + 1, line)),
                },
            }
        }
        lines
    }

    /// Returns the anchors that a forge makes of the headings, and those that the page gives itself.
    pub(super) fn anchors(&self) -> BTreeSet<String> {
        let mut anchors = BTreeSet::new();
        for (_, line) in self.prose() {
            for (at, start) in line.match_indices("<a id=\"") {
                let id = line[at + start.len()..].split('"').next();
                anchors.extend(id.map(str::to_owned));
            }
            let title = line.trim_start_matches('#');
            let depth = line.len() - title.len();
            if !(1..=6).contains(&depth) || !title.starts_with(' ') {
                continue;
            }
            let anchor = slug(title);
            let numbered = (1..).map(|nth| format!("{anchor}-{nth}"));
            let mut names = std::iter::once(anchor.clone()).chain(numbered);
            let free = names.find(|name| !anchors.contains(name));
            anchors.extend(free);
        }
        anchors
    }

    /// Returns the targets of the links that stay in the repository, with their lines.
    pub(super) fn links(&self) -> Vec<(usize, String)> {
        let mut links = Vec::new();
        for (at, line) in self.prose() {
            let text = without_code(line);
            for (start, _) in text.match_indices("](") {
                let target = text[start + 2..].split([')', ' ']).next();
                links.extend(target.map(|target| (at, target.to_owned())));
            }
            let named = text
                .strip_prefix('[')
                .and_then(|rest| rest.split_once("]: "));
            links.extend(named.map(|(_, target)| (at, target.trim().to_owned())));
        }
        links.retain(|(_, target)| !target.contains("://") && !target.starts_with("mailto:"));
        links
    }

    /// Returns what stands in back-ticks outside fenced blocks, with its line.
    pub(super) fn inline_code(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for (at, line) in self.prose() {
            let parts: Vec<&str> = line.split('`').collect();
            // A line with an odd number of back-ticks begins or ends a code that spans lines.
            if parts.len() % 2 == 1 {
                let codes = parts.into_iter().skip(1).step_by(2);
                found.extend(codes.map(|code| (at, code.trim().to_owned())));
            }
        }
        found
    }

    /// Returns the path below the repository that a link of this page means; none when it leaves the repository.
    pub(super) fn resolve(&self, target: &str) -> Option<String> {
        if target.is_empty() {
            return Some(self.path.clone());
        }
        let mut parts: Vec<&str> = self.path.split('/').collect();
        parts.pop();
        for part in target.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop()?;
                }
                name => parts.push(name),
            }
        }
        Some(parts.join("/"))
    }
}

/// Returns the fence that a line opens, and its language.
fn fence(line: &str) -> Option<(String, String)> {
    let rest = line.trim_start_matches('`');
    let ticks = line.len() - rest.len();
    let language = rest.split_whitespace().next().unwrap_or_default();
    (ticks >= 3 && !rest.contains('`')).then(|| ("`".repeat(ticks), language.to_owned()))
}

/// Returns the anchor of a heading as forges make it: lower case, no punctuation, hyphens for spaces.
fn slug(title: &str) -> String {
    let mut text = String::new();
    // Of a link only its text counts.
    let mut rest = title.trim();
    while let Some(start) = rest.find("](") {
        text.push_str(&rest[..start]);
        rest = rest[start..].split_once(')').map_or("", |(_, rest)| rest);
    }
    text.push_str(rest);
    let kept = text.chars().filter_map(|c| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
        _ => None,
    });
    kept.flat_map(char::to_lowercase).collect()
}

/// Returns a line without what stands in back-ticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect()
}

#[test]
fn a_page_is_taken_apart_as_a_forge_does() {
    let text = "# A `b` [c](d.md), e!\n## A b\n## A b\n<a id=\"x\"></a>\n[one](two.md#three \"t\") `[no](no)` ![i](j.png)\n\
                ````md\n```\n# no\n```\n````\n```console\n$ x\n```\n`a` and `b c`\n";
    let page = Page {
        path: "docs/page.md".to_owned(),
        text: text.to_owned(),
    };
    let anchors: Vec<_> = page.anchors().into_iter().collect();
    assert_eq!(anchors, ["a-b", "a-b-1", "a-b-c-e", "x"]);
    let links: Vec<_> = page.links().into_iter().map(|(_, target)| target).collect();
    assert_eq!(links, ["d.md", "two.md#three", "j.png"]);
    let blocks = page.blocks();
    assert_eq!(blocks[0].text, "```\n# no\n```\n");
    assert_eq!(
        (blocks[1].language.as_str(), blocks[1].text.as_str()),
        ("console", "$ x\n")
    );
    let codes: Vec<_> = page
        .inline_code()
        .into_iter()
        .map(|(_, code)| code)
        .collect();
    assert_eq!(codes, ["b", "[no](no)", "a", "b c"]);
    assert_eq!(page.resolve("../src/lib.rs").as_deref(), Some("src/lib.rs"));
    assert_eq!(page.resolve("../../x"), None);
}
