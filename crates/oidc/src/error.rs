//! Why a sign-in by the provider came to nothing.

/// What can go wrong. No text carries a token, a code or a secret.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OidcError {
    /// It is away, slow, or says what can't be.
    #[error("the provider of identity doesn't answer as it should: {0}")]
    Provider(String),
    /// Another browser's, an old one, or a forged one.
    #[error("this sign-in wasn't begun in this browser in the last minutes")]
    NotBegunHere,
    /// Its own word for it, of those that there are.
    #[error("the provider of identity didn't let them in: {0}")]
    Refused(&'static str),
    /// Its token endpoint didn't take the code: it was used before, or it is nobody's.
    #[error("the provider of identity doesn't take the code: {0}")]
    CodeRefused(String),
    #[error("a token can't be believed: {0}")]
    Unbelievable(&'static str),
    /// None of the rules is about them.
    #[error("nothing that the provider says of them gives them a role")]
    NoRole,
    /// It was to ask who they are, whoever is signed in there, and didn't, or doesn't say that it did.
    #[error("the provider of identity didn't ask anew who they are, or its token has no auth_time to tell")]
    NotAnew,
    #[error("the provider vouches for no e-mail address of theirs")]
    UnverifiedAddress,
    #[error("their e-mail address isn't of a domain that this lab lets in")]
    ForeignAddress,
    /// A setting, by name, and what it must be.
    #[error("{0}")]
    Setting(String),
}
