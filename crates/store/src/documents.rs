//! Raw readings and command records: JSON kept whole, under the id of the operation that gave it.

use crate::{connection::Store, error::Result, sql::sql};
use domain::OperationId;
use serde_json::Value;

impl Store {
    /// The document of this id in a collection.
    ///
    /// # Errors
    /// Those of any read: see [`StoreError`].
    pub async fn document(&self, collection: &str, id: OperationId) -> Result<Option<Value>> {
        let row = sql!("SELECT body FROM documents WHERE collection = $1 AND id = $2", collection, id)
            .one(self.reader())
            .await?;
        row.map(|row| row.get("body")).transpose()
    }
}
