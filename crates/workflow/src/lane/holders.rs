//! Whether anybody held the robot between two holds of ours.
//!
//! Within a hold the robot itself refuses what comes under an earlier one. Between two of them, from one experiment to the next or
//! while a connection was lost, nobody holds it: whoever does something then leaves a hold behind, and is found by that.
//! It is asked after the robot was taken, so that nothing can follow the answer.

use hardware::{Robot, RobotError};

/// Of so many holds in a row it may be unknown whom they followed, since the robot took us and then said nothing. It lists no
/// more than twice as many.
const MOST_UNSURE: usize = 10;

/// The newest hold that is accounted for, and what was opened since.
#[derive(Debug, Default)]
pub(super) struct Holders {
    /// Of whomever; nothing where there was none.
    accounted: Option<String>,
    /// Ours, of which it isn't known yet whom they followed.
    unsure: Vec<String>,
}

impl Holders {
    /// Whatever was done so far is accounted for otherwise: the machine is about to be asked, and the journal.
    pub async fn begin(&mut self, machine: &dyn Robot) -> Result<(), RobotError> {
        self.unsure.clear();
        self.accounted = machine.newest_hold_but(&[]).await?;
        Ok(())
    }

    /// We have taken the robot. Whether somebody else had it since we did, or may have; an error leaves that to be asked next time.
    pub async fn took(&mut self, hold: &str, machine: &dyn Robot) -> Result<bool, RobotError> {
        if self.unsure.len() == MOST_UNSURE {
            self.unsure.clear();
            self.accounted = Some(hold.to_owned());
            return Ok(true);
        }
        self.unsure.push(hold.to_owned());
        let before = machine.newest_hold_but(&self.unsure).await?;
        self.unsure.clear();
        let last = self.accounted.replace(hold.to_owned());
        // One that isn't remembered any more was nobody's in between.
        Ok(before.is_some() && before != last)
    }
}
