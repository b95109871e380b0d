//! Lines of the activity log, and all of it as a file.

use crate::csv::csv_field;
use chrono::{DateTime, SecondsFormat, Utc};
use domain::{ActivityId, UserId};
use serde::Serialize;
use serde_json::Value;
use std::{
    collections::{BTreeSet, HashMap},
    fmt::Write as _,
    net::IpAddr,
    str::FromStr,
};
use store::{Activity, ActivityFilter, Store, StoreError};
use utoipa::ToSchema;

/// One thing that somebody did or tried.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ActivityView {
    #[schema(value_type = Uuid)]
    pub id: ActivityId,
    /// Its place in the chain of seals, from 1. Null in the moments before it is sealed.
    pub number: Option<i64>,
    /// Null for what nobody signed in did: a failed sign-in, or the command line.
    #[schema(value_type = Option<Uuid>)]
    pub user_id: Option<UserId>,
    #[schema(example = "robot_paused")]
    pub action: String,
    /// What it was about; depends on `action`.
    #[schema(value_type = Object)]
    pub details: Value,
    #[schema(value_type = Option<String>, example = "192.0.2.7")]
    pub ip_address: Option<IpAddr>,
    pub created_at: DateTime<Utc>,
}

impl From<Activity> for ActivityView {
    fn from(activity: Activity) -> Self {
        let Activity { id, user_id, action, details, ip_address, created_at, seal_number: number } = activity;
        Self { id, number, user_id, action, details, ip_address, created_at }
    }
}

impl ActivityView {
    /// Whose account it was about, where it was about one.
    pub fn about(&self) -> Option<UserId> {
        self.details["user"].as_str()?.parse().ok()
    }
}

/// How the log is given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivityFormat {
    /// Safe to open in a spreadsheet.
    Csv,
    /// One object a line.
    Jsonl,
}

impl FromStr for ActivityFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "csv" => Ok(Self::Csv),
            "jsonl" => Ok(Self::Jsonl),
            _ => Err("it must be csv or jsonl".to_owned()),
        }
    }
}

impl ActivityFormat {
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Jsonl => "application/jsonl",
        }
    }

    pub const fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }
}

/// All lines that fit, newest first, a thousand at a time. Each piece is read when it is asked for.
#[derive(Debug)]
pub struct ActivityExport {
    store: Store,
    filter: ActivityFilter,
    format: ActivityFormat,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Head,
    After(Option<ActivityId>),
    End,
}

/// Who is meant by an id in a file that people read.
const HEAD: &str = "number,time,who,who_id,what,whom,whom_id,address,details,id\r\n";

impl ActivityExport {
    pub const fn new(store: Store, filter: ActivityFilter, format: ActivityFormat) -> Self {
        Self { store, filter, format, place: Place::Head }
    }

    /// The next piece; nothing after the last.
    ///
    /// # Errors
    /// Those of any read: what came until then isn't all.
    pub async fn next(&mut self) -> Result<Option<String>, StoreError> {
        let after = match self.place {
            Place::Head => {
                self.place = Place::After(None);
                if self.format == ActivityFormat::Csv {
                    return Ok(Some(HEAD.to_owned()));
                }
                None
            }
            Place::After(after) => after,
            Place::End => return Ok(None),
        };
        let page = self.store.export_activity(&self.filter, after).await?;
        self.place = page.next.map_or(Place::End, |next| Place::After(Some(next)));
        let lines: Vec<ActivityView> = page.data.into_iter().map(ActivityView::from).collect();
        let piece = match self.format {
            ActivityFormat::Csv => {
                let emails = self.store.emails_of(&people(&lines)).await?;
                lines.iter().map(|line| csv_line(line, &emails)).collect()
            }
            ActivityFormat::Jsonl => lines.iter().map(json_line).collect(),
        };
        Ok(Some(piece))
    }
}

/// Who did these things, and to whom.
pub fn people(lines: &[ActivityView]) -> BTreeSet<UserId> {
    lines.iter().flat_map(|line| [line.user_id, line.about()]).flatten().collect()
}

fn json_line(line: &ActivityView) -> String {
    let mut text = serde_json::to_string(line).unwrap_or_default();
    text.push('\n');
    text
}

fn csv_line(line: &ActivityView, emails: &HashMap<UserId, String>) -> String {
    let email = |user: Option<UserId>| user.and_then(|user| emails.get(&user)).map_or("", String::as_str);
    let id = |user: Option<UserId>| user.map(|user| user.to_string()).unwrap_or_default();
    let about = line.about();
    let fields = [
        line.number.map(|number| number.to_string()).unwrap_or_default(),
        line.created_at.to_rfc3339_opts(SecondsFormat::Millis, true),
        email(line.user_id).to_owned(),
        id(line.user_id),
        line.action.clone(),
        email(about).to_owned(),
        id(about),
        line.ip_address.map(|address| address.to_string()).unwrap_or_default(),
        line.details.to_string(),
        line.id.to_string(),
    ];
    let mut text = String::new();
    for (index, field) in fields.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(text, "{comma}{}", csv_field(field));
    }
    text.push_str("\r\n");
    text
}
