//! What mails say. Plain text in ASCII, so that each line arrives as it is, the link's too.

use auth::{Letter, Says};
use chrono::{DateTime, Utc};

/// Subject and text; `site` is the lab's address without a slash at its end.
pub(crate) fn written(letter: &Letter, site: &str) -> (&'static str, String) {
    let link = letter.secret.as_ref().map(|secret| format!("{site}/link/{}", secret.expose())).unwrap_or_default();
    let until = letter.expires_at.map(time).unwrap_or_default();
    let (subject, says) = match &letter.says {
        Says::Reset => (
            "Choose a new password",
            format!(
                "Somebody, probably you, asked for a new password at this lab. Choose it here:\n\n{link}\n\nThe link is good \
                 once, until {until}. If it wasn't you, do nothing: your password stays as it is."
            ),
        ),
        Says::Welcome => (
            "Your account at the colour lab",
            format!(
                "There is an account for you at this lab. Choose its password here:\n\n{link}\n\nThe link is good once, until \
                 {until}. Later, ask for a new one at {site}/forgot"
            ),
        ),
        Says::Register => (
            "Confirm your address",
            format!(
                "Somebody, probably you, asked for an account at this lab with this address. Choose its password here:\n\n\
                 {link}\n\nThe link is good once, until {until}. If it wasn't you, do nothing: there will be no account."
            ),
        ),
        Says::HasAccount => (
            "You have an account already",
            format!(
                "Somebody, probably you, asked for an account at this lab with this address, which has one. Sign in at \
                 {site}/sign-in, or choose a new password here:\n\n{link}\n\nThe link is good once, until {until}. If it \
                 wasn't you, do nothing."
            ),
        ),
        Says::Invited(invitation) => (
            "You are invited to the colour lab",
            format!(
                "An administrator invites you to this lab, with {} wells to ask for. Make your account here:\n\n{link}\n\nThe \
                 link is good until {until}.",
                invitation.quota
            ),
        ),
        Says::Approved => (
            "Your account is ready",
            format!("An administrator has made the account that you asked for. Sign in at {site}/sign-in"),
        ),
    };
    (subject, format!("{says}\n\n-- \nTincture, {site}\n"))
}

fn time(at: DateTime<Utc>) -> String {
    at.format("%-d %B %Y, %H:%M UTC").to_string()
}
