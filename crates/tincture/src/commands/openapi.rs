//! `tincture openapi`: the API's OpenAPI 3.1 document, for client generators and for a diff in review.

use std::io::{self, Write};

pub fn run() -> anyhow::Result<()> {
    let document = serde_json::to_string_pretty(&api::openapi())?;
    Ok(writeln!(io::stdout(), "{document}")?)
}
