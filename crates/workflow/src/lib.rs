//! From an accepted experiment to true results: plan → journal → execute → recover.
//!
//! [`Lab`] is what people's requests come to; [`run_worker`] is what drives robots. The two meet only in the store.
//! Below: `plan` turns what wells lack into steps (`whole`, for robots that are told whole mixtures), `lane` carries them out under the journal, `hand` and `mixture` are
//! the lane's picture of its experiment, `measure` makes results of readings, `doubts` says which aren't to be believed, `fault` says what went wrong,
//! `waiting` why nobody goes on with an experiment.

#![warn(clippy::missing_errors_doc)]

mod attend;
mod breaker;
mod check;
mod doubts;
mod estimate;
mod fault;
mod forecast;
mod hand;
mod lab;
mod lane;
mod measure;
mod mixture;
mod outlook;
mod plan;
mod retry;
#[cfg(feature = "sabotage")]
mod sabotage;
mod travel;
mod waiting;
mod whole;
mod worker;

pub use attend::{AttendError, CommandLabError, DeckAct, NotTold, NozzleContent, answers, emergency, is_in_need};
pub use domain::RobotCommand;
pub use doubts::{Doubts, doubt_of};
pub use fault::restored;
pub use forecast::{RunsOut, Supply};
pub use hardware::{
    Finding, Patience,
    ot2::{DyeSources, LARGEST_PROTOCOL, Protocol, ProtocolDocument, Remark, SourceError, Unreadable},
};
pub use lab::*;
pub use outlook::{Outlook, PipetteUse};
pub use retry::{Retried, RetryError};
pub use tasks::Tasks;
pub use travel::Travel;
pub use waiting::{Hindered, Hindrance, Waiting, WaitsFor};
pub use worker::{WorkerConfig, run_worker};

use domain::{Handling, Needs};
use store::{Experiment, ExperimentDetail};

/// How an experiment's liquids are handled, as it was asked for.
pub fn handling_of(experiment: &Experiment) -> Handling {
    handling_in(&experiment.metadata)
}

/// What an experiment asks of whichever robot is to mix it.
pub(crate) fn needs_of(experiment: &ExperimentDetail) -> Needs {
    let recipes = experiment.wells.iter().map(|(well, _)| &well.recipe);
    Needs::of(recipes).handled(&handling_of(&experiment.experiment))
}

fn handling_in(metadata: &serde_json::Value) -> Handling {
    let Some(stored) = metadata.get(Handling::KEPT_AS) else { return Handling::default() };
    serde_json::from_value(stored.clone()).unwrap_or_else(|error| {
        tracing::error!(%error, "how an experiment's liquids are handled can't be read; they are handled as usual");
        Handling::default()
    })
}
