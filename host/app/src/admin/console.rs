//! The console: a page for people, and what it is made of. It is in the program, asks nobody else for anything, and says nothing that the
//! API does not say; so nobody has to be let in to load it.

use super::{Problem, call::Reply};
use crate::endpoint::full;
use http::{HeaderValue, Method, Response, header};

/// A file of the page.
struct File {
    path: &'static str,
    media_type: &'static str,
    bytes: &'static [u8],
}

/// The page may load its own files and ask its own server; nothing of it is inline, and nobody may frame it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";

macro_rules! files {
    ($($path:literal $file:literal $media_type:literal;)*) => {
        static FILES: &[File] = &[$(File {
            path: $path,
            media_type: $media_type,
            bytes: include_bytes!(concat!("../../console/", $file)),
        }),*];
    };
}

files! {
    "/" "index.html" "text/html; charset=utf-8";
    "/icon.svg" "icon.svg" "image/svg+xml";
    "/console.css" "console.css" "text/css; charset=utf-8";
    "/main.js" "main.js" "text/javascript; charset=utf-8";
    "/api.js" "api.js" "text/javascript; charset=utf-8";
    "/charts.js" "charts.js" "text/javascript; charset=utf-8";
    "/dom.js" "dom.js" "text/javascript; charset=utf-8";
    "/figures.js" "figures.js" "text/javascript; charset=utf-8";
    "/views/overview.js" "views/overview.js" "text/javascript; charset=utf-8";
    "/views/connections.js" "views/connections.js" "text/javascript; charset=utf-8";
    "/views/tenants.js" "views/tenants.js" "text/javascript; charset=utf-8";
    "/views/plugins.js" "views/plugins.js" "text/javascript; charset=utf-8";
    "/views/drains.js" "views/drains.js" "text/javascript; charset=utf-8";
    "/views/log.js" "views/log.js" "text/javascript; charset=utf-8";
    "/vendor/uplot.js" "vendor/uplot.js" "text/javascript; charset=utf-8";
    "/vendor/uplot.css" "vendor/uplot.css" "text/css; charset=utf-8";
    "/vendor/LICENSE-uplot" "vendor/LICENSE-uplot" "text/plain; charset=utf-8";
}

/// The file at a path, if it is one of the page's.
pub(super) fn find(method: &Method, path: &str) -> Option<Result<Reply, Problem>> {
    let file = FILES.iter().find(|file| file.path == path)?;
    if method != Method::GET && method != Method::HEAD {
        return Some(Err(Problem::Method("GET, HEAD".to_owned())));
    }
    let mut answer = Response::new(full(file.bytes));
    for (name, value) in [
        (header::CONTENT_TYPE, file.media_type),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // Another version of the server has another page.
        (header::CACHE_CONTROL, "no-cache"),
    ] {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Some(Ok(answer))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, path::Path};

    /// Says where what is in `vendor` comes from, and is no part of the page.
    const ABOUT_IT: &[&str] = &["/package.json", "/package-lock.json", "/vendor.sh", "/vendored.sha256"];

    #[test]
    fn every_file_is_served() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("console");
        let mut folders = vec![folder.clone()];
        while let Some(inner) = folders.pop() {
            for entry in fs::read_dir(inner).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = format!("/{}", path.strip_prefix(&folder).unwrap().display());
                if ABOUT_IT.contains(&&*name) {
                    continue;
                }
                let name = if name == "/index.html" { "/" } else { name.as_str() };
                assert!(matches!(find(&Method::GET, name), Some(Ok(_))), "{name} is not served");
            }
        }
        assert!(matches!(find(&Method::POST, "/"), Some(Err(Problem::Method(_)))));
        assert!(find(&Method::GET, "/v1/status").is_none() && find(&Method::GET, "/../Cargo.toml").is_none());
    }
}
