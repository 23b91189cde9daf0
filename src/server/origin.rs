//! Which web pages may connect. Programs send no `Origin`; browsers always do.

use actix_web::{HttpRequest, http::header};

/// Whether the page that makes this request may connect: any page of the allow-list, or with an empty
/// list a page of this very host or of a loopback address.
pub(super) fn is_allowed(request: &HttpRequest, allowed: &[String]) -> bool {
    let Some(origin) = request.headers().get(header::ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    matches(origin, host, allowed)
}

fn matches(origin: &str, host: Option<&str>, allowed: &[String]) -> bool {
    if !allowed.is_empty() {
        return allowed.iter().any(|entry| entry == "*" || entry == origin);
    }
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    if !matches!(scheme, "http" | "https") {
        return false;
    }
    if Some(authority) == host {
        return true;
    }
    let without_port = match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => authority,
    };
    matches!(without_port, "localhost" | "127.0.0.1" | "[::1]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_this_host_and_of_loopback_may_connect_unless_there_is_a_list() {
        let host = Some("rooms.example:8080");
        for (origin, expected) in [
            ("http://rooms.example:8080", true),
            ("https://rooms.example:8080", true),
            ("http://rooms.example", false),
            ("http://localhost:3000", true),
            ("http://127.0.0.1", true),
            ("http://[::1]:5173", true),
            ("http://localhost.evil.example", false),
            ("http://127.0.0.1.evil.example:80", false),
            ("http://evil.example", false),
            ("null", false),
            ("file://", false),
        ] {
            assert_eq!(matches(origin, host, &[]), expected, "{origin}");
        }
        let list = ["https://app.example".to_owned()];
        assert!(matches("https://app.example", host, &list));
        assert!(!matches("http://localhost:3000", host, &list));
        assert!(matches("null", host, &["*".to_owned()]));
    }
}
