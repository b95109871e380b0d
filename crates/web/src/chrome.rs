//! What every page has around it: title, navigation, who is signed in, how many robots wait for a person.

use crate::assets;
use domain::Role;
use store::{Robot, Store, StoreError, User};
use workflow::is_in_need;

/// The person a page is for.
#[derive(Clone, Debug)]
pub struct Visitor {
    pub email: String,
    /// Wells left.
    pub quota: i32,
    pub runs_the_lab: bool,
    pub administers: bool,
    pub teaches: bool,
    /// Robots that wait for a person; none for who doesn't run the lab.
    pub in_need: usize,
}

impl Visitor {
    /// `robots` are all that the lab has, as the page has read them.
    pub fn among(robots: &[Robot], user: &User) -> Self {
        let role: Role = user.role;
        let runs_the_lab = role.runs_the_lab();
        Self {
            email: user.email.clone(),
            quota: user.quota_remaining,
            runs_the_lab,
            administers: role.administers(),
            teaches: user.teaches,
            in_need: if runs_the_lab { robots.iter().filter(|robot| is_in_need(robot)).count() } else { 0 },
        }
    }

    /// For a page that needs the robots for nothing else.
    pub async fn of(store: &Store, user: &User) -> Result<Self, StoreError> {
        Ok(Self::among(&robots_for(store, user).await?, user))
    }
}

/// The lab's robots for who runs it. Others are told nothing of them, so they aren't read.
pub async fn robots_for(store: &Store, user: &User) -> Result<Vec<Robot>, StoreError> {
    if user.role.runs_the_lab() { store.robots().await } else { Ok(Vec::new()) }
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

    pub fn of(title: impl Into<String>, here: &'static str, visitor: Visitor) -> Self {
        Self { title: title.into(), here, visitor: Some(visitor) }
    }

    pub fn is(&self, section: &str) -> bool {
        self.here == section
    }

    /// Before the title in the browser's tab: how many robots wait for a person, on the pages about robots.
    pub fn tab_badge(&self) -> String {
        match &self.visitor {
            Some(visitor) if visitor.in_need > 0 && self.is("robots") => format!("({}) ", visitor.in_need),
            _ => String::new(),
        }
    }

    pub fn asset(&self, name: &str) -> String {
        assets::path(name)
    }
}
