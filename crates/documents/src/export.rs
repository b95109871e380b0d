//! All that is stored of one person, as JSON Lines: one object a line, so that neither side needs to hold it all.
//!
//! The first line says what it is, the last one that it is whole. What is read at once is one experiment.

use crate::{Documents, MOST_ON_A_PAGE, ReadError};
use chrono::Utc;
use domain::{ExperimentId, UserId};
use serde_json::{Value, json};
use store::{Document, PersonalRow};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Pieces that may wait for whoever takes them.
const PIECES: usize = 2;
/// Experiments listed at once.
const EXPERIMENTS: u32 = 100;

/// Whoever takes it went away.
struct Gone;

/// Why it ended early.
enum Stopped {
    Gone,
    Failed(ReadError),
}

impl<E: Into<ReadError>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Documents {
    /// The lines, in pieces of some. After an error there are no more, and the last line isn't there.
    pub fn export(&self, person: UserId) -> Receiver<Result<String, ReadError>> {
        let (sender, receiver) = channel(PIECES);
        let documents = self.clone();
        tokio::spawn(async move {
            let mut writer = Writer { sender, rows: 0 };
            if let Err(Stopped::Failed(error)) = write_all(&documents, person, &mut writer).await {
                let _ = writer.sender.send(Err(error)).await;
            }
        });
        receiver
    }
}

struct Writer {
    sender: Sender<Result<String, ReadError>>,
    rows: u64,
}

impl Writer {
    async fn write(&mut self, lines: impl Iterator<Item = Value>) -> Result<(), Gone> {
        let mut piece = String::new();
        for line in lines {
            self.rows += 1;
            piece.push_str(&line.to_string());
            piece.push('\n');
        }
        if piece.is_empty() { Ok(()) } else { self.sender.send(Ok(piece)).await.map_err(|_| Gone) }
    }

    async fn rows(&mut self, rows: Vec<PersonalRow>) -> Result<(), Stopped> {
        let lines = rows.into_iter().map(|PersonalRow { table, row }| json!({ "table": table, "row": row }));
        self.write(lines).await.map_err(|Gone| Stopped::Gone)
    }
}

async fn write_all(documents: &Documents, person: UserId, writer: &mut Writer) -> Result<(), Stopped> {
    let store = &documents.store;
    let head = json!({ "export": "tincture", "version": 1, "person": person, "at": Utc::now() });
    writer.write(std::iter::once(head)).await.map_err(|Gone| Stopped::Gone)?;
    writer.rows = 0;
    writer.rows(store.rows_of_person(person).await?).await?;
    let mut after = None;
    loop {
        let lines = store.activity_rows(person, after).await?;
        let Some(last) = lines.last().and_then(|line| line.row.get("id")?.as_str()?.parse().ok()) else { break };
        after = Some(last);
        writer.rows(lines).await?;
    }
    let mut after = None;
    loop {
        let page = store.experiments(Some(person), after, EXPERIMENTS).await?;
        for summary in page.data {
            write_experiment(documents, summary.experiment.id, writer).await?;
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let end = json!({ "end": true, "rows": writer.rows });
    writer.write(std::iter::once(end)).await.map_err(|Gone| Stopped::Gone)
}

async fn write_experiment(documents: &Documents, id: ExperimentId, writer: &mut Writer) -> Result<(), Stopped> {
    writer.rows(documents.store.rows_of_experiment(id).await?).await?;
    let mut after = None;
    loop {
        let page = documents.of_experiment(id, after, MOST_ON_A_PAGE).await?;
        let line = |Document { key, at, body }| {
            let row = json!({ "collection": key.collection, "id": key.id, "created_at": at, "body": body });
            PersonalRow { table: "documents", row }
        };
        writer.rows(page.data.into_iter().map(line).collect()).await?;
        after = page.next;
        if after.is_none() {
            return Ok(());
        }
    }
}
