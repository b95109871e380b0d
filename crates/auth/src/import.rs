//! A class from a sheet: what each line would do, and then all of it at once or nothing.
//!
//! The first line names the columns: `email`, and if wanted `name`, `role`, `quota`, `group`. A name is for the list of links
//! that is handed out, and isn't stored. A group must be there; whoever has an account already joins it, too.

use crate::{
    AuthError, EmailAddress, Identity, Secret, Service, USUAL_QUOTA, WELCOME_LIFE, account::check_quota,
    links::new_link, service::activity,
};
use async_recursion::async_recursion as boxed;
use chrono::{DateTime, Utc};
use csv::{ReaderBuilder, StringRecord, Trim};
use domain::{GroupId, MailKind, Role, Standing, UserId, text};
use serde_json::json;
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap, HashSet},
    net::IpAddr,
};
use store::{LinkTo, NO_PASSWORD, NewMail, NewUser};

/// People in one sheet.
pub const MOST_IMPORTED: usize = 1_000;
/// Bytes of one sheet.
pub const LARGEST_SHEET: usize = 128 * 1024;
/// Characters of a name.
const LONGEST_NAME: usize = 120;
/// Characters of what was typed that an error repeats.
const REPEATED: usize = 40;

/// Why a sheet can't be taken at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    #[error("the sheet is empty: the first line names the columns, like email,name,role,quota")]
    Empty,
    #[error("the sheet has more than {most} kB", most = LARGEST_SHEET / 1024)]
    TooLarge,
    #[error("the sheet has more than {MOST_IMPORTED} people; cut it in two")]
    TooMany,
    #[error("the first line names no column `email`: it names the columns, like email,name,role,quota")]
    NoEmail,
    #[error("the first line has '{0}', which is no column; there are email, name, role, quota and group")]
    UnknownColumn(String),
    #[error("the first line names the column `{0}` twice")]
    Twice(&'static str),
    #[error("line {line} can't be read: {why}")]
    Unreadable { line: u64, why: String },
    #[error("line {line} can't be taken: {why}{}. Nobody was imported", others(*more))]
    Faulty { line: u64, why: String, more: usize },
}

fn others(more: usize) -> String {
    match more {
        0 => String::new(),
        1 => "; nor can another one".to_owned(),
        more => format!("; nor can {more} others"),
    }
}

/// What becomes of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// An account is made.
    New,
    /// There is one already, which stays as it is, but for the group that it joins.
    Known,
    /// Why it can't be taken. Nothing is done while a line is so.
    Fault(String),
}

/// A line of a sheet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportLine {
    /// From 1, as an editor counts.
    pub line: u64,
    /// Lower case; of a line that can't be taken as it was typed.
    pub email: String,
    pub name: String,
    pub role: Role,
    /// Wells of their own: none beside a group's, unless said.
    pub quota: i32,
    /// The group that they join.
    pub group: Option<String>,
    pub fate: Fate,
}

/// Somebody's way in, shown once.
#[derive(Clone, Debug)]
pub struct WayIn {
    pub email: String,
    pub name: String,
    pub secret: Secret,
    pub expires_at: DateTime<Utc>,
}

/// What was done.
#[derive(Clone, Debug)]
pub struct ImportDone {
    pub lines: Vec<ImportLine>,
    /// Of each new person, where no mail reaches them.
    pub ways_in: Vec<WayIn>,
}

impl Service {
    /// What a sheet would do, line by line. Changes nothing.
    ///
    /// # Errors
    /// `Import` where it is none, or too large.
    #[boxed]
    pub async fn preview_import(&self, sheet: &str) -> Result<Vec<ImportLine>, AuthError> {
        Ok(self.resolve(sheet).await?.0)
    }

    /// The lines, who of them has an account, and the groups by their names in lower case.
    async fn resolve(&self, sheet: &str) -> Result<(Vec<ImportLine>, Known, HashMap<String, GroupId>), AuthError> {
        let mut lines = read(sheet)?;
        let names: HashSet<_> = lines.iter().filter_map(|line| line.group.clone()).collect();
        let groups = self.store.groups_by_name(&names.into_iter().collect::<Vec<_>>()).await?;
        for line in &mut lines {
            if let Some(name) = line.group.as_ref().filter(|name| !groups.contains_key(&name.to_lowercase()))
                && line.fate == Fate::New
            {
                line.fate = Fate::Fault(format!("there is no group '{}'; make it first", cut(name)));
            }
        }
        let emails: Vec<_> =
            lines.iter().filter(|line| line.fate == Fate::New).map(|line| line.email.clone()).collect();
        let known = self.store.taken_emails(&emails).await?;
        for line in lines.iter_mut().filter(|line| line.fate == Fate::New && known.contains_key(&line.email)) {
            line.fate = Fate::Known;
        }
        Ok((lines, known, groups))
    }

    /// Makes the accounts of a sheet, all or none. Each new person gets a link by mail, or it is handed back.
    ///
    /// # Errors
    /// `Import`, also where a line can't be taken; `EmailTaken` where somebody made one of the accounts at this moment;
    /// `TooManyMails`. Nothing was done then.
    #[boxed]
    pub async fn import(
        &self,
        sheet: &str,
        by: Option<&Identity>,
        ip: Option<IpAddr>,
    ) -> Result<ImportDone, AuthError> {
        let (lines, known, groups) = self.resolve(sheet).await?;
        let mut faults = lines.iter().filter_map(|line| match &line.fate {
            Fate::Fault(why) => Some((line.line, why.clone())),
            Fate::New | Fate::Known => None,
        });
        if let Some((line, why)) = faults.next() {
            return Err(ImportError::Faulty { line, why, more: faults.count() }.into());
        }
        let (mut people, mut mails, mut acts, mut ways_in) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut joining: BTreeMap<GroupId, Vec<UserId>> = BTreeMap::new();
        let by_user = by.map(Identity::user_id);
        for line in &lines {
            let id = known.get(&line.email).copied().unwrap_or_else(UserId::new);
            if let Some(group) = line.group.as_ref().and_then(|name| groups.get(&name.to_lowercase())) {
                joining.entry(*group).or_default().push(id);
            }
            if line.fate != Fate::New {
                continue;
            }
            let ImportLine { email, name, role, quota, .. } = line.clone();
            let details = json!({ "user": id, "email": email, "role": role, "quota": quota, "via": "import" });
            acts.push(activity(by_user, "user_created", details, ip));
            let link = if self.policy.mails {
                mails.push(NewMail { kind: MailKind::Welcome, email: email.clone(), invitation_id: None });
                None
            } else {
                let (secret, link) = new_link(LinkTo::Password(id), Utc::now() + WELCOME_LIFE);
                ways_in.push(WayIn { email: email.clone(), name, secret, expires_at: link.expires_at });
                Some(link)
            };
            let hashed_password = NO_PASSWORD.to_owned();
            people.push((NewUser { id, email, hashed_password, role, quota }, link));
        }
        for (group, users) in &joining {
            let details = json!({ "group": group, "users": users, "standing": Standing::Member, "via": "import" });
            acts.push(activity(by_user, "group_joined", details, ip));
        }
        if !acts.is_empty() {
            self.store.import_users(&people, &joining, &mails, &acts).await?;
        }
        Ok(ImportDone { lines, ways_in })
    }
}

/// Who has an account, by address.
type Known = HashMap<String, UserId>;

/// Where each column is.
#[derive(Clone, Copy, Debug, Default)]
struct Columns {
    email: usize,
    name: Option<usize>,
    role: Option<usize>,
    quota: Option<usize>,
    group: Option<usize>,
}

fn read(sheet: &str) -> Result<Vec<ImportLine>, ImportError> {
    if sheet.len() > LARGEST_SHEET {
        return Err(ImportError::TooLarge);
    }
    // With one kind of line end, by which lines are counted.
    let sheet = sheet.trim_start_matches('\u{feff}').replace("\r\n", "\n").replace('\r', "\n");
    let sheet = sheet.as_str();
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter(sheet))
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .from_reader(sheet.as_bytes());
    let mut records = reader.records();
    let mut places = Places { sheet, at: 0, line: 1 };
    let first = records.next().ok_or(ImportError::Empty)?.map_err(unreadable)?;
    // A list of addresses needs no heading.
    let is_bare = first.len() == 1 && first.iter().all(|field| field.contains('@'));
    let columns = if is_bare { Columns::default() } else { columns(&first)? };
    let rest = records.map(|record| record.map_err(unreadable));
    let (mut lines, mut seen) = (Vec::new(), HashSet::new());
    for record in is_bare.then_some(Ok(first)).into_iter().chain(rest) {
        let record = record?;
        if record.iter().all(str::is_empty) {
            continue;
        }
        if lines.len() == MOST_IMPORTED {
            return Err(ImportError::TooMany);
        }
        let mut line = line(&record, columns, places.line_of(&record));
        if line.fate == Fate::New && !seen.insert(line.email.clone()) {
            line.fate = Fate::Fault("this address is in the sheet twice".to_owned());
        }
        lines.push(line);
    }
    if lines.is_empty() { Err(ImportError::Empty) } else { Ok(lines) }
}

/// What the first line has most of: spreadsheets write commas, semicolons or tabs, as their language has it.
fn delimiter(sheet: &str) -> u8 {
    let first = sheet.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let count = |delimiter: u8| first.bytes().filter(|byte| *byte == delimiter).count();
    [b',', b';', b'\t'].into_iter().rev().max_by_key(|delimiter| count(*delimiter)).unwrap_or(b',')
}

fn columns(first: &StringRecord) -> Result<Columns, ImportError> {
    let (mut email, mut name, mut role, mut quota, mut group) = (None, None, None, None, None);
    for (at, title) in first.iter().enumerate() {
        let (column, called) = match title.to_lowercase().as_str() {
            "email" | "e-mail" | "mail" | "e-mail address" | "email address" => (&mut email, "email"),
            "name" => (&mut name, "name"),
            "role" => (&mut role, "role"),
            "quota" | "wells" => (&mut quota, "quota"),
            "group" => (&mut group, "group"),
            "" => continue,
            other => return Err(ImportError::UnknownColumn(cut(other))),
        };
        if column.replace(at).is_some() {
            return Err(ImportError::Twice(called));
        }
    }
    Ok(Columns { email: email.ok_or(ImportError::NoEmail)?, name, role, quota, group })
}

/// Where in the sheet records begin, asked from first to last.
struct Places<'a> {
    sheet: &'a str,
    at: usize,
    line: u64,
}

impl Places<'_> {
    /// From 1. The empty lines before a record are no part of it.
    fn line_of(&mut self, record: &StringRecord) -> u64 {
        let begins = record.position().and_then(|position| usize::try_from(position.byte()).ok()).unwrap_or(self.at);
        let empty = self.sheet.get(begins..).unwrap_or_default().bytes().take_while(|byte| *byte == b'\n').count();
        let begins = (begins + empty).max(self.at);
        let passed = self.sheet.get(self.at..begins).unwrap_or_default();
        self.line += passed.bytes().map(|byte| u64::from(byte == b'\n')).sum::<u64>();
        self.at = begins;
        self.line
    }
}

fn line(record: &StringRecord, columns: Columns, number: u64) -> ImportLine {
    let at = |column: Option<usize>| column.and_then(|column| record.get(column)).unwrap_or_default();
    let (typed, name) = (at(Some(columns.email)), at(columns.name).chars().take(LONGEST_NAME).collect());
    let group = Some(at(columns.group))
        .filter(|name| !name.is_empty())
        .map(|name| name.chars().take(2 * text::LONGEST_GROUP_NAME).collect::<String>());
    let role = match at(columns.role) {
        "" => Ok(Role::Student),
        role => role
            .to_lowercase()
            .parse::<Role>()
            .map_err(|_| format!("'{}' is no role: student, researcher, operator or admin", cut(role))),
    };
    let quota = match at(columns.quota) {
        "" if group.is_some() => Ok(0),
        "" => Ok(USUAL_QUOTA),
        quota => {
            quota.parse().map_err(|_| AuthError::InvalidQuota).and_then(check_quota).map_err(|error| error.to_string())
        }
    };
    let email = typed.parse::<EmailAddress>().map_err(|error| error.to_string());
    let fault = [email.as_ref().err(), role.as_ref().err(), quota.as_ref().err()].into_iter().flatten().next();
    ImportLine {
        line: number,
        fate: fault.map_or(Fate::New, |why| Fate::Fault(why.clone())),
        email: email.map_or_else(|_| typed.chars().take(254).collect(), |email| email.to_string()),
        name,
        role: role.unwrap_or(Role::Student),
        quota: quota.unwrap_or(USUAL_QUOTA),
        group,
    }
}

fn unreadable(error: csv::Error) -> ImportError {
    let line = error.position().map_or(0, csv::Position::line);
    ImportError::Unreadable { line, why: error.to_string().chars().take(120).collect() }
}

fn cut(typed: &str) -> String {
    typed.chars().take(REPEATED).collect()
}

/// The ways in as a sheet to hand out: `email,name,link`. What a spreadsheet would run as a formula gets an apostrophe in
/// front. `link` makes a link of a secret.
pub fn ways_in_csv(ways_in: &[WayIn], link: impl Fn(&Secret) -> String) -> String {
    let mut sheet = String::from("email,name,link\r\n");
    for way in ways_in {
        let fields = [field(&way.email), field(&way.name), field(&link(&way.secret))];
        sheet.push_str(&fields.join(","));
        sheet.push_str("\r\n");
    }
    sheet
}

/// A formula may hide behind characters that aren't seen, and begin with a full-width sign.
fn field(text: &str) -> String {
    let seen = text.trim_start_matches(|c: char| {
        c.is_whitespace()
            || c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
    });
    let is_formula =
        seen.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) || text.starts_with(['\t', '\r', '\n']);
    let safe: Cow<'_, str> = if is_formula { format!("'{text}").into() } else { text.into() };
    if safe.contains(['"', ',', ';', '\n', '\r']) {
        format!("\"{}\"", safe.replace('"', "\"\""))
    } else {
        safe.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn emails(sheet: &str) -> Vec<String> {
        let lines = read(sheet).expect("a sheet");
        assert!(lines.iter().all(|line| line.fate == Fate::New), "{lines:?}");
        lines.into_iter().map(|line| line.email).collect()
    }

    #[test]
    fn sheets_are_read_as_spreadsheets_write_them() {
        let class = ["ada@example.org", "bob@example.org"];
        for sheet in [
            "email,name\nada@example.org,Ada\nbob@example.org,Bob\n",
            "\u{feff}E-Mail;Name;Role\r\nAda@Example.org;\"Love;lace, Ada\";student\r\n bob@example.org ;Bob;\r\n\r\n",
            "name\temail\twells\nAda\tada@example.org\t5\n\tbob@example.org\t\n",
            "ada@example.org\nbob@example.org",
            "group,email\nA,ada@example.org\n\"B\n2\",\"bob@example.org\"",
        ] {
            assert_eq!(emails(sheet), class, "{sheet:?}");
        }
        let lines = read("email;name;role;quota\nada@example.org;\"Ada \"\"the\"\" L\";Operator;7").expect("a sheet");
        assert_eq!((lines[0].name.as_str(), lines[0].role, lines[0].quota), ("Ada \"the\" L", Role::Operator, 7));
    }

    #[test]
    fn what_cant_be_taken_is_said_with_its_line() {
        let lines = read("email,role,quota\nada,,\nbob@example.org,boss,\neve@example.org,,-1\nAda@x,,\nada@x,,")
            .expect("a sheet");
        let said: Vec<_> = lines.iter().map(|line| (line.line, matches!(line.fate, Fate::Fault(_)))).collect();
        assert_eq!(said, [(2, true), (3, true), (4, true), (5, false), (6, true)]);
        let numbers = |sheet: &str| read(sheet).expect("a sheet").iter().map(|line| line.line).collect::<Vec<_>>();
        assert_eq!(numbers("email;name\r\na@x;A\r\n\r\nb@x;\"B\r\nb\"\r\nc@x;C\r\n"), [2, 4, 6]);
        assert_eq!(numbers("a@x\r\nb@x\r\n\r\nc@x"), [1, 2, 4]);
        for (sheet, error) in [
            ("", ImportError::Empty),
            ("email\n\n", ImportError::Empty),
            ("name,role\nAda,student", ImportError::NoEmail),
            ("email,e-mail\n", ImportError::Twice("email")),
            ("email,passwort\n", ImportError::UnknownColumn("passwort".to_owned())),
        ] {
            assert_eq!(read(sheet), Err(error), "{sheet:?}");
        }
        let many = "email\n".to_owned() + &(0..=MOST_IMPORTED).map(|n| format!("{n}@x.org\n")).collect::<String>();
        assert_eq!(read(&many), Err(ImportError::TooMany));
        assert_eq!(read(&"x".repeat(LARGEST_SHEET + 1)), Err(ImportError::TooLarge));
    }

    #[test]
    fn what_is_handed_out_holds_no_formula() {
        for name in ["=1+1", "+1", "-1", "@x", "\t=1", "\u{200b}=1", " =1", "＝1", "\u{feff}＋1"] {
            assert!(field(name).trim_start_matches('"').starts_with('\''), "{name:?}");
        }
        assert_eq!(field("Love \"lace\", Ada"), "\"Love \"\"lace\"\", Ada\"");
        assert_eq!(field("Ada"), "Ada");
    }
}
