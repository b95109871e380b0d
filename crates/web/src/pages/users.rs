//! `GET` and `POST /users`, `POST /users/bulk`: people, for administrators. One person's page is in `person`, a class's in
//! `import`, `invitations` and who wait for an account in `joining`.

mod import;
mod joining;
mod person;

pub use import::{show as show_import, submit as submit_import};
pub use joining::{decide, invite, revoke as revoke_invitation, show as show_invitations};
pub use person::{act, show as show_one, update};

use crate::{
    chrome::{Chrome, Visitor},
    error::{PageError, html},
    fields::Fields,
    sentences::sentence,
    session::SignedIn,
    when::When,
};
use askama::Template;
use auth::{AuthError, Identity, NewAccount, Password};
use axum::{
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use domain::{Role, UserId};
use request::{AppState, ClientIp};
use serde::Deserialize;
use store::{Mail, User, UserChanges};
use views::UserView;

/// People on a page.
const PAGE: u32 = 50;
/// Who wait for an account, on the page of people.
const WAITING: u32 = 20;
/// Characters that are searched for.
const LONGEST_SEARCH: usize = 254;

#[derive(Template)]
#[template(path = "users.html")]
struct UsersPage {
    chrome: Chrome,
    people: Vec<Person>,
    roles: Vec<&'static str>,
    form: NewPerson,
    /// Whether the form is to be seen at once.
    form_is_open: bool,
    problem: Option<String>,
    done: Option<&'static str>,
    search: String,
    /// The first page, where this is another.
    first: Option<String>,
    next: Option<String>,
    waiting: Vec<Waiting>,
    more_wait: bool,
    usual_role: &'static str,
    usual_quota: i32,
    failed_mails: Vec<FailedMail>,
}

struct Person {
    account: UserView,
    since: When,
    is_me: bool,
}

/// Somebody who asked for an account.
struct Waiting {
    id: String,
    email: String,
    since: When,
}

struct FailedMail {
    email: String,
    kind: &'static str,
    why: String,
    is_given_up: bool,
}

/// What was typed; the password isn't sent back.
struct NewPerson {
    email: String,
    role: String,
    quota: String,
}

impl Default for NewPerson {
    fn default() -> Self {
        Self { email: String::new(), role: Role::Student.as_str().to_owned(), quota: "96".to_owned() }
    }
}

#[derive(Debug, Default, Deserialize)]
pub struct Wish {
    after: Option<String>,
    done: Option<String>,
    q: Option<String>,
}

impl Wish {
    /// What is searched for; nothing for all.
    fn search(&self) -> String {
        let typed = self.q.as_deref().unwrap_or_default().trim();
        typed.chars().filter(|c| !c.is_control()).take(LONGEST_SEARCH).collect()
    }
}

/// What the page says beside how things stand.
#[derive(Default)]
struct Said {
    form: Option<NewPerson>,
    problem: Option<String>,
}

pub async fn show(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    Query(wish): Query<Wish>,
) -> Result<Response, PageError> {
    page(&state, &me, &wish, Said::default()).await
}

pub async fn create(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    fields: Fields,
) -> Result<Response, PageError> {
    let form = NewPerson {
        email: fields.get("email").chars().take(254).collect(),
        role: fields.get("role").to_owned(),
        quota: fields.get("quota").chars().take(20).collect(),
    };
    let problem = match (form.role.parse::<Role>(), form.quota.trim().parse::<i32>()) {
        (Ok(role), Ok(quota)) => {
            let account =
                NewAccount { email: form.email.clone(), password: Password::from(fields.get("password")), role, quota };
            match state.auth.create_user(account, Some(&me), ip).await {
                Ok(_) => return Ok(Redirect::to("/users?done=created").into_response()),
                Err(error) => told(error)?,
            }
        }
        (Err(error), _) => error.to_string(),
        (_, Err(_)) => "the quota is a whole number of wells".to_owned(),
    };
    refused(&state, &me, Said { form: Some(form), problem: Some(problem) }).await
}

/// Changes the people who are ticked: a role, a quota, or who may sign in.
pub async fn bulk(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    fields: Fields,
) -> Result<Response, PageError> {
    let ticked = fields.iter().filter_map(|(name, _)| name.strip_prefix("on-")?.parse::<UserId>().ok());
    let ticked: Vec<_> = ticked.collect();
    let changes = match fields.get("do") {
        "role" => {
            fields.get("role").parse().ok().map(|role| UserChanges { role: Some(role), ..UserChanges::default() })
        }
        "quota" => {
            let quota = fields.get("quota").trim().parse().ok();
            quota.map(|quota| UserChanges { quota: Some(quota), ..UserChanges::default() })
        }
        "disable" => Some(UserChanges { disabled: Some(true), ..UserChanges::default() }),
        "enable" => Some(UserChanges { disabled: Some(false), ..UserChanges::default() }),
        _ => None,
    };
    let problem = match changes {
        _ if ticked.is_empty() => "tick whom it is about".to_owned(),
        None => "say what is to be another in them: a role, or a whole number of wells".to_owned(),
        Some(changes) => match state.auth.update_users(Some(&me), &ticked, changes, ip).await {
            Ok(()) => return Ok(Redirect::to("/users?done=bulk").into_response()),
            Err(error) => told(error)?,
        },
    };
    refused(&state, &me, Said { problem: Some(problem), ..Said::default() }).await
}

async fn refused(state: &AppState, me: &Identity, said: Said) -> Result<Response, PageError> {
    let again = page(state, me, &Wish::default(), said).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, again).into_response())
}

/// What a person can mend is said to them; the rest is an error page.
fn told(error: AuthError) -> Result<String, PageError> {
    match error {
        AuthError::InvalidEmail(_)
        | AuthError::InvalidPassword
        | AuthError::WeakPassword(_)
        | AuthError::InvalidQuota
        | AuthError::EmailTaken
        | AuthError::OwnRole
        | AuthError::OwnFactors
        | AuthError::OwnSessions
        | AuthError::LastAdministrator
        | AuthError::NotConfirmed
        | AuthError::Unfinished
        | AuthError::NothingToChange
        | AuthError::RegistrationClosed
        | AuthError::InvalidUses
        | AuthError::InvalidInvitationLife
        | AuthError::Import(_)
        | AuthError::Group(_)
        | AuthError::TooManyMails
        | AuthError::Busy => Ok(error.to_string()),
        other => Err(other.into()),
    }
}

async fn page(state: &AppState, me: &Identity, wish: &Wish, said: Said) -> Result<Response, PageError> {
    let after = wish.after.as_deref().and_then(|text| text.parse().ok());
    let search = wish.search();
    let users = match search.as_str() {
        "" => state.store.users(after, PAGE).await?,
        part => state.store.search_users(part, after, PAGE).await?,
    };
    let (waiting, failed) = (state.store.registrations(None, WAITING).await?, state.store.failed_mails().await?);
    let now = Utc::now();
    let policy = state.auth.account_policy();
    let here = if search.is_empty() { "/users?".to_owned() } else { format!("/users?q={}&", encoded(&search)) };
    html(&UsersPage {
        chrome: Chrome::of("People", "users", Visitor::of(&state.store, &me.user).await?),
        people: users.data.into_iter().map(|user| person(user, me)).collect(),
        problem: said.problem.map(|problem| sentence(&problem)),
        roles: roles(),
        form_is_open: said.form.is_some(),
        form: said.form.unwrap_or_default(),
        done: wish.done.as_deref().and_then(done),
        first: after.map(|_| here.trim_end_matches(['?', '&']).to_owned()),
        next: users.next.map(|cursor| format!("{here}after={cursor}")),
        search,
        more_wait: waiting.next.is_some(),
        waiting: waiting
            .data
            .into_iter()
            .map(|asked| Waiting {
                id: asked.id.to_string(),
                email: asked.email,
                since: When::new(asked.created_at, now),
            })
            .collect(),
        usual_role: policy.role.as_str(),
        usual_quota: policy.quota,
        failed_mails: failed.into_iter().map(failed_mail).collect(),
    })
}

fn done(word: &str) -> Option<&'static str> {
    match word {
        "created" => Some("The account is made. Tell its owner the password; they can change it under Account."),
        "bulk" => Some("Changed. It counts from their next click."),
        "erased" => Some("The person is erased. What they measured stays, as nobody’s in particular."),
        "approved" => Some("The account is made. A mail tells its owner."),
        "refused" => Some("The request is gone. Nobody is told."),
        _ => None,
    }
}

fn roles() -> Vec<&'static str> {
    Role::ALL.iter().map(|role| role.as_str()).collect()
}

fn person(user: User, me: &Identity) -> Person {
    Person { is_me: user.id == me.user_id(), since: When::new(user.created_at, Utc::now()), account: user.into() }
}

fn failed_mail(mail: Mail) -> FailedMail {
    FailedMail {
        email: mail.email,
        kind: mail.kind.as_str(),
        why: sentence(&mail.failure.unwrap_or_default()),
        is_given_up: mail.due_at.is_none(),
    }
}

/// As a query carries it.
fn encoded(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}
