//! Identifiers as distinct types, so that an experiment's id can't be passed where a well's is meant.
//!
//! All are UUIDv7: they sort by the time they were made, which keeps database indexes dense.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

macro_rules! identifiers {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A fresh identifier, made before anything happens under its name.
            #[allow(clippy::new_without_default, reason = "making an id is an act, not a default")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )+};
}

identifiers! {
    /// A person's account.
    UserId,
    /// One request for wells to be mixed and measured.
    ExperimentId,
    /// One well *of an experiment* (a row of `wells`); where it lies on the plate is a [`crate::WellName`].
    WellId,
    /// One measurement.
    ResultId,
    /// One physical step; also the `key` of the robot command that carries it out.
    OperationId,
    /// One robot, and so one lane.
    RobotId,
    /// One physical 96-well plate.
    PlateId,
    /// One sign-in, renewed by its refresh token.
    SessionId,
    /// One API token of a person.
    ApiTokenId,
    /// One passkey of a person.
    PasskeyId,
    /// One token of a program that is nobody's.
    ServiceTokenId,
    /// One entry of the activity log.
    ActivityId,
    /// One invitation to make an account.
    InvitationId,
    /// One person who asked for an account and waits for an administrator.
    RegistrationId,
    /// One mail to be sent.
    MailId,
    /// One group: a class, a course.
    GroupId,
    /// One wish for more wells.
    QuotaRequestId,
    /// One change of somebody's quota.
    QuotaChangeId,
}

impl OperationId {
    /// The id under which one exposure of a reading is asked for, so that a late answer to one isn't taken for another's: the first
    /// bears the operation's own, the others differ from it in the last byte.
    #[must_use]
    pub fn exposure(self, index: u8) -> Self {
        Self(Uuid::from_u128(self.0.as_u128() ^ u128::from(index)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_exposure_has_an_id_of_its_own_and_the_first_has_the_operations() {
        let operation = OperationId::new();
        assert_eq!(operation.exposure(0), operation);
        let ids: std::collections::BTreeSet<_> = (0..=u8::MAX).map(|index| operation.exposure(index)).collect();
        assert_eq!(ids.len(), 256);
        assert!(ids.iter().all(|id| id.to_string()[..34] == operation.to_string()[..34]));
    }
}
