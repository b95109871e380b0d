//! The emulated deck's promise: what happens is physical, is in the ledger, and survives a restart.

use chrono::{DateTime, Utc};
use domain::{Mount, PipetteModel};
use emulator::world::{
    Action, DOCK_SLOT, DOCK_WELL, Entry, Event, LabwareKind, PLATE_SLOT, PhysicalLabware, Placement, Point,
    SENSOR_LENGTH_MM, SENSOR_OVERLAP_MM, Slot, TIPS_20_SLOT, TIPS_300_SLOT, TIPS_1000_SLOT, TRASH_SLOT, Tool, ToolName,
    Travel, VIALS_SLOT, View, WellGeometry, WellShape, World, WorldConfig, WorldError, stated_pipette_error,
};
use proptest::prelude::*;
use std::{collections::BTreeMap, fs, path::Path, time::Duration};

const TIP_REACH_MM: f64 = 59.3 - 7.47;
const SENSOR_REACH_MM: f64 = SENSOR_LENGTH_MM - SENSOR_OVERLAP_MM;
const HIGH: Travel = Travel::Over { nozzle_z_mm: 185.0 };

fn at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).expect("a time")
}

/// Drives one mount of a world as an engine would.
struct Rig {
    world: World,
    mount: Mount,
}

impl Rig {
    fn new() -> Self {
        Self::seeded(1)
    }

    fn seeded(seed: u64) -> Self {
        Self::with(WorldConfig { seed, ..WorldConfig::default() })
    }

    fn with(config: WorldConfig) -> Self {
        Self { world: World::open(config).expect("a world"), mount: Mount::Right }
    }

    fn kept_in(directory: &Path) -> Self {
        Self::with(WorldConfig { state_dir: Some(directory.to_owned()), ..WorldConfig::default() })
    }

    fn act(&mut self, action: &Action) -> Vec<Entry> {
        assert!(self.world.duration(action) <= Duration::from_secs(600));
        self.world.perform(action, Some("key"), at()).expect("a ledger that can be written").entries
    }

    fn well(&self, slot: Slot, well: &str) -> WellGeometry {
        *self.world.state().placed(slot).expect("labware").labware.wells.get(well).expect("a well")
    }

    fn top(&self, slot: Slot, well: &str) -> Point {
        self.well(slot, well).top(slot)
    }

    fn bottom(&self, slot: Slot, well: &str) -> Point {
        self.well(slot, well).bottom(slot)
    }

    /// The end of the tool that is really there, to `end`.
    fn end_to(&mut self, end: Point) -> Vec<Entry> {
        let to = end.raised(self.world.state().tool(self.mount).reach_mm());
        self.act(&Action::MoveNozzle { mount: self.mount, to, travel: HIGH, speed_mm_s: None })
    }

    fn pick_up(&mut self, slot: Slot, well: &str) -> Vec<Entry> {
        let mut entries = self.end_to(self.top(slot, well));
        entries.extend(self.act(&Action::PickUpTip { mount: self.mount }));
        entries
    }

    fn return_tip(&mut self, well: &str) -> Vec<Entry> {
        let mut entries = self.end_to(self.top(TIPS_300_SLOT, well).raised(-26.0));
        entries.extend(self.act(&Action::DropTip { mount: self.mount }));
        entries
    }

    fn aspirate(&mut self, slot: Slot, well: &str, volume_ul: f64) -> Vec<Entry> {
        let mut entries = self.end_to(self.bottom(slot, well).raised(1.0));
        entries.extend(self.act(&Action::Aspirate { mount: self.mount, volume_ul, flow_ul_s: 92.86 }));
        entries
    }

    fn dispense(&mut self, slot: Slot, well: &str, height_mm: f64, volume_ul: f64) -> Vec<Entry> {
        let mut entries = self.end_to(self.bottom(slot, well).raised(height_mm));
        entries.extend(self.act(&Action::Dispense { mount: self.mount, volume_ul, flow_ul_s: 92.86 }));
        entries
    }

    fn blow_out(&mut self) -> Vec<Entry> {
        let mut entries = self.end_to(self.top(VIALS_SLOT, "A1").raised(-5.0));
        entries.extend(self.act(&Action::BlowOut { mount: self.mount, flow_ul_s: 92.86 }));
        entries
    }

    /// One colour into one well, as the lab does it.
    fn transfer(&mut self, vial: &str, well: &str, volume_ul: f64) -> Vec<Entry> {
        let mut entries = self.pick_up(TIPS_300_SLOT, vial);
        entries.extend(self.aspirate(VIALS_SLOT, vial, volume_ul));
        entries.extend(self.dispense(PLATE_SLOT, well, 8.0, volume_ul));
        entries.extend(self.blow_out());
        entries.extend(self.return_tip(vial));
        entries
    }

    fn in_well(&self, well: &str) -> Vec<(String, f64)> {
        let liquid = self.world.state().placed(PLATE_SLOT).expect("a plate").liquid(well);
        liquid.components().map(|(dye, ul)| (dye.to_owned(), ul)).collect()
    }

    /// Everything but where the gantry stands, which a restart forgets.
    fn truth(&self) -> serde_json::Value {
        let mut truth = serde_json::to_value(self.world.state()).expect("json");
        truth.as_object_mut().expect("an object").remove("gantry");
        truth
    }
}

fn kinds(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|entry| field(entry, "kind").as_str().expect("a kind").to_owned()).collect()
}

fn field(entry: &Entry, name: &str) -> serde_json::Value {
    serde_json::to_value(entry).expect("json").get(name).cloned().unwrap_or_default()
}

#[test]
fn a_transfer_moves_what_was_asked_to_the_stated_error() {
    let mut rig = Rig::new();
    let entries = rig.transfer("B1", "C5", 100.0);
    assert_eq!(kinds(&entries), ["pick_up_tip", "aspirate", "dispense", "blow_out", "drop_tip"]);
    let limit = stated_pipette_error(PipetteModel::P300SingleGen2, 100.0).limit_ul;
    let arrived = rig.in_well("C5");
    let [(dye, volume_ul)] = arrived.as_slice() else { panic!("one dye in the well, not {arrived:?}") };
    assert_eq!(dye, "red");
    assert!((volume_ul - 100.0).abs() <= limit, "{volume_ul}");
    assert!(*volume_ul != 100.0, "no pipette is exact");
}

#[test]
fn ledger_entries_read_as_the_contract_says() {
    let mut rig = Rig::new();
    let entries = rig.transfer("B3", "A1", 50.0);
    let dispense = entries.iter().find(|entry| field(entry, "kind") == "dispense").expect("a dispense");
    assert_eq!(field(dispense, "sequence"), 3);
    assert_eq!(field(dispense, "at"), "2027-01-15T08:00:00Z");
    assert_eq!(field(dispense, "labware"), "corning_96_wellplate_360ul_flat");
    assert_eq!(field(dispense, "slot"), 1);
    assert_eq!(field(dispense, "well"), "A1");
    assert_eq!(field(dispense, "dye"), "blue");
    assert_eq!(field(dispense, "nominal_ul"), 50.0);
    assert_eq!(field(dispense, "key"), "key");
    assert_eq!(field(dispense, "volume_ul"), field(dispense, "components").get("blue").cloned().expect("blue"));
}

#[test]
fn three_colours_to_a_full_well_mix_and_contaminate_nothing() {
    let mut rig = Rig::new();
    let mut entries = Vec::new();
    for vial in ["B1", "B2", "B3"] {
        entries.extend(rig.transfer(vial, "H12", 100.0));
    }
    let dyes: Vec<_> = rig.in_well("H12").into_iter().map(|(dye, _)| dye).collect();
    assert_eq!(dyes, ["blue", "red", "yellow"]);
    let unwanted = ["touch", "crash", "miss", "air", "spill", "overflow"];
    assert!(kinds(&entries).iter().all(|kind| !unwanted.contains(&kind.as_str())), "{entries:?}");
}

#[test]
fn a_tip_held_too_low_carries_one_colour_into_another() {
    let mut rig = Rig::new();
    rig.transfer("B1", "A1", 100.0);
    rig.pick_up(TIPS_300_SLOT, "B2");
    rig.aspirate(VIALS_SLOT, "B2", 50.0);
    let dipped = rig.dispense(PLATE_SLOT, "A1", 1.0, 50.0);
    assert!(kinds(&dipped).contains(&"touch".to_owned()), "{dipped:?}");
    let back = rig.aspirate(VIALS_SLOT, "B2", 50.0);
    assert!(kinds(&back).contains(&"touch".to_owned()), "the vial of yellow met red: {back:?}");
}

#[test]
fn a_used_tip_may_be_used_again_and_the_ledger_says_so() {
    let mut rig = Rig::new();
    rig.transfer("B1", "A1", 30.0);
    let again = rig.pick_up(TIPS_300_SLOT, "B1");
    assert!(matches!(again.as_slice(), [Entry { event: Event::PickUpTip { used: true, .. }, .. }]), "{again:?}");
}

#[test]
fn an_empty_well_gives_air_and_the_tip_carries_none_of_it() {
    let mut rig = Rig::new();
    rig.pick_up(TIPS_300_SLOT, "A1");
    assert_eq!(kinds(&rig.aspirate(PLATE_SLOT, "A1", 50.0)), ["air"]);
    assert_eq!(kinds(&rig.dispense(PLATE_SLOT, "A2", 8.0, 50.0)), ["air"]);
    assert!(rig.in_well("A2").is_empty());
}

#[test]
fn a_vial_that_runs_dry_gives_what_it_has_and_then_air() {
    let mut rig = Rig::new();
    // At 1 mm over the bottom of a 20 mm vial, 314 µL are out of reach.
    rig.world.refill(VIALS_SLOT, "B1", "red", 400.0, at()).expect("a refill");
    rig.pick_up(TIPS_300_SLOT, "B1");
    let entries = rig.aspirate(VIALS_SLOT, "B1", 200.0);
    assert_eq!(kinds(&entries), ["aspirate", "air"]);
    let drawn = field(entries.first().expect("an aspirate"), "volume_ul").as_f64().expect("a volume");
    assert!((85.0..87.0).contains(&drawn), "{drawn}");
}

#[test]
fn what_a_well_cant_hold_runs_over() {
    let mut rig = Rig::new();
    rig.transfer("B1", "A1", 300.0);
    let entries = rig.transfer("B1", "A1", 100.0);
    assert!(kinds(&entries).contains(&"overflow".to_owned()), "{entries:?}");
    let held: f64 = rig.in_well("A1").iter().map(|(_, ul)| ul).sum();
    assert!((held - 360.0).abs() < 0.001, "{held}");
    assert!(rig.world.state().spilled().volume_ul() > 30.0);
}

#[test]
fn a_full_waste_vial_runs_over_when_a_tip_is_blown_out_into_it() {
    let mut rig = Rig::new();
    rig.pick_up(TIPS_300_SLOT, "B1");
    rig.aspirate(VIALS_SLOT, "B1", 100.0);
    rig.world.refill(VIALS_SLOT, "A1", "water", 14_950.0, at()).expect("a level for the waste");
    assert_eq!(kinds(&rig.blow_out()), ["blow_out", "overflow"]);
    let waste = rig.world.state().placed(VIALS_SLOT).expect("vials").liquid("A1").volume_ul();
    assert!((waste - 15_000.0).abs() < 0.001, "{waste}");
    assert!((45.0..55.0).contains(&rig.world.state().spilled().volume_ul()));
    rig.world.refill(VIALS_SLOT, "A1", "water", 0.0, at()).expect("emptied");
    rig.aspirate(VIALS_SLOT, "B1", 100.0);
    assert_eq!(kinds(&rig.blow_out()), ["blow_out"]);
}

#[test]
fn a_robot_is_the_same_as_long_as_its_directory_is() {
    let (directory, other) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("another"));
    let identity = |directory: &Path| Rig::kept_in(directory).world.identity().to_owned();
    let first = identity(directory.path());
    assert!(first.starts_with("OT2VIRT-") && first.len() == 40, "{first}");
    assert_eq!(identity(directory.path()), first);
    assert_ne!(identity(other.path()), first);
    assert_ne!(Rig::new().world.identity(), Rig::new().world.identity(), "without a directory each start is another");
    for nobody in ["", "OT2VIRT-", "OT2CEP20190604A02", &first[..39]] {
        fs::write(directory.path().join("identity"), nobody).expect("written");
        let config = WorldConfig { state_dir: Some(directory.path().to_owned()), ..WorldConfig::default() };
        let error = World::open(config).expect_err("nobody's directory");
        assert!(matches!(error, WorldError::NoIdentity { .. }), "{error}");
    }
}

#[test]
fn the_last_key_is_that_of_what_changed_the_deck_and_survives_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut rig = Rig::kept_in(directory.path());
    let home = |rig: &mut Rig, key| drop(rig.world.perform(&Action::Home, Some(key), at()).expect("home"));
    home(&mut rig, "home-1");
    assert_eq!(rig.world.last_key(), None, "homing changes nothing on the deck");
    rig.pick_up(TIPS_300_SLOT, "B1");
    home(&mut rig, "home-2");
    rig.world.refill(VIALS_SLOT, "B1", "red", 400.0, at()).expect("a refill by hand");
    assert_eq!(rig.world.last_key(), Some("key"));
    drop(rig);
    assert_eq!(Rig::kept_in(directory.path()).world.last_key(), Some("key"));
}

#[test]
fn liquid_let_go_beside_the_labware_is_spilled() {
    let mut rig = Rig::new();
    rig.pick_up(TIPS_300_SLOT, "A1");
    rig.aspirate(VIALS_SLOT, "B1", 50.0);
    rig.end_to(Point::new(200.0, 40.0, 60.0));
    let entries = rig.act(&Action::Dispense { mount: Mount::Right, volume_ul: 50.0, flow_ul_s: 92.86 });
    assert_eq!(kinds(&entries), ["spill"]);
    assert!(rig.world.state().spilled().of("red") > 45.0);
}

#[test]
fn homing_empties_a_tip_into_the_trash_and_leaves_the_tip_on() {
    let mut rig = Rig::new();
    rig.pick_up(TIPS_300_SLOT, "A1");
    rig.aspirate(VIALS_SLOT, "B1", 50.0);
    assert_eq!(kinds(&rig.act(&Action::Home)), ["home", "blow_out"]);
    assert!(rig.world.state().placed(TRASH_SLOT).expect("trash").liquid("A1").of("red") > 45.0);
    assert_eq!(rig.world.state().tool(Mount::Right).name(), ToolName::Tip);
}

#[test]
fn below_the_bottom_is_a_crash() {
    let mut rig = Rig::new();
    rig.pick_up(TIPS_300_SLOT, "A1");
    assert_eq!(kinds(&rig.end_to(rig.bottom(PLATE_SLOT, "A1").raised(-3.0))), ["crash"]);
    assert_eq!(rig.world.state().crashes(), 1);
}

#[test]
fn a_nozzle_takes_only_what_fits_and_is_there() {
    let both = WorldConfig { left: Some(PipetteModel::P20SingleGen2), ..WorldConfig::default() };
    let mut rig = Rig::with(both);
    assert_eq!(kinds(&rig.pick_up(TIPS_20_SLOT, "A1")), ["miss"], "a p300 in a rack of 20 µL tips");
    assert_eq!(kinds(&rig.pick_up(TIPS_300_SLOT, "A1")), ["pick_up_tip"]);
    assert_eq!(kinds(&rig.act(&Action::PickUpTip { mount: Mount::Right })), ["crash"], "a second tip");
    rig.end_to(rig.top(TRASH_SLOT, "A1"));
    rig.act(&Action::DropTip { mount: Mount::Right });
    assert_eq!(kinds(&rig.pick_up(TIPS_300_SLOT, "A1")), ["miss"], "that tip is in the trash");
    rig.world.new_tip_rack(TIPS_300_SLOT, at()).expect("a new rack");
    assert_eq!(kinds(&rig.pick_up(TIPS_300_SLOT, "A1")), ["pick_up_tip"]);
    rig.mount = Mount::Left;
    assert_eq!(kinds(&rig.pick_up(TIPS_20_SLOT, "A1")), ["pick_up_tip"]);
}

#[test]
fn the_sensor_looks_through_the_well_it_is_held_over_and_parks() {
    let mut rig = Rig::new();
    rig.transfer("B1", "B3", 60.0);
    assert!(matches!(rig.world.view(), View::Dock { spot } if spot.well == DOCK_WELL));
    assert_eq!(kinds(&rig.pick_up(DOCK_SLOT, DOCK_WELL)), ["pick_up_tip"]);
    assert_eq!(rig.world.view(), View::Elsewhere);
    assert_eq!(kinds(&rig.end_to(rig.top(PLATE_SLOT, "B3").raised(-1.3))), Vec::<String>::new());
    let View::Well { spot, liquid, off_centre_mm } = rig.world.view() else { panic!("over a well") };
    assert_eq!((spot.slot, spot.well.as_str()), (PLATE_SLOT, "B3"));
    assert!(liquid.of("red") > 55.0 && off_centre_mm < 0.01);

    let mut entries = rig.end_to(rig.top(DOCK_SLOT, DOCK_WELL).raised(-80.0));
    entries.extend(rig.act(&Action::DropTip { mount: Mount::Right }));
    assert_eq!(kinds(&entries), ["drop_tip"]);
    assert!(matches!(rig.world.view(), View::Dock { .. }));
    assert_eq!(kinds(&rig.pick_up(DOCK_SLOT, DOCK_WELL)), ["pick_up_tip"], "and it can be fetched again");
}

#[test]
fn a_robot_that_forgot_its_sensor_drags_it_over_the_deck_unless_it_stays_high() {
    let mut rig = Rig::new();
    rig.pick_up(DOCK_SLOT, DOCK_WELL);
    rig.end_to(rig.top(PLATE_SLOT, "A12").raised(-1.3));
    // The engine believes in a bare nozzle now, and passes over what it thinks the deck's tallest labware is.
    let over_dock = rig.top(DOCK_SLOT, DOCK_WELL);
    let bare = |to, nozzle_z_mm| Action::MoveNozzle {
        mount: Mount::Right,
        to,
        travel: Travel::Over { nozzle_z_mm },
        speed_mm_s: None,
    };
    assert_eq!(kinds(&rig.act(&bare(over_dock.raised(10.0), 110.0))), ["crash"]);
    rig.act(&bare(Point::new(30.0, 30.0, 185.0), 185.0));
    // Compensated by the sensor's reach and held high, it parks although no API knows of a tip.
    assert_eq!(kinds(&rig.act(&bare(over_dock.raised(-80.0 + SENSOR_REACH_MM), 185.0))), Vec::<String>::new());
    assert_eq!(kinds(&rig.act(&Action::DropTip { mount: Mount::Right })), ["drop_tip"]);
    assert!(matches!(rig.world.view(), View::Dock { .. }));
}

#[test]
fn a_sensor_thrown_away_is_gone_until_the_operator_brings_it_back() {
    let mut rig = Rig::new();
    rig.pick_up(DOCK_SLOT, DOCK_WELL);
    rig.end_to(rig.top(TRASH_SLOT, "A1").raised(10.0));
    rig.act(&Action::DropTip { mount: Mount::Right });
    assert_eq!(rig.world.view(), View::Elsewhere);
    assert_eq!(kinds(&rig.pick_up(DOCK_SLOT, DOCK_WELL)), ["miss"]);
    rig.world.restore_sensor(at()).expect("restored");
    assert!(matches!(rig.world.view(), View::Dock { .. }));
}

#[test]
fn hands_take_off_a_tip_with_what_is_in_it_and_put_the_sensor_back() {
    let mut rig = Rig::new();
    assert_eq!(kinds(&rig.world.clear_nozzles(at()).expect("cleared").entries), Vec::<String>::new());
    let balance = rig.world.state().balance();
    rig.pick_up(TIPS_300_SLOT, "A1");
    rig.aspirate(VIALS_SLOT, "B1", 100.0);
    let cleared = rig.world.clear_nozzles(at()).expect("cleared").entries;
    assert_eq!(kinds(&cleared), ["nozzle_cleared"]);
    assert_eq!(field(&cleared[0], "dye"), "red");
    assert_eq!(rig.world.state().tool(Mount::Right).name(), ToolName::Nothing);
    assert_eq!(rig.world.state().balance(), balance, "what was taken off is accounted for");

    rig.pick_up(DOCK_SLOT, DOCK_WELL);
    let cleared = rig.world.clear_nozzles(at()).expect("cleared").entries;
    assert_eq!(kinds(&cleared), ["nozzle_cleared", "sensor_restored"]);
    let actions = rig.world.actions();
    assert_eq!(kinds(&rig.pick_up(DOCK_SLOT, DOCK_WELL)), ["pick_up_tip"]);
    assert!(rig.world.actions() > actions);
}

#[test]
fn labware_a_client_brings_appears_and_the_labs_own_stays() {
    let mut rig = Rig::new();
    let slot = Slot::new(2).expect("a slot");
    let shape = WellShape::Rectangular { x_mm: 100.0, y_mm: 70.0 };
    let trough = |name: &str| PhysicalLabware {
        load_name: name.into(),
        x_mm: 127.0,
        y_mm: 85.0,
        z_mm: 40.0,
        kind: LabwareKind::Vessels,
        wells: BTreeMap::from([(
            "A1".to_owned(),
            WellGeometry { x_mm: 63.0, y_mm: 42.0, z_mm: 2.0, depth_mm: 38.0, shape, capacity_ul: 200_000.0 },
        )]),
    };
    let mut place = |slot, name| rig.world.place_labware(slot, trough(name), at()).expect("placed");
    assert_eq!(place(slot, "one"), Placement::Placed);
    assert_eq!(place(slot, "one"), Placement::AlreadyThere);
    assert_eq!(place(slot, "two"), Placement::Placed);
    let lab = "corning_96_wellplate_360ul_flat".to_owned();
    assert_eq!(place(PLATE_SLOT, "one"), Placement::Occupied { by: lab });
    rig.transfer("B1", "A1", 50.0);
    assert!(!rig.in_well("A1").is_empty());
}

#[test]
fn the_operators_acts_are_checked() {
    let mut rig = Rig::new();
    let world = &mut rig.world;
    assert!(matches!(world.refill(VIALS_SLOT, "Z9", "red", 1.0, at()), Err(WorldError::NoSuchWell { .. })));
    assert!(matches!(world.refill(VIALS_SLOT, "B1", "red", 20_000.0, at()), Err(WorldError::BadVolume(_))));
    assert!(matches!(world.refill(VIALS_SLOT, "B1", "red", f64::NAN, at()), Err(WorldError::BadVolume(_))));
    assert!(matches!(world.refill(VIALS_SLOT, "B1", "", 1.0, at()), Err(WorldError::BadDye(_))));
    assert!(matches!(world.new_plate(TIPS_300_SLOT, at()), Err(WorldError::Unsuitable { .. })));
    assert!(matches!(world.remove_labware(PLATE_SLOT, at()), Err(WorldError::Unsuitable { .. })));
    assert_eq!(world.last_sequence(), 0, "nothing refused is recorded");
}

#[test]
fn the_deck_survives_a_restart_and_draws_new_errors_after_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let (truth, first) = {
        let mut rig = Rig::kept_in(directory.path());
        rig.transfer("B1", "A1", 100.0);
        rig.pick_up(TIPS_300_SLOT, "B2");
        rig.aspirate(VIALS_SLOT, "B2", 40.0);
        (rig.truth(), rig.in_well("A1"))
    };
    let mut rig = Rig::kept_in(directory.path());
    assert_eq!(rig.truth(), truth, "the tip still hangs there, full of yellow");
    rig.return_tip("B2");
    rig.transfer("B1", "A2", 100.0);
    assert_ne!(rig.in_well("A2"), first, "an error drawn twice is no error");

    let all = rig.world.ledger(None, 1_000).expect("the ledger");
    let sequences: Vec<_> = all.iter().map(|entry| entry.sequence).collect();
    assert_eq!(sequences, (1..=rig.world.last_sequence()).collect::<Vec<_>>());
    assert_eq!(rig.world.ledger(Some(3), 2).expect("a page"), all.get(3..5).expect("two"));
    assert!(rig.world.ledger(Some(u64::MAX), 2).expect("a page").is_empty());
}

#[test]
fn the_same_seed_makes_the_same_world() {
    let ledger = |seed| {
        let mut rig = Rig::seeded(seed);
        rig.transfer("B1", "A1", 77.0);
        rig.world.ledger(None, 100).expect("the ledger")
    };
    assert_eq!(ledger(3), ledger(3));
    assert_ne!(ledger(3), ledger(4));
}

#[test]
fn a_line_torn_by_a_crash_is_forgotten_at_every_length() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ledger.jsonl");
    let truth = {
        let mut rig = Rig::kept_in(directory.path());
        rig.transfer("B1", "A1", 100.0);
        rig.truth()
    };
    let whole = fs::read(&path).expect("the ledger");
    let last = whole.split_inclusive(|byte| *byte == b'\n').next_back().expect("a line");
    for torn in [1, last.len() / 2, last.len() - 1] {
        let mut bytes = whole.clone();
        bytes.extend_from_slice(last.get(..torn).expect("a part"));
        fs::write(&path, &bytes).expect("written");
        let mut rig = Rig::kept_in(directory.path());
        assert_eq!(rig.truth(), truth);
        assert_eq!(kinds(&rig.act(&Action::Home)), ["home"]);
        drop(rig);
        assert_eq!(Rig::kept_in(directory.path()).world.last_sequence(), 6);
        fs::write(&path, &whole).expect("written");
    }
}

#[test]
fn a_damaged_ledger_and_a_second_emulator_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let config = || WorldConfig { state_dir: Some(directory.path().to_owned()), ..WorldConfig::default() };
    let mut rig = Rig::kept_in(directory.path());
    rig.transfer("B1", "A1", 100.0);
    assert!(matches!(World::open(config()), Err(WorldError::InUse { .. })));
    drop(rig);
    let path = directory.path().join("ledger.jsonl");
    let text = fs::read_to_string(&path).expect("the ledger").replacen("aspirate", "inspire", 1);
    fs::write(&path, text).expect("written");
    assert!(matches!(World::open(config()), Err(WorldError::Damaged { line: 2, .. })));
}

#[test]
fn real_times_are_those_of_an_ot2() {
    let mut rig = Rig::new();
    let seconds = |rig: &Rig, action: &Action| rig.world.duration(action).as_secs_f64();
    assert!((5.0..20.0).contains(&seconds(&rig, &Action::Home)));
    let across = |speed_mm_s| Action::MoveNozzle {
        mount: Mount::Right,
        to: Point::new(18.0, 353.0, 190.0),
        travel: Travel::Direct,
        speed_mm_s,
    };
    assert!((1.0..1.5).contains(&seconds(&rig, &across(None))), "400 mm at 400 mm/s");
    assert!((4.0..4.5).contains(&seconds(&rig, &across(Some(100.0)))));
    rig.pick_up(TIPS_300_SLOT, "A1");
    let draw = |flow_ul_s| Action::Aspirate { mount: Mount::Right, volume_ul: 92.86, flow_ul_s };
    assert!((1.0..1.5).contains(&seconds(&rig, &draw(92.86))));
    assert_eq!(seconds(&rig, &draw(0.0)), 600.0, "bounded, whatever is asked");
    assert_eq!(seconds(&rig, &draw(f64::NAN)), 600.0);
}

#[test]
fn an_outlandish_place_is_no_panic() {
    let mut rig = Rig::new();
    for x in [f64::NAN, f64::INFINITY, -1e300, 1e9] {
        rig.end_to(Point::new(x, x, x));
        rig.act(&Action::PickUpTip { mount: Mount::Right });
    }
    assert_eq!(*rig.world.state().tool(Mount::Right), Tool::Nothing);
}

/// One step of a careless robot.
#[derive(Clone, Debug)]
enum Whim {
    PickUp(u8),
    Draw(u8, f64),
    Let(u8, f64, f64),
    Blow,
    Drop(u8),
    Home,
    NewPlate,
    Refill,
}

fn whim() -> impl Strategy<Value = Whim> {
    prop_oneof![
        2 => (0..4u8).prop_map(Whim::PickUp),
        4 => (0..8u8, 0.1..400.0).prop_map(|(place, ul)| Whim::Draw(place, ul)),
        4 => (0..8u8, 0.1..400.0, 0.0..60.0).prop_map(|(place, ul, height)| Whim::Let(place, ul, height)),
        1 => Just(Whim::Blow),
        1 => (0..4u8).prop_map(Whim::Drop),
        1 => Just(Whim::Home),
        1 => Just(Whim::NewPlate),
        1 => Just(Whim::Refill),
    ]
}

fn place(number: u8) -> (Slot, &'static str) {
    match number {
        0 => (VIALS_SLOT, "B1"),
        1 => (VIALS_SLOT, "B2"),
        2 => (VIALS_SLOT, "B3"),
        3 => (VIALS_SLOT, "A1"),
        4 => (PLATE_SLOT, "A1"),
        5 => (PLATE_SLOT, "A2"),
        6 => (TRASH_SLOT, "A1"),
        _ => (TIPS_300_SLOT, "H12"),
    }
}

fn follow(rig: &mut Rig, whim: &Whim) {
    let mount = Mount::Right;
    match *whim {
        Whim::PickUp(tip) => drop(rig.pick_up(TIPS_300_SLOT, ["A1", "B1", "C1", "H12"][usize::from(tip)])),
        Whim::Draw(number, ul) => drop(rig.aspirate(place(number).0, place(number).1, ul)),
        Whim::Let(number, ul, height) => drop(rig.dispense(place(number).0, place(number).1, height, ul)),
        Whim::Blow => drop(rig.blow_out()),
        Whim::Drop(number) => {
            let (slot, well) = [(TIPS_300_SLOT, "A1"), (TRASH_SLOT, "A1"), (PLATE_SLOT, "A1"), (TIPS_300_SLOT, "H12")]
                [usize::from(number)];
            rig.end_to(rig.top(slot, well).raised(-20.0));
            rig.act(&Action::DropTip { mount });
        }
        Whim::Home => drop(rig.act(&Action::Home)),
        Whim::NewPlate => drop(rig.world.new_plate(PLATE_SLOT, at()).expect("a plate")),
        Whim::Refill => drop(rig.world.refill(VIALS_SLOT, "B1", "red", 15_000.0, at()).expect("a vial")),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// No drop is made or lost, whatever a robot does; and the ledger alone tells where each is.
    #[test]
    fn liquid_is_conserved_and_the_ledger_tells_all(whims in proptest::collection::vec(whim(), 1..40), seed in 0..1_000u64) {
        let directory = tempfile::tempdir().expect("a directory");
        let config = WorldConfig { state_dir: Some(directory.path().to_owned()), seed, ..WorldConfig::default() };
        let mut rig = Rig::with(config.clone());
        let before = rig.world.state().balance();
        for whim in &whims {
            follow(&mut rig, whim);
        }
        let after = rig.world.state().balance();
        for (dye, ul) in &before {
            let now = after.get(dye).copied().unwrap_or(0.0);
            prop_assert!((now - ul).abs() < 0.001, "{} was {} and is {}", dye, ul, now);
        }
        let truth = rig.truth();
        drop(rig);
        prop_assert_eq!(Rig::with(config).truth(), truth);
    }
}

#[test]
fn a_tip_reaches_as_far_as_the_robot_reports() {
    let mut rig = Rig::new();
    rig.pick_up(TIPS_300_SLOT, "A1");
    assert!((rig.world.state().tool(Mount::Right).reach_mm() - TIP_REACH_MM).abs() < 1e-9);
}

#[test]
fn an_air_gap_comes_out_before_the_dye_and_takes_none_of_it_along() {
    let mut rig = Rig::new();
    rig.pick_up(TIPS_300_SLOT, "A1");
    rig.end_to(rig.bottom(VIALS_SLOT, "B1").raised(1.0));
    rig.act(&Action::Aspirate { mount: Mount::Right, volume_ul: 60.0, flow_ul_s: 92.86 });
    rig.end_to(rig.top(VIALS_SLOT, "B1").raised(2.0));
    let drawn = rig.act(&Action::Aspirate { mount: Mount::Right, volume_ul: 10.0, flow_ul_s: 92.86 });
    assert_eq!(kinds(&drawn), ["air"]);
    rig.end_to(rig.top(PLATE_SLOT, "A1").raised(2.0));
    let let_out = rig.act(&Action::Dispense { mount: Mount::Right, volume_ul: 10.0, flow_ul_s: 92.86 });
    assert_eq!(kinds(&let_out), ["air"]);
    assert!(rig.in_well("A1").is_empty());
    rig.end_to(rig.bottom(PLATE_SLOT, "A1").raised(8.5));
    rig.act(&Action::Dispense { mount: Mount::Right, volume_ul: 60.0, flow_ul_s: 92.86 });
    let limit = stated_pipette_error(PipetteModel::P300SingleGen2, 60.0).limit_ul;
    assert!((rig.in_well("A1")[0].1 - 60.0).abs() <= limit);
}

#[test]
fn a_p1000_takes_its_own_tips_on_either_mount() {
    for mount in [Mount::Left, Mount::Right] {
        let p1000 = Some(PipetteModel::P1000SingleGen2);
        let mut rig = Rig::with(WorldConfig { left: p1000, right: p1000, ..WorldConfig::default() });
        rig.mount = mount;
        assert_eq!(kinds(&rig.pick_up(TIPS_300_SLOT, "A1")), ["miss"], "a p1000 in a rack of 300 µL tips");
        assert_eq!(kinds(&rig.pick_up(TIPS_1000_SLOT, "A1")), ["pick_up_tip"]);
    }
}
