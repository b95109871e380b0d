//! Hands and eyes at a deck: the emulator's own control routes, past every proxy and past Tincture.

use anyhow::{Context, Result};
use emulator::world::Entry;
use reqwest::Client;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{net::SocketAddr, time::Duration};

const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// One deck.
#[derive(Clone, Debug)]
pub struct Hands {
    client: Client,
    base: String,
}

/// How far the deck's history has come. Equal marks: nothing happened in between, not even a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The newest entry of the ledger.
    pub sequence: u64,
    /// What the robot did since its server was started.
    pub actions: u64,
}

#[derive(Deserialize)]
struct Data<T> {
    data: T,
}

impl Hands {
    /// # Errors
    /// There can be no HTTP client.
    pub fn at(emulator: SocketAddr) -> Result<Self> {
        let client = Client::builder().timeout(ANSWER_LIMIT).no_proxy().build()?;
        Ok(Self { client, base: format!("http://{emulator}/emulator") })
    }

    /// Everything that physically happened.
    pub async fn ledger(&self) -> Result<Vec<Entry>> {
        self.ledger_after(0).await
    }

    /// What happened after an entry.
    pub async fn ledger_after(&self, sequence: u64) -> Result<Vec<Entry>> {
        let url = format!("{}/ledger?after={sequence}", self.base);
        let answer = self.client.get(url).send().await?.error_for_status()?;
        let entries: Data<Vec<Entry>> = answer.json().await.context("the ledger can't be read")?;
        Ok(entries.data)
    }

    /// The deck as it is.
    pub async fn state(&self) -> Result<Value> {
        Ok(self.look().await?.get("data").cloned().unwrap_or_default())
    }

    pub async fn mark(&self) -> Result<Mark> {
        let seen = self.look().await?;
        let number = |name: &str| seen.get(name).and_then(Value::as_u64).with_context(|| format!("no {name}"));
        Ok(Mark { sequence: number("sequence")?, actions: number("actions")? })
    }

    /// What hangs on the nozzles: `nothing`, `tip` or `sensor`, left before right.
    pub async fn on_the_nozzles(&self) -> Result<[String; 2]> {
        let state = self.state().await?;
        let on = |mount: &str| {
            let tool = state.get(mount).and_then(|tool| tool.get("is")).and_then(Value::as_str);
            tool.map(str::to_owned).with_context(|| format!("nothing is said of the {mount} nozzle"))
        };
        Ok([on("left")?, on("right")?])
    }

    /// Whether nothing hangs on either nozzle.
    pub async fn nozzles_are_bare(&self) -> Result<bool> {
        Ok(self.on_the_nozzles().await?.iter().all(|tool| tool == "nothing"))
    }

    /// Puts a clean plate there.
    pub async fn put_plate(&self) -> Result<()> {
        self.act("plate", &json!({})).await
    }

    /// Puts a full tip rack there.
    pub async fn put_tips(&self, slot: u8) -> Result<()> {
        self.act("tips", &json!({ "slot": slot })).await
    }

    /// Puts a vial with fresh dye there.
    pub async fn fill(&self, vial: &str, dye: &str, volume_ul: f64) -> Result<()> {
        self.act(&format!("vials/{vial}"), &json!({ "dye": dye, "volume_ul": volume_ul })).await
    }

    /// Puts an empty waste vial there.
    pub async fn empty_waste(&self, vial: &str) -> Result<()> {
        self.fill(vial, "water", 0.0).await
    }

    /// Takes off what hangs on the nozzles: a tip goes with what is in it, the sensor into its dock.
    pub async fn clear_nozzles(&self) -> Result<()> {
        self.act("nozzles", &json!({})).await
    }

    async fn look(&self) -> Result<Value> {
        let answer = self.client.get(format!("{}/state", self.base)).send().await?.error_for_status()?;
        answer.json().await.context("the deck's state can't be read")
    }

    async fn act(&self, what: &str, body: &Value) -> Result<()> {
        let answer = self.client.post(format!("{}/{what}", self.base)).json(body).send().await?;
        answer.error_for_status().with_context(|| format!("hands can't do {what}"))?;
        Ok(())
    }
}
