//! MongoDB through its official driver. Writes are acknowledged by a majority of the cluster, in its journal; reads see only
//! what a majority has.
//!
//! **Exactly once.** A document of `robot_commands` or `plates` is put in the place of whatever has its id, so that writing it
//! again changes nothing. `measurements` is a time series, where MongoDB knows neither unique ids nor that. There the relay,
//! which is one process at a time, looks first which of a batch's ids are there and writes the others
//! ([`Mongo::write`]); how it makes sure that nothing it sent earlier is still on its way is in `relay`.

use crate::{Address, relay, shape};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{Collection, ExperimentId};
use futures::{TryStreamExt, future::try_join_all};
use mongodb::{
    Client, Database, IndexModel,
    bson::{self, Bson, Document, doc},
    error::{Error, ErrorKind},
    options::{
        Acknowledgment, ClientOptions, ReadConcern, SelectionCriteria, TimeseriesGranularity, TimeseriesOptions,
        WriteConcern,
    },
};
use std::{collections::HashSet, future::Future, sync::Arc, time::Duration};
use store::{DocumentKey, Outgoing, Store};
use tasks::Tasks;
use tokio::{sync::OnceCell, time::timeout};
use uuid::Uuid;

/// The database where the address names none.
const USUAL_DATABASE: &str = "tincture";
/// For finding the primary, and for a connection.
const FIND_SERVER: Duration = Duration::from_secs(3);
/// The longest that a batch's write may take. After it nothing of it is sent any more.
pub const LONGEST_WRITE: Duration = Duration::from_secs(8);
/// For whoever reads a page.
const LONGEST_READ: Duration = Duration::from_secs(4);
/// For forgetting a step's worth.
const LONGEST_PURGE: Duration = Duration::from_secs(30);
/// A relay and a few readers.
const CONNECTIONS: u32 = 8;
const NAMESPACE_EXISTS: i32 = 48;

/// What went wrong, told without the address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MongoError {
    #[error("no answer in {} s", .0.as_secs())]
    Late(Duration),
    #[error("{0}")]
    Said(String),
}

/// What became of a batch.
#[derive(Debug, Default)]
pub struct Written<'a> {
    /// There for good, each once.
    pub kept: Vec<&'a Outgoing>,
    /// Not there, and why.
    pub refused: Vec<(DocumentKey, String)>,
}

/// A document store. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Mongo(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    address: Address,
    /// Made when it is first needed: names may have to be looked up.
    database: OnceCell<Database>,
}

impl Mongo {
    pub fn at(address: Address) -> Self {
        Self(Arc::new(Inner { address, database: OnceCell::new() }))
    }

    /// Carries the documents of `store` here as one of `tasks`.
    pub fn relay(&self, store: Store, keep: Option<TimeDelta>, tasks: &Tasks) {
        relay::run(store, self.clone(), keep, tasks);
    }

    async fn database(&self) -> Result<&Database, Error> {
        self.0.database.get_or_try_init(|| connect(&self.0.address)).await
    }

    /// Within a time, and with what may be secret left out of what went wrong.
    async fn within<T>(&self, time: Duration, work: impl Future<Output = Result<T, Error>>) -> Result<T, MongoError> {
        match timeout(time, work).await {
            Ok(outcome) => outcome.map_err(|error| MongoError::Said(self.told(&error))),
            Err(_) => Err(MongoError::Late(time)),
        }
    }

    fn told(&self, error: &Error) -> String {
        let said = match &*error.kind {
            ErrorKind::ServerSelection { .. } => return "no primary can be reached".to_owned(),
            ErrorKind::Authentication { .. } => return "it doesn't accept our user and password".to_owned(),
            ErrorKind::Command(said) => format!("{} ({})", said.message, said.code_name),
            ErrorKind::Io(cause) => cause.to_string(),
            kind => kind.to_string(),
        };
        let said = self.0.address.censored(&said);
        if said.is_empty() { "an error whose text may hold what is secret".to_owned() } else { said }
    }

    /// Makes what isn't there yet: collections, their rules, indexes.
    pub async fn prepare(&self) -> Result<(), MongoError> {
        let prepared = self.within(LONGEST_WRITE, async {
            let database = self.database().await?;
            for collection in Collection::ALL {
                make(database, *collection).await?;
            }
            is_time_series(database).await
        });
        if prepared.await? {
            return Ok(());
        }
        Err(MongoError::Said(format!(
            "its collection `{}` is no time series: name another database in documents_url",
            Collection::Measurements
        )))
    }

    /// Writes a batch. Whoever calls it is the only one to do so, and has waited until nothing of an earlier batch can be
    /// on its way. After an error nobody knows what of it is there.
    pub async fn write<'a>(&self, batch: &'a [Outgoing]) -> Result<Written<'a>, MongoError> {
        self.within(LONGEST_WRITE, async {
            let database = self.database().await?;
            let mut written = Written::default();
            for collection in Collection::ALL {
                let mut shaped = Vec::new();
                for outgoing in batch.iter().filter(|outgoing| outgoing.document.key.collection == *collection) {
                    match shape::to_bson(outgoing) {
                        Ok(document) => shaped.push((outgoing, document)),
                        Err(why) => written.refused.push((outgoing.document.key, why)),
                    }
                }
                if !shaped.is_empty() {
                    match collection {
                        Collection::Measurements => insert_missing(database, shaped, &mut written).await?,
                        Collection::RobotCommands | Collection::Plates => {
                            replace(database, *collection, shaped, &mut written).await?;
                        }
                    }
                }
            }
            Ok(written)
        })
        .await
    }

    /// An experiment's documents after a key, at most so many of each collection.
    pub async fn of_experiment(
        &self,
        experiment: ExperimentId,
        after: Option<DocumentKey>,
        limit: u32,
    ) -> Result<Vec<store::Document>, MongoError> {
        let mut filter = doc! { "meta.experiment_id": shape::uuid(experiment.as_uuid()) };
        if let Some(after) = after {
            filter.insert("_id", doc! { "$gte": shape::uuid(after.id) });
        }
        // One more: what is asked for begins after one of those with the same id.
        let limit = i64::from(limit) + 1;
        let found = self.within(LONGEST_READ, async {
            let database = self.database().await?;
            let asked = Collection::ALL.iter().map(async |kind| {
                let collection = database.collection::<Document>(kind.as_str());
                let find = collection.find(filter.clone()).sort(doc! { "_id": 1 }).limit(limit);
                let found: Vec<_> = find.await?.try_collect().await?;
                Ok::<_, Error>(found.into_iter().filter_map(|found| shape::from_bson(*kind, found)))
            });
            try_join_all(asked).await
        });
        let found = found.await?.into_iter().flatten();
        Ok(found.filter(|document| after.is_none_or(|after| document.key > after)).collect())
    }

    /// Forgets what was written before, except that of some experiments. Gives how many.
    pub async fn forget(&self, before: DateTime<Utc>, except: &[ExperimentId]) -> Result<u64, MongoError> {
        let except: Vec<_> = except.iter().map(|id| shape::uuid(id.as_uuid())).collect();
        let filter = doc! { "at": { "$lt": shape::time(before) }, "meta.experiment_id": { "$nin": except } };
        self.within(LONGEST_PURGE, async {
            let database = self.database().await?;
            let mut forgotten = 0;
            for collection in Collection::ALL {
                let collection = database.collection::<Document>(collection.as_str());
                forgotten += collection.delete_many(filter.clone()).await?.deleted_count;
            }
            Ok(forgotten)
        })
        .await
    }
}

async fn connect(address: &Address) -> Result<Database, Error> {
    let mut options = ClientOptions::parse(address.expose()).await?;
    options.app_name = Some("tincture".to_owned());
    options.server_selection_timeout = Some(FIND_SERVER);
    options.connect_timeout.get_or_insert(FIND_SERVER);
    options.max_pool_size.get_or_insert(CONNECTIONS);
    options.retry_writes = Some(true);
    options.retry_reads = Some(true);
    options.read_concern = Some(ReadConcern::majority());
    options.write_concern = Some(majority());
    options.selection_criteria = Some(SelectionCriteria::ReadPreference(mongodb::options::ReadPreference::Primary));
    let name = options.default_database.clone().unwrap_or_else(|| USUAL_DATABASE.to_owned());
    Ok(Client::with_options(options)?.database(&name))
}

/// On the disks of a majority, or an error before the write's own time is over.
fn majority() -> WriteConcern {
    let most = LONGEST_WRITE.saturating_sub(Duration::from_secs(1));
    WriteConcern::builder().w(Acknowledgment::Majority).journal(true).w_timeout(most).build()
}

async fn make(database: &Database, collection: Collection) -> Result<(), Error> {
    let name = collection.as_str();
    let validator = shape::validator(collection);
    let create = database.create_collection(name);
    let created = match &validator {
        Some(validator) => create.validator(validator.clone()).await,
        None => {
            let series = TimeseriesOptions::builder().time_field("at").meta_field("meta".to_owned());
            create.timeseries(series.granularity(TimeseriesGranularity::Seconds).build()).await
        }
    };
    match created {
        Err(error) if is_there(&error) => {
            // A release before this one may have made it, with other rules.
            if let Some(validator) = validator {
                database.run_command(doc! { "collMod": name, "validator": validator }).await?;
            }
        }
        created => created?,
    }
    let keys = match collection {
        Collection::Measurements => doc! { "meta.experiment_id": 1, "at": 1 },
        Collection::RobotCommands | Collection::Plates => doc! { "meta.experiment_id": 1, "_id": 1 },
    };
    let mut indexes = vec![IndexModel::builder().keys(keys).build()];
    if collection != Collection::Measurements {
        indexes.push(IndexModel::builder().keys(doc! { "at": 1 }).build());
    }
    database.collection::<Document>(name).create_indexes(indexes).await.map(drop)
}

fn is_there(error: &Error) -> bool {
    matches!(&*error.kind, ErrorKind::Command(said) if said.code == NAMESPACE_EXISTS)
}

async fn is_time_series(database: &Database) -> Result<bool, Error> {
    let of = doc! { "name": Collection::Measurements.as_str() };
    let found: Vec<_> = database.list_collections().filter(of).await?.try_collect().await?;
    Ok(found.first().is_some_and(|found| found.options.timeseries.is_some()))
}

type Shaped<'a> = Vec<(&'a Outgoing, Document)>;

/// Into the time series.
async fn insert_missing<'a>(database: &Database, shaped: Shaped<'a>, written: &mut Written<'a>) -> Result<(), Error> {
    // What the primary has, whether or not the others have it by now.
    let there = ids_there(database, &shaped, ReadConcern::local()).await?;
    let is_there = |(outgoing, _): &(&Outgoing, Document)| there.contains(&outgoing.document.key.id);
    let (found, missing): (Shaped, Shaped) = shaped.into_iter().partition(is_there);
    if !missing.is_empty() {
        insert(database, missing, written).await?;
    }
    if !found.is_empty() {
        // Before it is forgotten here a majority must have it.
        let for_good = ids_there(database, &found, ReadConcern::majority()).await?;
        let found = found.into_iter().map(|(outgoing, _)| outgoing);
        written.kept.extend(found.filter(|outgoing| for_good.contains(&outgoing.document.key.id)));
    }
    Ok(())
}

async fn ids_there(database: &Database, shaped: &Shaped<'_>, concern: ReadConcern) -> Result<HashSet<Uuid>, Error> {
    let ids: Vec<_> = shaped.iter().filter_map(|(_, document)| document.get("_id").cloned()).collect();
    let times = shaped.iter().filter_map(|(_, document)| document.get_datetime("at").ok().copied());
    // Ids have no index in a time series; times do.
    let (first, last) = (times.clone().min(), times.max());
    let filter = doc! { "_id": { "$in": ids }, "at": { "$gte": first, "$lte": last } };
    let collection = database.collection::<Document>(Collection::Measurements.as_str());
    let find = collection.find(filter).projection(doc! { "_id": 1, "at": 1 }).read_concern(concern);
    let found: Vec<Document> = find.await?.try_collect().await?;
    Ok(found.iter().filter_map(shape::id).collect())
}

async fn insert<'a>(database: &Database, missing: Shaped<'a>, written: &mut Written<'a>) -> Result<(), Error> {
    let (sent, documents): (Vec<_>, Vec<_>) = missing.into_iter().unzip();
    let collection = database.collection::<Document>(Collection::Measurements.as_str());
    let refusals = match collection.insert_many(documents).ordered(false).await {
        Ok(_) => Vec::new(),
        Err(error) => match &*error.kind {
            ErrorKind::InsertMany(said) if said.write_concern_error.is_none() => {
                let refusals = said.write_errors.iter().flatten();
                refusals.map(|refusal| (refusal.index, refusal.code, refusal.message.clone())).collect()
            }
            _ => return Err(error),
        },
    };
    written.judge(sent, refusals);
    Ok(())
}

/// Each in the place of whatever has its id.
async fn replace<'a>(
    database: &Database,
    collection: Collection,
    shaped: Shaped<'a>,
    written: &mut Written<'a>,
) -> Result<(), Error> {
    let (sent, documents): (Vec<_>, Vec<_>) = shaped.into_iter().unzip();
    let update = |document: Document| {
        let of = doc! { "_id": document.get("_id").cloned().unwrap_or(Bson::Null) };
        doc! { "q": of, "u": document, "upsert": true }
    };
    let updates: Vec<_> = documents.into_iter().map(update).collect();
    let concern = bson::serialize_to_bson(&majority())?;
    let command = doc! {
        "update": collection.as_str(), "updates": updates, "ordered": false, "writeConcern": concern,
    };
    let answer = database.run_command(command).await?;
    if answer.contains_key("writeConcernError") {
        return Err(Error::custom("a majority didn't take a write in time"));
    }
    let refusal = |refusal: &Bson| {
        let refusal = refusal.as_document()?;
        let index = usize::try_from(refusal.get_i32("index").ok()?).ok()?;
        Some((index, refusal.get_i32("code").ok()?, refusal.get_str("errmsg").unwrap_or_default().to_owned()))
    };
    let refusals = answer.get_array("writeErrors").map(Vec::as_slice).unwrap_or_default();
    let refusals =
        refusals.iter().map(|said| refusal(said).ok_or_else(|| Error::custom("a refusal that can't be read")));
    let refusals = refusals.collect::<Result<Vec<_>, _>>()?;
    written.judge(sent, refusals);
    Ok(())
}

impl<'a> Written<'a> {
    /// Those named by their place in what was sent were refused, the others kept.
    fn judge(&mut self, sent: Vec<&'a Outgoing>, refusals: Vec<(usize, i32, String)>) {
        for (place, outgoing) in sent.into_iter().enumerate() {
            match refusals.iter().find(|(refused, ..)| *refused == place) {
                Some((_, code, said)) => self.refused.push((outgoing.document.key, format!("{said} ({code})"))),
                None => self.kept.push(outgoing),
            }
        }
    }
}
