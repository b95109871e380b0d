//! What a document looks like in MongoDB: `{ _id, at, meta: { experiment_id, robot }, body }`.
//!
//! `_id` is the operation's id (or what else names the document), a UUID in binary; `at` is when it was written, to the
//! millisecond; `body` is what the lab wrote, as it wrote it.

use chrono::{DateTime, Utc};
use domain::Collection;
use mongodb::bson::{self, Bson, doc, spec::BinarySubtype};
use serde_json::Value;
use store::{Document, DocumentKey, Outgoing};
use uuid::Uuid;

/// MongoDB takes 16 MiB; what is larger than this is no reading of ours.
const LARGEST: usize = 4 * 1024 * 1024;

pub fn uuid(id: Uuid) -> Bson {
    Bson::Binary(bson::Binary { subtype: BinarySubtype::Uuid, bytes: id.as_bytes().to_vec() })
}

pub fn time(at: DateTime<Utc>) -> bson::DateTime {
    bson::DateTime::from_millis(at.timestamp_millis())
}

/// Why not, where it can't be stored: that is the document's fault, not the server's.
pub fn to_bson(outgoing: &Outgoing) -> Result<bson::Document, String> {
    let Document { key, at, body } = &outgoing.document;
    let robot = body.get("robot").or_else(|| body.get("robot_id")).and_then(Value::as_str);
    let body = bson::serialize_to_bson(body).map_err(|error| error.to_string())?;
    let shaped = doc! {
        "_id": uuid(key.id),
        "at": time(*at),
        "meta": { "experiment_id": outgoing.experiment.map(|id| uuid(id.as_uuid())), "robot": robot },
        "body": body,
    };
    let size = bson::serialize_to_vec(&shaped).map_err(|error| error.to_string())?.len();
    if size > LARGEST { Err(format!("it has {size} bytes, more than {LARGEST}")) } else { Ok(shaped) }
}

/// The id of what was found.
pub fn id(found: &bson::Document) -> Option<Uuid> {
    match found.get("_id")? {
        Bson::Binary(id) => Uuid::from_slice(&id.bytes).ok(),
        _ => None,
    }
}

/// Nothing for what isn't ours.
pub fn from_bson(collection: Collection, mut found: bson::Document) -> Option<Document> {
    let id = id(&found)?;
    let at = DateTime::from_timestamp_millis(found.get_datetime("at").ok()?.timestamp_millis())?;
    let body = bson::deserialize_from_bson(found.remove("body")?).ok()?;
    Some(Document { key: DocumentKey { collection, id }, at, body })
}

/// What MongoDB holds the documents of a collection against. A time series takes no such rules.
pub fn validator(collection: Collection) -> Option<bson::Document> {
    let required: &[&str] = match collection {
        Collection::Measurements => return None,
        Collection::RobotCommands => &["name", "step", "state", "intended_at", "ended_at"],
        Collection::Plates => &["plate_id", "robot_id", "wells"],
    };
    Some(doc! { "$jsonSchema": {
        "bsonType": "object",
        "required": ["_id", "at", "meta", "body"],
        "properties": {
            "_id": { "bsonType": "binData", "description": "the operation's id, or the experiment's or plate's" },
            "at": { "bsonType": "date" },
            "meta": { "bsonType": "object", "properties": {
                "experiment_id": { "bsonType": ["binData", "null"] },
                "robot": { "bsonType": ["string", "null"] },
            } },
            "body": { "bsonType": "object", "required": required },
        },
    } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::ExperimentId;
    use serde_json::json;

    #[test]
    fn what_is_written_is_what_is_read() {
        let body = json!({
            "robot": "ot2", "reading": { "f1": 65_535, "gain": 0.5, "at": null, "big": i64::MAX, "neg": -1 },
            "odd": { "$oid": "not one", "a.b": [true, false, [], {}], "": "" }, "text": "µL ✓",
        });
        let key = DocumentKey { collection: Collection::Measurements, id: Uuid::now_v7() };
        let at = DateTime::from_timestamp_millis(1_700_000_000_123).expect("a time");
        let document = Document { key, at, body };
        let experiment = ExperimentId::new();
        let outgoing = Outgoing { document: document.clone(), experiment: Some(experiment), revision: 1 };
        let stored = to_bson(&outgoing).expect("it can be stored");
        let meta = stored.get_document("meta").expect("the meta data");
        assert_eq!(meta.get("experiment_id"), Some(&uuid(experiment.as_uuid())));
        assert_eq!(meta.get_str("robot").ok(), Some("ot2"));
        assert_eq!(from_bson(Collection::Measurements, stored), Some(document));
    }

    #[test]
    fn what_is_too_large_is_the_documents_own_fault() {
        let key = DocumentKey { collection: Collection::RobotCommands, id: Uuid::now_v7() };
        let document = Document { key, at: Utc::now(), body: json!({ "text": "x".repeat(LARGEST) }) };
        let error = to_bson(&Outgoing { document, experiment: None, revision: 1 }).expect_err("too large");
        assert!(error.contains("bytes"), "{error}");
    }
}
