//! The colour sensor as a thing: its housing, and where it stands in its dock.

/// Where in its dock the sensor stands.
pub const DOCK_WELL: &str = "A2";
/// The sensor's housing, taken up like a tip of this length…
pub const SENSOR_LENGTH_MM: f64 = 84.0;
/// …of which this much slides over the nozzle (the OT-2 reports a tip of 75.8 mm).
pub const SENSOR_OVERLAP_MM: f64 = 8.2;
