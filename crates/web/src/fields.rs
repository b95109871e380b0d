//! A posted form as names and values, in the order of the page.

use crate::error::PageError;
use axum::{
    Form,
    extract::{FromRequest, Request},
};

/// Every field of a form. Repeated names keep their first value.
#[derive(Debug)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// The value of a field, empty when it wasn't sent.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value)
    }
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = PageError;

    async fn from_request(request: Request, state: &S) -> Result<Self, PageError> {
        let Form(fields) = Form::<Vec<(String, String)>>::from_request(request, state).await?;
        Ok(Self(fields))
    }
}
