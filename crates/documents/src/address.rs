//! Where the document store is. The address may hold a password, so nothing shows it.

use mongodb::options::ConnectionString;
use std::fmt;

/// A connection string that no log and no `Debug` shows.
#[derive(Clone)]
pub struct Address(String);

/// Why an address can't be used, told without it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "documents_url can't be used{}: it looks like mongodb://user:password@host1,host2,host3/tincture?replicaSet=lab&tls=true \
     or mongodb+srv://user:password@cluster/tincture, with what is special in user and password percent-encoded",
    .0.as_ref().map(|why| format!(" ({why})")).unwrap_or_default()
)]
pub struct AddressError(Option<String>);

impl Address {
    /// Checks it, asking nobody: hosts and names are looked up when they are needed.
    ///
    /// # Errors
    /// It isn't a connection string of MongoDB's.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        match ConnectionString::parse(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(error) => {
                let why = Self(text.to_owned()).censored(&error.to_string());
                Err(AddressError(Some(why).filter(|why| !why.is_empty())))
            }
        }
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// What somebody said, without anything that may be secret in it: then it is left out whole.
    pub(crate) fn censored(&self, said: &str) -> String {
        let told = said.contains(&self.0) || self.secrets().any(|secret| said.contains(secret));
        let said = if told { "" } else { said };
        said.lines().next().unwrap_or_default().chars().take(300).collect()
    }

    /// User and password as they are written, and what the options carry.
    fn secrets(&self) -> impl Iterator<Item = &str> {
        let rest = self.0.split_once("://").map_or(self.0.as_str(), |(_, rest)| rest);
        let (user, place) = rest.rsplit_once('@').unwrap_or(("", rest));
        let options = place.split_once('?').map_or("", |(_, options)| options);
        let values = options.split('&').filter_map(|option| option.split_once('=')).map(|(_, value)| value);
        user.split(':').chain(values).filter(|secret| secret.len() > 2 && !["true", "false"].contains(secret))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_mongodb_and_atlas_print_is_taken() {
        for text in [
            "mongodb://127.0.0.1:27017",
            "mongodb://lab:s3cret%21@a:27017,b:27017,c:27017/tincture?replicaSet=lab&tls=true",
            "mongodb+srv://lab:s3cret@cluster0.example.mongodb.net/?retryWrites=true&w=majority",
        ] {
            let address = Address::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(format!("{address:?}"), "****");
        }
    }

    #[test]
    fn what_is_wrong_with_one_is_told_without_it() {
        for text in [
            "postgres://lab:s3cret@db/tincture",
            "mongodb://lab:s3cr@et@db/tincture",
            "mongodb://lab:s3cret@db/tincture?authMechanismProperties=s3cret",
            "mongodb://lab:s3cret@db:s3cret/tincture",
            "s3cret",
            "",
        ] {
            let error = Address::parse(text).expect_err(text);
            let told = format!("{error} {error:?}");
            assert!(!told.contains("s3cr"), "{told}");
            assert!(told.contains("percent-encoded"), "{told}");
        }
    }
}
