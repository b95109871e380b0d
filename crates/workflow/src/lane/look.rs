//! One look of the sensor: so many exposures as the deck has it, with a gain that suits them, and one in the dark where that helps.

use super::Lane;
use crate::measure::WhiteReference;
use domain::{
    ExperimentId, MOST_READS, Operation, Step, doubt,
    reading::{Average, Reading, SensorSettings, WEAK_SAMPLE, WEAK_WHITE},
};
use hardware::{ReadRequest, SensorError};

/// Changes of gain in one look. From the highest to the lowest there are five, each to a quarter.
const MOST_CHANGES: u32 = 6;

/// The exposures of one operation, each asked for under an id of its own.
struct Exposures<'a> {
    lane: &'a Lane,
    operation: &'a Operation,
    experiment: Option<ExperimentId>,
    taken: u8,
}

impl Lane {
    /// What is under the sensor. A reading that is saturated in spite of all is one, and says so.
    pub(super) async fn look(
        &self,
        operation: &Operation,
        experiment: Option<ExperimentId>,
        white: Option<&WhiteReference>,
    ) -> Result<Average, SensorError> {
        let mut exposures = Exposures { lane: self, operation, experiment, taken: 0 };
        let is_white = matches!(operation.step, Step::Read { well: None, .. });
        let usual = SensorSettings::default().by_led();
        let begin = white.map_or(usual, |white| usual.with_gain(white.reading.reading.settings.gain()));
        let mut lit = exposures.steady(begin, if is_white { WEAK_WHITE } else { WEAK_SAMPLE }).await?;
        // Of one that something passed by, the second series says so or doesn't. (A white is looked at again as a whole.)
        let of_sample = white.filter(|_| !is_white);
        if of_sample.is_some_and(|white| matches!(doubt::unsteady(&lit, &white.reading), Ok(Some(_)))) {
            lit = exposures.steady(begin.with_gain(lit.reading.settings.gain()), WEAK_SAMPLE).await?;
        }
        let wants_dark = is_white || white.is_some_and(|white| white.reading.is_in_a_light_room());
        if !wants_dark || !lit.reading.settings.is_lit() || lit.reading.saturated {
            return Ok(lit);
        }
        let dark = exposures.take(lit.reading.settings.without_led()).await?;
        Ok(lit.with_dark(Some(dark).filter(|dark| dark.settings.led_ma() == Some(0))))
    }
}

impl Exposures<'_> {
    async fn take(&mut self, settings: SensorSettings) -> Result<Reading, SensorError> {
        let request = ReadRequest {
            operation: self.operation.id.exposure(self.taken),
            experiment: self.experiment,
            lease_epoch: self.lane.lease.epoch,
            settings,
        };
        self.taken = self.taken.wrapping_add(1);
        self.lane.sensor.read(request).await
    }

    /// As many as the deck has it, all with one gain: begun anew with a better one where the sensor says which it used.
    async fn steady(&mut self, begin: SensorSettings, weak: f64) -> Result<Average, SensorError> {
        let wanted = usize::from(self.lane.robot.deck.reads.clamp(1, MOST_READS));
        let (mut asked, mut changes) = (begin, 0);
        let mut taken: Vec<Reading> = Vec::with_capacity(wanted);
        while taken.len() < wanted {
            let reading = self.take(asked).await?;
            let is_heeded = !reading.settings_assumed && reading.settings.gain() == asked.gain();
            // Noise about the limit of weakness is no reason to begin anew.
            let weak = if taken.is_empty() { weak } else { 0.0 };
            let better = reading.better_gain(weak).filter(|_| is_heeded && changes < MOST_CHANGES);
            if let Some(gain) = better {
                tracing::debug!(operation = %self.operation.id, from = asked.gain().factor(), to = gain.factor(), "another gain");
                (asked, changes) = (asked.with_gain(gain), changes + 1);
                taken.clear();
                continue;
            }
            taken.push(reading);
            if reading.saturated {
                break;
            }
        }
        Average::of(&taken).ok_or_else(|| SensorError::Implausible {
            detail: "its settings changed between two readings of the same".to_owned(),
        })
    }
}
