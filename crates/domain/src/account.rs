//! How people come to an account: what a one-time link is good for, and what they are written.

use crate::experiment::named_states;
use serde::{Deserialize, Serialize};

named_states! {
    /// What a one-time link lets its bearer do.
    LinkPurpose {
        /// Choose a password for an account that is there.
        Password = "password",
        /// Make an account that an administrator invited to.
        Invitation = "invitation",
        /// Make, or ask for, an account for the address that it was sent to.
        Registration = "registration",
    }
}

named_states! {
    /// What a mail is about.
    MailKind {
        /// Somebody asked for a new password for whoever has this address.
        Reset = "reset",
        /// An administrator made the account: here is the way in.
        Welcome = "welcome",
        /// Somebody wants an account for this address.
        Registration = "registration",
        Invitation = "invitation",
        /// The account that was asked for is there.
        Approved = "approved",
        /// A token of their sign-in was used twice: somebody may have a copy.
        TokenReused = "token reused",
    }
}
