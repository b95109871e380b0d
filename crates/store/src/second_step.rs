//! The second step of a sign-in, and proving anew who one is: what a factor is used up by.
//!
//! A try with a code is counted before anybody looks at it, so that however many are made at once and by however many
//! processes, no more are looked at than may be wrong.

use crate::{
    accounts::read_user,
    activity,
    connection::{Store, transact},
    error::{Result, StoreError},
    factors,
    records::{
        FactorUse, FirstStep, NewActivity, NewSession, PasskeyUse, Proof, Session, Signal, SpentChallenge, Totp, Try,
        User,
    },
    sessions::{self, Origin},
    sql::{now, sql},
};
use async_recursion::async_recursion as boxed;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{SessionId, UserId};
use sea_orm::DatabaseTransaction;

/// Sign-ins of one person that wait at once; of more the oldest ends.
const MOST_PENDING: i64 = 5;
/// Wrong codes after which such a sign-in is over.
const MOST_TRIES: i16 = 5;

/// Whose sign-in waits, with who vouched for them.
const WAITS: &str = concat!(
    "
    SELECT ",
    crate::accounts::user_columns!(),
    ", p.issuer
    FROM pending_sign_ins p JOIN users u ON u.id = p.user_id
    WHERE p.hash = $1 AND p.expires_at > $2 AND u.disabled_at IS NULL"
);

impl Store {
    /// Begins to wait for the second factor of `user` as they were read when their password was verified. `hash` is of the
    /// token by which it goes on.
    ///
    /// # Errors
    /// `NotFound` where the password has been changed or the account disabled since.
    #[boxed]
    pub async fn begin_second_step(&self, user: &User, hash: &str, expires_at: DateTime<Utc>) -> Result<()> {
        transact!(self, |tx| {
            factors::lock_unchanged(tx, self.backend(), user).await?;
            wait(tx, user.id, (hash, expires_at), None).await
        });
        Ok(())
    }

    /// Whose sign-in waits with this token, and what it began with.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    #[boxed]
    pub async fn waits_for_second_step(&self, hash: &str) -> Result<Option<(User, FirstStep)>> {
        // From the writer: it was written a moment ago.
        let row = sql!(WAITS, hash, now()).one(self.writer()).await?;
        row.map(|row| {
            let issuer: Option<String> = row.get("issuer")?;
            Ok((read_user(&row)?, if issuer.is_some() { FirstStep::Provider } else { FirstStep::Password }))
        })
        .transpose()
    }

    /// Counts a try with a code as wrong; using the factor takes that back. `pending` is the sign-in that it is for, and
    /// `wait` how long nobody may try again after so many wrong ones in a row.
    ///
    /// # Errors
    /// Those of any write: see [`StoreError`].
    #[boxed]
    pub async fn count_try(
        &self,
        user: UserId,
        pending: Option<&str>,
        wait: fn(i64) -> Option<TimeDelta>,
    ) -> Result<Try> {
        let text = format!(
            "SELECT totp_secret, totp_since, failures, blocked_until FROM second_factors WHERE user_id = $1{}",
            self.backend().for_update()
        );
        let count = "UPDATE second_factors SET failures = $2, blocked_until = $3 WHERE user_id = $1";
        let one_more = "UPDATE pending_sign_ins SET tries = tries + 1
            WHERE hash = $1 AND user_id = $2 AND tries < $3 AND expires_at > $4";
        Ok(transact!(self, |tx| {
            let Some(row) = sql!(text.clone(), user).one(tx).await? else { return Ok(Try::NoFactor) };
            let (at, blocked): (_, Option<DateTime<Utc>>) = (now(), row.get("blocked_until")?);
            if let Some(until) = blocked.filter(|until| *until > at) {
                return Ok(Try::BlockedUntil(until));
            }
            if let Some(hash) = pending
                && sql!(one_more, hash, user, MOST_TRIES, at).execute(tx).await? == 0
            {
                return Ok(Try::Over);
            }
            let failures = row.get::<i64>("failures")?.saturating_add(1);
            sql!(count, user, failures, wait(failures).map(|wait| at + wait)).execute(tx).await?;
            let (secret, since): (Option<String>, _) = (row.get("totp_secret")?, row.get("totp_since")?);
            Ok(Try::Open(secret.map(|secret| Totp { secret, since })))
        }))
    }

    /// Begins a session with a factor, which is used up by it. `pending` is the sign-in that waited for it; without one the
    /// factor is all that was shown.
    ///
    /// # Errors
    /// `FactorRefused` where the factor was used before or is gone; `NotFound` where the sign-in has become a session
    /// already or is over, or the account is disabled. Nothing was written then.
    #[boxed]
    pub async fn begin_proved_session(
        &self,
        pending: Option<&str>,
        new: &NewSession,
        factor: &FactorUse,
        by: &NewActivity,
    ) -> Result<Session> {
        let begun = now();
        let NewSession { id, user_id, hash, expires_at, amr } = new.clone();
        let proof = Proof { at: begun, amr: amr.to_owned() };
        let session = Session { id, user_id, created_at: begun, expires_at, revoked_at: None, proof };
        let disabled =
            format!("SELECT id FROM users WHERE id = $1 AND disabled_at IS NULL{}", self.backend().for_update());
        transact!(self, |tx| {
            sql!(disabled.clone(), new.user_id).one(tx).await?.ok_or(StoreError::NotFound("account"))?;
            let from = match pending {
                Some(pending) => take(tx, pending, new.user_id, begun).await?,
                None => None,
            };
            spend(tx, new.user_id, factor).await?;
            sessions::insert(tx, &session, &hash, from).await?;
            activity::insert(self.backend(), by).execute(tx).await
        });
        Ok(session)
    }

    /// Notes that a session's person has proved anew who they are: with a factor, which is used up by it, or with the
    /// password. `amr` is how the session is proved now; nothing where that stays.
    ///
    /// # Errors
    /// `FactorRefused`; `NotFound` where the session has ended.
    #[boxed]
    pub async fn prove_session(
        &self,
        session: SessionId,
        user: UserId,
        factor: Option<&FactorUse>,
        amr: Option<&str>,
        by: &NewActivity,
    ) -> Result<()> {
        transact!(self, |tx| {
            if let Some(factor) = factor {
                spend(tx, user, factor).await?;
            }
            sessions::prove(tx, session, user, amr).await?;
            activity::insert(self.backend(), by).execute(tx).await
        });
        self.signal([Signal::Accounts]);
        Ok(())
    }
}

/// Has a sign-in wait for its second factor; `from` where it began by the word of a provider of identity.
pub(crate) async fn wait(
    tx: &DatabaseTransaction,
    user: UserId,
    (hash, expires_at): (&str, DateTime<Utc>),
    from: Option<Origin>,
) -> Result<()> {
    let others = "DELETE FROM pending_sign_ins WHERE user_id = $1 AND hash NOT IN (
        SELECT p.hash FROM pending_sign_ins p WHERE p.user_id = $1 AND p.expires_at > $2
        ORDER BY p.expires_at DESC LIMIT $3)";
    let insert = "INSERT INTO pending_sign_ins (hash, user_id, tries, expires_at, issuer, subject, provider_session)
        VALUES ($1, $2, 0, $3, $4, $5, $6)";
    let (issuer, subject, session) = sessions::columns(from);
    sql!(others, user, now(), MOST_PENDING - 1).execute(tx).await?;
    sql!(insert, hash, user, expires_at, issuer, subject, session).execute(tx).await.map(drop)
}

/// Ends the wait of a sign-in that becomes a session; where that comes from.
async fn take(tx: &DatabaseTransaction, hash: &str, user: UserId, at: DateTime<Utc>) -> Result<Option<Origin>> {
    let text = "DELETE FROM pending_sign_ins WHERE hash = $1 AND user_id = $2 AND expires_at > $3
        RETURNING issuer, subject, provider_session";
    let row = sql!(text, hash, user, at).one(tx).await?.ok_or(StoreError::NotFound("sign-in"))?;
    Ok(match (row.get("issuer")?, row.get("subject")?) {
        (Some(issuer), Some(subject)) => Some(Origin { issuer, subject, session: row.get("provider_session")? }),
        _ => None,
    })
}

/// Uses a factor up.
async fn spend(tx: &DatabaseTransaction, user: UserId, factor: &FactorUse) -> Result<()> {
    let used = match factor {
        FactorUse::Totp { step } => {
            let text = "UPDATE second_factors SET totp_step = $2
                WHERE user_id = $1 AND totp_since IS NOT NULL AND (totp_step IS NULL OR totp_step < $2)";
            sql!(text, user, *step).execute(tx).await?
        }
        FactorUse::RecoveryCode { hash } => {
            let text = "DELETE FROM recovery_codes WHERE user_id = $1 AND hash = $2";
            sql!(text, user, hash.as_str()).execute(tx).await?
        }
        FactorUse::Passkey(PasskeyUse { id, was, state, challenge }) => {
            spend_challenge(tx, *challenge).await?;
            // Two uses at once have read the same counter: one of them is refused.
            let text =
                "UPDATE passkeys SET state = $4, last_used_at = $5 WHERE id = $1 AND user_id = $2 AND state = $3";
            sql!(text, *id, user, was.as_str(), state.as_str(), now()).execute(tx).await?
        }
    };
    if used == 0 {
        return Err(StoreError::FactorRefused);
    }
    let forgiven = "UPDATE second_factors SET failures = 0, blocked_until = NULL WHERE user_id = $1 AND failures > 0";
    sql!(forgiven, user).execute(tx).await.map(drop)
}

/// A challenge is answered once.
pub(crate) async fn spend_challenge(tx: &DatabaseTransaction, challenge: SpentChallenge) -> Result<()> {
    let text = "INSERT INTO spent_challenges (id, expires_at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
    match sql!(text, challenge.id, challenge.expires_at).execute(tx).await? {
        0 => Err(StoreError::FactorRefused),
        _ => Ok(()),
    }
}
