//! Who knows the token: as `Authorization: Bearer …`, or in a cookie that opening `/?token=…` sets.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use blake3::Hash;
use percent_encoding::percent_decode_str;

use super::server::Peer;
use crate::problem::Problem;

/// Wrong tokens from one address within a minute.
const MOST_GUESSES: u32 = 10;
const MINUTE: Duration = Duration::from_mins(1);
/// Addresses that are told apart; all others count as one.
const MOST_ADDRESSES: usize = 4096;

pub(super) struct Access {
    /// Hashes are compared in constant time, whatever the lengths of what they are of.
    token: Hash,
    /// Made of the token, so that it outlives a restart, and from it nobody learns the token.
    cookie: String,
    /// Cookies are shared by all ports of a host.
    cookie_name: String,
    guesses: Mutex<HashMap<IpAddr, Guesses>>,
}

struct Guesses {
    since: Instant,
    wrong: u32,
    /// The last cookie that was wrong. A page that stayed open over a restart sends its own for ever.
    cookie: Option<Hash>,
}

/// What a request shows.
enum Shown {
    Nothing,
    Right,
    /// With the cookie, if it was that.
    Wrong(Option<Hash>),
    /// As a link: to be answered with the cookie.
    RightLink,
}

impl Access {
    pub(super) fn new(token: &str, port: u16) -> Access {
        let cookie = blake3::hash(format!("halfmoon cookie {token}").as_bytes());
        Access {
            token: blake3::hash(token.as_bytes()),
            cookie: cookie.to_hex().to_string(),
            cookie_name: format!("halfmoon_{port}"),
            guesses: Mutex::default(),
        }
    }

    fn shown(&self, request: &Request) -> Shown {
        if let Some(token) = link(request) {
            let is_right = blake3::hash(token.as_bytes()) == self.token;
            return if is_right { Shown::RightLink } else { Shown::Wrong(None) };
        }
        if let Some(token) = bearer(request.headers()) {
            return if blake3::hash(token) == self.token { Shown::Right } else { Shown::Wrong(None) };
        }
        let Some(cookie) = cookie(request.headers(), &self.cookie_name) else { return Shown::Nothing };
        let cookie = blake3::hash(cookie.as_bytes());
        if cookie == blake3::hash(self.cookie.as_bytes()) { Shown::Right } else { Shown::Wrong(Some(cookie)) }
    }

    /// Seconds until the address may show a token again.
    fn locked(&self, address: IpAddr, now: Instant) -> Option<u64> {
        let guesses = self.guesses.lock().unwrap_or_else(PoisonError::into_inner);
        let of = guesses.get(&address).or_else(|| guesses.get(&OTHERS).filter(|_| guesses.len() >= MOST_ADDRESSES))?;
        let left = MINUTE.checked_sub(now.duration_since(of.since))?;
        (of.wrong >= MOST_GUESSES).then(|| left.as_secs() + 1)
    }

    fn count(&self, address: IpAddr, cookie: Option<Hash>, now: Instant) {
        let mut guesses = self.guesses.lock().unwrap_or_else(PoisonError::into_inner);
        if guesses.len() >= MOST_ADDRESSES {
            guesses.retain(|_, of| now.duration_since(of.since) < MINUTE);
        }
        let is_full = guesses.len() >= MOST_ADDRESSES && !guesses.contains_key(&address);
        let none = Guesses { since: now, wrong: 0, cookie: None };
        let of = guesses.entry(if is_full { OTHERS } else { address }).or_insert(none);
        if now.duration_since(of.since) >= MINUTE {
            (of.since, of.wrong) = (now, 0);
        }
        if cookie.is_some() && cookie == of.cookie {
            return;
        }
        of.cookie = cookie.or(of.cookie);
        of.wrong = of.wrong.saturating_add(1);
    }
}

const OTHERS: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// Lets through who knows the token.
pub(super) async fn known(
    State(access): State<Arc<Access>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let address = request.extensions().get::<Peer>().map_or(OTHERS, |Peer(ip)| network(*ip));
    let shown = access.shown(&request);
    // Also for the right token: else the answer would tell a guesser which one it is.
    if !matches!(shown, Shown::Nothing)
        && let Some(seconds) = access.locked(address, Instant::now())
    {
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many wrong tokens from your address");
        return Err(problem.retry_after(seconds));
    }
    match shown {
        Shown::Right => Ok(next.run(request).await),
        Shown::RightLink => {
            let cookie = format!("{}={}; Path=/; HttpOnly; SameSite=Strict", access.cookie_name, access.cookie);
            Ok((StatusCode::SEE_OTHER, [(header::LOCATION, "/".to_owned()), (header::SET_COOKIE, cookie)])
                .into_response())
        }
        Shown::Nothing => Err(unknown("this server wants a token")),
        Shown::Wrong(cookie) => {
            access.count(address, cookie, Instant::now());
            Err(unknown("the token is wrong"))
        }
    }
}

fn unknown(what: &str) -> Problem {
    let hint = "send `authorization: Bearer TOKEN`, or open the link that the server printed when it was started";
    Problem::new(StatusCode::UNAUTHORIZED, what).field("authorization").hint(hint)
}

/// Who has one IPv6 address has the 2⁶⁴ beside it too.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from(u128::from(ip) >> 64 << 64)),
        ip @ IpAddr::V4(_) => ip,
    }
}

/// The token of `GET /?token=…`.
fn link(request: &Request) -> Option<String> {
    let uri = request.uri();
    if request.method() != Method::GET || uri.path() != "/" {
        return None;
    }
    let token = uri.query()?.split('&').find_map(|pair| pair.strip_prefix("token="))?;
    Some(percent_decode_str(token).decode_utf8_lossy().into_owned())
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let said = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = said.split_at_checked("bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = pairs.flat_map(|pairs| pairs.split(';'));
    pairs.find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}
