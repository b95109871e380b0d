//! The commands that print something and end.

use crate::process::{Process, run, tincture};
use std::{io::Write, path::Path, process::Stdio};

fn on(data_dir: &Path, arguments: &[&str]) -> std::process::Command {
    let mut command = tincture(arguments);
    command.env("TINCTURE_DATA_DIR", data_dir);
    command
}

/// A data directory with an empty database.
fn migrated() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    assert!(run(on(directory.path(), &["migrate"])).status.success());
    directory
}

#[test]
fn the_configuration_shows_where_a_value_comes_from_and_no_secret() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("tincture.toml"), "speed = 5\nseed = 7\n").expect("written");
    let mut command = tincture(&["config", "--log-format", "json"]);
    command.current_dir(directory.path());
    command.env("TINCTURE_SEED", "8").env("TINCTURE_ADMIN_PASSWORD", "007-hush");
    command.env("TINCTURE_DATABASE_URL", "postgres://lab:s3cret@db/lab");
    let said = run(command);
    assert!(said.status.success(), "{said:?}");
    let line = |key: &str| {
        said.stdout.lines().find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("{key}")).to_owned()
    };
    assert!(line("speed = 5").contains("# tincture.toml"), "{}", said.stdout);
    assert!(line("seed = 8").contains("# TINCTURE_SEED"), "the environment wins over the file: {}", said.stdout);
    assert!(line("log_format = \"json\"").contains("# flag"), "{}", said.stdout);
    assert!(line("listen = ").contains("# default"), "{}", said.stdout);
    line("database_url = \"postgres://lab:****@db/lab\"");
    line("admin_password = \"****\"");
    assert!(!said.stdout.contains("hush") && !said.stdout.contains("s3cret"), "{}", said.stdout);
}

#[test]
fn the_openapi_document_is_printed() {
    let said = run(tincture(&["openapi"]));
    let document: serde_json::Value = serde_json::from_str(&said.stdout).expect("JSON");
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{}", document["openapi"]);
    assert!(document["paths"]["/api/v1/experiments"]["post"].is_object());
}

#[test]
fn tokens_are_made_listed_and_revoked() {
    let directory = migrated();
    let data = directory.path();
    assert!(run(on(data, &["user", "create", "ada@example.org"])).status.success());
    let create = |more: &[&str]| {
        let arguments = [&["token", "create", "ada@example.org", "--name", "night runs"], more].concat();
        run(on(data, &arguments))
    };
    let made = create(&["--scope", "read", "--scope", "experiments", "--days", "30"]);
    assert!(made.status.success(), "{made:?}");
    let secret = made.stdout.trim_end();
    assert!(secret.len() == 50 && secret.starts_with("tct_"), "alone, for scripts: {made:?}");
    assert!(made.stderr.contains("read experiments") && !made.stderr.contains("tct_"), "{made:?}");
    for (more, said) in [
        (&["--scope", "operate"][..], "operators and administrators"),
        (&["--scope", "read", "--days", "366"], "365 days"),
        (&["--scope", "admin"], "read, experiments or operate"),
        (&[], "--scope"),
    ] {
        let refused = create(more);
        assert!(!refused.status.success() && refused.stderr.contains(said), "{refused:?}");
    }
    let mut long = on(data, &["token", "create", "ada@example.org", "--name", "x", "--scope", "read", "--days", "7"]);
    long.env("TINCTURE_TOKEN_DAYS", "5");
    assert!(run(long).stderr.contains("5 days"));
    let nobody = run(on(data, &["token", "list", "eve@example.org"]));
    assert!(nobody.stderr.contains("tincture user list"), "{nobody:?}");

    let listed = run(on(data, &["token", "list", "Ada@example.org"]));
    assert_eq!(listed.stdout.lines().count(), 1, "{listed:?}");
    assert!(listed.stdout.contains("night runs") && listed.stdout.contains("never used"), "{listed:?}");
    let id = listed.stdout.split(' ').next().expect("an id");
    let revoked = run(on(data, &["token", "revoke", id]));
    assert!(revoked.status.success() && revoked.stdout.contains("night runs"), "{revoked:?}");
    assert!(run(on(data, &["token", "revoke", id])).stderr.contains("no such token"));
    assert!(run(on(data, &["token", "revoke", "x"])).stderr.contains("tincture token list"));
    assert_eq!(run(on(data, &["token", "list", "ada@example.org"])).stdout, "");
}

#[test]
fn services_tokens_are_made_listed_and_revoked() {
    let directory = migrated();
    let data = directory.path();
    let create = |more: &[&str]| run(on(data, &[&["token", "create", "--name", "prometheus"], more].concat()));
    let made = create(&["--service", "monitoring"]);
    let secret = made.stdout.trim_end();
    assert!(secret.len() == 50 && secret.starts_with("tcs_"), "alone, for scripts: {made:?}");
    assert!(made.stderr.contains("for monitoring") && !made.stderr.contains("tcs_"), "{made:?}");
    for (more, said) in [
        (&["--service", "worker"][..], "monitoring or display"),
        (&["--service", "display", "--scope", "read"], "--scope"),
        (&["--service", "display", "ada@example.org"], "cannot be used"),
        (&["--service", "display", "--days", "366"], "365 days"),
    ] {
        let refused = create(more);
        assert!(!refused.status.success() && refused.stderr.contains(said), "{refused:?}");
    }
    let listed = run(on(data, &["token", "list", "--services"]));
    assert!(listed.stdout.contains("prometheus") && listed.stdout.contains("monitoring"), "{listed:?}");
    let id = listed.stdout.split(' ').next().expect("an id");
    assert!(run(on(data, &["token", "revoke", id])).stdout.contains("revoked"));
    assert!(run(on(data, &["token", "revoke", id])).stderr.contains("no such token"));
    assert_eq!(run(on(data, &["token", "list", "--services"])).stdout, "");
}

#[test]
fn groups_are_made_filled_refilled_and_removed() {
    let directory = migrated();
    let data = directory.path();
    let done = |arguments: &[&str]| {
        let said = run(on(data, arguments));
        assert!(said.status.success(), "{arguments:?}: {said:?}");
        said.stdout
    };
    let refused = |arguments: &[&str]| {
        let said = run(on(data, arguments));
        assert!(!said.status.success(), "{arguments:?}: {said:?}");
        said.stderr
    };
    for name in ["ada", "bob", "prof"] {
        done(&["user", "create", &format!("{name}@example.org"), "--quota", "2"]);
    }
    let made =
        done(&["group", "create", "Colour 101", "--allowance", "12", "--reserve", "9", "--time-zone", "Europe/Zurich"]);
    assert!(made.contains("12 wells each") && made.contains("weekly monday (Europe/Zurich)"), "{made}");
    assert!(refused(&["group", "create", "colour 101"]).contains("already"));
    assert!(refused(&["group", "create", "X", "--refill", "daily"]).contains("weekly monday"));
    assert!(refused(&["group", "show", "Colour 102"]).contains("tincture group list"));
    done(&["group", "add", "colour 101", "ada@example.org", "bob@example.org"]);
    done(&["group", "teacher", "Colour 101", "prof@example.org"]);
    assert!(refused(&["group", "add", "Colour 101", "eve@example.org"]).contains("eve@example.org"));
    let shown = done(&["group", "show", "Colour 101"]);
    assert!(shown.contains("teacher") && shown.matches("14 wells left").count() == 2, "{shown}");
    assert!(done(&["group", "list"]).contains("2 members  1 teachers"), "{}", done(&["group", "list"]));
    done(&["group", "quota", "Colour 101", "--allowance", "20", "--refill", "on 2099-02-15"]);
    done(&["group", "refill", "Colour 101"]);
    let quota = done(&["user", "quota", "ada@example.org"]);
    assert!(quota.starts_with("22 wells may be asked for, 2 of them of their own"), "{quota}");
    assert!(
        quota.contains("20 of 20 left") && quota.contains("refilled by the lab") && quota.contains("14 -> 22"),
        "{quota}"
    );
    done(&["group", "remove", "Colour 101", "bob@example.org"]);
    assert!(done(&["user", "quota", "bob@example.org"]).contains("2 wells"), "what is their own stays");
    assert_eq!(done(&["group", "requests"]), "");
    assert!(refused(&["group", "delete", "Colour 101"]).contains("--with-members"));
    done(&["group", "delete", "Colour 101", "--with-members"]);
    assert_eq!(done(&["group", "list"]), "");
}

#[test]
fn accounts_are_made_and_changed() {
    let directory = migrated();
    let data = directory.path();
    let made = run(on(data, &["user", "create", "Ada@Example.org", "--role", "researcher", "--quota", "480"]));
    assert!(made.status.success() && made.stdout.contains("Password: "), "{made:?}");
    let again = run(on(data, &["user", "create", "ada@example.org"]));
    assert!(again.stderr.contains("already"), "{again:?}");
    assert!(run(on(data, &["user", "set-quota", "ada@example.org", "5"])).status.success());
    assert!(run(on(data, &["user", "set-role", "ada@example.org", "operator"])).status.success());
    let listed = run(on(data, &["user", "list"]));
    let line = listed.stdout.lines().find(|line| line.starts_with("ada@example.org")).expect("her line").to_owned();
    assert!(line.contains("operator") && line.contains(" 5 wells"), "{line}");
    assert!(
        run(on(data, &["user", "set-quota", "bob@example.org", "5"])).stderr.contains("no account bob@example.org")
    );
}

#[test]
fn a_person_is_given_out_and_erased() {
    let directory = migrated();
    let data = directory.path();
    for (email, role) in [("root@example.org", "admin"), ("ada@example.org", "student")] {
        assert!(run(on(data, &["user", "create", email, "--role", role])).status.success());
    }
    let file = data.join("ada.jsonl");
    let path = file.to_str().expect("a path");
    assert!(run(on(data, &["user", "export", "ada@example.org", "--output", path])).status.success());
    let text = std::fs::read_to_string(&file).expect("a file");
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    assert_eq!(lines[0]["export"], "tincture");
    assert!(lines.iter().any(|line| line["table"] == "users" && line["row"]["email"] == "ada@example.org"), "{text}");
    let end = lines.last().expect("a last line");
    assert_eq!((&end["end"], end["rows"].as_u64()), (&serde_json::json!(true), Some(lines.len() as u64 - 2)));
    assert!(!text.contains("argon2") && !text.contains("root@example.org"), "{text}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).expect("there").permissions());
    assert_eq!(mode & 0o777, 0o600, "its owner's alone");
    let again = run(on(data, &["user", "export", "ada@example.org", "--output", path]));
    assert!(!again.status.success() && again.stderr.contains("can't be made"), "{again:?}");
    assert_eq!(run(on(data, &["user", "export", "ada@example.org"])).stdout.lines().count(), lines.len());

    let unsure = run(on(data, &["user", "erase", "ada@example.org"]));
    assert!(!unsure.status.success() && unsure.stderr.contains("--yes"), "{unsure:?}");
    assert!(run(on(data, &["user", "erase", "ada@example.org", "--yes"])).status.success());
    let gone = run(on(data, &["user", "export", "ada@example.org"]));
    assert!(!gone.status.success() && gone.stderr.contains("no account ada@example.org"), "{gone:?}");
    let last = run(on(data, &["user", "erase", "root@example.org", "--yes"]));
    assert!(!last.status.success() && last.stderr.contains("administrator"), "{last:?}");
    assert!(run(on(data, &["user", "list"])).stdout.contains("root@example.org"));
}

#[test]
fn a_password_comes_by_standard_input() {
    let directory = migrated();
    let give = |password: &[u8]| {
        let mut command = on(directory.path(), &["user", "create", "ada@example.org", "--password-stdin"]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("runs");
        child.stdin.take().expect("piped").write_all(password).expect("written");
        child.wait_with_output().expect("ended")
    };
    assert!(!give(b"short\n").status.success());
    assert!(!give(b"").status.success());
    let output = give(b"a long enough secret\n");
    assert!(output.status.success(), "{output:?}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("Password"), "what was given isn't printed");
}

#[test]
fn migrating_twice_changes_nothing() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    assert!(run(on(directory.path(), &["migrate"])).stdout.contains("applied "));
    assert!(run(on(directory.path(), &["migrate"])).stdout.contains("up to date"));
}

/// A class of protocols that many labs have: dyes of a reservoir over a plate, read by the real analyser.
#[test]
fn a_python_protocol_is_analysed_imported_and_asked_for_once() {
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/opentrons-venv/bin/python");
    let python =
        std::env::var("TINCTURE_TEST_OPENTRONS").map_or(python.to_owned(), |venv| format!("{venv}/bin/python"));
    assert!(std::path::Path::new(&python).is_file(), "no {python}: scripts/test.sh makes it");
    let directory = migrated();
    let lab = |arguments: &[&str]| run(on(directory.path(), arguments));
    assert!(
        lab(&["robot", "add", "bench-1", "--url", "http://127.0.0.1:1", "--sensor", "tcp://127.0.0.1:1"])
            .status
            .success()
    );
    assert!(lab(&["user", "create", "ada@example.org", "--quota", "10"]).status.success());
    let file = directory.path().join("dyes.py");
    let source = |ending: &str| {
        format!(
            "metadata = {{'protocolName': 'Reds to blues', 'apiLevel': '2.15'}}\n\
             def run(protocol):\n    \
                 plate = protocol.load_labware('corning_96_wellplate_360ul_flat', 5)\n    \
                 pool = protocol.load_labware('nest_12_reservoir_15ml', 2)\n    \
                 tips = protocol.load_labware('opentrons_96_tiprack_300ul', 4)\n    \
                 pipette = protocol.load_instrument('p300_single_gen2', 'left', tip_racks=[tips])\n    \
                 red = protocol.define_liquid('Red', 'a dye', '#ff0000')\n    \
                 pool['A1'].load_liquid(red, 9000)\n    \
                 pipette.distribute([30, 60, 90], pool['A1'], plate.wells()[:3], air_gap=5)\n    \
                 pipette.transfer([90, 60, 30], pool['A2'], plate.wells()[:3], new_tip='always', mix_after=(2, 50), \
                 touch_tip=True, blow_out=True, blowout_location='destination well')\n{ending}"
        )
    };
    std::fs::write(&file, source("")).expect("written");
    let file = file.to_str().expect("text");
    let unnamed = lab(&["protocol", "import", file]);
    assert!(!unnamed.status.success() && unnamed.stderr.contains("--opentrons PYTHON"), "{unnamed:?}");
    let import = |more: &[&str]| lab(&[&["protocol", "import", file, "--opentrons", &python], more].concat());
    let unsaid = import(&[]);
    assert!(!unsaid.status.success(), "{unsaid:?}");
    assert!(
        unsaid.stdout.contains("line 10 and 2 more: draws from A2 of nest_12_reservoir_15ml (slot 2)"),
        "{unsaid:?}"
    );
    let asking = ["--dye", "2/A2=blue", "--submit", "--key", "once", "--as", "ada@example.org"];
    for said in ["7 wells of quota are left", "asked for before with this key; 7 wells"] {
        let taken = import(&asking);
        assert!(taken.status.success() && taken.stderr.contains(said), "{taken:?}");
        for line in [
            "On bench-1: 3 wells, 2 tips, 180 µL of blue, 180 µL of red",
            "A1   blue 90 µL, red 30 µL",
            "C1   blue 30 µL, red 90 µL",
        ] {
            assert!(taken.stdout.contains(line), "{line}: {taken:?}");
        }
    }
    assert_eq!(lab(&["experiment", "list", "--as", "ada@example.org"]).stdout.matches("Reds to blues").count(), 1);
    // Line by line what is in the way, and the analysis by itself.
    std::fs::write(file, source("    pipette.transfer(50, plate['A1'], plate['D1'])\n    protocol.pause('look')\n"))
        .expect("written");
    let analysis = lab(&["protocol", "analyse", file, "--opentrons", &python]).stdout;
    let read = directory.path().join("dyes.json");
    std::fs::write(&read, analysis).expect("written");
    let refused = lab(&["protocol", "import", read.to_str().expect("text"), "--dye", "2/A2=blue", "--json"]);
    assert!(!refused.status.success(), "{refused:?}");
    let refused: serde_json::Value = serde_json::from_str(&refused.stdout).expect("JSON");
    let lines: Vec<_> =
        refused["problems"].as_array().expect("a list").iter().map(|one| one["line"].as_u64()).collect();
    assert_eq!(lines, [Some(11), Some(12)], "{refused}");
}

/// Only `migrate` and `up` make or change a database.
#[test]
fn a_mistyped_path_makes_no_database() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let nowhere = directory.path().join("mistyped");
    for command in [
        &["user", "list"][..],
        &["user", "create", "ada@example.org"],
        &["robot", "list"],
        &["experiment", "list"],
        &["protocol", "import", "/dev/null"],
        &["keys", "list"],
        &["serve", "--listen", "127.0.0.1:0"],
        &["worker"],
    ] {
        let said = run(on(&nowhere, command));
        assert!(!said.status.success(), "{command:?}");
        assert!(
            said.stderr.contains("there is no database at") && said.stderr.contains("tincture migrate"),
            "{said:?}"
        );
        assert!(!nowhere.exists(), "{command:?}");
    }
}

#[test]
fn an_older_schema_is_refused_by_all_but_migrate() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(directory.path().join("tincture.sqlite"), "").expect("a database without a schema");
    for command in [&["user", "list"][..], &["serve", "--listen", "127.0.0.1:0"], &["worker"]] {
        let said = run(on(directory.path(), command));
        assert!(!said.status.success() && said.stderr.contains("run `tincture migrate`"), "{command:?}: {said:?}");
    }
    assert!(run(on(directory.path(), &["migrate"])).status.success());
    assert!(run(on(directory.path(), &["user", "list"])).status.success());
}

#[test]
fn a_damaged_database_is_named_with_what_to_do() {
    let directory = migrated();
    let file = directory.path().join("tincture.sqlite");
    let mut content = std::fs::read(&file).expect("the database");
    let last = content.len() - 4096;
    content[last..last + 64].fill(0xa5);
    std::fs::write(&file, content).expect("written");
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["worker"], &["migrate"]] {
        let said = run(on(directory.path(), command));
        assert!(!said.status.success() && said.stderr.contains("tincture.sqlite is damaged"), "{command:?}: {said:?}");
        assert!(said.stderr.contains("newest backup"), "{said:?}");
    }
}

#[test]
fn keys_are_rotated_and_retired() {
    let directory = migrated();
    let keys = |arguments: &[&str]| run(on(directory.path(), &[&["keys"], arguments].concat()));
    let lines = || keys(&["list"]).stdout.lines().map(str::to_owned).collect::<Vec<_>>();
    let first = lines();
    assert!(first.len() == 1 && first[0].ends_with("signs"), "{first:?}");
    assert!(keys(&["rotate"]).status.success());
    let both = lines();
    assert!(both.len() == 2 && both[0].ends_with("signs") && both[1].contains("verifies until"), "{both:?}");
    let kid = |line: &str| line.split_whitespace().next().expect("a kid").to_owned();
    assert_eq!(kid(&both[1]), kid(&first[0]));
    assert!(!keys(&["retire", &kid(&both[0])]).status.success(), "the one that signs stays");
    assert!(keys(&["retire", &kid(&both[1])]).status.success());
    assert_eq!(lines().len(), 1);
}

#[test]
fn the_last_administrator_stays_one() {
    let directory = migrated();
    let user = |arguments: &[&str]| run(on(directory.path(), &[&["user"], arguments].concat()));
    assert!(user(&["create", "ada@example.org", "--role", "admin"]).status.success());
    for act in [&["set-role", "ada@example.org", "student"][..], &["disable", "ada@example.org"]] {
        let said = user(act);
        assert!(!said.status.success() && said.stderr.contains("last administrator"), "{said:?}");
    }
    assert!(user(&["create", "bob@example.org", "--role", "admin"]).status.success());
    assert!(user(&["disable", "ada@example.org"]).status.success());
    assert!(user(&["list"]).stdout.contains("disabled"));
    assert!(user(&["enable", "ada@example.org"]).status.success());
}

#[test]
fn every_command_explains_itself() {
    for command in ["up", "serve", "worker", "emulator", "migrate", "user", "keys", "robot", "config", "openapi"] {
        let said = run(tincture(&[command, "--help"]));
        assert!(said.status.success() && said.stdout.contains("Usage: tincture"), "{command}: {said:?}");
    }
}

#[test]
fn people_are_brought_in_by_links_invitations_and_a_sheet() {
    let directory = migrated();
    let data = directory.path();
    let invited = |arguments: &[&str]| {
        let mut command = on(data, arguments);
        command.env("TINCTURE_REGISTRATION", "invitation").env("TINCTURE_PUBLIC_URL", "https://lab.example.org/");
        run(command)
    };
    let closed = run(on(data, &["user", "invite"]));
    assert!(!closed.status.success() && closed.stderr.contains("ask an administrator"), "{closed:?}");
    let made = invited(&["user", "invite", "--uses", "3", "--role", "researcher", "--days", "7"]);
    assert!(made.status.success() && made.stderr.contains("3 people"), "{made:?}");
    assert!(made.stdout.starts_with("https://lab.example.org/link/") && made.stdout.lines().count() == 1, "{made:?}");
    for (more, said) in
        [(&["--uses", "0"][..], "1 to 1000"), (&["--days", "366"], "1 to 365"), (&["--email", "ada"], "no e-mail")]
    {
        let refused = invited(&[&["user", "invite"], more].concat());
        assert!(!refused.status.success() && refused.stderr.contains(said), "{refused:?}");
    }
    let listed = run(on(data, &["user", "invitations"])).stdout;
    assert!(listed.lines().count() == 1 && listed.contains("researcher") && !listed.contains("/link/"), "{listed}");
    let id = listed.split_whitespace().next().expect("an id");
    assert!(run(on(data, &["user", "uninvite", id])).status.success());
    assert!(run(on(data, &["user", "invitations"])).stdout.is_empty());

    let sheet = data.join("class.csv");
    std::fs::write(&sheet, "\u{feff}email;name\r\nada@example.org;Ada\r\nnobody;\r\n").expect("written");
    let sheet = sheet.display().to_string();
    let preview = run(on(data, &["user", "import", "--dry-run", &sheet]));
    assert!(preview.status.success() && preview.stdout.contains("CAN'T BE TAKEN"), "{preview:?}");
    let refused = run(on(data, &["user", "import", &sheet]));
    assert!(!refused.status.success() && refused.stderr.contains("line 3"), "{refused:?}");
    assert!(run(on(data, &["user", "list"])).stdout.is_empty(), "nobody was imported");
    std::fs::write(&sheet, "email;name\r\nada@example.org;Ada\r\nbob@example.org;Bob\r\n").expect("written");
    let done = run(on(data, &["user", "import", &sheet]));
    assert!(done.status.success() && done.stderr.contains("2 accounts are made"), "{done:?}");
    assert!(done.stdout.starts_with("email,name,link\r\nada@example.org,Ada,http://127.0.0.1:8080/link/"), "{done:?}");
    let again = run(on(data, &["user", "import", &sheet]));
    assert!(again.stderr.contains("0 accounts are made; 2 were there") && again.stdout.is_empty(), "{again:?}");

    let link = run(on(data, &["user", "link", "ada@example.org"]));
    assert!(link.stdout.starts_with("http://127.0.0.1:8080/link/"), "{link:?}");
    assert!(run(on(data, &["user", "disable", "ada@example.org"])).status.success());
    let refused = run(on(data, &["user", "link", "ada@example.org"]));
    assert!(!refused.status.success() && refused.stderr.contains("enable"), "{refused:?}");
    let nobody = run(on(data, &["user", "approve", "eve@example.org"]));
    assert!(nobody.stderr.contains("tincture user waiting"), "{nobody:?}");
    let mut weak = on(data, &["user", "create", "eve@example.org", "--password-stdin"]);
    let mut weak = weak.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    weak.stdin.take().expect("piped").write_all(b"password\n").expect("written");
    let weak = weak.wait_with_output().expect("it ends");
    assert!(String::from_utf8_lossy(&weak.stderr).contains("would be guessed"), "{weak:?}");
}

/// The log's guard taken away, as whoever owns the database can.
async fn tamper(data: &Path, statements: &str) {
    let url = format!("sqlite://{}", data.join("tincture.sqlite").display());
    let store = store::Store::connect(&url, store::Options::default()).await.expect("it opens");
    store.run_sql(&format!("DROP TRIGGER IF EXISTS activity_stays; {statements}")).await;
    store.close().await.expect("closed");
}

#[tokio::test]
async fn the_activity_log_is_listed_given_out_and_verified() {
    let directory = migrated();
    let data = directory.path();
    let create = |email: &str| run(on(data, &["user", "create", email, "--role", "operator"]));
    assert!(create("ada@example.org").status.success() && create("+bob@example.org").status.success());
    assert!(run(on(data, &["user", "set-role", "ada@example.org", "student"])).status.success());
    let none = run(on(data, &["audit", "anchor"]));
    assert!(!none.status.success() && none.stderr.contains("nothing is sealed yet"), "{none:?}");

    // Whoever runs a lab seals its log, at the latest when it stops: a worker alone, too.
    let mut worker = Process::spawn(on(data, &["worker", "--listen", "127.0.0.1:0"]));
    worker.word_after("Health and metrics  ");
    assert!(worker.stop().success());
    assert!(run(on(data, &["audit", "anchor"])).status.success());
    assert!(run(on(data, &["user", "set-role", "ada@example.org", "researcher"])).status.success());
    let mut serve = crate::process::Process::spawn(on(data, &["serve", "--listen", "127.0.0.1:0"]));
    serve.word_after("Tincture is ready: ");
    assert!(serve.stop().success());

    let listed = run(on(data, &["audit", "list", "--whom", "ada@example.org"]));
    assert_eq!(listed.stdout.lines().count(), 3, "{listed:?}");
    assert!(listed.stdout.contains("role_changed") && listed.stdout.contains("user_created"), "{listed:?}");
    let found = run(on(data, &["audit", "list", "--text", "BOB@", "--since", "2026-01-01"]));
    assert_eq!(found.stdout.lines().count(), 1, "{found:?}");
    assert!(run(on(data, &["audit", "list", "--who", "eve@example.org"])).stderr.contains("tincture user list"));
    assert!(run(on(data, &["audit", "list", "--since", "lately"])).stderr.contains("2026-11-01"));

    let file = data.join("log.csv");
    let export = ["audit", "export", "--format", "csv", "--output", file.to_str().expect("UTF-8")];
    assert!(run(on(data, &export)).status.success());
    let csv = std::fs::read_to_string(&file).expect("the file");
    assert!(csv.starts_with("number,time,who,") && csv.contains(",'+bob@example.org,"), "no formula: {csv}");
    assert!(run(on(data, &export)).stderr.contains("can't be made"), "a file that is there stays");
    let lines = run(on(data, &["audit", "export"])).stdout;
    let line: serde_json::Value = serde_json::from_str(lines.lines().last().expect("a line")).expect("JSON");
    assert_eq!((line["number"].as_i64(), line["action"].as_str()), (Some(1), Some("user_created")));

    let kept = run(on(data, &["audit", "anchor"])).stdout;
    let [anchor, signed] = kept.lines().collect::<Vec<_>>()[..] else { panic!("{kept}") };
    let verify = |more: &[&str]| run(on(data, &[&["audit", "verify"], more].concat()));
    let whole = verify(&["--anchor", anchor, "--anchor", signed]);
    assert!(whole.status.success() && whole.stdout.contains("2 anchors hold"), "{whole:?}");
    assert!(verify(&["--anchor", "x:y"]).stderr.contains("an anchor is like"));
    let forged = verify(&["--anchor", &format!("{signed}x")]);
    assert!(!forged.status.success() && forged.stderr.contains("isn't an anchor"), "{forged:?}");

    tamper(
        data,
        "UPDATE user_activity_log SET details = '{\"user\": \"x\", \"role\": \"admin\"}' WHERE seal_number = 3",
    )
    .await;
    let found = verify(&[]);
    assert!(!found.status.success() && found.stderr.contains("line 3 ("), "{found:?}");
    assert!(found.stderr.contains("its details aren't those that were sealed"), "{found:?}");
}

#[tokio::test]
async fn a_robot_is_checked_line_by_line() {
    let directory = migrated();
    let data = directory.path();
    let emulated = tincture(&["emulator", "--listen", "127.0.0.1:0", "--sensor-listen", "127.0.0.1:0"]);
    let mut emulator = Process::spawn(emulated);
    let url = emulator.word_after("Virtual OT-2 ");
    let sensor = emulator.word_after("Sensor ");
    let add = |name: &str, url: &str, more: &[&str]| {
        let arguments = [&["robot", "add", name, "--url", url, "--sensor", &sensor], more].concat();
        let added = run(on(data, &arguments));
        assert!(added.status.success(), "{added:?}");
    };
    let check = |arguments: &[&str]| run(on(data, &[&["robot", "check"], arguments].concat()));
    add("bench", &url, &[]);
    let ready = check(&["bench", "--load-deck"]);
    assert!(ready.status.success() && ready.stdout.contains("bench is ready."), "{ready:?}");
    for what in [
        "reachable",
        "software",
        "identity",
        "right pipette",
        "free",
        "deck",
        "loaded deck",
        "sensor",
        "white reference",
    ] {
        assert!(ready.stdout.contains(&format!("  fine  {what:<15} ")), "{what}: {ready:?}");
    }
    assert!(ready.stdout.contains("dark as in its dock"), "{ready:?}");

    // Somebody's protocol is on it: said, and left alone.
    let client = reqwest::Client::new();
    let post = async |path: &str, body: serde_json::Value| {
        let sent = client.post(format!("{url}{path}")).header("opentrons-version", "*").json(&body).send();
        sent.await.expect("an answer").json::<serde_json::Value>().await.expect("JSON")
    };
    let run_id = post("/runs", serde_json::json!({"data": {}})).await["data"]["id"].as_str().expect("an id").to_owned();
    let wait = serde_json::json!({"data": {"commandType": "waitForResume", "params": {}, "intent": "protocol"}});
    post(&format!("/runs/{run_id}/commands"), wait).await;
    post(&format!("/runs/{run_id}/actions"), serde_json::json!({"data": {"actionType": "play"}})).await;
    let taken = check(&["bench", "--load-deck"]);
    assert!(!taken.status.success() && taken.stdout.contains("  FIX   free "), "{taken:?}");
    assert!(!taken.stdout.contains("loaded deck"), "it isn't taken from them: {taken:?}");
    drop(emulator);

    let gone = check(&["bench"]);
    assert!(!gone.status.success(), "{gone:?}");
    assert!(gone.stdout.contains("  FIX   reachable ") && gone.stdout.contains("  FIX   sensor "), "{gone:?}");
    assert!(gone.stderr.contains("2 to put right"), "{gone:?}");
    let unknown = check(&["nobody"]);
    assert!(unknown.stderr.contains("tincture robot list"), "{unknown:?}");
}
