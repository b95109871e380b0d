//! In the place of `address` and `mongo` where the program is built without the driver: there is no document store.

use chrono::TimeDelta;
use domain::ExperimentId;
use std::convert::Infallible;
use store::{Document, DocumentKey, Store};
use tasks::Tasks;

pub type MongoError = Infallible;

/// Of which there is none.
#[derive(Clone, Debug)]
pub struct Address(Infallible);

/// Why an address can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "documents_url is set, and this program was built without MongoDB's driver: build it with \
     `cargo build --release --features mongodb`, or take the setting away, and documents stay in the database"
)]
pub struct AddressError;

impl Address {
    /// # Errors
    /// Always.
    pub const fn parse(_: &str) -> Result<Self, AddressError> {
        Err(AddressError)
    }
}

/// Of which there is none.
#[derive(Clone, Debug)]
pub struct Mongo(Infallible);

impl Mongo {
    pub const fn at(address: Address) -> Self {
        match address.0 {}
    }

    pub fn relay(&self, _: Store, _: Option<TimeDelta>, _: &Tasks) {
        match self.0 {}
    }

    pub async fn of_experiment(
        &self,
        _: ExperimentId,
        _: Option<DocumentKey>,
        _: u32,
    ) -> Result<Vec<Document>, MongoError> {
        match self.0 {}
    }
}
