//! Ways: to a well, to a place, along a well's wall.

use super::{
    belief::{CurrentWell, Engine, Nozzles, Pipette, Update},
    deck::{self, Hurdle},
    error::CommandError,
    params::{MoveRelative, Movement, TouchTip, Well},
    plan::{Plan, Step},
};
use crate::{
    labware::Point,
    world::{self, Action, Travel},
};
use serde_json::{Value, json};

/// A planned way to a place, and the place.
pub(super) struct Way {
    pub(super) plan: Plan,
    pub(super) position: Point,
}

impl Way {
    fn result(&self) -> Value {
        json!({"position": self.position})
    }

    /// Ends with the position as the result.
    pub(super) fn arrive(self) -> Plan {
        let result = self.result();
        self.plan.ending(Ok(result))
    }
}

impl Engine {
    pub(super) fn move_relative(&self, go: &MoveRelative, nozzles: Nozzles) -> Result<Plan, CommandError> {
        let pipette = self.known_pipette(&go.pipette_id)?;
        let by = match go.axis {
            "x" => Point::new(go.distance, 0.0, 0.0),
            "y" => Point::new(0.0, go.distance, 0.0),
            _ => Point::new(0.0, 0.0, go.distance),
        };
        let position = tool_end(pipette, nozzles) + by;
        let plan = Plan::doing(vec![straight(pipette, position, None)]).believing(Update::At(None));
        Ok(plan.ending(Ok(json!({"position": position}))))
    }

    pub(super) fn touch_tip(&self, touch: &TouchTip, nozzles: Nozzles) -> Result<Plan, CommandError> {
        let labware = self.find_labware(&touch.well.labware_id)?;
        if labware.definition.has_quirk("touchTipDisabled") {
            let detail = format!("Touch tip not allowed on labware {}", labware.id);
            return Err(CommandError::new("TouchTipDisabledError", detail));
        }
        if labware.definition.is_tip_rack {
            return Err(CommandError::new("LabwareIsTipRackError", "Cannot touch tip on tip rack"));
        }
        let way = self.way_to_well(&touch.pipette_id, &touch.well, nozzles)?;
        let well = deck::find_well(labware, &touch.well.well_name)?;
        let (x, y) = (well.size().0 / 2.0 * touch.radius, well.size().1 / 2.0 * touch.radius);
        let pipette = self.find_pipette(&touch.pipette_id)?;
        let result = way.result();
        let edges = [(x, 0.0), (-x, 0.0), (0.0, 0.0), (0.0, y), (0.0, -y), (0.0, 0.0)];
        let mut plan = way.plan;
        for (dx, dy) in edges {
            let at = way.position + Point::new(dx, dy, 0.0);
            plan = plan.then(straight(pipette, at, touch.speed));
        }
        Ok(plan.ending(Ok(result)))
    }

    pub(super) fn way_to_well(&self, pipette_id: &str, well: &Well, nozzles: Nozzles) -> Result<Way, CommandError> {
        self.arc_to_well(pipette_id, well, None, nozzles)
    }

    pub(super) fn arc_to_well(
        &self,
        pipette_id: &str,
        well: &Well,
        movement: Option<&Movement>,
        nozzles: Nozzles,
    ) -> Result<Way, CommandError> {
        self.check_accessible(self.find_labware(&well.labware_id)?)?;
        let pipette = self.known_pipette(pipette_id)?;
        let position = self.well_position(&well.labware_id, &well.well_name, &well.well_location)?;
        let here = CurrentWell {
            pipette_id: pipette_id.to_owned(),
            labware_id: well.labware_id.clone(),
            well_name: well.well_name.clone(),
        };
        let minimum = movement.and_then(|movement| movement.minimum_z_height);
        let hurdle = self.hurdle(pipette, Some(&well.labware_id), minimum);
        let mut way = if self.at.as_ref() == Some(&here) {
            let speed = movement.and_then(|movement| movement.speed);
            Way { plan: Plan::doing(vec![straight(pipette, position, speed)]), position }
        } else {
            self.way(pipette, position, hurdle, movement, nozzles)?
        };
        way.plan = way.plan.believing(Update::At(Some(here)));
        Ok(way)
    }

    pub(super) fn way(
        &self,
        pipette: &Pipette,
        position: Point,
        hurdle: Hurdle,
        movement: Option<&Movement>,
        nozzles: Nozzles,
    ) -> Result<Way, CommandError> {
        let speed = movement.and_then(|movement| movement.speed);
        if movement.is_some_and(|movement| movement.force_direct) {
            return Ok(Way { plan: Plan::doing(vec![straight(pipette, position, speed)]), position });
        }
        let reach = reach(pipette);
        let travel_z = Self::arc_height(pipette, position.z, hurdle)?.max(tool_end(pipette, nozzles).z);
        let action = Action::MoveNozzle {
            mount: pipette.mount,
            to: nozzle_for(position, reach),
            travel: Travel::Over { nozzle_z_mm: travel_z + reach },
            speed_mm_s: speed,
        };
        Ok(Way { plan: Plan::doing(vec![Step::Act(action)]), position })
    }
}

/// How far below the nozzle the robot believes the tool to reach.
pub(super) fn reach(pipette: &Pipette) -> f64 {
    pipette.carried.map_or(0.0, |tip| tip.length)
}

pub(super) fn tool_end(pipette: &Pipette, nozzles: Nozzles) -> Point {
    nozzles.of(pipette.mount) + Point::new(0.0, 0.0, -reach(pipette))
}

fn nozzle_for(tool_end: Point, reach: f64) -> world::Point {
    world::Point::new(tool_end.x, tool_end.y, tool_end.z + reach)
}

fn straight(pipette: &Pipette, position: Point, speed_mm_s: Option<f64>) -> Step {
    let to = nozzle_for(position, reach(pipette));
    Step::Act(Action::MoveNozzle { mount: pipette.mount, to, travel: Travel::Direct, speed_mm_s })
}
