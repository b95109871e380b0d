//! Every metric: its name, its kind, its labels and what it means.
//!
//! [`INSTANCE`] are figures of one process, which a collector asks of each and may add up. [`SERVICE`] are figures of the
//! whole lab, read from its database: the same wherever they are asked for, so that adding them up would be wrong.

/// How a metric behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Seconds, in buckets.
    Seconds,
}

/// A metric as it is described to Prometheus.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub help: &'static str,
}

/// HTTP requests answered. Labels: `method`, `route` (the template, never a path), `status`.
pub const HTTP_REQUESTS: &str = "tincture_http_requests_total";
/// Seconds from a request's head to its response's head. Labels: `method`, `route`.
pub const HTTP_SECONDS: &str = "tincture_http_request_seconds";
/// Connections turned away because there were as many as may be. Label: `how` (`evicted`: it kept the server waiting and
/// made room for a newer one; `refused`: the newest wasn't let in, since all others were being served).
pub const CONNECTIONS_TURNED_AWAY: &str = "tincture_connections_turned_away_total";
/// Live event streams open now.
pub const EVENT_STREAMS: &str = "tincture_event_streams";
/// Sign-ins. Label: `outcome` (`ok`, `refused`, `throttled`).
pub const SIGN_INS: &str = "tincture_sign_ins_total";
/// Experiments accepted and charged.
pub const EXPERIMENTS_ACCEPTED: &str = "tincture_experiments_accepted_total";
/// Requests for experiments that were refused. Label: `code` (a fault code).
pub const EXPERIMENTS_REFUSED: &str = "tincture_experiments_refused_total";
/// Experiments that left a robot. Label: `outcome` (the status they went to).
pub const EXPERIMENTS_ENDED: &str = "tincture_experiments_total";
/// Experiments that broke their lane and were set aside.
pub const EXPERIMENTS_PARKED: &str = "tincture_experiments_parked_total";
/// Lanes that panicked and were begun again.
pub const LANE_PANICS: &str = "tincture_lane_panics_total";
/// Operations that ended. Labels: `kind` (a step's name), `outcome` (a journal event).
pub const OPERATIONS: &str = "tincture_operations_total";
/// Seconds an operation took, sent to ended. Label: `kind`.
pub const OPERATION_SECONDS: &str = "tincture_operation_seconds";
/// Seconds the lab itself adds to an operation (journal, bookkeeping), robot time excluded.
pub const OPERATION_OVERHEAD_SECONDS: &str = "tincture_operation_overhead_seconds";
/// Operations whose end was found out after an interruption. Label: `outcome` (a journal event).
pub const RECONCILED: &str = "tincture_reconciled_total";
/// Robots whose lane this process holds.
pub const LEASES_HELD: &str = "tincture_leases_held";
/// Leases lost to another worker.
pub const LEASES_LOST: &str = "tincture_leases_lost_total";
/// Faults that steps and robots ran into. Label: `code` (a fault code).
pub const FAULTS: &str = "tincture_faults_total";
/// Backups of the embedded database that this process was to make by itself. Label: `outcome` (`made`, `failed`).
pub const BACKUPS: &str = "tincture_backups_total";
/// When the newest sound backup was made, in seconds since 1970; its age is `time()` less this. There is none while this
/// isn't told. Of the embedded database each process tells it that makes them; of PostgreSQL it is a figure of the lab, as are
/// the next.
pub const NEWEST_BACKUP: &str = "tincture_newest_backup_unixtime";
/// The earliest moment that PostgreSQL can be restored to, in seconds since 1970.
pub const OLDEST_BACKUP: &str = "tincture_oldest_backup_unixtime";
/// When the schedule of PostgreSQL's backups makes the next, in seconds since 1970. There is none without a schedule.
pub const NEXT_BACKUP: &str = "tincture_next_backup_unixtime";
/// 1 while the last attempt to back PostgreSQL up failed, else 0.
pub const BACKUP_FAILING: &str = "tincture_backup_failing";
/// When PostgreSQL's backups were last all read back and found sound, in seconds since 1970.
pub const BACKUP_VERIFIED: &str = "tincture_backup_verified_unixtime";
/// 1 while something of them was damaged when they were last read back, else 0.
pub const BACKUP_DAMAGED: &str = "tincture_backup_damaged";
/// When PostgreSQL last archived a piece of its log, in seconds since 1970.
pub const BACKUP_ARCHIVED: &str = "tincture_backup_archived_unixtime";
/// 1 while PostgreSQL's last attempt to archive failed, else 0. There is none where it doesn't archive.
pub const ARCHIVE_FAILING: &str = "tincture_backup_archive_failing";
/// 1 while reads go to the replica, 0 while they don't; there is none without a replica.
pub const REPLICA_USED: &str = "tincture_replica_used";
/// Seconds since the replica was last seen to have all that the primary had; up to two where it follows closely.
pub const REPLICA_BEHIND: &str = "tincture_replica_behind";
/// Reads that the replica might have answered. Label: `by` (`replica`, or `primary` in its place).
pub const REPLICA_READS: &str = "tincture_replica_reads_total";
/// Documents that this process carried to the document store. Label: `collection`.
pub const DOCUMENTS_RELAYED: &str = "tincture_documents_relayed_total";
/// Documents that the document store refused.
pub const DOCUMENTS_REFUSED: &str = "tincture_documents_refused_total";
/// Times that this process had to begin anew with carrying documents over.
pub const DOCUMENT_RELAY_FAILURES: &str = "tincture_document_relay_failures_total";
/// When this process last found nothing left to carry over, or carried a batch, in seconds since 1970. There is none in a
/// process that doesn't carry them.
pub const DOCUMENTS_LAST_RELAYED: &str = "tincture_documents_last_relayed_unixtime";
/// Attempts to send a mail. Label `outcome`: `sent`, `failed` (it is tried again), `given_up`.
pub const MAILS: &str = "tincture_mails_total";
/// Lines of the activity log that were ever sealed, where this process last sealed some.
pub const ACTIVITY_SEALED: &str = "tincture_activity_sealed_lines";
/// When this process last found nothing left to seal in the activity log, or sealed some, in seconds since 1970. There is none
/// in a process that doesn't.
pub const ACTIVITY_LAST_SEALED: &str = "tincture_activity_last_sealed_unixtime";
/// 1. Label: `version`.
pub const BUILD_INFO: &str = "tincture_build_info";

/// Experiments waiting for a robot.
pub const QUEUE_LENGTH: &str = "tincture_queue_length";
/// Experiments that a robot has in hand.
pub const EXPERIMENTS_RUNNING: &str = "tincture_experiments_running";
/// Robots. Label: `mode` (what people told them).
pub const ROBOTS: &str = "tincture_robots";
/// Robots that wait for a person.
pub const ROBOTS_WAITING: &str = "tincture_robots_needing_attention";
/// Robots that their worker can't use now.
pub const ROBOTS_UNUSABLE: &str = "tincture_robots_unusable";
/// Robots that no worker drives.
pub const ROBOTS_UNDRIVEN: &str = "tincture_robots_undriven";
/// Documents that the document store hasn't got yet, told up to 100,000. There is none without a document store, nor of the
/// two below.
pub const DOCUMENTS_WAITING: &str = "tincture_documents_waiting";
/// How many of them it refused.
pub const DOCUMENTS_SET_ASIDE: &str = "tincture_documents_set_aside";
/// When the oldest of them was written that wasn't refused, in seconds since 1970; none while none waits.
pub const DOCUMENTS_OLDEST: &str = "tincture_documents_oldest_unixtime";

/// Figures of one process.
pub const INSTANCE: &[Metric] = &[
    Metric { name: BUILD_INFO, kind: Kind::Gauge, help: "1, by the version that runs" },
    Metric { name: HTTP_REQUESTS, kind: Kind::Counter, help: "HTTP requests answered, by method, route and status" },
    Metric { name: HTTP_SECONDS, kind: Kind::Seconds, help: "Seconds to a response's head, by method and route" },
    Metric {
        name: CONNECTIONS_TURNED_AWAY,
        kind: Kind::Counter,
        help: "Connections turned away because there were as many as may be, by how",
    },
    Metric { name: EVENT_STREAMS, kind: Kind::Gauge, help: "Live event streams open now" },
    Metric { name: SIGN_INS, kind: Kind::Counter, help: "Sign-ins, by outcome" },
    Metric { name: EXPERIMENTS_ACCEPTED, kind: Kind::Counter, help: "Experiments accepted and charged" },
    Metric { name: EXPERIMENTS_REFUSED, kind: Kind::Counter, help: "Experiments refused, by fault code" },
    Metric { name: EXPERIMENTS_ENDED, kind: Kind::Counter, help: "Experiments that left a robot, by outcome" },
    Metric {
        name: EXPERIMENTS_PARKED,
        kind: Kind::Counter,
        help: "Experiments that broke their lane and were set aside",
    },
    Metric { name: LANE_PANICS, kind: Kind::Counter, help: "Lanes that panicked and were begun again" },
    Metric { name: OPERATIONS, kind: Kind::Counter, help: "Operations that ended, by kind and outcome" },
    Metric { name: OPERATION_SECONDS, kind: Kind::Seconds, help: "Seconds an operation took, by kind" },
    Metric { name: OPERATION_OVERHEAD_SECONDS, kind: Kind::Seconds, help: "Seconds the lab adds to an operation" },
    Metric { name: RECONCILED, kind: Kind::Counter, help: "Operations settled after an interruption, by outcome" },
    Metric { name: LEASES_HELD, kind: Kind::Gauge, help: "Robots whose lane this process holds" },
    Metric { name: LEASES_LOST, kind: Kind::Counter, help: "Leases lost to another worker" },
    Metric { name: BACKUPS, kind: Kind::Counter, help: "Backups that this process was to make by itself, by outcome" },
    Metric {
        name: NEWEST_BACKUP,
        kind: Kind::Gauge,
        help: "When the newest sound backup was made, seconds since 1970",
    },
    Metric { name: REPLICA_USED, kind: Kind::Gauge, help: "1 while reads go to the database's replica, else 0" },
    Metric { name: REPLICA_BEHIND, kind: Kind::Gauge, help: "Seconds since the replica was seen to have everything" },
    Metric { name: REPLICA_READS, kind: Kind::Counter, help: "Reads that a replica might answer, by who did" },
    Metric { name: DOCUMENTS_RELAYED, kind: Kind::Counter, help: "Documents carried to the document store" },
    Metric { name: DOCUMENTS_REFUSED, kind: Kind::Counter, help: "Documents that the document store refused" },
    Metric {
        name: DOCUMENT_RELAY_FAILURES,
        kind: Kind::Counter,
        help: "Times that carrying documents over had to begin anew",
    },
    Metric {
        name: DOCUMENTS_LAST_RELAYED,
        kind: Kind::Gauge,
        help: "When the document store was last up to date with what this process carries, seconds since 1970",
    },
    Metric { name: ACTIVITY_SEALED, kind: Kind::Gauge, help: "Lines of the activity log that were ever sealed" },
    Metric {
        name: ACTIVITY_LAST_SEALED,
        kind: Kind::Gauge,
        help: "When this process last left nothing unsealed in the activity log, seconds since 1970",
    },
    Metric { name: MAILS, kind: Kind::Counter, help: "Attempts to send a mail, by outcome" },
    Metric { name: FAULTS, kind: Kind::Counter, help: "Faults that steps and robots ran into, by code" },
];

/// Figures of the whole lab.
pub const SERVICE: &[Metric] = &[
    Metric { name: QUEUE_LENGTH, kind: Kind::Gauge, help: "Experiments waiting for a robot" },
    Metric { name: EXPERIMENTS_RUNNING, kind: Kind::Gauge, help: "Experiments that a robot has in hand" },
    Metric { name: ROBOTS, kind: Kind::Gauge, help: "Robots, by what people told them" },
    Metric { name: ROBOTS_WAITING, kind: Kind::Gauge, help: "Robots that wait for a person" },
    Metric { name: ROBOTS_UNUSABLE, kind: Kind::Gauge, help: "Robots that their worker can't use now" },
    Metric { name: ROBOTS_UNDRIVEN, kind: Kind::Gauge, help: "Robots that no worker drives" },
    Metric { name: DOCUMENTS_WAITING, kind: Kind::Gauge, help: "Documents that the document store hasn't got yet" },
    Metric { name: DOCUMENTS_SET_ASIDE, kind: Kind::Gauge, help: "Waiting documents that it refused" },
    Metric {
        name: DOCUMENTS_OLDEST,
        kind: Kind::Gauge,
        help: "When the oldest of them was written, seconds since 1970",
    },
    Metric {
        name: NEWEST_BACKUP,
        kind: Kind::Gauge,
        help: "When PostgreSQL's newest backup ended, seconds since 1970",
    },
    Metric {
        name: OLDEST_BACKUP,
        kind: Kind::Gauge,
        help: "The earliest moment that PostgreSQL can be restored to, seconds since 1970",
    },
    Metric { name: NEXT_BACKUP, kind: Kind::Gauge, help: "When the schedule makes the next, seconds since 1970" },
    Metric { name: BACKUP_FAILING, kind: Kind::Gauge, help: "1 while the last attempt to make one failed, else 0" },
    Metric {
        name: BACKUP_VERIFIED,
        kind: Kind::Gauge,
        help: "When PostgreSQL's backups were last read back and found sound, seconds since 1970",
    },
    Metric { name: BACKUP_DAMAGED, kind: Kind::Gauge, help: "1 while something of them was found damaged, else 0" },
    Metric {
        name: BACKUP_ARCHIVED,
        kind: Kind::Gauge,
        help: "When PostgreSQL last archived a piece of its log, seconds since 1970",
    },
    Metric { name: ARCHIVE_FAILING, kind: Kind::Gauge, help: "1 while its last attempt to archive failed, else 0" },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_prometheus_conventions() {
        for metric in INSTANCE.iter().chain(SERVICE) {
            assert!(metric.name.starts_with("tincture_"), "{}", metric.name);
            assert_eq!(metric.kind == Kind::Counter, metric.name.ends_with("_total"), "{}", metric.name);
            assert_eq!(metric.kind == Kind::Seconds, metric.name.ends_with("_seconds"), "{}", metric.name);
        }
    }
}
