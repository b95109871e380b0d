//! Only our own pages may post with a person's cookie.

use crate::error::PageError;
use axum::{
    extract::Request,
    http::Method,
    middleware::Next,
    response::{IntoResponse, Response},
};

/// Refuses a form that another site's page sent.
pub async fn own_pages_only(request: Request, next: Next) -> Response {
    let changes_nothing = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if changes_nothing || request::same_origin(request.headers()) {
        return next.run(request).await;
    }
    PageError::NotAllowed("this form was sent by another site, so nothing was done").into_response()
}
