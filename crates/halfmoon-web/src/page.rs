//! The labelling page's files, which are in the binary: built from `page/` beside this crate, see its README.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header};
use axum::response::IntoResponse;
use rust_embed::{EmbeddedFile, RustEmbed};

#[derive(RustEmbed)]
#[folder = "page/dist/"]
struct Files;

/// Whatever is no route of the API: a file of the page, `index.html` for `/`, or 404. For [`axum::Router::fallback`].
///
/// The files load nothing from elsewhere and hold no inline script or style, so the strictest policy fits them. A browser asks each
/// time whether its copy is still the right one (`ETag`), since another version may listen here tomorrow.
#[expect(clippy::unused_async, reason = "axum takes handlers that are async")]
pub async fn page(method: Method, uri: Uri, headers: HeaderMap) -> Response<Body> {
    if method != Method::GET && method != Method::HEAD {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response();
    }
    let name = match uri.path().trim_start_matches('/') {
        "" => "index.html",
        name => name,
    };
    match Files::get(name) {
        Some(file) => answer(name, &file, &headers),
        None => (StatusCode::NOT_FOUND, "there is nothing here").into_response(),
    }
}

fn answer(name: &str, file: &EmbeddedFile, headers: &HeaderMap) -> Response<Body> {
    let about = [(header::ETAG, tag(file)), (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))];
    if headers.get_all(header::IF_NONE_MATCH).iter().any(|known| names(known, &about[0].1)) {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    (about, [(header::CONTENT_TYPE, kind(name))], file.data.clone().into_owned()).into_response()
}

/// The first half of the file's hash, in quotes.
fn tag(file: &EmbeddedFile) -> HeaderValue {
    let hash = file.metadata.sha256_hash();
    let half = hash.first_chunk().expect("a hash has 32 bytes");
    HeaderValue::from_str(&format!("\"{:032x}\"", u128::from_be_bytes(*half))).expect("hexadecimal digits")
}

/// Whether a list of tags holds this one, weak (`W/"…"`) or not.
fn names(list: &HeaderValue, tag: &HeaderValue) -> bool {
    let (list, tag) = (list.to_str().unwrap_or_default(), tag.to_str().unwrap_or_default());
    list.split(',').map(str::trim).any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests: a panic says where")]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    async fn get(path: &str, headers: HeaderMap) -> (StatusCode, HeaderMap, String) {
        let (parts, body) = page(Method::GET, path.parse().unwrap(), headers).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn the_page_and_all_it_names_are_there_with_their_types() {
        let (status, headers, html) = get("/", HeaderMap::new()).await;
        assert_eq!(
            (status, &headers[header::CONTENT_TYPE]),
            (StatusCode::OK, &"text/html; charset=utf-8".parse().unwrap())
        );
        let named: Vec<&str> = html.split('"').filter_map(|part| part.strip_prefix("./")).collect();
        assert_eq!(named.len(), 3, "{html}");
        for name in named {
            let (status, headers, body) = get(&format!("/{name}"), HeaderMap::new()).await;
            assert_eq!(status, StatusCode::OK, "{name}");
            assert_ne!(headers[header::CONTENT_TYPE], "application/octet-stream", "{name}");
            assert!(!body.is_empty(), "{name}");
        }
    }

    #[tokio::test]
    async fn a_strict_policy_fits_the_page() {
        let (_, _, html) = get("/", HeaderMap::new()).await;
        assert!(!html.contains("<style") && !html.contains("style=") && !html.contains(" on"), "{html}");
        for script in html.split("<script").skip(1) {
            assert!(script.contains("src=\"./") && script.contains("></script>"), "{script}");
        }
        for name in Files::iter() {
            let file = Files::get(&name).unwrap();
            let text = String::from_utf8(file.data.into_owned()).unwrap();
            let elsewhere = text.replace("http://www.w3.org/", "");
            assert!(!elsewhere.contains("http://") && !elsewhere.contains("https://"), "{name}");
            assert!(!text.contains("innerHTML") && !text.contains("eval("), "{name}");
            // An address of a picture, and not the field `data` of one.
            for address in ["\"data:", "'data:", "`data:", "(data:"] {
                assert!(!text.contains(address), "{name}");
            }
            assert!(!text.contains("sourceMappingURL"), "{name}");
        }
    }

    #[tokio::test]
    async fn the_whole_page_is_under_100_kb() {
        let bytes: usize = Files::iter().map(|name| Files::get(&name).unwrap().data.len()).sum();
        assert!(bytes < 100_000, "{bytes} bytes");
    }

    #[tokio::test]
    async fn a_browser_that_has_the_file_is_told_so() {
        let (_, headers, _) = get("/page.js", HeaderMap::new()).await;
        let tag = headers[header::ETAG].clone();
        for known in [tag.clone(), format!("\"other\", W/{}", tag.to_str().unwrap()).parse().unwrap()] {
            let (status, headers, body) = get("/page.js", HeaderMap::from_iter([(header::IF_NONE_MATCH, known)])).await;
            assert_eq!((status, body.as_str(), &headers[header::ETAG]), (StatusCode::NOT_MODIFIED, "", &tag));
        }
        let other = HeaderMap::from_iter([(header::IF_NONE_MATCH, "\"other\"".parse().unwrap())]);
        assert_eq!(get("/page.js", other).await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn nothing_else_is_there() {
        for path in ["/page.ts", "/../Cargo.toml", "/%2e%2e/Cargo.toml", "//etc/passwd", "/src/page.rs", "/index.html/"]
        {
            assert_eq!(get(path, HeaderMap::new()).await.0, StatusCode::NOT_FOUND, "{path}");
        }
        let posted = page(Method::POST, "/".parse().unwrap(), HeaderMap::new()).await;
        assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}
