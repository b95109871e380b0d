//! `GET /metrics/service`

use crate::health::{Health, LabFigures};
use axum::{
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use domain::RobotMode;
use request::Problem;
use store::{Driver, Durability, Figures, Robot, Survives, Waiting, backup::BackupState};
use telemetry::{PROMETHEUS_CONTENT_TYPE, names, service_metrics_text};
use workflow::Supply;

/// Prometheus' text format.
#[derive(Debug)]
pub struct Text(pub String);

impl IntoResponse for Text {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, PROMETHEUS_CONTENT_TYPE)], self.0).into_response()
    }
}

/// The whole lab's figures, read from the database at most every few seconds. The same from every process: ask one.
pub async fn service_metrics(State(health): State<Health>, headers: HeaderMap) -> Result<Text, Problem> {
    health.allow(&health.tokens.service, &headers).await?;
    let LabFigures { figures, waiting, backups, robots, durability, free } = health.figures().await?;
    let record_all = || {
        record(&figures);
        waiting.iter().for_each(record_waiting);
        backups.iter().for_each(record_backups);
        robots.iter().for_each(|(robot, supplies)| record_robot(robot, supplies));
        durability.iter().for_each(record_durability);
        free.iter().for_each(|free| metrics::gauge!(names::DISK_FREE).set(*free as f64));
    };
    Ok(Text(service_metrics_text(record_all)))
}

#[allow(clippy::cast_precision_loss, reason = "exact up to a million thousand million")]
fn record_waiting(waiting: &Waiting) {
    metrics::gauge!(names::DOCUMENTS_WAITING).set(waiting.count as f64);
    metrics::gauge!(names::DOCUMENTS_SET_ASIDE).set(waiting.refused as f64);
    tell_time(names::DOCUMENTS_OLDEST, waiting.oldest);
}

/// What nobody has told isn't told here either, so that its absence can be an alarm.
fn record_backups(backups: &BackupState) {
    let told = &backups.told;
    tell_time(names::POSTGRES_NEWEST_BACKUP, told.newest);
    tell_time(names::OLDEST_BACKUP, told.earliest);
    tell_time(names::NEXT_BACKUP, told.due);
    tell_time(names::BACKUP_VERIFIED, told.verified);
    tell_time(names::BACKUP_ARCHIVED, backups.archived);
    if told.newest.or(told.failed).is_some() {
        metrics::gauge!(names::BACKUP_FAILING).set(u8::from(backups.is_failing()));
    }
    if told.verified.or(told.damaged).is_some() {
        metrics::gauge!(names::BACKUP_DAMAGED).set(u8::from(backups.is_damaged()));
    }
    if backups.archives {
        metrics::gauge!(names::ARCHIVE_FAILING).set(u8::from(backups.archiving_fails()));
    }
}

#[allow(clippy::cast_precision_loss, reason = "exact until the year 287 million")]
fn tell_time(name: &'static str, at: Option<DateTime<Utc>>) {
    if let Some(at) = at {
        metrics::gauge!(name).set(at.timestamp() as f64);
    }
}

fn record_durability(durability: &Durability) {
    for what in [Survives::Failover, Survives::PowerCut, Survives::ProgramCrash, Survives::Nothing] {
        let is_so = u8::from(what == durability.commits_survive);
        metrics::gauge!(names::COMMITS_SURVIVE, "what" => what.as_str()).set(is_so);
    }
}

fn record_robot(robot: &Robot, supplies: &[Supply]) {
    let name = || robot.name.clone();
    let driven = !matches!(robot.driver(Utc::now()), Driver::Nobody);
    metrics::gauge!(names::ROBOT_DRIVEN, "robot" => name()).set(u8::from(driven));
    metrics::gauge!(names::ROBOT_STOPPED, "robot" => name()).set(u8::from(robot.mode == RobotMode::Stopped));
    if let Some(question) = &robot.attention {
        metrics::gauge!(names::ROBOT_ASKS, "robot" => name(), "code" => question.code.as_str()).set(1);
    }
    if let Some(trouble) = &robot.notice {
        metrics::gauge!(names::ROBOT_UNUSABLE, "robot" => name(), "code" => trouble.code.as_str()).set(1);
    }
    for supply in supplies {
        let left = match supply.unit {
            "wells" => metrics::gauge!(names::WELLS_LEFT, "robot" => name()),
            "tips" => metrics::gauge!(names::TIPS_LEFT, "robot" => name(), "supply" => supply.name.clone()),
            _ => metrics::gauge!(names::DYE_LEFT, "robot" => name(), "supply" => supply.name.clone()),
        };
        left.set(supply.left);
        if let Some(runs_out) = supply.runs_out {
            metrics::gauge!(names::SUPPLY_LASTS, "robot" => name(), "supply" => supply.name.clone())
                .set(runs_out.in_seconds);
        }
    }
}

fn record(figures: &Figures) {
    metrics::gauge!(names::QUEUE_LENGTH).set(figures.queued);
    metrics::gauge!(names::EXPERIMENTS_RUNNING).set(figures.running);
    let modes = [
        ("active", figures.active),
        ("paused", figures.paused),
        ("draining", figures.draining),
        ("stopped", figures.stopped),
    ];
    for (mode, robots) in modes {
        metrics::gauge!(names::ROBOTS, "mode" => mode).set(robots);
    }
    metrics::gauge!(names::ROBOTS_WAITING).set(figures.waiting);
    metrics::gauge!(names::ROBOTS_UNUSABLE).set(figures.unusable);
    metrics::gauge!(names::ROBOTS_UNDRIVEN).set(figures.undriven);
}
