//! `tincture robot add|edit|rename|remove|apply|export`: robots as files and flags say them.

use super::{person, steer};
use crate::cli::{By, RobotEdit};
use anyhow::{Context, bail};
use domain::{
    BlankCheck, Deck, Mount, PipetteModel, RobotSetup, SetupChange,
    labware::{LARGEST_DEFINITION, MOST_DEFINITIONS},
};
use serde::Deserialize;
use std::{
    fs::File,
    io::{self, BufRead, IsTerminal, Read, Write},
    path::Path,
};
use store::{ChangedBy, Robot, Store};
use toml::Table;
use views::setup_text;
use workflow::{Lab, Losses, SetupPlan, setup_of};

/// Of a file that says a robot, its definitions included.
const LARGEST_FILE: u64 = ((MOST_DEFINITIONS + 1) * LARGEST_DEFINITION) as u64;

/// What `robot add` says of the deck.
#[derive(Clone, Copy, Debug, Default)]
pub struct Added {
    pub with_p20: bool,
    pub left: Option<PipetteModel>,
    pub right: Option<PipetteModel>,
    pub blank_check: Option<BlankCheck>,
    pub doubt_delta_e: Option<f64>,
    pub reads: Option<u8>,
}

impl Added {
    /// The deck of a robot that there is stays what it is but for this.
    fn deck(self, known: Option<&Deck>) -> Deck {
        let mut deck = match known {
            None if self.left.is_some() || self.right.is_some() => Deck::with_pipettes(self.left, self.right),
            _ => known.cloned().unwrap_or_default(),
        };
        for (mount, model) in [(Mount::Left, self.left), (Mount::Right, self.right)] {
            model.into_iter().for_each(|model| deck.hang(mount, model));
        }
        if self.with_p20 && deck.pipette(Mount::Left).is_none() {
            let p20 = Deck::with_p20().pipettes.into_iter().filter(|pipette| pipette.mount == Mount::Left);
            deck.pipettes.extend(p20);
        }
        deck.blank_check = self.blank_check.unwrap_or(deck.blank_check);
        deck.doubt_delta_e = self.doubt_delta_e.unwrap_or(deck.doubt_delta_e);
        deck.reads = self.reads.unwrap_or(deck.reads);
        deck
    }
}

/// How a file is taken.
#[derive(Clone, Copy, Debug)]
pub struct How<'a> {
    /// The robot's name now, where the file has a new one.
    pub robot: Option<&'a str>,
    pub losses: Losses,
    pub only_shown: bool,
}

/// Adds a robot, or changes the one of this name.
pub async fn add(lab: &Lab, store: &Store, setup: RobotSetup, added: Added, by: &By) -> anyhow::Result<()> {
    let by = anybody(store, by).await?;
    let known = lab.robot(&setup.name).await?;
    let deck = added.deck(known.as_ref().map(|robot| &robot.deck));
    let setup = RobotSetup { deck: Some((&deck).into()), ..setup };
    let plan = lab.plan_setup(known, &setup).await?;
    let robot = lab.set_up(&plan, Losses::Refused, by).await?;
    let mut out = io::stdout().lock();
    tell_notes(&mut out, &plan)?;
    Ok(writeln!(out, "{} is added: drive it with `tincture worker --robot {}`", robot.name, robot.name)?)
}

/// Changes what is said.
pub async fn edit(lab: &Lab, store: &Store, name: &str, edit: &RobotEdit, by: &By) -> anyhow::Result<()> {
    let robot = steer::named(store, name).await?;
    let mut setup = setup_of(&robot);
    let RobotEdit { url, sensor, kind, attendance } = edit.clone();
    setup.url = url.unwrap_or(setup.url);
    setup.sensor = sensor.unwrap_or(setup.sensor);
    setup.kind = kind.unwrap_or(setup.kind);
    setup.attendance = attendance.unwrap_or(setup.attendance);
    let plan = lab.plan_setup(Some(robot), &RobotSetup { deck: None, ..setup }).await?;
    carry_out(lab, store, &plan, Losses::Refused, by).await
}

pub async fn rename(lab: &Lab, store: &Store, name: &str, to: &str, by: &By) -> anyhow::Result<()> {
    let robot = steer::named(store, name).await?;
    let setup = RobotSetup { name: to.to_owned(), deck: None, ..setup_of(&robot) };
    let plan = lab.plan_setup(Some(robot), &setup).await?;
    carry_out(lab, store, &plan, Losses::Refused, by).await?;
    Ok(writeln!(
        io::stdout(),
        "A worker that was started with `--robot {name}` drives it on, also after its restart, until another robot is called so."
    )?)
}

pub async fn remove(lab: &Lab, store: &Store, name: &str, is_sure: bool, by: &By) -> anyhow::Result<()> {
    let robot = steer::named(store, name).await?;
    let user = person::administering(store, by).await?;
    if !is_sure && !asked(&format!("Remove {name}? What it did stays; its worker loses it. [y/N] "))? {
        bail!("nothing was changed: say --yes, or answer y, to remove {name}");
    }
    lab.remove_robot(&robot, &user.email, ChangedBy { user: Some(user.id), ip: None }).await?;
    Ok(writeln!(io::stdout(), "{name} is removed; its experiments and its journal stay.")?)
}

/// A terminal's answer; nobody answers elsewhere.
fn asked(question: &str) -> anyhow::Result<bool> {
    let input = io::stdin();
    if !input.is_terminal() {
        return Ok(false);
    }
    let mut out = io::stdout().lock();
    write!(out, "{question}")?;
    out.flush()?;
    let mut answer = String::new();
    input.lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Makes a robot what a file says.
pub async fn apply(lab: &Lab, store: &Store, file: &Path, how: How<'_>, by: &By) -> anyhow::Result<()> {
    let setup = read(file).with_context(|| format!("{} can't be taken", file.display()))?;
    let robot = match how.robot {
        Some(name) => Some(steer::named(store, name).await?),
        None => lab.robot(&setup.name).await?,
    };
    let plan = lab.plan_setup(robot, &setup).await?;
    if how.only_shown {
        let mut out = io::stdout().lock();
        tell(&mut out, &plan)?;
        return Ok(writeln!(out, "Nothing was changed (--dry-run).")?);
    }
    carry_out(lab, store, &plan, how.losses, by).await
}

/// Says what changes and does it.
async fn carry_out(lab: &Lab, store: &Store, plan: &SetupPlan, losses: Losses, by: &By) -> anyhow::Result<()> {
    tell(&mut io::stdout().lock(), plan)?;
    if !plan.changes_something() {
        return Ok(());
    }
    let user = person::administering(store, by).await?;
    let done = lab.set_up(plan, losses, ChangedBy { user: Some(user.id), ip: None }).await;
    let hint = match losses {
        Losses::Refused if plan.stranded > 0 || !plan.forgets().is_empty() => {
            "nothing was changed (`robot apply --replace` allows it)"
        }
        _ => "nothing was changed",
    };
    let robot = done.context(hint)?;
    Ok(writeln!(io::stdout(), "{} is set up.", robot.name)?)
}

fn tell(out: &mut impl Write, plan: &SetupPlan) -> io::Result<()> {
    match (&plan.robot, plan.changes.as_slice()) {
        (None, _) => writeln!(out, "{} is new", plan.wanted.name)?,
        (Some(robot), []) => writeln!(out, "{} is so already", robot.name)?,
        (Some(robot), changes) => {
            writeln!(out, "{}", robot.name)?;
            for change in changes {
                writeln!(out, "{}", line(change))?;
            }
        }
    }
    if plan.stranded > 0 {
        writeln!(out, "  ! {} waiting experiments could be mixed by no robot any more", plan.stranded)?;
    }
    tell_notes(out, plan)
}

fn tell_notes(out: &mut impl Write, plan: &SetupPlan) -> io::Result<()> {
    plan.notes.iter().try_for_each(|note| writeln!(out, "  note: {note}"))
}

fn line(change: &SetupChange) -> String {
    let SetupChange { at, before, after, forgets } = change;
    let (sign, lost) = if *forgets { ("!", "; what was counted of it is forgotten") } else { (" ", "") };
    match (before, after) {
        (None, Some(after)) => format!("  {sign} + {at}: {after}{lost}"),
        (Some(before), None) => format!("  {sign} - {at}: {before}{lost}"),
        (Some(before), Some(after)) => format!("  {sign} ~ {at}: {before} → {after}{lost}"),
        (None, None) => format!("  {sign}   {at}"),
    }
}

/// Writes a robot down.
pub async fn export(store: &Store, name: &str, as_json: bool) -> anyhow::Result<()> {
    let robot = steer::named(store, name).await?;
    Ok(io::stdout().write_all(written(&robot, as_json)?.as_bytes())?)
}

fn written(robot: &Robot, as_json: bool) -> anyhow::Result<String> {
    let setup = setup_of(robot);
    if as_json { Ok(serde_json::to_string_pretty(&setup)? + "\n") } else { Ok(setup_text(&setup)?) }
}

/// What a file says; JSON where it is called so. Files that it names as `definition_files` of the deck are read from where
/// it lies.
fn read(file: &Path) -> anyhow::Result<RobotSetup> {
    let text = read_text(file, LARGEST_FILE)?;
    if file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
        return Ok(serde_json::from_str(&text)?);
    }
    let mut table: Table = toml::from_str(&text)?;
    if let Some(toml::Value::Table(deck)) = table.get_mut("deck") {
        take_in_files(deck, file.parent().unwrap_or(Path::new(".")))?;
        let is_said = deck.contains_key("slots") || deck.contains_key("pipettes");
        if !is_said {
            bail!("its deck says neither `pipettes` nor `slots`: say them, or leave the deck out to keep it as it is");
        }
    }
    Ok(table.try_into()?)
}

fn take_in_files(deck: &mut Table, beside: &Path) -> anyhow::Result<()> {
    let Some(files) = deck.remove("definition_files") else { return Ok(()) };
    let files = Vec::<String>::deserialize(files).context("`definition_files` is a list of file names")?;
    let texts = files.iter().map(|file| {
        let text = read_text(&beside.join(file), LARGEST_DEFINITION as u64);
        text.with_context(|| format!("the definition {file} can't be read"))
    });
    let texts = texts.collect::<anyhow::Result<Vec<_>>>()?;
    let definitions = deck.entry("definitions").or_insert_with(|| toml::Value::Array(Vec::new()));
    let Some(definitions) = definitions.as_array_mut() else { bail!("`definitions` is a list") };
    definitions.extend(texts.into_iter().map(toml::Value::String));
    Ok(())
}

fn read_text(file: &Path, most: u64) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = File::open(file)?.take(most + 1).read_to_string(&mut text)?;
    if read as u64 > most {
        bail!("it has more than {} kB", most / 1024);
    }
    Ok(text)
}

/// As [`person::administering`]; nobody where nobody was named and no administrator is there yet: a robot may be added before
/// anybody has an account.
async fn anybody(store: &Store, by: &By) -> anyhow::Result<ChangedBy> {
    match person::administering(store, by).await {
        Ok(user) => Ok(ChangedBy { user: Some(user.id), ip: None }),
        Err(error) if by.email.is_some() => Err(error),
        Err(_) => Ok(ChangedBy::default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::DeckSetup;

    fn setup() -> RobotSetup {
        RobotSetup {
            name: "bench-1".to_owned(),
            kind: domain::RobotKind::Ot2,
            attendance: domain::Attendance::Operator,
            url: "http://10.0.0.21:31950".to_owned(),
            sensor: "tcp://10.0.0.31:5000".to_owned(),
            deck: Some(DeckSetup::from(&Deck::with_p20())),
        }
    }

    #[test]
    fn a_robot_added_again_keeps_its_deck() {
        let known = Deck { doubt_delta_e: 7.0, ..Deck::with_p20() };
        let nothing = Added::default();
        assert_eq!(nothing.deck(Some(&known)), known);
        assert_eq!(nothing.deck(None), Deck::default());
        assert_eq!(Added { with_p20: true, ..nothing }.deck(None), Deck::with_p20());
        assert_eq!(Added { with_p20: true, ..nothing }.deck(Some(&known)), known);
        let p1000 = Some(PipetteModel::P1000SingleGen2);
        let on_the_left = Added { left: p1000, ..nothing };
        assert_eq!(on_the_left.deck(None), Deck::with_pipettes(p1000, None));
        let deck = on_the_left.deck(Some(&known));
        let hung: Vec<_> = [Mount::Left, Mount::Right].map(|mount| deck.pipette(mount).map(|one| one.model)).into();
        assert_eq!(hung, [p1000, Some(PipetteModel::P300SingleGen2)]);
        assert_eq!(deck.doubt_delta_e, known.doubt_delta_e);
    }

    #[test]
    fn a_file_may_name_the_definitions_beside_it_and_says_what_is_wrong_with_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("bench-1.toml");
        let write = |text: &str| std::fs::write(&file, text).expect("written");
        let head = "name = \"bench-1\"\nurl = \"http://10.0.0.21:31950\"\nsensor = \"tcp://10.0.0.31:5000\"\n";
        write(head);
        assert_eq!(read(&file).expect("a setup"), RobotSetup { deck: None, ..setup() });

        std::fs::write(folder.path().join("rack.json"), r#"{"version": 1}"#).expect("written");
        let deck = toml::to_string(&serde_json::json!({"deck": setup().deck})).expect("TOML");
        let deck = deck.replacen("[deck]", "[deck]\ndefinition_files = [\"rack.json\"]", 1);
        write(&format!("{head}{deck}"));
        let read_back = read(&file).expect("a setup").deck.expect("a deck");
        assert_eq!(read_back.definitions.len(), 1);
        assert_eq!(read_back.slots, setup().deck.expect("a deck").slots);

        let wrong = |text: &str| {
            write(text);
            format!("{:#}", read(&file).expect_err("wrong"))
        };
        assert!(wrong(&format!("{head}colour = 1\n")).contains("unknown field `colour`"));
        assert!(wrong(&format!("{head}[deck]\n")).contains("neither `pipettes` nor `slots`"));
        assert!(wrong(&format!("{head}[deck]\ndefinition_files = [\"no.json\"]\n")).contains("the definition no.json"));
        assert!(wrong("name = ").contains("1"), "it says where");
    }
}
