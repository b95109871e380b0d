//! That what is asked for was forgotten by age, so that an empty list isn't taken for nothing having happened.

use chrono::{DateTime, TimeDelta, Utc};
use store::Experiment;

/// The sentence for an empty list of what happened in an experiment, of which such things are kept for `age` after its
/// end. Nothing where they would still be there.
pub fn forgotten(experiment: &Experiment, age: Option<TimeDelta>, now: DateTime<Utc>) -> Option<String> {
    let age = age?;
    let days = age.num_days();
    let days = if days == 1 { "1 day".to_owned() } else { format!("{days} days") };
    let is_old = experiment.status.is_final() && experiment.completed_at? + age <= now;
    is_old.then(|| {
        format!("The steps of an experiment are kept for {days} after its end. This one’s are gone; its results stay.")
    })
}
