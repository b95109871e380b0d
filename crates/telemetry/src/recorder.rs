//! Collects metrics in this process and renders them for Prometheus.

use crate::{
    TelemetryError,
    names::{self, Kind},
};
use metrics::Unit;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use std::{sync::Mutex, thread, time::Duration};

/// The content type of [`metrics_text`]: Prometheus' text format, version 0.0.4.
pub const PROMETHEUS_CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// From a fast database read to a slow robot movement, seconds.
const BUCKETS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];
/// From a robot's step to a weekend in the queue, seconds.
const LONG_BUCKETS: [f64; 13] =
    [1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0, 43_200.0, 86_400.0, 172_800.0];

/// Observations pile up until they are put into their buckets, which a scrape does; this is for a process that nobody
/// scrapes.
const BETWEEN_UPKEEPS: Duration = Duration::from_secs(10);

static HANDLE: Mutex<Option<PrometheusHandle>> = Mutex::new(None);

/// Starts collecting. Calling it again changes nothing.
pub fn install_metrics() -> Result<(), TelemetryError> {
    let mut handle = HANDLE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if handle.is_some() {
        return Ok(());
    }
    let refused = |error: BuildError| TelemetryError::Metrics(error.to_string());
    let mut builder = PrometheusBuilder::new();
    for metric in names::INSTANCE {
        let buckets: &[f64] = match metric.kind {
            Kind::Seconds => &BUCKETS,
            Kind::LongSeconds => &LONG_BUCKETS,
            Kind::Counter | Kind::Gauge => continue,
        };
        builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets).map_err(refused)?;
    }
    let installed = builder.install_recorder().map_err(refused)?;
    names::INSTANCE.iter().for_each(describe);
    metrics::gauge!(names::BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1);
    keep_up(installed.clone())?;
    *handle = Some(installed);
    Ok(())
}

/// What was collected since the start, in Prometheus' text format; empty before [`install_metrics`].
pub fn metrics_text() -> String {
    let handle = HANDLE.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    handle.map_or_else(String::new, |handle| {
        handle.run_upkeep();
        handle.render()
    })
}

/// Beside the runtime, so that it works before and without one.
fn keep_up(handle: PrometheusHandle) -> Result<(), TelemetryError> {
    let upkeep = move || {
        loop {
            thread::sleep(BETWEEN_UPKEEPS);
            handle.run_upkeep();
        }
    };
    let started = thread::Builder::new().name("metrics".to_owned()).spawn(upkeep);
    started.map(drop).map_err(|error| TelemetryError::Metrics(error.to_string()))
}

/// What `record` sets of [`names::SERVICE`], in Prometheus' text format. Nothing of it is kept: figures that were read
/// once and can't be read again would otherwise be told for ever.
pub fn service_metrics_text(record: impl FnOnce()) -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        names::SERVICE.iter().for_each(describe);
        record();
    });
    recorder.handle().render()
}

fn describe(metric: &names::Metric) {
    match metric.kind {
        Kind::Counter => metrics::describe_counter!(metric.name, metric.help),
        Kind::Gauge => metrics::describe_gauge!(metric.name, metric.help),
        Kind::Seconds | Kind::LongSeconds => metrics::describe_histogram!(metric.name, Unit::Seconds, metric.help),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_is_rendered_with_its_help_and_buckets() {
        install_metrics().expect("installed");
        install_metrics().expect("again");
        metrics::counter!(names::HTTP_REQUESTS, "route" => "/healthz").increment(2);
        metrics::histogram!(names::HTTP_SECONDS, "route" => "/healthz").record(0.003);
        let text = metrics_text();
        assert!(text.contains("# HELP tincture_http_requests_total HTTP requests answered"), "{text}");
        assert!(text.contains(r#"tincture_http_requests_total{route="/healthz"} 2"#), "{text}");
        assert!(text.contains(r#"tincture_http_request_seconds_bucket{route="/healthz",le="0.005"} 1"#), "{text}");
    }

    #[test]
    fn the_labs_figures_are_apart_from_the_processs() {
        install_metrics().expect("installed");
        let text = service_metrics_text(|| metrics::gauge!(names::QUEUE_LENGTH).set(3));
        assert!(text.contains("# HELP tincture_queue_length Experiments waiting"), "{text}");
        assert!(text.contains("tincture_queue_length 3\n"), "{text}");
        assert!(!text.contains(names::BUILD_INFO), "{text}");
        assert!(!metrics_text().contains(names::QUEUE_LENGTH));
        assert!(!service_metrics_text(|| ()).contains("tincture_queue_length 3"));
    }
}
