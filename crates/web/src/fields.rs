//! A posted form as names and values, in the order of the page.

use crate::error::PageError;
use axum::{
    Form,
    extract::{FromRequest, Request},
};
use std::collections::HashSet;

/// Characters of a field's name that an error repeats.
const LONGEST_NAME: usize = 40;

/// Every field of a form, each once: which of two values is meant can't be known.
#[derive(Debug)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// The value of a field, empty when it wasn't sent.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = PageError;

    async fn from_request(request: Request, state: &S) -> Result<Self, PageError> {
        let Form(fields) = Form::<Vec<(String, String)>>::from_request(request, state).await?;
        let mut seen = HashSet::new();
        if let Some((twice, _)) = fields.iter().find(|(name, _)| !seen.insert(name.as_str())) {
            let twice: String = twice.chars().take(LONGEST_NAME).collect();
            return Err(PageError::BadRequest(format!("the field “{twice}” comes twice, so load the page anew")));
        }
        Ok(Self(fields))
    }
}
