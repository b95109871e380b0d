//! `GET` and `POST /users`, `POST /users/{id}`, `…/disable`, `…/enable` and `…/reset-factors`: for administrators.

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
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use chrono::Utc;
use domain::{Role, UserId};
use request::{AppState, ClientIp};
use serde::Deserialize;
use store::{User, UserChanges};
use views::UserView;

/// People on a page.
const PAGE: u32 = 50;

#[derive(Template)]
#[template(path = "users.html")]
struct UsersPage {
    chrome: Chrome,
    people: Vec<Person>,
    roles: Vec<&'static str>,
    form: NewPerson,
    problem: Option<String>,
    done: Option<&'static str>,
    next: Option<String>,
}

struct Person {
    account: UserView,
    since: When,
    is_me: bool,
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
}

pub async fn show(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    Query(wish): Query<Wish>,
) -> Result<Response, PageError> {
    page(&state, &me, &wish, NewPerson::default(), None).await
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
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page(&state, &me, &Wish::default(), form, Some(problem)).await?)
        .into_response())
}

/// Changes one person's role and quota.
pub async fn update(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, PageError> {
    let id: UserId = id.parse().map_err(|_| PageError::NotFound("account"))?;
    let changed = change(&state, &me, id, &fields, ip).await;
    done(&state, &me, changed, "changed").await
}

/// Shuts an account, opens it again, or resets its second factors.
pub async fn shut(
    State(state): State<AppState>,
    SignedIn(me): SignedIn,
    ClientIp(ip): ClientIp,
    Path((id, act)): Path<(String, String)>,
) -> Result<Response, PageError> {
    let id: UserId = id.parse().map_err(|_| PageError::NotFound("account"))?;
    if act == "reset-factors" {
        let reset = state.auth.reset_factors(id, Some(&me), ip).await;
        return done(&state, &me, reset, "reset").await;
    }
    let (disabled, word) = match act.as_str() {
        "disable" => (true, "disabled"),
        "enable" => (false, "enabled"),
        _ => return Err(PageError::NotFound("page")),
    };
    let changes = UserChanges { disabled: Some(disabled), ..UserChanges::default() };
    let changed = state.auth.update_user(Some(&me), id, changes, ip).await;
    done(&state, &me, changed.map(drop), word).await
}

/// Back to the page, which says what was done, or why it wasn't.
async fn done(
    state: &AppState,
    me: &Identity,
    changed: Result<(), AuthError>,
    word: &str,
) -> Result<Response, PageError> {
    let problem = match changed {
        Ok(()) => return Ok(Redirect::to(&format!("/users?done={word}")).into_response()),
        Err(error) => told(error)?,
    };
    let again = page(state, me, &Wish::default(), NewPerson::default(), Some(problem)).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, again).into_response())
}

async fn change(
    state: &AppState,
    me: &Identity,
    id: UserId,
    fields: &Fields,
    ip: Option<std::net::IpAddr>,
) -> Result<(), AuthError> {
    let user = state.store.user(id).await?.ok_or(AuthError::NoSuchUser)?;
    let role = fields.get("role").parse().ok().filter(|role: &Role| *role != user.role);
    let quota: i32 = fields.get("quota").trim().parse().map_err(|_| AuthError::InvalidQuota)?;
    // Only what was changed on the page: wells spent since it was shown stay spent.
    let quota = (fields.get("quota_was").trim() != fields.get("quota").trim()).then_some(quota);
    if role.is_some() || quota.is_some() {
        state.auth.update_user(Some(me), id, UserChanges { role, quota, disabled: None }, ip).await?;
    }
    Ok(())
}

/// What a person can mend is said to them; the rest is an error page.
fn told(error: AuthError) -> Result<String, PageError> {
    match error {
        AuthError::InvalidEmail(_)
        | AuthError::InvalidPassword
        | AuthError::InvalidQuota
        | AuthError::EmailTaken
        | AuthError::OwnRole
        | AuthError::OwnFactors
        | AuthError::LastAdministrator
        | AuthError::Busy => Ok(error.to_string()),
        other => Err(other.into()),
    }
}

async fn page(
    state: &AppState,
    me: &Identity,
    wish: &Wish,
    form: NewPerson,
    problem: Option<String>,
) -> Result<Response, PageError> {
    let after = wish.after.as_deref().and_then(|text| text.parse().ok());
    let users = state.store.users(after, PAGE).await?;
    html(&UsersPage {
        chrome: Chrome::of("People", "users", Visitor::of(&state.store, &me.user).await?),
        people: users.data.into_iter().map(|user| person(user, me)).collect(),
        problem: problem.map(|problem| sentence(&problem)),
        roles: Role::ALL.iter().map(|role| role.as_str()).collect(),
        form,
        done: match wish.done.as_deref() {
            Some("created") => {
                Some("The account is made. Tell its owner the password; they can change it under Account.")
            }
            Some("changed") => Some("Changed. It counts from their next click."),
            Some("disabled") => {
                Some("The account is disabled: its owner is signed out and can’t sign in. What they asked for goes on.")
            }
            Some("reset") => {
                Some("The second factors are reset: their owner is signed out, and signs in with the password.")
            }
            Some("enabled") => Some("The account is enabled: its owner can sign in again."),
            _ => None,
        },
        next: users.next.map(|cursor| format!("/users?after={cursor}")),
    })
}

fn person(user: User, me: &Identity) -> Person {
    Person { is_me: user.id == me.user_id(), since: When::new(user.created_at, Utc::now()), account: user.into() }
}
