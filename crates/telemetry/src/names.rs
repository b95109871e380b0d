//! Every metric: its name, its kind, its unit, its labels and what it means, each told once (`docs/metrics.md` is printed
//! from here).
//!
//! [`INSTANCE`] are figures of one process, which a collector asks of each and may add up. [`SERVICE`] are figures of the
//! whole lab, read from its database: the same wherever they are asked for, so that adding them up would be wrong.
//!
//! A label's values are few: a route's template and never a path, a code of ours, a robot's name (the first 50).

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Seconds in buckets from a millisecond to a minute.
    Seconds,
    /// Seconds in buckets from a second to two days: what people and robots take.
    LongSeconds,
}

/// A metric as it is described to Prometheus and to people.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    /// Of the value. A moment is in seconds since 1970, and so its age is `time()` less it.
    pub unit: &'static str,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

macro_rules! metrics {
    ($(#[$about:meta])* $list:ident:
        $($(#[doc = $help:literal])+ $constant:ident = $name:literal, $kind:ident, $unit:literal, [$($label:literal),*];)+
    ) => {
        $($(#[doc = $help])+ pub const $constant: &str = $name;)+

        $(#[$about])*
        pub const $list: &[Metric] = &[$(Metric {
            name: $name,
            kind: Kind::$kind,
            unit: $unit,
            labels: &[$($label),*],
            help: concat!($($help),+).trim_ascii_start(),
        }),+];
    };
}

metrics! {
    /// Figures of one process.
    INSTANCE:

    /// 1, by the version that runs.
    BUILD_INFO = "tincture_build_info", Gauge, "1", ["version"];
    /// HTTP requests answered; `route` is the template.
    HTTP_REQUESTS = "tincture_http_requests_total", Counter, "requests", ["method", "route", "status"];
    /// From a request's head to its response's head.
    HTTP_SECONDS = "tincture_http_request_seconds", Seconds, "seconds", ["method", "route"];
    /// Connections turned away because there were as many as may be: `evicted` kept the server waiting and made room for
    /// a newer one, `refused` was the newest while all others were being served.
    CONNECTIONS_TURNED_AWAY = "tincture_connections_turned_away_total", Counter, "connections", ["how"];
    /// Live event streams open now.
    EVENT_STREAMS = "tincture_event_streams", Gauge, "streams", [];
    /// Sign-ins: `ok`, `refused`, `throttled`.
    SIGN_INS = "tincture_sign_ins_total", Counter, "sign-ins", ["outcome"];
    /// Experiments accepted and charged.
    EXPERIMENTS_ACCEPTED = "tincture_experiments_accepted_total", Counter, "experiments", [];
    /// Requests for experiments that were refused, by fault code.
    EXPERIMENTS_REFUSED = "tincture_experiments_refused_total", Counter, "requests", ["code"];
    /// Experiments that left a robot, by the status they went to.
    EXPERIMENTS_ENDED = "tincture_experiments_total", Counter, "experiments", ["outcome"];
    /// Experiments that broke their lane and were set aside.
    EXPERIMENTS_PARKED = "tincture_experiments_parked_total", Counter, "experiments", [];
    /// From an experiment's acceptance to its first beginning on a robot.
    QUEUE_WAIT_SECONDS = "tincture_queue_wait_seconds", LongSeconds, "seconds", [];
    /// From an experiment's first beginning on a robot to its end, by the status it ended in.
    EXPERIMENT_SECONDS = "tincture_experiment_seconds", LongSeconds, "seconds", ["outcome"];
    /// Lanes that panicked and were begun again.
    LANE_PANICS = "tincture_lane_panics_total", Counter, "lanes", [];
    /// Operations that ended, by kind (a step's name) and outcome (a journal event).
    OPERATIONS = "tincture_operations_total", Counter, "operations", ["kind", "outcome"];
    /// From the sending of an operation to its end, by kind.
    OPERATION_SECONDS = "tincture_operation_seconds", Seconds, "seconds", ["kind"];
    /// What the lab itself adds to an operation (journal, bookkeeping), robot time excluded.
    OPERATION_OVERHEAD_SECONDS = "tincture_operation_overhead_seconds", Seconds, "seconds", [];
    /// What a robot's last twenty operations or so took, by what is estimated of them: 1 at an OT-2's usual speeds.
    ROBOT_PACE = "tincture_robot_pace_ratio", Gauge, "ratio", ["robot"];
    /// Operations whose end was found out after an interruption, by outcome (a journal event).
    RECONCILED = "tincture_reconciled_total", Counter, "operations", ["outcome"];
    /// Robots whose lane this process holds.
    LEASES_HELD = "tincture_leases_held", Gauge, "robots", [];
    /// Leases lost to another worker.
    LEASES_LOST = "tincture_leases_lost_total", Counter, "leases", [];
    /// Faults that steps and robots ran into, by fault code.
    FAULTS = "tincture_faults_total", Counter, "faults", ["code"];
    /// Wells that have a result.
    WELLS_MEASURED = "tincture_wells_measured_total", Counter, "wells", [];
    /// Wells of ended experiments whose results are to be doubted.
    WELLS_DOUBTED = "tincture_wells_doubted_total", Counter, "wells", [];
    /// How far the last white reference lay from the one before it, ΔE00, by robot.
    WHITE_DRIFT = "tincture_white_drift_delta_e", Gauge, "ΔE00", ["robot"];
    /// Connections to the database that this process has open: `busy` or `idle`.
    DATABASE_CONNECTIONS = "tincture_database_connections", Gauge, "connections", ["state"];
    /// How many it may open.
    DATABASE_CONNECTIONS_LIMIT = "tincture_database_connections_limit", Gauge, "connections", [];
    /// Backups of the embedded database that this process was to make by itself: `made`, `failed`.
    BACKUPS = "tincture_backups_total", Counter, "backups", ["outcome"];
    /// When the newest sound backup of the embedded database was made. Absent where nobody makes any.
    NEWEST_BACKUP = "tincture_newest_backup_unixtime", Gauge, "moment", [];
    /// 1 while reads go to the database's replica, else 0. Absent without a replica.
    REPLICA_USED = "tincture_replica_used", Gauge, "0 or 1", [];
    /// Since the replica was last seen to have all that the primary had; up to two seconds where it follows closely.
    REPLICA_BEHIND = "tincture_replica_behind", Gauge, "seconds", [];
    /// Reads that a replica might answer, by who did: `replica`, or `primary` in its place.
    REPLICA_READS = "tincture_replica_reads_total", Counter, "reads", ["by"];
    /// Documents carried to the document store, by collection.
    DOCUMENTS_RELAYED = "tincture_documents_relayed_total", Counter, "documents", ["collection"];
    /// Documents that the document store refused.
    DOCUMENTS_REFUSED = "tincture_documents_refused_total", Counter, "documents", [];
    /// Times that carrying documents over had to begin anew.
    DOCUMENT_RELAY_FAILURES = "tincture_document_relay_failures_total", Counter, "times", [];
    /// When the document store was last up to date with what this process carries. Absent where it carries nothing.
    DOCUMENTS_LAST_RELAYED = "tincture_documents_last_relayed_unixtime", Gauge, "moment", [];
    /// Attempts to send a mail: `sent`, `failed` (it is tried again), `given_up`.
    MAILS = "tincture_mails_total", Counter, "attempts", ["outcome"];
    /// Questions put to the Prefect server.
    PREFECT_CALLS = "tincture_prefect_calls_total", Counter, "calls", [];
    /// Times that talking to the Prefect server had to begin anew.
    PREFECT_FAILURES = "tincture_prefect_failures_total", Counter, "times", [];
    /// Experiments of which the Prefect server wasn't told something, once a minute. Absent where this process tells it nothing.
    PREFECT_WAITING = "tincture_prefect_experiments_waiting", Gauge, "experiments", [];
    /// When the oldest of them was asked for. 0 while there is none.
    PREFECT_OLDEST = "tincture_prefect_oldest_unixtime", Gauge, "moment", [];
    /// When this process and the Prefect server last had nothing to tell each other.
    PREFECT_LAST_TOLD = "tincture_prefect_last_told_unixtime", Gauge, "moment", [];
    /// Lines of the activity log that were ever sealed, where this process last sealed some.
    ACTIVITY_SEALED = "tincture_activity_sealed_lines", Gauge, "lines", [];
    /// When this process last left nothing unsealed in the activity log. Absent where it doesn't seal.
    ACTIVITY_LAST_SEALED = "tincture_activity_last_sealed_unixtime", Gauge, "moment", [];
}

metrics! {
    /// Figures of the whole lab.
    SERVICE:

    /// Experiments waiting for a robot; told up to 100,000.
    QUEUE_LENGTH = "tincture_queue_length", Gauge, "experiments", [];
    /// Experiments that a robot has in hand.
    EXPERIMENTS_RUNNING = "tincture_experiments_running", Gauge, "experiments", [];
    /// Robots, by what people told them.
    ROBOTS = "tincture_robots", Gauge, "robots", ["mode"];
    /// Robots that wait for a person: stopped, or asking.
    ROBOTS_WAITING = "tincture_robots_needing_attention", Gauge, "robots", [];
    /// Robots that their worker can't use now.
    ROBOTS_UNUSABLE = "tincture_robots_unusable", Gauge, "robots", [];
    /// Robots that no worker drives.
    ROBOTS_UNDRIVEN = "tincture_robots_undriven", Gauge, "robots", [];
    /// 1 while a robot asks a person, by what (a fault code). Absent while it doesn't.
    ROBOT_ASKS = "tincture_robot_asks", Gauge, "1", ["robot", "code"];
    /// 1 while a robot's worker can't use it, by why (a fault code). Absent while it can.
    ROBOT_UNUSABLE = "tincture_robot_unusable", Gauge, "1", ["robot", "code"];
    /// 1 while a worker drives the robot, else 0.
    ROBOT_DRIVEN = "tincture_robot_driven", Gauge, "0 or 1", ["robot"];
    /// 1 while somebody has stopped the robot, else 0.
    ROBOT_STOPPED = "tincture_robot_stopped", Gauge, "0 or 1", ["robot"];
    /// Wells that the plate on the robot's deck has left.
    WELLS_LEFT = "tincture_wells_left", Gauge, "wells", ["robot"];
    /// Tips that a rack on the robot's deck has left, those in use for a dye included.
    TIPS_LEFT = "tincture_tips_left", Gauge, "tips", ["robot", "supply"];
    /// What can still be drawn of a vial, above its reserve, less what went into the air.
    DYE_LEFT = "tincture_dye_left_microlitres", Gauge, "µL", ["robot", "supply"];
    /// Until the queue as it stands comes to an experiment that a supply is too little for. Absent while all have enough.
    SUPPLY_LASTS = "tincture_supply_lasts_seconds", Gauge, "seconds", ["robot", "supply"];
    /// 1 at what a commit survives that was answered: `failover`, `power_cut`, `program_crash` or `nothing`.
    COMMITS_SURVIVE = "tincture_commits_survive", Gauge, "1", ["what"];
    /// What is free on the disk where the embedded database lies. Absent on PostgreSQL, whose disk can't be seen from here.
    DISK_FREE = "tincture_disk_free_bytes", Gauge, "bytes", [];
    /// Documents that the document store hasn't got yet; told up to 100,000. Absent without one, as are the next two.
    DOCUMENTS_WAITING = "tincture_documents_waiting", Gauge, "documents", [];
    /// How many of them it refused.
    DOCUMENTS_SET_ASIDE = "tincture_documents_set_aside", Gauge, "documents", [];
    /// When the oldest of them was written that wasn't refused. Absent while none waits.
    DOCUMENTS_OLDEST = "tincture_documents_oldest_unixtime", Gauge, "moment", [];
    /// When PostgreSQL's newest backup ended.
    POSTGRES_NEWEST_BACKUP = "tincture_newest_backup_unixtime", Gauge, "moment", [];
    /// The earliest moment that PostgreSQL can be restored to.
    OLDEST_BACKUP = "tincture_oldest_backup_unixtime", Gauge, "moment", [];
    /// When the schedule of PostgreSQL's backups makes the next. Absent without a schedule.
    NEXT_BACKUP = "tincture_next_backup_unixtime", Gauge, "moment", [];
    /// 1 while the last attempt to back PostgreSQL up failed, else 0.
    BACKUP_FAILING = "tincture_backup_failing", Gauge, "0 or 1", [];
    /// When PostgreSQL's backups were last all read back and found sound.
    BACKUP_VERIFIED = "tincture_backup_verified_unixtime", Gauge, "moment", [];
    /// 1 while something of them was damaged when they were last read back, else 0.
    BACKUP_DAMAGED = "tincture_backup_damaged", Gauge, "0 or 1", [];
    /// When PostgreSQL last archived a piece of its log.
    BACKUP_ARCHIVED = "tincture_backup_archived_unixtime", Gauge, "moment", [];
    /// 1 while PostgreSQL's last attempt to archive failed, else 0. Absent where it doesn't archive.
    ARCHIVE_FAILING = "tincture_backup_archive_failing", Gauge, "0 or 1", [];
}

impl Kind {
    /// As Prometheus calls it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Seconds | Self::LongSeconds => "histogram",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_prometheus_conventions() {
        for metric in INSTANCE.iter().chain(SERVICE) {
            assert!(metric.name.starts_with("tincture_"), "{}", metric.name);
            assert_eq!(metric.kind == Kind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
            let is_histogram = matches!(metric.kind, Kind::Seconds | Kind::LongSeconds);
            assert!(!is_histogram || metric.name.ends_with("_seconds"), "{}", metric.name);
            assert!(metric.help.ends_with('.') && !metric.help.contains("  "), "{}", metric.help);
        }
    }
}
