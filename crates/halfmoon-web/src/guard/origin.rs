//! By which name we were asked, and from which page.
//!
//! A page of another site may make a browser send requests here, and with a host name of its own that it lets point at
//! 127.0.0.1 it may even read the answers (DNS rebinding). The browser says both, in `Host` and `Origin`.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::problem::Problem;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Names that are ours.
pub(super) struct Hosts {
    address: SocketAddr,
    allowed: Vec<String>,
}

impl Hosts {
    pub(super) fn new(address: SocketAddr, allowed: &[String]) -> Hosts {
        Hosts { address, allowed: allowed.iter().map(|name| name.to_ascii_lowercase()).collect() }
    }

    fn are_ours(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        // `user@host` is an authority too.
        let Some(authority) = host.parse::<Authority>().ok().filter(|_| !host.contains('@')) else { return false };
        let name = authority.host().trim_matches(['[', ']']);
        if self.allowed.iter().any(|allowed| *allowed == host || allowed.trim_matches(['[', ']']) == name) {
            return true;
        }
        let is_our_port = authority.port_u16().unwrap_or(80) == self.address.port();
        match name.parse::<IpAddr>() {
            Ok(ip) if ip.is_loopback() => is_our_port,
            // Who sends an address has come by no name that could be made to point elsewhere.
            Ok(_) => !self.address.ip().is_loopback(),
            Err(_) => name == "localhost" && is_our_port,
        }
    }
}

/// Refuses what came by a name that is not ours, or from another site's page unless it is a link that somebody followed.
pub(super) async fn ours(State(hosts): State<Arc<Hosts>>, request: Request, next: Next) -> Result<Response, Problem> {
    let host = host(&request)?;
    if !hosts.are_ours(&host) {
        let shown: String = host.chars().take(100).collect();
        let problem = Problem::new(StatusCode::FORBIDDEN, format!("this server is not known as {shown}"));
        return Err(problem.field("host").hint("names it may be asked by are given when it is started"));
    }
    let is_link = [Method::GET, Method::HEAD].contains(request.method()) && is_followed(request.headers());
    if !is_link && !is_same_site(request.headers(), &host, &hosts) {
        let problem = Problem::new(StatusCode::FORBIDDEN, "the request comes from a page of another site");
        return Err(problem.field("origin"));
    }
    Ok(next.run(request).await)
}

/// The one host that the request names.
fn host(request: &Request) -> Result<String, Problem> {
    let wrong = |what| Problem::new(StatusCode::BAD_REQUEST, what).field("host");
    let mut said = request.headers().get_all(header::HOST).iter();
    let host = said.next().ok_or_else(|| wrong("the header is missing"))?;
    if said.next().is_some() {
        return Err(wrong("the header is there twice"));
    }
    let host = host.to_str().map_err(|_| wrong("it is no host name"))?;
    // `GET http://other/ HTTP/1.1`
    match request.uri().authority() {
        Some(authority) if !authority.as_str().eq_ignore_ascii_case(host) => {
            Err(wrong("it is another than the request's first line names"))
        }
        _ => Ok(host.to_owned()),
    }
}

/// Whether a person followed a link, and no page of another site embeds or fetches something of ours: what reads may take a turn in a queue.
fn is_followed(headers: &HeaderMap) -> bool {
    headers.get(SEC_FETCH_MODE).is_none_or(|mode| mode == "navigate")
}

/// What is no browser sends neither header.
fn is_same_site(headers: &HeaderMap, host: &str, hosts: &Hosts) -> bool {
    let is_site = headers.get(SEC_FETCH_SITE).is_none_or(|site| site == "same-origin" || site == "none");
    let is_origin = headers.get(header::ORIGIN).is_none_or(|origin| {
        let origin = origin.to_str().unwrap_or_default();
        let origin = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        origin.is_some_and(|origin| {
            let is_allowed = || hosts.allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin));
            origin.eq_ignore_ascii_case(host) || is_allowed()
        })
    });
    is_site && is_origin
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(address: &str) -> Hosts {
        Hosts::new(address.parse().expect("an address"), &["Moon.example".to_owned(), "sun.example:81".to_owned()])
    }

    #[test]
    fn names_of_this_machine_are_ours_at_our_port_only() {
        let hosts = hosts("127.0.0.1:8080");
        for ours in
            ["localhost:8080", "LOCALHOST:8080", "127.0.0.1:8080", "[::1]:8080", "moon.example", "moon.example:9"]
        {
            assert!(hosts.are_ours(ours), "{ours}");
        }
        for other in [
            "localhost",
            "localhost:81",
            "127.0.0.1",
            "evil.example:8080",
            "localhost.evil.example:8080",
            "10.0.0.1:8080",
            "evil@localhost:8080",
            "localhost:8080@evil.example",
            "",
            ":8080",
            "sun.example",
            "localhost:8080/",
            "[::1",
        ] {
            assert!(!hosts.are_ours(other), "{other}");
        }
        assert!(hosts.are_ours("sun.example:81"));
    }

    #[test]
    fn an_address_is_ours_where_others_may_come() {
        let hosts = hosts("0.0.0.0:8080");
        assert!(hosts.are_ours("10.0.0.1:8080") && hosts.are_ours("[2001:db8::1]:8080"));
        assert!(!hosts.are_ours("evil.example:8080"));
        assert!(super::Hosts::new("127.0.0.1:80".parse().expect("an address"), &[]).are_ours("localhost"));
    }
}
