//! People whom a provider of identity vouches for: their first sign-in and each one after, what a change of its claims does
//! to their account, and the end of what it ended. Each is one transaction with its lines in the activity log.
//!
//! A person is known by the provider's own name of them, never by their address: that may become somebody else's.

use crate::{
    accounts::{self, USERS, read_user},
    activity,
    connection::{Store, transact},
    error::{Result, StoreError},
    factors, quota,
    records::{
        Admission, Amr, ExternalEnd, ExternalSignIn, NO_PASSWORD, NewActivity, NewUser, Proof, ProviderSessions,
        Session, Signal, User,
    },
    rows::{Columns, GivenRow, Kind, given},
    second_step,
    sessions::{self, Origin},
    sql::{Row, Sql, now, row_values, sql},
};
use async_recursion::async_recursion as boxed;
use chrono::{DateTime, Utc};
use domain::{GroupId, Placement, QuotaCause, Role, SessionId, Standing, UserId};
use sea_orm::DatabaseTransaction;
use serde_json::{Value, json};

/// Whom a subject of a provider is, with what its claims came to last.
const KNOWN: &str = concat!(
    "
    SELECT ",
    crate::accounts::user_columns!(),
    ",
        i.role AS granted_role, i.quota AS granted_quota
    FROM identities i JOIN users u ON u.id = i.user_id WHERE i.issuer = $1 AND i.subject = $2"
);

const NAMES: Columns = &[("name_key", Kind::Text), ("standing", Kind::Text)];

/// What the claims of a provider came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Grant {
    role: Role,
    quota: i32,
}

impl Store {
    /// Signs somebody in by the word of a provider of identity; makes or links their account at the first time, and changes
    /// role and quota where what the provider says of them has changed since the last. The lab's last administrator stays
    /// one. Who has a second factor of this lab is asked for it, too. Durable when it returns.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`]. Somebody who isn't let in is no error.
    #[boxed]
    pub async fn sign_in_external(&self, sign_in: &ExternalSignIn) -> Result<Admission> {
        let admission = transact!(self, |tx| { self.admit(tx, sign_in).await });
        if matches!(admission, Admission::SignedIn(..) | Admission::SecondStep(_)) {
            self.signal([Signal::Accounts]);
        }
        Ok(admission)
    }

    async fn admit(&self, tx: &DatabaseTransaction, sign_in: &ExternalSignIn) -> Result<Admission> {
        if !use_up(tx, &sign_in.once).await? {
            return Ok(Admission::Replayed);
        }
        let grant = Grant { role: sign_in.role, quota: sign_in.quota };
        let known = sql!(KNOWN, sign_in.issuer.as_str(), sign_in.subject.as_str()).one(tx).await?;
        let user = match known {
            Some(row) => {
                let before = Grant { role: row.get("granted_role")?, quota: row.get("granted_quota")? };
                let user = read_user(&row)?;
                // Groups before accounts, as wherever somebody is put into one.
                let user = self.follow_groups(tx, user, sign_in).await?;
                self.follow(tx, user, before, grant, sign_in).await?
            }
            None => match self.admit_newcomer(tx, grant, sign_in).await? {
                Ok(user) => self.follow_groups(tx, user, sign_in).await?,
                Err(refused) => return Ok(refused),
            },
        };
        if user.disabled_at.is_some() {
            return Ok(Admission::Disabled(user.id));
        }
        if factors::lock(tx, self.backend(), user.id).await? {
            let (hash, expires_at) = &sign_in.pending;
            second_step::wait(tx, user.id, (hash, *expires_at), Some(origin(sign_in))).await?;
            return Ok(Admission::SecondStep(user));
        }
        let session = self.begin_external(tx, &user, sign_in).await?;
        Ok(Admission::SignedIn(user, session))
    }

    /// Somebody who comes for the first time.
    async fn admit_newcomer(
        &self,
        tx: &DatabaseTransaction,
        grant: Grant,
        sign_in: &ExternalSignIn,
    ) -> Result<std::result::Result<User, Admission>> {
        let Some(email) = sign_in.email.clone() else { return Ok(Err(Admission::NoAccount)) };
        let user = match sql!(format!("{USERS} WHERE u.email = $1"), email.as_str()).one(tx).await? {
            Some(_) if !sign_in.unknown.takes_over => return Ok(Err(Admission::AddressTaken)),
            Some(row) => {
                let user = read_user(&row)?;
                // Its quota stays what it is: from here on it changes by what the provider's comes to.
                let before = Grant { role: user.role, quota: grant.quota };
                let user = self.regrant(tx, user, before, grant, sign_in).await?;
                self.log(tx, sign_in, user.id, "identity_linked", json!({ "user": user.id })).await?;
                user
            }
            None if !sign_in.unknown.is_welcome => return Ok(Err(Admission::NoAccount)),
            None => self.make_account(tx, email, grant, sign_in).await?,
        };
        let text =
            "INSERT INTO identities (issuer, subject, user_id, role, quota, created_at) VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (issuer, subject) DO NOTHING";
        let (issuer, subject) = (sign_in.issuer.as_str(), sign_in.subject.as_str());
        let link = sql!(text, issuer, subject, user.id, grant.role, grant.quota, now());
        if link.execute(tx).await? == 0 {
            return Err(twice());
        }
        Ok(Ok(user))
    }

    async fn make_account(
        &self,
        tx: &DatabaseTransaction,
        email: String,
        grant: Grant,
        sign_in: &ExternalSignIn,
    ) -> Result<User> {
        let (id, hashed_password, Grant { role, quota }) = (UserId::new(), NO_PASSWORD.to_owned(), grant);
        let made = accounts::insert(tx, &NewUser { id, email, hashed_password, role, quota }).await;
        let user = made.map_err(|error| if matches!(error, StoreError::EmailTaken) { twice() } else { error })?;
        let details = json!({ "user": id, "email": user.email, "role": role, "quota": quota });
        self.log(tx, sign_in, id, "user_created", details).await?;
        Ok(user)
    }

    /// Changes the account where the provider's claims come to something else than the last time. What an administrator
    /// changed by hand stays until then.
    async fn follow(
        &self,
        tx: &DatabaseTransaction,
        user: User,
        before: Grant,
        after: Grant,
        sign_in: &ExternalSignIn,
    ) -> Result<User> {
        if before == after || user.disabled_at.is_some() {
            return Ok(user);
        }
        let user = self.regrant(tx, user, before, after, sign_in).await?;
        let text = "UPDATE identities SET role = $3, quota = $4 WHERE issuer = $1 AND subject = $2";
        let (issuer, subject) = (sign_in.issuer.as_str(), sign_in.subject.as_str());
        sql!(text, issuer, subject, after.role, after.quota).execute(tx).await?;
        Ok(user)
    }

    /// Puts them into the groups that the claims come to, and takes them out of those that they came to before. Where somebody was put
    /// by hand they stay.
    async fn follow_groups(&self, tx: &DatabaseTransaction, user: User, sign_in: &ExternalSignIn) -> Result<User> {
        if sign_in.groups.is_empty() || user.disabled_at.is_some() {
            return Ok(user);
        }
        let places = self.places(tx, user.id, sign_in).await?;
        let mut is_changed = false;
        for place in &places {
            is_changed |= self.follow_group(tx, user.id, place, sign_in).await?;
        }
        if !is_changed {
            return Ok(user);
        }
        let row = sql!(format!("{USERS} WHERE u.id = $1"), user.id).one(tx).await?;
        read_user(&row.ok_or(StoreError::NotFound("account"))?)
    }

    /// The groups of these names, in the order in which they are locked.
    async fn places(&self, tx: &DatabaseTransaction, user: UserId, sign_in: &ExternalSignIn) -> Result<Vec<Place>> {
        let text = format!(
            "SELECT g.id, given.standing AS wanted, m.standing, m.issuer FROM {given}
             CROSS JOIN groups g LEFT JOIN group_members m ON m.group_id = g.id AND m.user_id = $2
             WHERE g.name_key = given.name_key ORDER BY g.id",
            given = self.backend().rows(1, NAMES),
        );
        let names = sign_in.groups.iter().map(|Placement { group, standing }| {
            let row = GivenRow::default().text("name_key", group.trim().to_lowercase());
            standing.iter().fold(row, |row, standing| row.text("standing", standing.as_str()))
        });
        let mut values = vec![given(names)];
        values.extend(row_values![user]);
        let rows = Sql::new(text, values).all(tx).await?;
        if rows.len() < sign_in.groups.len() {
            tracing::info!("oidc_groups names a group that the lab doesn't have: nobody is put into it");
        }
        rows.iter().map(|row| Place::read(row, &sign_in.issuer)).collect()
    }

    /// Whether anything was changed.
    async fn follow_group(
        &self,
        tx: &DatabaseTransaction,
        user: UserId,
        place: &Place,
        sign_in: &ExternalSignIn,
    ) -> Result<bool> {
        let id = place.group;
        match (place.is, place.wanted) {
            (is, wanted) if is == wanted => Ok(false),
            (Some(_), _) if !place.is_theirs => Ok(false),
            (_, Some(wanted)) => match self.put_into_group(tx, id, &[user], wanted, None).await {
                Ok(()) => {
                    let theirs = "UPDATE group_members SET issuer = $3 WHERE group_id = $1 AND user_id = $2";
                    sql!(theirs, id, user, sign_in.issuer.as_str()).execute(tx).await?;
                    let details = json!({ "group": id, "users": [user], "standing": wanted });
                    self.log(tx, sign_in, user, "group_joined", details).await?;
                    Ok(true)
                }
                // Found before anything was written. They come in all the same.
                Err(error @ (StoreError::GroupFull { .. } | StoreError::TooManyGroups)) => {
                    tracing::warn!(%user, group = %id, %error, "whom the provider of identity says to be in a group can't be");
                    Ok(false)
                }
                Err(error) => Err(error),
            },
            (_, None) => {
                let group = self.lock_group(tx, id).await?;
                self.take_out(tx, &group, &[user], None).await?;
                self.log(tx, sign_in, user, "group_left", json!({ "group": id, "user": user })).await?;
                Ok(true)
            }
        }
    }

    /// The role becomes the new one; the quota changes by as much as what was granted did, so that what was used stays used.
    async fn regrant(
        &self,
        tx: &DatabaseTransaction,
        user: User,
        before: Grant,
        after: Grant,
        sign_in: &ExternalSignIn,
    ) -> Result<User> {
        // Before the account itself, as wherever power is taken.
        let others = if after.role.administers() { 1 } else { self.lock_other_administrators(tx, user.id).await? };
        let text = format!("{USERS} WHERE u.id = $1{}", self.backend().for_update());
        let row = sql!(text, user.id).one(tx).await?.ok_or(StoreError::NotFound("account"))?;
        let user = read_user(&row)?;
        let is_last = user.is_administrator() && !after.role.administers() && others == 0;
        let role = match before.role == after.role || is_last {
            true => user.role,
            false => after.role,
        };
        let quota = user.quota_remaining.saturating_add(after.quota.saturating_sub(before.quota)).max(0);
        sql!("UPDATE users SET role = $2 WHERE id = $1", user.id, role).execute(tx).await?;
        if quota != user.quota_remaining {
            quota::set(tx, self.backend(), &[user.id], quota, QuotaCause::Provider, None).await?;
        }
        if role != user.role {
            self.log(tx, sign_in, user.id, "role_changed", json!({ "user": user.id, "role": role })).await?;
        }
        if quota != user.quota_remaining {
            self.log(tx, sign_in, user.id, "quota_changed", json!({ "user": user.id, "quota": quota })).await?;
        }
        if is_last {
            tracing::warn!(user = %user.id, "the provider of identity makes the last administrator none: they stay one");
        }
        Ok(User { role, quota_remaining: quota, ..user })
    }

    async fn begin_external(&self, tx: &DatabaseTransaction, user: &User, sign_in: &ExternalSignIn) -> Result<Session> {
        let (id, expires_at) = (sign_in.session, sign_in.expires_at);
        let begun = now();
        let proof = Proof { at: sign_in.proved_at.min(begun), amr: Amr::PROVIDER.to_owned() };
        let session = Session { id, user_id: user.id, created_at: begun, expires_at, revoked_at: None, proof };
        sessions::insert(tx, &session, &sign_in.refresh_hash, Some(origin(sign_in))).await?;
        self.log(tx, sign_in, user.id, "sign_in", json!({ "session": id })).await?;
        Ok(session)
    }

    async fn log(
        &self,
        tx: &DatabaseTransaction,
        sign_in: &ExternalSignIn,
        user: UserId,
        action: &'static str,
        mut details: Value,
    ) -> Result<()> {
        if let Some(details) = details.as_object_mut() {
            details.insert("via".to_owned(), json!(sign_in.issuer));
        }
        let line = NewActivity { user_id: Some(user), action, details, ip_address: sign_in.ip };
        activity::insert(self.backend(), &line).execute(tx).await.map(drop)
    }

    /// Ends the sign-ins that came from a provider's session, or from all of a person's. How many, or nothing where it was
    /// told before.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`].
    #[boxed]
    pub async fn end_external_sessions(&self, end: &ExternalEnd) -> Result<Option<usize>> {
        let (condition, name) = match &end.which {
            ProviderSessions::One(session) => ("provider_session", session),
            ProviderSessions::All(subject) => ("subject", subject),
        };
        let text = format!(
            "UPDATE sessions SET revoked_at = $3 WHERE {condition} = $1 AND issuer = $2 AND revoked_at IS NULL
             RETURNING id, user_id"
        );
        let waiting = format!("DELETE FROM pending_sign_ins WHERE {condition} = $1 AND issuer = $2");
        let ended = transact!(self, |tx| {
            if !use_up(tx, &end.once).await? {
                return Ok(None);
            }
            sql!(waiting.clone(), name.as_str(), end.issuer.as_str()).execute(tx).await?;
            let rows = sql!(text.clone(), name.as_str(), end.issuer.as_str(), now()).all(tx).await?;
            let ended: Vec<SessionId> = rows.iter().map(|row| row.get("id")).collect::<Result<_>>()?;
            if let Some(row) = rows.first() {
                let details = json!({ "sessions": ended, "via": end.issuer });
                let user_id = Some(row.get("user_id")?);
                let line = NewActivity { user_id, action: "sign_out", details, ip_address: end.ip };
                activity::insert(self.backend(), &line).execute(tx).await?;
            }
            Ok(Some(ended.len()))
        });
        self.signal([Signal::Accounts]);
        Ok(ended)
    }

    /// Whether a live session with this token hash came from a provider of identity.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn is_external_session(&self, refresh_hash: &str) -> Result<bool> {
        let text = "SELECT id FROM sessions WHERE refresh_hash = $1 AND issuer IS NOT NULL AND revoked_at IS NULL";
        Ok(sql!(text, refresh_hash).one(self.reader()).await?.is_some())
    }
}

/// A group that the claims decide about, and what somebody is in it.
struct Place {
    group: GroupId,
    wanted: Option<Standing>,
    is: Option<Standing>,
    /// The same provider put them there.
    is_theirs: bool,
}

impl Place {
    fn read(row: &Row, issuer: &str) -> Result<Self> {
        let by: Option<String> = row.get("issuer")?;
        Ok(Self {
            group: row.get("id")?,
            wanted: row.get("wanted")?,
            is: row.get("standing")?,
            is_theirs: by.is_some_and(|by| by == issuer),
        })
    }
}

fn origin(sign_in: &ExternalSignIn) -> Origin {
    Origin {
        issuer: sign_in.issuer.clone(),
        subject: sign_in.subject.clone(),
        session: sign_in.provider_session.clone(),
    }
}

/// Somebody comes for the first time in two places at once: the second finds the account when it tries again.
fn twice() -> StoreError {
    StoreError::Contended("somebody's first sign-in is under way elsewhere".to_owned())
}

/// Whether it hadn't been used before.
async fn use_up(tx: &DatabaseTransaction, (hash, expires_at): &(String, DateTime<Utc>)) -> Result<bool> {
    let text = "INSERT INTO used_once (hash, expires_at) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING";
    Ok(sql!(text, hash.as_str(), *expires_at).execute(tx).await? == 1)
}
