//! Second factors: what a person has beside a password, and how it comes and goes. What uses one up is `second_step`.
//!
//! Whatever is done to them and its line in the activity log are one transaction.

use crate::{
    activity,
    connection::{Backend, Store, transact},
    error::{Result, StoreError},
    records::{Factors, LastFactor, NewActivity, NewFactor, Passkey, Signal, User},
    second_step::spend_challenge,
    sessions,
    sql::{Row, Sql, now, sql},
};
use async_recursion::async_recursion as boxed;
use domain::{PasskeyId, SessionId, UserId};
use sea_orm::DatabaseTransaction;

const PASSKEYS: &str =
    "SELECT p.id, p.user_id, p.name, p.credential_id, p.public_key, p.state, p.created_at, p.last_used_at
    FROM passkeys p";

/// Whether a person `u` has a second factor.
const HAS_ONE: &str = "(EXISTS (SELECT 1 FROM second_factors f WHERE f.user_id = u.id AND f.totp_since IS NOT NULL)
    OR EXISTS (SELECT 1 FROM passkeys p WHERE p.user_id = u.id))";

impl Store {
    /// What a person has beside a password.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn factors(&self, of: UserId) -> Result<Factors> {
        let text = "SELECT (SELECT f.totp_since FROM second_factors f WHERE f.user_id = $1) AS totp_since,
            (SELECT COUNT(*) FROM recovery_codes r WHERE r.user_id = $1) AS codes";
        let Some(row) = sql!(text, of).one(self.reader()).await? else { return Ok(Factors::default()) };
        let codes: i64 = row.get("codes")?;
        let keys = sql!(format!("{PASSKEYS} WHERE p.user_id = $1 ORDER BY p.id"), of).all(self.reader()).await?;
        Ok(Factors {
            totp_since: row.get("totp_since")?,
            recovery_codes: u32::try_from(codes).unwrap_or_default(),
            passkeys: keys.iter().map(read_passkey).collect::<Result<_>>()?,
        })
    }

    /// The passkey that its authenticator calls so (base64url).
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn passkey(&self, credential_id: &str) -> Result<Option<Passkey>> {
        // From the writer: its counter may have been written a moment ago.
        let row = sql!(format!("{PASSKEYS} WHERE p.credential_id = $1"), credential_id).one(self.writer()).await?;
        row.map(|row| read_passkey(&row)).transpose()
    }

    /// Keeps an app's secret until a code shows that the app has it. One that was offered before is forgotten.
    ///
    /// # Errors
    /// `FactorExists` where the person has an app already.
    #[boxed]
    pub async fn offer_totp(&self, to: UserId, secret: &str) -> Result<()> {
        let text = "INSERT INTO second_factors (user_id, totp_secret) VALUES ($1, $2)
            ON CONFLICT (user_id) DO UPDATE SET totp_secret = $2 WHERE second_factors.totp_since IS NULL";
        if sql!(text, to, secret).execute(self.writer()).await? == 0 {
            return Err(StoreError::FactorExists);
        }
        Ok(())
    }

    /// Gives a person a factor that they have just shown in this session, which counts as proved anew from now on, by `amr` where that is
    /// another way than before. Were
    /// there no recovery codes, these are theirs; `true` then. With the first factor their other sessions end, since those
    /// began with the password alone.
    ///
    /// # Errors
    /// `NotFound` where the session has ended; `FactorRefused` where the secret or the challenge isn't the one of now;
    /// `FactorExists`; `TooManyPasskeys`.
    #[boxed]
    pub async fn add_factor(
        &self,
        to: (UserId, SessionId),
        factor: &NewFactor,
        amr: Option<&str>,
        codes: &[String],
        by: &NewActivity,
    ) -> Result<bool> {
        let (user, session) = to;
        let are_theirs = transact!(self, |tx| {
            let had_one = lock(tx, self.backend(), user).await?;
            match factor {
                NewFactor::Totp { secret, step } => add_totp(tx, user, secret, *step).await?,
                NewFactor::Passkey { passkey, challenge, most } => {
                    spend_challenge(tx, *challenge).await?;
                    add_passkey(tx, passkey, *most).await?;
                }
            }
            let are_theirs =
                sql!("SELECT hash FROM recovery_codes WHERE user_id = $1 LIMIT 1", user).one(tx).await?.is_none();
            if are_theirs {
                insert_codes(tx, user, codes).await?;
            }
            if !had_one {
                sessions::end_others(tx, user, session).await?;
            }
            sessions::prove(tx, session, user, amr).await?;
            activity::insert(self.backend(), by).execute(tx).await?;
            Ok(are_theirs)
        });
        self.signal([Signal::Accounts]);
        Ok(are_theirs)
    }

    /// Takes a person's app away. With the last factor its recovery codes go.
    ///
    /// # Errors
    /// `NotFound`; `LastFactor` where it may not go. Nothing was written then.
    #[boxed]
    pub async fn remove_totp(&self, of: UserId, last: LastFactor, by: &NewActivity) -> Result<()> {
        let text = "UPDATE second_factors SET totp_secret = NULL, totp_since = NULL, totp_step = NULL
            WHERE user_id = $1 AND totp_since IS NOT NULL";
        self.remove(sql!(text, of), of, last, by).await
    }

    /// The same of a passkey.
    ///
    /// # Errors
    /// As [`Store::remove_totp`].
    #[boxed]
    pub async fn remove_passkey(&self, id: PasskeyId, of: UserId, last: LastFactor, by: &NewActivity) -> Result<()> {
        self.remove(sql!("DELETE FROM passkeys WHERE id = $1 AND user_id = $2", id, of), of, last, by).await
    }

    async fn remove(&self, statement: Sql, of: UserId, last: LastFactor, by: &NewActivity) -> Result<()> {
        transact!(self, |tx| {
            lock(tx, self.backend(), of).await?;
            if statement.clone().execute(tx).await? == 0 {
                return Err(StoreError::NotFound("second factor"));
            }
            if !lock(tx, self.backend(), of).await? {
                if last == LastFactor::Stays {
                    return Err(StoreError::LastFactor);
                }
                sql!("DELETE FROM recovery_codes WHERE user_id = $1", of).execute(tx).await?;
            }
            activity::insert(self.backend(), by).execute(tx).await
        });
        self.signal([Signal::Accounts]);
        Ok(())
    }

    /// New recovery codes instead of those that are left.
    ///
    /// # Errors
    /// `NotFound` where the person has no second factor.
    #[boxed]
    pub async fn replace_recovery_codes(&self, of: UserId, codes: &[String], by: &NewActivity) -> Result<()> {
        transact!(self, |tx| {
            if !lock(tx, self.backend(), of).await? {
                return Err(StoreError::NotFound("second factor"));
            }
            sql!("DELETE FROM recovery_codes WHERE user_id = $1", of).execute(tx).await?;
            insert_codes(tx, of, codes).await?;
            activity::insert(self.backend(), by).execute(tx).await
        });
        Ok(())
    }

    /// Takes all factors of a person away and ends their sessions. Each of `by` is a line of the activity log.
    ///
    /// # Errors
    /// `NotFound` where there is no such account.
    #[boxed]
    pub async fn reset_factors(&self, of: UserId, by: &[NewActivity]) -> Result<()> {
        transact!(self, |tx| {
            lock(tx, self.backend(), of).await?;
            forget(tx, of).await?;
            sessions::end_all(tx, of).await?;
            for act in by {
                activity::insert(self.backend(), act).execute(tx).await?;
            }
            Ok(())
        });
        self.signal([Signal::Accounts]);
        Ok(())
    }
}

/// Nobody else changes the person's factors until the transaction ends. Whether they have one.
pub(crate) async fn lock(tx: &DatabaseTransaction, backend: Backend, user: UserId) -> Result<bool> {
    let text = format!("SELECT {HAS_ONE} AS has_one FROM users u WHERE u.id = $1{}", backend.for_update());
    sql!(text, user).one(tx).await?.ok_or(StoreError::NotFound("account"))?.get("has_one")
}

/// The same of who can still sign in with the password that they were read with.
pub(crate) async fn lock_unchanged(tx: &DatabaseTransaction, backend: Backend, user: &User) -> Result<bool> {
    let text = format!(
        "SELECT {HAS_ONE} AS has_one FROM users u
         WHERE u.id = $1 AND u.hashed_password = $2 AND u.disabled_at IS NULL{}",
        backend.for_update()
    );
    let row = sql!(text, user.id, user.hashed_password.as_str()).one(tx).await?;
    row.ok_or(StoreError::NotFound("account"))?.get("has_one")
}

/// All factors of a person.
pub(crate) async fn forget(tx: &DatabaseTransaction, user: UserId) -> Result<()> {
    for text in [
        "DELETE FROM second_factors WHERE user_id = $1",
        "DELETE FROM recovery_codes WHERE user_id = $1",
        "DELETE FROM passkeys WHERE user_id = $1",
    ] {
        sql!(text, user).execute(tx).await?;
    }
    Ok(())
}

async fn add_totp(tx: &DatabaseTransaction, user: UserId, secret: &str, step: i64) -> Result<()> {
    let text = "UPDATE second_factors SET totp_since = $3, totp_step = $4, failures = 0, blocked_until = NULL
        WHERE user_id = $1 AND totp_secret = $2 AND totp_since IS NULL";
    match sql!(text, user, secret, now(), step).execute(tx).await? {
        0 => Err(StoreError::FactorRefused),
        _ => Ok(()),
    }
}

async fn add_passkey(tx: &DatabaseTransaction, passkey: &Passkey, most: u32) -> Result<()> {
    let count = sql!("SELECT COUNT(*) AS passkeys FROM passkeys WHERE user_id = $1", passkey.user_id).one(tx).await?;
    let there: i64 = count.map_or(Ok(0), |row| row.get("passkeys"))?;
    if there >= i64::from(most) {
        return Err(StoreError::TooManyPasskeys { most });
    }
    let text = "INSERT INTO passkeys (id, user_id, name, credential_id, public_key, state, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (credential_id) DO NOTHING";
    let Passkey { id, user_id, name, credential_id, public_key, state, created_at, .. } = passkey;
    let insert = sql!(
        text,
        *id,
        *user_id,
        name.as_str(),
        credential_id.as_str(),
        public_key.as_str(),
        state.as_str(),
        *created_at
    );
    if insert.execute(tx).await? == 0 {
        return Err(StoreError::FactorExists);
    }
    // Where tries with recovery codes are counted.
    let row = "INSERT INTO second_factors (user_id) VALUES ($1) ON CONFLICT (user_id) DO NOTHING";
    sql!(row, *user_id).execute(tx).await.map(drop)
}

async fn insert_codes(tx: &DatabaseTransaction, user: UserId, codes: &[String]) -> Result<()> {
    let rows = codes.iter().map(|hash| crate::sql::row_values![user, hash.as_str()]).collect();
    let text = "INSERT INTO recovery_codes (user_id, hash) VALUES";
    Sql::with_rows(text, Vec::new(), rows, "").execute(tx).await.map(drop)
}

/// The columns are those of [`PASSKEYS`].
fn read_passkey(row: &Row) -> Result<Passkey> {
    Ok(Passkey {
        id: row.get("id")?,
        user_id: row.get("user_id")?,
        name: row.get("name")?,
        credential_id: row.get("credential_id")?,
        public_key: row.get("public_key")?,
        state: row.get("state")?,
        created_at: row.get("created_at")?,
        last_used_at: row.get("last_used_at")?,
    })
}
