//! What mails say. Plain text in ASCII, so that each line arrives as it is, the link's too.

use auth::{Letter, Says, link_address};
use chrono::{DateTime, Utc};

/// Characters of a line.
const WIDTH: usize = 72;

/// Subject and text; `site` is the lab's address without a slash at its end.
pub(crate) fn written(letter: &Letter, site: &str) -> (&'static str, String) {
    let link = letter.secret.as_ref().map(|secret| link_address(site, secret)).unwrap_or_default();
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
        Says::TokenReused => (
            "A sign-in of yours was ended",
            format!(
                "A program's token of your sign-in at this lab was used a second time after it had been replaced, so somebody \
                 may have a copy of it. The sign-in was ended, and the token opens nothing any more. If no program of yours \
                 can have done that, choose a new password at {site}/account, which also shows where you are signed in."
            ),
        ),
        Says::Approved => (
            "Your account is ready",
            format!("An administrator has made the account that you asked for. Sign in at {site}/sign-in"),
        ),
    };
    (subject, format!("{}\n-- \nTincture, {site}\n", folded(&says)))
}

/// Broken between words, as mails are; a word that is longer is a link.
fn folded(text: &str) -> String {
    let mut folded = String::new();
    for paragraph in text.lines() {
        let mut width = 0;
        for word in paragraph.split(' ') {
            let space = match width {
                0 => "",
                width if width + 1 + word.len() > WIDTH => "\n",
                _ => " ",
            };
            width = if space == " " { width + 1 + word.len() } else { word.len() };
            folded.push_str(space);
            folded.push_str(word);
        }
        folded.push('\n');
    }
    folded
}

fn time(at: DateTime<Utc>) -> String {
    at.format("%-d %B %Y, %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::Invitation;

    #[test]
    fn what_is_sent_is_ascii_in_short_lines_with_the_link_alone_in_one() {
        let site = format!("https://{}.example.org", "x".repeat(100));
        let now = Utc::now();
        let invitation = Invitation {
            id: domain::InvitationId::new(),
            email: None,
            role: domain::Role::Student,
            quota: 96,
            uses: 1,
            uses_left: 1,
            created_at: now,
            expires_at: now,
            group_id: None,
        };
        let invited = Says::Invited(invitation);
        for says in
            [Says::Reset, Says::Welcome, Says::Register, Says::HasAccount, invited, Says::Approved, Says::TokenReused]
        {
            let letter = Letter { says, secret: None, expires_at: Some(now) };
            let (subject, text) = written(&letter, &site);
            assert!(
                subject.is_ascii() && text.is_ascii() && text.ends_with(&format!("-- \nTincture, {site}\n")),
                "{text}"
            );
            let long = text.lines().filter(|line| line.len() > WIDTH);
            assert!(long.into_iter().all(|line| line.contains("https://x")), "{text}");
        }
    }
}
