//! Which machine a browser meant.
//!
//! A page of a stranger can give a name of its own the address of this machine (DNS rebinding). The browser then lets the page
//! read what a server on loopback answers. The name is in the `Host` header, and the page in `Origin`; a page can change
//! neither.

use std::net::{IpAddr, Ipv4Addr};

/// Returns whether a host, with or without a port, is this machine by a name that nobody else can give away: `localhost`, or
/// an address of loopback.
pub(crate) fn is_loopback(host: &str) -> bool {
    let (address, port) = if let Some(rest) = host.strip_prefix('[') {
        let (name, port) = rest.split_once(']').unwrap_or_default();
        (name.parse().ok().map(IpAddr::V6), port)
    } else {
        let (name, port) = host.split_at(host.find(':').unwrap_or(host.len()));
        let named = name.eq_ignore_ascii_case("localhost");
        let named = named.then_some(IpAddr::V4(Ipv4Addr::LOCALHOST));
        (named.or_else(|| name.parse().ok().map(IpAddr::V4)), port)
    };
    let is_port = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
        && address.is_some_and(|address| address.to_canonical().is_loopback())
}

/// Returns whether an `Origin` is a page of this machine. `null` is the origin of pages that hide theirs.
pub(crate) fn is_loopback_origin(origin: &str) -> bool {
    let host = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"));
    host.is_some_and(is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for host in [
            "localhost",
            "LocalHost:8686",
            "127.0.0.1",
            "127.0.0.1:80",
            "127.9.8.7:1",
            "[::1]",
            "[::1]:8686",
            "[::ffff:127.0.0.1]:1",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            ":80",
            "example.com",
            "localhost.example.com",
            "127.0.0.1.example.com",
            "127.0.0.1@example.com",
            "localhost:80@example.com",
            "example.com:127.0.0.1",
            "127.1",
            "2130706433",
            "0.0.0.0",
            "10.0.0.1:8686",
            "::1",
            "[::1",
            "[::1]x",
            "[::1]x:80",
            "[::2]",
            "[127.0.0.1]",
            "localhost:80:80",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn a_page_that_hides_its_origin_is_foreign() {
        assert!(is_loopback_origin("http://localhost:3000"));
        assert!(is_loopback_origin("https://127.0.0.1"));
        for origin in [
            "null",
            "",
            "localhost",
            "https://example.com",
            "http://localhost.example.com",
            "file://localhost",
            "http://localhost/",
        ] {
            assert!(!is_loopback_origin(origin), "{origin}");
        }
    }
}
