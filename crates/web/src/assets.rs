//! The style sheet, the scripts and the icon: compiled in, served under a hash of their contents and cached for ever.

use axum::{
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

struct Asset {
    name: &'static str,
    media_type: &'static str,
    body: &'static str,
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

static ASSETS: [Asset; 11] = [
    Asset { name: "tincture.css", media_type: "text/css; charset=utf-8", body: include_str!("../assets/tincture.css") },
    Asset { name: "icon.svg", media_type: "image/svg+xml", body: include_str!("../assets/icon.svg") },
    Asset { name: "optics.js", media_type: SCRIPT, body: include_str!("../assets/optics.js") },
    Asset { name: "mixer.js", media_type: SCRIPT, body: include_str!("../assets/mixer.js") },
    Asset { name: "live.js", media_type: SCRIPT, body: include_str!("../assets/live.js") },
    Asset { name: "watch.js", media_type: SCRIPT, body: include_str!("../assets/watch.js") },
    Asset { name: "parts.js", media_type: SCRIPT, body: include_str!("../assets/parts.js") },
    Asset { name: "connection.js", media_type: SCRIPT, body: include_str!("../assets/connection.js") },
    Asset { name: "passkeys.js", media_type: SCRIPT, body: include_str!("../assets/passkeys.js") },
    Asset { name: "sheet.js", media_type: SCRIPT, body: include_str!("../assets/sheet.js") },
    Asset { name: "frame.js", media_type: SCRIPT, body: include_str!("../assets/frame.js") },
];

/// One hash over all of them, so that a script can import its neighbour by a relative path.
static EDITION: LazyLock<String> = LazyLock::new(|| {
    let digest = ASSETS
        .iter()
        .fold(Sha256::new(), |hash, asset| hash.chain_update(asset.name).chain_update(asset.body))
        .finalize();
    HEXLOWER.encode(&digest[..6])
});

/// The path of an asset, for a page.
pub fn path(name: &str) -> String {
    format!("/assets/{}/{name}", *EDITION)
}

/// `GET /assets/{edition}/{name}`. Another edition (a page of a newer replica) gets ours, but may not keep it.
pub async fn serve(Path((edition, name)): Path<(String, String)>) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let caching = if edition == *EDITION { "public, max-age=31536000, immutable" } else { "no-store" };
    ([(header::CONTENT_TYPE, asset.media_type), (header::CACHE_CONTROL, caching)], asset.body).into_response()
}

#[cfg(test)]
mod tests {
    use domain::EventKind;

    #[test]
    fn the_live_page_listens_to_events_that_there_are() {
        let script = include_str!("../assets/live.js");
        let (_, handlers) = script.split_once("const handlers = {\n").expect("handlers");
        let (handlers, _) = handlers.split_once("\n};").expect("their end");
        // A handler stands two spaces deep, like `  robot() { refresh(); },`.
        let names = handlers.lines().filter_map(|line| line.strip_prefix("  ")?.split_once('(').map(|(name, _)| name));
        let names: Vec<_> = names.filter(|name| name.chars().all(char::is_alphabetic)).collect();
        assert!(names.len() > 3, "{names:?}");
        for name in names {
            assert!(name.parse::<EventKind>().is_ok(), "{name} is no kind of event");
        }
    }
}
