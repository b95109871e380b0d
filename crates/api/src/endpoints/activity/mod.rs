//! `/activity`: who did what, for administrators.

pub mod anchor;
pub mod export;
pub mod list;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use domain::UserId;
use request::{AppState, Problem};
use serde::Deserialize;
use store::ActivityFilter;
use utoipa::IntoParams;

/// Characters of what is searched for.
const LONGEST: usize = 254;

/// Which lines; all that is given must fit.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Who did it: id or e-mail address of an account.
    #[param(value_type = String, required = false, example = "ada@example.org")]
    user: Option<String>,
    /// To whose account it was done: id or e-mail address.
    #[param(value_type = String, required = false)]
    whom: Option<String>,
    /// What, as the log calls it.
    #[param(value_type = String, required = false, min_length = 1, max_length = 64, pattern = "^[a-z_]{1,64}$", example = "role_changed")]
    action: Option<String>,
    /// Not before: a time (RFC 3339), or a day, which begins at 00:00 UTC.
    #[param(value_type = String, required = false, example = "2026-11-01")]
    since: Option<String>,
    /// Before.
    #[param(value_type = String, required = false, example = "2026-12-01T00:00:00Z")]
    until: Option<String>,
    /// What its details or its network address have in them, in any case, 1-254 characters.
    #[param(value_type = String, required = false, min_length = 1, max_length = 254)]
    q: Option<String>,
}

impl Which {
    async fn filter(&self, state: &AppState) -> Result<ActivityFilter, Problem> {
        let is_action =
            |text: &&str| (1..=64).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'_'));
        let action = self.action.as_deref().map(|text| {
            Some(text).filter(is_action).ok_or_else(|| Problem::bad_parameter("action", "use 1 to 64 of a-z and _"))
        });
        let text = self.q.as_deref().map(|text| {
            let is_one = (1..=LONGEST).contains(&text.chars().count()) && !text.contains(char::is_control);
            Some(text)
                .filter(|_| is_one)
                .ok_or_else(|| Problem::bad_parameter("q", "use 1 to 254 characters, or leave it out"))
        });
        Ok(ActivityFilter {
            by: person(state, "user", self.user.as_deref()).await?,
            about: person(state, "whom", self.whom.as_deref()).await?,
            action: action.transpose()?.map(str::to_owned),
            from: moment("since", self.since.as_deref())?,
            until: moment("until", self.until.as_deref())?,
            text: text.transpose()?.map(str::to_owned),
        })
    }
}

async fn person(state: &AppState, parameter: &'static str, text: Option<&str>) -> Result<Option<UserId>, Problem> {
    match text {
        Some(text) => account(state, parameter, text).await.map(Some),
        None => Ok(None),
    }
}

/// Whose id or e-mail address this is.
pub async fn account(state: &AppState, parameter: &'static str, text: &str) -> Result<UserId, Problem> {
    let user = match text.parse() {
        Ok(id) => state.store.user(id).await?,
        Err(_) => state.store.user_by_email(text.trim()).await?,
    };
    let unknown = || Problem::bad_parameter(parameter, "there is no account with this id or e-mail address");
    user.map(|user| user.id).ok_or_else(unknown)
}

fn moment(parameter: &'static str, text: Option<&str>) -> Result<Option<DateTime<Utc>>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let day = || text.parse::<NaiveDate>().ok().map(|day| day.and_time(NaiveTime::MIN).and_utc());
    let at = DateTime::parse_from_rfc3339(text).ok().map(|at| at.with_timezone(&Utc)).or_else(day);
    let bad = || Problem::bad_parameter(parameter, "use a time like 2026-11-01T09:30:00Z, or a day like 2026-11-01");
    at.map(Some).ok_or_else(bad)
}
