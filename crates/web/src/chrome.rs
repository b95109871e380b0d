//! What every page has around it: title, navigation, who is signed in.

use crate::assets;
use domain::Role;

/// The person a page is for.
#[derive(Clone, Debug)]
pub struct Visitor {
    pub email: String,
    /// Wells left.
    pub quota: i32,
    pub runs_the_lab: bool,
    pub administers: bool,
}

impl Visitor {
    pub fn new(email: &str, role: Role, quota: i32) -> Self {
        Self { email: email.to_owned(), quota, runs_the_lab: role.runs_the_lab(), administers: role.administers() }
    }
}

impl From<&store::User> for Visitor {
    fn from(user: &store::User) -> Self {
        Self::new(&user.email, user.role, user.quota_remaining)
    }
}

/// The frame of one page.
#[derive(Clone, Debug)]
pub struct Chrome {
    pub title: String,
    /// The entry of the navigation this page belongs to.
    here: &'static str,
    pub visitor: Option<Visitor>,
}

impl Chrome {
    pub fn public(title: impl Into<String>) -> Self {
        Self { title: title.into(), here: "", visitor: None }
    }

    pub fn of(title: impl Into<String>, here: &'static str, visitor: impl Into<Visitor>) -> Self {
        Self { title: title.into(), here, visitor: Some(visitor.into()) }
    }

    pub fn is(&self, section: &str) -> bool {
        self.here == section
    }

    pub fn asset(&self, name: &str) -> String {
        assets::path(name)
    }
}
