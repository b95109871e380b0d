//! Setting a robot up: what a [`RobotSetup`] would change, why it can't be, and doing it.
//!
//! Command line, API and pages say a robot in the same words and come here: planned first, shown, then carried out in one
//! transaction, if the robot is still as the plan found it.

use super::Lab;
use async_recursion::async_recursion as boxed;
use domain::{Attendance, Bench, Deck, Flaw, RobotId, RobotKind, RobotSetup, SetupChange, text};
use std::{collections::BTreeSet, time::Duration};
use store::{ChangedBy, NewRobot, Robot, StoreError};
use tokio::time::timeout;

/// A robot on the lab's network answers in milliseconds; one that is off is waited for no longer than a person would.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a setup comes to.
#[derive(Clone, Debug)]
pub struct SetupPlan {
    /// What it was made for; nothing for a new robot.
    pub robot: Option<Robot>,
    pub wanted: NewRobot,
    /// In the order of the text. Of a new robot there are none.
    pub changes: Vec<SetupChange>,
    /// Experiments that wait, and that no robot could mix any more.
    pub stranded: usize,
    /// What is worth knowing and hinders nothing.
    pub notes: Vec<String>,
}

/// Whether what is counted may be forgotten, and experiments that wait left without a robot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Losses {
    Refused,
    Allowed,
}

#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Nothing was written.
    #[error("this robot can't be set up so:{}", listed(.0))]
    Flaws(Vec<Flaw>),
    /// Nothing was written.
    #[error("what is counted would be forgotten ({}): say that it may be, when the new things stand there", .0.join(", "))]
    Forgets(Vec<String>),
    /// Nothing was written.
    #[error(
        "experiments wait that no other robot can mix ({0} of them): let them be mixed, cancel them, or set up another robot first"
    )]
    Needed(usize),
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn listed(flaws: &[Flaw]) -> String {
    flaws.iter().map(|flaw| format!("\n  {flaw}")).collect()
}

impl SetupPlan {
    pub fn is_new(&self) -> bool {
        self.robot.is_none()
    }

    /// What it would forget, by place.
    pub fn forgets(&self) -> Vec<String> {
        self.changes.iter().filter(|change| change.forgets).map(|change| change.at.clone()).collect()
    }

    /// Whether there is anything to do.
    pub fn changes_something(&self) -> bool {
        self.is_new() || !self.changes.is_empty()
    }
}

/// A robot as `robot export` writes it.
pub fn setup_of(robot: &Robot) -> RobotSetup {
    RobotSetup {
        name: robot.name.clone(),
        kind: robot.kind,
        attendance: robot.attendance,
        url: robot.url.clone(),
        sensor: robot.sensor_url.clone(),
        deck: Some((&robot.deck).into()),
    }
}

impl Lab {
    /// What this setup would change of this robot, or that it makes a new one. Writes nothing. The machine at a new address
    /// is asked who it is.
    ///
    /// # Errors
    /// `Flaws`, all of them; `IdentityTaken` of the store where the machine is another robot's; otherwise those of any read.
    #[boxed]
    pub async fn plan_setup(&self, robot: Option<Robot>, setup: &RobotSetup) -> Result<SetupPlan, SetupError> {
        let wanted = self.read_setup(robot.as_ref(), setup)?;
        let robots = self.store().robots().await?;
        let id = robot.as_ref().map(|robot| robot.id);
        check_names(&robots, id, &wanted)?;
        let mut notes = Vec::new();
        let is_there = |robot: &Robot| (robot.kind, robot.url.as_str()) == (wanted.kind, wanted.url.as_str());
        if !robot.as_ref().is_some_and(is_there) {
            notes.extend(self.ask_who(&robots, robot.as_ref(), &wanted).await?);
        }
        let changes = match &robot {
            Some(robot) => {
                let wanted = RobotSetup { deck: Some((&wanted.deck).into()), ..written(&wanted) };
                setup_of(robot).changes_to(&wanted)
            }
            None => Vec::new(),
        };
        let stranded = self.stranded(&robots, id, Some(wanted.bench())).await?;
        Ok(SetupPlan { robot, wanted, changes, stranded, notes })
    }

    /// Does what was planned, all of it or nothing.
    ///
    /// # Errors
    /// `Forgets` and `Needed` unless losses are allowed; those of [`store::Store::change_robot`] and
    /// [`store::Store::add_robot`]. Nothing was written then.
    #[boxed]
    pub async fn set_up(&self, plan: &SetupPlan, losses: Losses, by: ChangedBy) -> Result<Robot, SetupError> {
        let forgets = plan.forgets();
        if losses == Losses::Refused && !forgets.is_empty() {
            return Err(SetupError::Forgets(forgets));
        }
        if losses == Losses::Refused && plan.stranded > 0 {
            return Err(SetupError::Needed(plan.stranded));
        }
        let robot = match &plan.robot {
            Some(robot) => self.store().change_robot(robot, &plan.wanted, by).await?,
            None => self.store().add_robot(&plan.wanted, by).await?,
        };
        tracing::info!(robot = robot.name, changed = plan.changes.len(), new = plan.is_new(), "a robot was set up");
        Ok(robot)
    }

    /// Takes a robot out of the lab; what it did stays. `who` is shown as the one who did it.
    ///
    /// # Errors
    /// `Needed` while experiments wait that only it can mix; those of [`store::Store::remove_robot`].
    #[boxed]
    pub async fn remove_robot(&self, robot: &Robot, who: &str, by: ChangedBy) -> Result<(), SetupError> {
        let robots = self.store().robots().await?;
        let stranded = self.stranded(&robots, Some(robot.id), None).await?;
        if stranded > 0 {
            return Err(SetupError::Needed(stranded));
        }
        self.store().remove_robot(robot.id, who, by).await?;
        tracing::info!(robot = robot.name, "a robot was removed");
        Ok(())
    }

    /// The setup as the store takes it, held against everything that doesn't need another robot.
    fn read_setup(&self, robot: Option<&Robot>, setup: &RobotSetup) -> Result<NewRobot, SetupError> {
        let mut flaws = Vec::new();
        if let Err(error) = text::name(&setup.name, text::LONGEST_ROBOT_NAME) {
            flaws.push(Flaw::new("name", error.to_string()));
        }
        let url = setup.url.trim_end_matches('/').to_owned();
        if let Err(error) = self.connect().robot(setup.kind, &url) {
            flaws.push(Flaw::new("url", error.to_string()));
        }
        // Never with the address itself, in which somebody may have put a password.
        if let Err(error) = self.connect().sensor(&setup.sensor) {
            flaws.push(Flaw::new("sensor", error.to_string()));
        }
        let deck = match (&setup.deck, robot) {
            (Some(deck), _) => deck.deck().unwrap_or_else(|found| {
                flaws.extend(found);
                Deck::default()
            }),
            (None, Some(robot)) => robot.deck.clone(),
            (None, None) => Deck::default(),
        };
        if setup.kind == RobotKind::Script {
            flaws.extend(of_script(setup, &deck));
        }
        if !flaws.is_empty() {
            return Err(SetupError::Flaws(flaws));
        }
        Ok(NewRobot {
            name: setup.name.clone(),
            kind: setup.kind,
            url,
            sensor_url: setup.sensor.clone(),
            attendance: setup.attendance,
            deck,
        })
    }

    /// Asks the machine at a new address who it is. One that is off is believed.
    async fn ask_who(
        &self,
        robots: &[Robot],
        robot: Option<&Robot>,
        wanted: &NewRobot,
    ) -> Result<Option<String>, SetupError> {
        let Ok(machine) = self.connect().robot(wanted.kind, &wanted.url) else { return Ok(None) };
        let Ok(Ok(identity)) = timeout(PATIENCE, machine.identify()).await else {
            return Ok(Some(
                "no robot answers at this address now: check it (`tincture robot check`) when it is on".to_owned(),
            ));
        };
        let Some(there) = identity.name() else { return Ok(None) };
        let own = robot.map(|robot| robot.id);
        let is_there = |other: &&Robot| Some(other.id) != own && other.identity.as_deref() == Some(there);
        if let Some(other) = robots.iter().find(is_there) {
            return Err(StoreError::IdentityTaken(other.name.clone()).into());
        }
        let before = robot.and_then(|robot| robot.identity.as_deref()).filter(|before| *before != there);
        Ok(before.map(|before| {
            format!("the machine there is {there}, and it was {before}: its deck isn't believed, and it asks before it moves")
        }))
    }

    /// How many experiments wait that a robot could mix before this change and none could after it. `bench` is what the robot
    /// will have, nothing when it goes.
    async fn stranded(
        &self,
        robots: &[Robot],
        id: Option<RobotId>,
        bench: Option<Bench<'_>>,
    ) -> Result<usize, StoreError> {
        if id.is_none() {
            return Ok(0);
        }
        let before: Vec<_> = robots.iter().map(Robot::bench).collect();
        let others = robots.iter().filter(|robot| Some(robot.id) != id).map(Robot::bench);
        let after: Vec<_> = others.chain(bench).collect();
        if before == after {
            return Ok(0);
        }
        let already: BTreeSet<_> = self.store().unmixable(None, &before).await?.into_iter().collect();
        let lost = self.store().unmixable(None, &after).await?;
        Ok(lost.into_iter().filter(|experiment| !already.contains(experiment)).count())
    }
}

/// What a robot that the training labs' script moves can't be.
fn of_script(setup: &RobotSetup, deck: &Deck) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    if setup.attendance == Attendance::Virtual {
        flaws.push(Flaw::new("attendance", "people serve the deck that a script works on, an emulator's too"));
    }
    if let Some(other) = deck.pipettes.iter().find(|pipette| pipette.mount != deck.sensor_mount) {
        let why =
            format!("a script mixes with the sensor mount's pipette alone, not with this {}", other.model.load_name());
        flaws.push(Flaw::new("deck", why));
    }
    if let Some(own) = deck.pipette(deck.sensor_mount).filter(|own| own.most() < deck.well_capacity) {
        let (model, most, well) = (own.model.load_name(), own.most(), deck.well_capacity);
        let why = format!(
            "a script gives each dye in one stroke, and the {model} takes {most} of the {well} that a well may get: mount \
             another, or lower `well_capacity_ul`"
        );
        flaws.push(Flaw::new("deck", why));
    }
    flaws
}

/// For the words of a change; the deck is put to it.
fn written(wanted: &NewRobot) -> RobotSetup {
    RobotSetup {
        name: wanted.name.clone(),
        kind: wanted.kind,
        attendance: wanted.attendance,
        url: wanted.url.clone(),
        sensor: wanted.sensor_url.clone(),
        deck: None,
    }
}

/// Name and address are nobody else's.
fn check_names(robots: &[Robot], id: Option<RobotId>, wanted: &NewRobot) -> Result<(), StoreError> {
    let mut others = robots.iter().filter(|robot| Some(robot.id) != id);
    let plain = |url: &str| url.trim_end_matches('/').to_ascii_lowercase();
    match others.find(|other| other.name == wanted.name || plain(&other.url) == plain(&wanted.url)) {
        Some(other) if other.name == wanted.name => Err(StoreError::RobotNameTaken),
        Some(other) => Err(StoreError::AddressTaken(other.name.clone())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::PipetteModel::{P20SingleGen2, P300SingleGen2};

    #[test]
    fn a_script_has_one_pipette_that_gives_each_dye_in_one_stroke() {
        let flaws = |deck: &Deck| {
            let setup = RobotSetup {
                name: "bench-1".to_owned(),
                kind: RobotKind::Script,
                attendance: Attendance::Operator,
                url: "mqtt://127.0.0.1:1883/OT2".to_owned(),
                sensor: "mqtt://127.0.0.1:1883/pico".to_owned(),
                deck: None,
            };
            of_script(&setup, deck).iter().map(Flaw::to_string).collect::<Vec<_>>().join("\n")
        };
        assert_eq!(flaws(&Deck::default()), "");
        let mut filter_tips = Deck::with_pipettes(None, Some(P300SingleGen2));
        filter_tips.pipettes[0].tip_rack = "opentrons_96_filtertiprack_200ul".to_owned();
        assert!(flaws(&filter_tips).contains("the p300_single_gen2 takes 200 µL of the 300 µL"));
        filter_tips.well_capacity = domain::Volume::from_whole_ul(200);
        assert_eq!(flaws(&filter_tips), "");
        assert!(flaws(&Deck::with_pipettes(Some(P20SingleGen2), Some(P300SingleGen2))).contains("p20_single_gen2"));
    }
}
