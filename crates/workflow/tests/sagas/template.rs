//! Furnished databases: made once with robot, user and an accepted experiment, then copied for every case.

use crate::{
    case::{Case, Database, Lacking},
    world::World,
};
use domain::{
    Attendance, BlowOut, Change, Deck, DeckCondition, ExperimentId, Grain, Handling, Mixing, RobotKind, Role, Slot,
    TipPolicy, UserId, Volume, WellName,
};
use serde_json::json;
use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, LazyLock, Mutex, PoisonError},
};
use store::{NewActivity, NewRobot, NewUser, Options, Robot, Store, User, testing::TestDatabase};
use tempfile::TempDir;
use tokio::runtime::Builder;
use workflow::{ExperimentRequest, Lab, WellRequest};

/// What the user has before anything is charged.
pub const QUOTA: i32 = 100;
/// A dye vial that is as good as empty: 10 µL above the reserve.
const ALMOST_EMPTY: Volume = Volume::from_whole_ul(510);
/// Keeps SQLite's only writer busy for long enough that a lane's look at people's wishes fits in.
pub const SLOW: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000) SELECT count(*) FROM n";

#[derive(Clone, Debug)]
pub struct Furnished {
    pub robot: Robot,
    pub user: User,
    pub experiment: ExperimentId,
}

/// A case's own database; it is gone when this is.
pub struct Place {
    pub url: String,
    pub furnished: Furnished,
    _gone: Gone,
}

enum Gone {
    File(PathBuf),
    Postgres(#[expect(dead_code, reason = "dropped with the place")] TestDatabase),
}

impl Drop for Gone {
    fn drop(&mut self) {
        if let Self::File(file) = self {
            for end in ["", "-wal", "-shm"] {
                let _ = std::fs::remove_file(format!("{}{end}", file.display()));
            }
        }
    }
}

struct Template {
    bytes: Vec<u8>,
    furnished: Furnished,
}

type Kind = (RobotKind, bool, Lacking);

static TEMPLATES: LazyLock<Mutex<HashMap<Kind, Arc<Template>>>> = LazyLock::new(Mutex::default);

/// In memory where there is a place for it: a commit waits for the disk, and a saga has a hundred.
static DIRECTORY: LazyLock<TempDir> = LazyLock::new(|| {
    let in_memory = Path::new("/dev/shm");
    let made = if in_memory.is_dir() { tempfile::tempdir_in(in_memory) } else { tempfile::tempdir() };
    made.expect("a temporary directory")
});

pub fn place(case: &Case) -> Result<Place, String> {
    match case.database {
        Database::Sqlite => copy(case),
        Database::Postgres => {
            let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
            let database = runtime.block_on(TestDatabase::postgres());
            let furnished = runtime.block_on(furnish(&database.store, case));
            Ok(Place { url: database.url.clone(), furnished, _gone: Gone::Postgres(database) })
        }
    }
}

fn copy(case: &Case) -> Result<Place, String> {
    let kind = (case.kind, case.attendance == Attendance::Virtual, case.lacking);
    let template = {
        let mut templates = TEMPLATES.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(templates.entry(kind).or_insert_with(|| Arc::new(make(case))))
    };
    let file = DIRECTORY.path().join(format!("{}.db", uuid::Uuid::now_v7()));
    std::fs::write(&file, &template.bytes).map_err(|error| error.to_string())?;
    Ok(Place {
        url: format!("sqlite://{}", file.display()),
        furnished: template.furnished.clone(),
        _gone: Gone::File(file),
    })
}

fn make(case: &Case) -> Template {
    let file = DIRECTORY.path().join(format!("template-{}.db", uuid::Uuid::now_v7()));
    let url = format!("sqlite://{}", file.display());
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let furnished = runtime.block_on(async {
        let store = Store::connect(&url, Options::default()).await.expect("a database");
        store.migrate().await.expect("the migrations run");
        let furnished = furnish(&store, case).await;
        store.run_sql("PRAGMA wal_checkpoint(TRUNCATE)").await;
        store.close().await.expect("closed");
        furnished
    });
    drop(runtime);
    Template { bytes: std::fs::read(&file).expect("the database's file"), furnished }
}

async fn furnish(store: &Store, case: &Case) -> Furnished {
    let Case { kind, attendance, lacking, .. } = *case;
    let robot = NewRobot {
        name: "scripted".to_owned(),
        kind,
        url: "http://nowhere.invalid:31950".to_owned(),
        sensor_url: "tcp://nowhere.invalid:9".to_owned(),
        attendance,
        // The white has two exposures all the same, with the light and without, for a fault to come between them.
        deck: Deck { reads: 1, ..Deck::default() },
    };
    let robot = store.ensure_robot(robot).await.expect("a robot");
    let user = NewUser {
        id: UserId::new(),
        email: "ada@example.org".to_owned(),
        hashed_password: "not a hash: nobody signs in here".to_owned(),
        role: Role::Operator,
        quota: QUOTA,
    };
    let user = store.create_user(user, &store::testing::act("user_created")).await.expect("a user");
    lack(store, &robot, lacking).await;
    let well = |dyes: &[(&str, f64)]| WellRequest {
        volumes: dyes.iter().map(|(dye, ul)| ((*dye).to_owned(), *ul)).collect::<BTreeMap<_, _>>(),
        target: None,
    };
    let wells = vec![well(&[("red", 60.0), ("blue", 40.0)]), well(&[("red", 30.0)])];
    let request = ExperimentRequest { name: None, wells, handling: handling(kind) };
    let accepted = Lab::new(store.clone()).submit(&user, request, None, None).await.expect("accepted");
    Furnished { robot, user, experiment: accepted.experiment.experiment.id }
}

/// As usual; with `TINCTURE_SAGAS_HANDLING=all` mixed, touched off and whatever else a person may ask for, where the robot can
/// be told that.
fn handling(kind: RobotKind) -> Handling {
    if kind.grain() == Grain::Mixtures || std::env::var_os("TINCTURE_SAGAS_HANDLING").is_none() {
        return Handling::default();
    }
    Handling {
        tips: TipPolicy::PerDye,
        mix: Some(Mixing { repetitions: 2, volume: Volume::from_whole_ul(40) }),
        touch_tip: true,
        blow_out: BlowOut::Well,
        air_gap: Volume::from_whole_ul(5),
    }
}

fn red(deck: &Deck) -> WellName {
    deck.dyes.iter().find(|dye| dye.name.as_str() == "red").map(|dye| dye.vial).expect("red is on the deck")
}

async fn lack(store: &Store, robot: &Robot, lacking: Lacking) {
    let slot = robot.deck.pipettes.first().map_or(Slot(9), |hand| hand.tip_slot);
    let changes = match lacking {
        Lacking::Nothing => return,
        Lacking::Plate => vec![Change::PlateLifted],
        Lacking::Dye => vec![Change::VialRefilled { vial: red(&robot.deck), volume: ALMOST_EMPTY, batch: None }],
        Lacking::Tips => WellName::all().map(|tip| Change::TipLost { slot, tip }).collect(),
        Lacking::Waste => vec![Change::WasteAdded { volume: robot.deck.waste_capacity }],
    };
    store.run_sql("UPDATE robots SET mode = 'stopped'").await;
    let by = NewActivity { user_id: None, action: "deck_attended", details: json!({}), ip_address: None };
    store.attend(robot, &changes, DeckCondition::PlateFree, by).await.expect("a database");
    store.run_sql("UPDATE robots SET mode = 'active'").await;
}

/// The same in the world.
pub fn furnish_world(world: &mut World, lacking: Lacking, deck: &Deck) {
    match lacking {
        Lacking::Dye => world.set_vial(red(deck), ALMOST_EMPTY),
        Lacking::Waste => world.waste = deck.waste_capacity,
        Lacking::Nothing | Lacking::Plate | Lacking::Tips => {}
    }
}
