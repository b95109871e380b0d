//! `GET /healthz`

/// The process runs and answers. Says nothing of the database: restarting us wouldn't mend it.
pub async fn alive() -> &'static str {
    "ok\n"
}
