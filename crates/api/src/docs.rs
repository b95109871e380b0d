//! The help pages of faults as a person reads them: `/docs/faults` and `/docs/faults/{code}`.

use crate::ApiState;
use axum::{
    Router,
    extract::Path,
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use domain::FaultCode;
use request::faults;

const STYLE: &str = include_str!("docs.css");

pub(crate) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/docs/faults", get(index))
        .route("/docs/faults/style.css", get(style))
        .route("/docs/faults/{code}", get(page))
}

async fn index() -> Response {
    let line = |code: &FaultCode| {
        format!("<li><a href=\"{}\">{}</a> <code>{code}</code></li>", code.help_path(), escaped(faults::title(*code)))
    };
    let list: String = FaultCode::ALL.iter().map(line).collect();
    framed(
        "Help with errors",
        &format!("<h1>Help with errors</h1><p>Every error of Tincture links here.</p><ul>{list}</ul>"),
    )
}

async fn page(Path(code): Path<String>) -> Response {
    let Ok(code) = code.parse::<FaultCode>() else { return StatusCode::NOT_FOUND.into_response() };
    let back = "<p class=\"back\"><a href=\"/docs/faults\">All errors</a></p>";
    framed(faults::title(code), &format!("{back}{}<p class=\"code\">Code <code>{code}</code></p>", faults::html(code)))
}

async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=3600")], STYLE)
        .into_response()
}

fn framed(title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">\
         <title>{} · Tincture</title><link rel=\"stylesheet\" href=\"/docs/faults/style.css\"></head>\
         <body><header><a href=\"/\">Tincture</a></header><main>{body}</main></body></html>",
        escaped(title)
    );
    ([(header::CACHE_CONTROL, "public, max-age=3600")], Html(html)).into_response()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
