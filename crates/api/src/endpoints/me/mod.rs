//! `/me`: the signed-in person.

pub mod export;
pub mod factors;
pub mod passkeys;
pub mod quota;
pub mod read;
pub mod recovery_codes;
pub mod totp;
