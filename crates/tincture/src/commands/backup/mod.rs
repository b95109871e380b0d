//! `tincture backup`: of the embedded database by ourselves (`embedded`), of PostgreSQL by pgBackRest beside it (`postgres`,
//! once and as a `schedule`), which has to be set up first (`configure`).

mod configure;
mod embedded;
mod postgres;
mod schedule;

use crate::{
    cli::{Backup, BackupAct},
    database,
    settings::Settings,
};
use chrono::TimeDelta;
use std::io::{self, Write};

pub async fn run(settings: &Settings, command: &Backup) -> anyhow::Result<()> {
    match (&command.act, database::file(settings)) {
        (BackupAct::Configure(wanted), _) => configure::run(settings, wanted).await,
        (_, Some(file)) => embedded::run(settings, command, file).await,
        (BackupAct::Schedule, None) => schedule::run(settings).await,
        (_, None) => postgres::run(settings, command).await,
    }
}

fn say(sentence: &str) -> anyhow::Result<()> {
    Ok(writeln!(io::stdout(), "{sentence}")?)
}

/// The largest unit that there is at least two of.
fn age(age: TimeDelta) -> String {
    let minutes = age.num_minutes().max(0);
    match minutes {
        0..120 => format!("{minutes} min"),
        120..2_880 => format!("{} h", minutes / 60),
        _ => format!("{} days", minutes / 1_440),
    }
}

#[allow(clippy::cast_precision_loss, reason = "for people")]
fn size(bytes: u64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    if mib < 10.0 { format!("{mib:.1} MiB") } else { format!("{mib:.0} MiB") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_as_people_do() {
        for (minutes, told) in [(-5, "0 min"), (119, "119 min"), (120, "2 h"), (2_879, "47 h"), (2_880, "2 days")] {
            assert_eq!(age(TimeDelta::minutes(minutes)), told);
        }
    }
}
