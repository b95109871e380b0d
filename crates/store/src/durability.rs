//! What the database's own settings make of "accepted is durable, and no drop is repeated", for whoever runs the lab.

use crate::{
    connection::{Backend, Store},
    error::{Result, StoreError},
    sql::sql,
};
use async_recursion::async_recursion as boxed;
use serde::{Serialize, Serializer};

/// What a commit survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survives {
    /// The loss of the server it was made on: another has it before it is answered.
    Failover,
    /// A crash of its server and a power cut, not the loss of its disk. A replica that is promoted may lack the newest.
    PowerCut,
    /// The crash of a program. Not that of the machine, since its disk isn't waited for.
    ProgramCrash,
    /// There are no commits: this is a replica.
    Nothing,
}

impl Survives {
    /// What it is called in `/readyz` and among the figures.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failover => "failover",
            Self::PowerCut => "power_cut",
            Self::ProgramCrash => "program_crash",
            Self::Nothing => "nothing",
        }
    }
}

impl Serialize for Survives {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What the database was found to be set up for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Durability {
    /// What a commit survives that was answered.
    pub commits_survive: Survives,
    /// A sentence: why, and what to do about it if anything is to be done.
    pub why: &'static str,
}

/// What was read of a PostgreSQL server.
struct Setup {
    is_replica: bool,
    syncs: bool,
    /// Commits are waited for on a standby, on one at least.
    waits: bool,
    /// … until it shows them to who reads there.
    shows: bool,
    /// Standbys that stream and are waited for; nothing where this role may not see it.
    synchronous: Option<i64>,
    /// Replicas of whatever kind.
    replicas: i64,
}

impl Store {
    /// Asks the database, once.
    ///
    /// # Errors
    /// It doesn't answer.
    #[boxed]
    pub async fn durability(&self) -> Result<Durability> {
        if self.backend() == Backend::Sqlite {
            return Ok(Durability {
                commits_survive: Survives::PowerCut,
                why: "Each commit is on this machine's disk before it is answered. Back it up to another one.",
            });
        }
        let setup = sql!(
            "SELECT pg_is_in_recovery() AS is_replica,
                 current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on' AS syncs,
                 current_setting('synchronous_standby_names') <> '' AND current_setting('synchronous_commit') IN ('on', 'remote_apply') AS waits,
                 current_setting('synchronous_commit') = 'remote_apply' AS shows,
                 (SELECT COUNT(*) FROM pg_stat_replication) AS replicas,
                 (SELECT CASE WHEN COUNT(*) > COUNT(sync_state) THEN NULL
                     ELSE COUNT(*) FILTER (WHERE sync_state IN ('sync', 'quorum') AND state = 'streaming') END
                  FROM pg_stat_replication) AS synchronous"
        );
        let row = setup.one(self.reader()).await?.ok_or(StoreError::NotFound("setting"))?;
        let setup = Setup {
            is_replica: row.get("is_replica")?,
            syncs: row.get("syncs")?,
            waits: row.get("waits")?,
            shows: row.get("shows")?,
            synchronous: row.get("synchronous")?,
            replicas: row.get("replicas")?,
        };
        Ok(setup.judge())
    }
}

impl Setup {
    const fn judge(&self) -> Durability {
        let (commits_survive, why) = match self {
            Self { is_replica: true, .. } => (
                Survives::Nothing,
                "This is a replica, which takes no writes: name all servers in the database URL, or the one that is promoted.",
            ),
            Self { syncs: false, .. } => (
                Survives::ProgramCrash,
                "fsync or full_page_writes is off: a power cut may lose what was accepted and what robots did. Set both to on.",
            ),
            Self { waits: false, replicas: 0, .. } => (
                Survives::PowerCut,
                "One server, whose disk is waited for. If another is ever promoted or put back in its place, it may lack the newest \
                 commits; each robot is asked then what it was told.",
            ),
            Self { waits: false, .. } => (
                Survives::PowerCut,
                "Its replicas are asynchronous: one that is promoted may lack the newest commits, accepted experiments and results \
                 among them. Set synchronous_standby_names. Robots are asked after a promotion what they were told, so that no drop is repeated.",
            ),
            Self { synchronous: None, .. } => (
                Survives::Failover,
                "Commits wait for a synchronous standby. Whether one streams isn't known: GRANT pg_read_all_stats to this role.",
            ),
            Self { synchronous: Some(0), .. } => (
                Survives::Failover,
                "Commits wait for a synchronous standby and none streams: nothing is accepted until one does.",
            ),
            Self { shows: true, .. } => (
                Survives::Failover,
                "A synchronous standby has each commit, and shows it to who reads there, before it is answered (remote_apply).",
            ),
            Self { .. } => (Survives::Failover, "A synchronous standby has each commit before it is answered."),
        };
        Durability { commits_survive, why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_commit_survives_follows_from_what_is_waited_for() {
        let judged = |is_replica, syncs, waits, synchronous, replicas| {
            Setup { is_replica, syncs, waits, shows: false, synchronous, replicas }.judge()
        };
        for (judged, survives, said) in [
            (judged(true, true, true, Some(1), 1), Survives::Nothing, "replica"),
            (judged(false, false, true, Some(1), 1), Survives::ProgramCrash, "fsync"),
            (judged(false, true, false, Some(0), 0), Survives::PowerCut, "One server"),
            (judged(false, true, false, Some(0), 2), Survives::PowerCut, "asynchronous"),
            (judged(false, true, true, None, 1), Survives::Failover, "GRANT"),
            (judged(false, true, true, Some(0), 0), Survives::Failover, "none streams"),
            (judged(false, true, true, Some(2), 2), Survives::Failover, "before it is answered"),
        ] {
            assert_eq!(judged.commits_survive, survives, "{judged:?}");
            assert!(judged.why.contains(said), "{judged:?}");
        }
        let shows =
            Setup { is_replica: false, syncs: true, waits: true, shows: true, synchronous: Some(1), replicas: 1 };
        assert!(shows.judge().why.contains("remote_apply"));
    }
}
