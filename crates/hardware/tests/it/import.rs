//! What is read from protocols that others wrote: the mixture, or line by line why there is none.

use domain::{Deck, Volume};
use hardware::ot2::{DyeSources, LARGEST_PROTOCOL, MOST_COMMANDS, Mixing, ProtocolDocument, Remark, Unreadable};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A protocol of schema 8 for the training lab's deck.
struct Script(Vec<Value>);

impl Script {
    fn new() -> Self {
        let mut script = Self(Vec::new());
        script.pipette("p", "p300_single_gen2");
        script.labware("tips", "opentrons", "opentrons_96_tiprack_300ul", json!({"slotName": "9"}));
        script.labware("plate", "opentrons", "corning_96_wellplate_360ul_flat", json!({"slotName": "1"}));
        script.labware("vials", "custom_beta", "ac_6_tuberack_15000ul", json!({"slotName": "3"}));
        script
    }

    fn tell(&mut self, kind: &str, params: Value) -> &mut Self {
        self.0.push(json!({"commandType": kind, "params": params}));
        self
    }

    fn pipette(&mut self, id: &str, name: &str) -> &mut Self {
        self.tell("loadPipette", json!({"pipetteId": id, "pipetteName": name, "mount": "right"}))
    }

    fn labware(&mut self, id: &str, namespace: &str, name: &str, location: Value) -> &mut Self {
        let params =
            json!({"labwareId": id, "namespace": namespace, "loadName": name, "version": 1, "location": location});
        self.tell("loadLabware", params)
    }

    fn tip(&mut self) -> &mut Self {
        self.tell("pickUpTip", json!({"pipetteId": "p", "labwareId": "tips", "wellName": "A1"}))
    }

    fn drop(&mut self) -> &mut Self {
        self.tell("dropTip", json!({"pipetteId": "p", "labwareId": "fixedTrash", "wellName": "A1"}))
    }

    /// 2 mm above the bottom.
    fn stroke(&mut self, kind: &str, labware: &str, well: &str, ul: f64) -> &mut Self {
        self.stroke_at(kind, labware, well, ul, json!({"origin": "bottom", "offset": {"x": 0, "y": 0, "z": 2}}))
    }

    fn stroke_at(&mut self, kind: &str, labware: &str, well: &str, ul: f64, location: Value) -> &mut Self {
        let params =
            json!({"pipetteId": "p", "labwareId": labware, "wellName": well, "volume": ul, "wellLocation": location});
        self.tell(kind, params)
    }

    fn draw(&mut self, labware: &str, well: &str, ul: f64) -> &mut Self {
        self.stroke("aspirate", labware, well, ul)
    }

    fn give(&mut self, well: &str, ul: f64) -> &mut Self {
        self.stroke("dispense", "plate", well, ul)
    }

    fn json(&self) -> Value {
        json!({
            "$otSharedSchema": "#/protocol/schemas/8", "schemaVersion": 8, "metadata": {"protocolName": "Greens"},
            "robot": {"model": "OT-2 Standard", "deckId": "ot2_standard"}, "labwareDefinitions": {},
            "liquids": {"1": {"displayName": "Red"}, "2": {"displayName": "Rosé"}},
            "commands": self.0,
        })
    }

    fn mixing_with(&self, sources: &str) -> Mixing {
        let document = ProtocolDocument::read(self.json().to_string().as_bytes()).expect("a protocol");
        document.mixing(&Deck::default(), &sources.parse::<DyeSources>().expect("sources"))
    }

    fn mixing(&self) -> Mixing {
        self.mixing_with("")
    }

    /// The one problem.
    fn problem(&self) -> Remark {
        let problems = self.mixing().problems;
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems.into_iter().next().expect("one")
    }
}

/// `A1 red 60, yellow 30; B1 blue 20`
fn told(mixing: &Mixing) -> String {
    let well = |(well, recipe): (&domain::WellName, &domain::Recipe)| {
        let amounts: Vec<_> = recipe.iter().map(|(dye, volume)| format!("{dye} {}", volume.ul())).collect();
        format!("{well} {}", amounts.join(", "))
    };
    mixing.wells.iter().map(well).collect::<Vec<_>>().join("; ")
}

#[track_caller]
fn assert_mixes(script: &Script, expected: &str) {
    let mixing = script.mixing();
    assert_eq!(mixing.problems, [], "{}", told(&mixing));
    assert_eq!(told(&mixing), expected);
}

#[test]
fn what_is_drawn_from_the_decks_vials_and_given_to_its_plate_is_the_recipe() {
    let mut script = Script::new();
    script.tip().draw("vials", "B1", 90.0).give("B1", 60.0).give("A1", 30.0).drop();
    script.tip().draw("vials", "B3", 20.0).give("A1", 20.0).drop();
    assert_mixes(&script, "A1 blue 20, red 30; B1 red 60");
}

#[test]
fn handling_changes_nothing_and_is_named() {
    let mut script = Script::new();
    let high = json!({"origin": "top", "offset": {"x": 0, "y": 0, "z": 5}});
    script.tell("home", json!({})).tell("comment", json!({"message": "reds first"}));
    // Mixed in its vial, drawn with more than is given, with an air gap before and after.
    script.tip().stroke_at("aspirate", "vials", "B1", 10.0, high.clone());
    script.draw("vials", "B1", 50.0).stroke("dispense", "vials", "B1", 50.0).draw("vials", "B1", 70.0);
    script.stroke_at("aspirate", "vials", "B1", 5.0, high).give("A1", 65.0);
    script.tell("touchTip", json!({"pipetteId": "p", "labwareId": "plate", "wellName": "A1"}));
    script.stroke("blowout", "vials", "A1", 0.0).drop();
    script.tell("waitForDuration", json!({"seconds": 60}));
    // Mixed in the well, and blown out there.
    script.tip().draw("vials", "B2", 30.0).give("A1", 30.0).draw("plate", "A1", 60.0).give("A1", 60.0);
    script.stroke("blowout", "plate", "A1", 0.0).drop();
    assert_mixes(&script, "A1 red 60, yellow 30");
    let notes: Vec<_> = script.mixing().notes.into_iter().map(|note| note.text).collect();
    for said in ["air gaps", "mixing by drawing", "blowing out", "touching", "timed waits", "comments", "tips:"] {
        assert!(notes.iter().any(|note| note.contains(said)), "{said}: {notes:?}");
    }
}

#[test]
fn a_reservoir_is_understood_by_its_declared_liquid_or_by_what_the_importer_says() {
    let mut script = Script::new();
    script.labware("pool", "opentrons", "nest_12_reservoir_15ml", json!({"slotName": "2"}));
    script.tell("loadLiquid", json!({"labwareId": "pool", "liquidId": "1", "volumeByWell": {"A1": 9000}}));
    script.tip().draw("pool", "A1", 60.0).give("A1", 60.0).drop();
    assert_mixes(&script, "A1 red 60");
    script.tip().draw("pool", "A2", 40.0).give("A1", 40.0).drop();
    let problem = script.problem();
    assert!(problem.text.contains("A2 of nest_12_reservoir_15ml (slot 2)"), "{problem:?}");
    assert!(problem.text.contains("2/A2=red") && problem.command == Some(12), "{problem:?}");
    let mixing = script.mixing_with("2/A2=blue");
    assert_eq!((told(&mixing).as_str(), mixing.problems.len()), ("A1 blue 40, red 60", 0));
    // What the person says counts more than a label.
    assert_eq!(told(&script.mixing_with("2/a1=yellow; 2/A2=blue")), "A1 blue 40, yellow 60");
    let stranger = script.mixing_with("2/A1=green 2/A2=blue").problems;
    assert!(stranger[0].text.contains("green is no dye of this deck, which has red, yellow, blue"), "{stranger:?}");
    script.tell("loadLiquid", json!({"labwareId": "pool", "liquidId": "2", "volumeByWell": {"A2": 9000}}));
    assert!(script.problem().text.contains("it holds “Rosé”"));
}

#[test]
fn a_vial_with_another_label_is_what_the_label_says() {
    let mut script = Script::new();
    script.tell("loadLiquid", json!({"labwareId": "vials", "liquidId": "1", "volumeByWell": {"B3": 9000}}));
    script.tip().draw("vials", "B3", 60.0).give("A1", 60.0).drop();
    assert_mixes(&script, "A1 red 60");
}

/// What is done to a protocol that mixes one well, and what is said of it.
type Change = (&'static str, fn(&mut Script) -> &mut Script);

#[test]
fn what_might_change_a_mixture_is_refused_by_name_with_its_command() {
    let changes: &[Change] = &[
        ("uses a device that this lab doesn't have: heaterShaker", |s| {
            s.tell("heaterShaker/setAndWaitForShakeSpeed", json!({"moduleId": "m", "rpm": 500}))
        }),
        ("loads temperatureModuleV2", |s| s.tell("loadModule", json!({"model": "temperatureModuleV2"}))),
        ("waits for a person", |s| s.tell("waitForResume", json!({"message": "swap the plate"}))),
        ("waits for a person", |s| s.tell("delay", json!({"waitForResume": true}))),
        ("moves labware", |s| s.tell("moveLabware", json!({"labwareId": "plate"}))),
        ("sing is nothing that this lab does", |s| s.tell("sing", json!({}))),
        ("uses some nozzles of many", |s| s.tell("configureNozzleLayout", json!({}))),
        ("moves liquid from well A1 to well B1", |s| s.draw("plate", "A1", 30.0).give("B1", 30.0)),
        ("moves liquid from well A1 to the waste", |s| s.draw("plate", "A1", 30.0)),
        ("moves liquid from well A1 to the vessel of red", |s| {
            s.draw("plate", "A1", 30.0).stroke("dispense", "vials", "B1", 30.0)
        }),
        ("draws from well C3, which holds no dye yet", |s| s.draw("plate", "C3", 30.0).give("C3", 30.0)),
        ("draws from the waste", |s| s.draw("vials", "A1", 30.0).give("A1", 30.0)),
        ("draws from C1 of ac_6_tuberack_15000ul (slot 3): it isn't said what it holds", |s| {
            s.draw("vials", "C1", 30.0).give("A1", 30.0)
        }),
        ("puts red into the vessel of blue", |s| s.draw("vials", "B1", 30.0).stroke("dispense", "vials", "B3", 30.0)),
        ("gives 40 µL from a tip that holds 30 µL", |s| s.draw("vials", "B1", 30.0).give("A1", 40.0)),
        ("gives a part of a tip that holds red and blue", |s| {
            s.draw("vials", "B1", 30.0)
                .draw("vials", "B3", 30.0)
                .give("A1", 40.0)
                .stroke("dispense", "vials", "A1", 20.0)
        }),
        ("draws from a well while the tip still holds a dye", |s| {
            s.draw("vials", "B1", 60.0).give("A1", 30.0).draw("plate", "A1", 20.0).give("A1", 50.0)
        }),
        ("blows 10 µL of red out into well A1", |s| {
            s.draw("vials", "B1", 30.0).give("A1", 20.0).stroke("blowout", "plate", "A1", 0.0)
        }),
        ("beside the middle of A1", |s| {
            let aside = json!({"origin": "bottom", "offset": {"x": 9, "y": 0, "z": 2}});
            s.draw("vials", "B1", 30.0).stroke_at("dispense", "plate", "A1", 30.0, aside).draw("vials", "B1", 0.0)
        }),
        ("at a height that isn't said", |s| {
            s.stroke_at("aspirate", "vials", "B1", 30.0, json!({"offset": {"z": 2}})).give("A1", 30.0)
        }),
        ("it isn't said which well the tip is in", |s| {
            s.tell("moveToCoordinates", json!({"pipetteId": "p"}))
                .tell("aspirateInPlace", json!({"pipetteId": "p", "volume": 30, "flowRate": 90}))
        }),
        ("moves no volume that a tip holds", |s| s.draw("vials", "B1", -30.0)),
        ("moves no volume that a tip holds", |s| s.draw("vials", "B1", 1e300)),
        ("draws more than p300_single_gen2 takes, 300 µL", |s| {
            s.draw("vials", "B1", 200.0).draw("vials", "B1", 101.0).give("A2", 301.0)
        }),
        ("doesn't say how high a tip is", |s| s.tell("custom", json!({"legacyCommandType": "command.TOUCH_TIP"}))),
        ("with a pipette that no command loads", |s| {
            s.tell("aspirate", json!({"pipetteId": "x", "labwareId": "vials", "wellName": "B1", "volume": 30}))
        }),
    ];
    for (said, change) in changes {
        let mut script = Script::new();
        script.tip().draw("vials", "B1", 60.0).give("A1", 60.0);
        let first = script.0.len() + 1;
        change(&mut script).drop();
        let problem =
            script.mixing().problems.into_iter().next().unwrap_or_else(|| panic!("nothing is said of {said}"));
        assert!(problem.text.contains(said), "{said}: {problem:?}");
        assert!(problem.command.is_some_and(|command| command >= first), "{problem:?}");
    }
}

#[test]
fn other_pipettes_plates_and_racks_are_named_once_with_how_often() {
    let mut script = Script::new();
    script.pipette("p", "p1000_single_gen2").tip();
    script.draw("vials", "B1", 60.0).give("A1", 60.0).drop();
    let problem = script.problem();
    assert_eq!((problem.command, problem.times), (Some(7), 2));
    assert!(
        problem.text.contains("p1000_single_gen2, which this deck doesn't have: it has p300_single_gen2"),
        "{problem:?}"
    );
    let mut script = Script::new();
    script.pipette("p", "p300_multi_gen2").tip().draw("vials", "B1", 60.0).give("A1", 60.0).drop();
    assert!(script.problem().text.contains("in several wells at once"));

    let mut script = Script::new();
    script.labware("other", "opentrons", "corning_384_wellplate_112ul_flat", json!({"slotName": "2"})).tip();
    script
        .draw("vials", "B1", 60.0)
        .stroke("dispense", "other", "A1", 30.0)
        .stroke("dispense", "other", "A3", 30.0)
        .drop();
    let problem = script.problem();
    assert!(
        problem.text.contains("into corning_384_wellplate_112ul_flat (slot 2): this deck mixes in corning_96"),
        "{problem:?}"
    );
    assert_eq!(problem.times, 2);
    let mut script = Script::new();
    script.labware("pool", "opentrons", "nest_12_reservoir_15ml", json!({"moduleId": "m"})).tip();
    script.draw("pool", "A1", 60.0).give("A1", 60.0).drop();
    assert!(script.problem().text.contains("on a module, an adapter or beside the deck"));
}

#[test]
fn what_the_deck_cant_measure_is_said_with_the_wells() {
    let mut script = Script::new();
    script.tip().draw("vials", "B1", 15.0).give("A1", 5.0).give("B1", 5.0).give("C1", 5.0).drop();
    for _ in 0..2 {
        script.tip().draw("vials", "B2", 200.0).give("D1", 200.0).drop();
    }
    let problems = script.mixing().problems;
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].text.starts_with("A1–C1: 5 µL of red is less than"), "{problems:?}");
    assert!(problems[1].text.contains("D1: the amounts add up to 400 µL"), "{problems:?}");
    let mut script = Script::new();
    script.tip().draw("vials", "B1", 100.0 / 3.0).give("A1", 100.0 / 3.0).drop();
    assert_mixes(&script, "A1 red 33.3");
    assert!(script.mixing().notes.iter().any(|note| note.text.contains("rounded to 0.1 µL")));
}

#[test]
fn a_plate_that_isnt_empty_is_refused() {
    let mut script = Script::new();
    script.tell("loadLiquid", json!({"labwareId": "plate", "liquidId": "2", "volumeByWell": {"A1": 50, "B1": 50}}));
    script.tell("loadLiquid", json!({"labwareId": "plate", "liquidId": "EMPTY", "volumeByWell": {"C1": 0}}));
    script.tip().draw("vials", "B1", 60.0).give("A1", 60.0).drop();
    assert!(script.problem().text.contains("2 wells of the plate hold “Rosé” beforehand"));
    assert!(Script::new().problem().text.contains("puts none of this deck's dyes into a well"));
}

#[test]
fn files_that_are_no_protocol_say_what_to_do() {
    let refusal = |text: &str| ProtocolDocument::read(text.as_bytes()).expect_err(text);
    assert!(matches!(refusal("from opentrons import protocol_api\n"), Unreadable::Python));
    assert!(matches!(refusal("{"), Unreadable::NotJson(_)));
    assert!(matches!(refusal("{\"schemaVersion\": 8}"), Unreadable::NoCommands));
    assert!(matches!(refusal("{\"schemaVersion\": 5, \"commands\": []}"), Unreadable::Schema(5)));
    assert!(matches!(refusal("{\"robotType\": \"OT-3 Standard\", \"commands\": []}"), Unreadable::Flex));
    let old = "{\"config\": {\"protocolType\": \"python\", \"apiVersion\": [2, 13]}, \"commands\": []}";
    assert!(refusal(old).to_string().contains("API level 2.13"));
    let failed = "{\"errors\": [{\"detail\": \"NameError [line 4]: no p300\"}], \"commands\": []}";
    assert!(refusal(failed).to_string().contains("NameError [line 4]"));
    assert!(matches!(ProtocolDocument::read(&vec![b' '; LARGEST_PROTOCOL + 1]), Err(Unreadable::TooLarge)));
    let many = format!("{{\"commands\": [{}]}}", vec!["{\"commandType\": \"home\"}"; MOST_COMMANDS + 1].join(","));
    assert!(refusal(&many).to_string().contains("more than 20000 commands"));
    let deep = format!(
        "{{\"commands\": [{{\"commandType\": \"a\", \"params\": {}1{}}}]}}",
        "[".repeat(9_000),
        "]".repeat(9_000)
    );
    assert!(matches!(refusal(&deep), Unreadable::NotJson(_)));
}

#[test]
fn an_answer_of_a_robot_server_is_an_analysis_too_and_lines_are_told() {
    let mut script = Script::new();
    script.tell("waitForResume", json!({}));
    script.0.last_mut().expect("one")["key"] = json!("line-23-7");
    let wrapped = json!({"data": {"id": "x", "status": "completed", "commands": script.0}});
    let document = ProtocolDocument::read(wrapped.to_string().as_bytes()).expect("an analysis");
    let problem = document.mixing(&Deck::default(), &DyeSources::default()).problems.remove(0);
    assert_eq!((problem.command, problem.line), (Some(5), Some(23)));
}

#[test]
fn schema_6_says_beside_its_commands_what_they_load() {
    let mut script = Script::new();
    script.tip().draw("vials", "B1", 60.0).give("A1", 60.0).drop();
    let mut json = script.json();
    json["schemaVersion"] = json!(6);
    json["pipettes"] = json!({"p": {"name": "p300_single_gen2"}});
    let mut labware = json!({});
    let mut definitions = json!({});
    for command in json["commands"].as_array_mut().expect("commands") {
        let params = command["params"].as_object_mut().expect("params");
        params.remove("pipetteName");
        let (Some(name), Some(namespace)) = (params.remove("loadName"), params.remove("namespace")) else { continue };
        let uri = format!("{}/{}/1", namespace.as_str().expect("text"), name.as_str().expect("text"));
        labware[params["labwareId"].as_str().expect("an id")] = json!({"displayName": "x", "definitionId": uri});
        definitions[&uri] =
            json!({"namespace": namespace, "version": 1, "parameters": {"loadName": name}, "wells": {}});
    }
    json["labware"] = labware;
    json["labwareDefinitions"] = definitions;
    let document = ProtocolDocument::read(json.to_string().as_bytes()).expect("a protocol");
    let mixing = document.mixing(&Deck::default(), &DyeSources::default());
    assert_eq!((told(&mixing).as_str(), mixing.problems.len()), ("A1 red 60", 0), "{:?}", mixing.problems);
}

/// Anything that JSON can say, with words of protocols among it.
fn anything() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just("p"),
        Just("plate"),
        Just("vials"),
        Just("A1"),
        Just("B1"),
        Just("top"),
        Just("bottom"),
        Just("fixedTrash"),
        Just("1")
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-1e3..1e3f64).prop_map(Value::from),
        word.prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(key(), inner, 0..5).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    let known = [
        "pipetteId",
        "labwareId",
        "wellName",
        "volume",
        "wellLocation",
        "offset",
        "origin",
        "z",
        "location",
        "slotName",
        "loadName",
        "namespace",
        "version",
        "volumeByWell",
        "liquidId",
        "pipetteName",
        "commandType",
        "params",
        "result",
        "key",
        "data",
        "commands",
    ];
    prop_oneof![3 => prop::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => ".{0,6}"]
}

fn command() -> impl Strategy<Value = Value> {
    let kinds = [
        "loadPipette",
        "loadLabware",
        "loadLiquid",
        "pickUpTip",
        "aspirate",
        "aspirateInPlace",
        "airGapInPlace",
        "dispense",
        "dispenseInPlace",
        "blowout",
        "dropTip",
        "dropTipInPlace",
        "moveToWell",
        "touchTip",
        "home",
        "delay",
        "sing",
    ];
    let params = prop_oneof![1 => anything().boxed(), 4 => plausible().boxed()];
    (prop::sample::select(kinds.to_vec()), params)
        .prop_map(|(kind, params)| json!({"commandType": kind, "params": params}))
}

fn plausible() -> impl Strategy<Value = Value> {
    let vessel = prop::sample::select(vec!["plate", "vials", "tips", "fixedTrash", "nowhere"]);
    let well = prop::sample::select(vec!["A1", "B1", "B2", "B3", "A2", "Z9"]);
    let height = prop::sample::select(vec![-3.0, 0.0, 2.0, 40.0, 200.0]);
    let origin = prop::sample::select(vec!["top", "bottom", "center", "edge"]);
    (vessel, well, height, origin, 0u32..400).prop_map(|(labware, well, z, origin, tenths)| {
        json!({"pipetteId": "p", "labwareId": labware, "wellName": well, "volume": f64::from(tenths) / 10.0,
               "wellLocation": {"origin": origin, "offset": {"x": 0, "y": 0, "z": z}}})
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = ProtocolDocument::read(&bytes);
    }

    #[test]
    fn no_document_makes_it_panic(document in anything()) {
        if let Ok(read) = ProtocolDocument::read(document.to_string().as_bytes()) {
            read.mixing(&Deck::default(), &DyeSources::default());
        }
    }

    /// Whatever is done: either it is refused, or no more is in the wells than was drawn from vials.
    #[test]
    fn no_commands_make_it_panic_or_more_of_a_dye_than_was_drawn(commands in prop::collection::vec(command(), 0..40)) {
        let mut script = Script::new();
        script.tip();
        script.0.extend(commands);
        let mixing = script.mixing();
        let drawn: f64 = script.0.iter().filter(|command| command["commandType"].as_str().is_some_and(|kind| kind.starts_with("aspirate")))
            .filter_map(|command| command["params"]["volume"].as_f64()).filter(|ul| *ul > 0.0).sum();
        if mixing.problems.is_empty() {
            let given: Volume = mixing.wells.values().map(domain::Recipe::total).sum();
            prop_assert!(given.ul() <= drawn + 1.0, "{} of {drawn}", given.ul());
            for recipe in mixing.wells.values() {
                prop_assert!(recipe.check(&Deck::default()).is_ok());
            }
        }
    }
}
