//! `POST /camera/picture`: there is no camera; what comes is a grey picture of the right kind.

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

/// 64 by 48 grey pixels.
const PICTURE: &[u8] = include_bytes!("picture.jpg");

pub async fn picture() -> Response {
    (StatusCode::OK, [(header::CONTENT_TYPE, "image/jpg")], PICTURE).into_response()
}
