//! What the training lab's Pico W understands and answers over MQTT.
//!
//! ```text
//! → {"command":{"R":0,"Y":0,"B":0},"experiment_id":"…","settings":{"gain":128}?}
//! ← the request, and "sensor_data":{"ch410":…,…,"ch670":…}, and where settings came "sensor_settings":{…}
//! ← {"experiment_id":"…","error":"…"}
//! ```
//! It has no way to switch its LED on: it reads by the room's light, and refuses settings that it doesn't know. It knows nothing of
//! operations and leases, echoes whatever it is sent, and answers each request as often as it gets it.

use super::protocol::{measure, reading_time};
use crate::world::World;
use chrono::{DateTime, Utc};
use domain::reading::{BANDS, Gain, SensorSettings};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, time::Duration};

/// The settings that a request may have. Only the gain is heeded.
const SETTINGS: [&str; 3] = ["gain", "atime", "astep"];

/// A request that was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    asked: Map<String, Value>,
    gain: Option<Gain>,
}

/// Parses one request. The error is the answer to send, if there is one.
pub fn parse(payload: &[u8]) -> Result<Request, Option<Value>> {
    let Ok(Value::Object(asked)) = serde_json::from_slice(payload) else { return Err(None) };
    let settings = asked.get("settings").and_then(Value::as_object);
    let unknown = settings.and_then(|settings| settings.keys().find(|key| !SETTINGS.contains(&key.as_str())));
    if let Some(key) = unknown {
        let key: String = key.chars().take(20).collect();
        return Err(Some(refusal(&asked, &format!("there is no setting '{key}'"))));
    }
    let gain = match asked.get("settings").and_then(|settings| settings.get("gain")) {
        None => None,
        Some(gain) => {
            let known = gain.as_f64().and_then(|factor| Gain::from_factor(factor).ok());
            Some(known.ok_or_else(|| Some(refusal(&asked, &format!("{gain} is no gain of an AS7341"))))?)
        }
    };
    Ok(Request { asked, gain })
}

fn refusal(asked: &Map<String, Value>, error: &str) -> Value {
    json!({ "experiment_id": asked.get("experiment_id"), "error": error })
}

impl Request {
    fn settings(&self) -> SensorSettings {
        let usual = SensorSettings::default().without_led();
        self.gain.map_or(usual, |gain| usual.with_gain(gain))
    }

    /// How long the sensor needs.
    pub fn duration(&self) -> Duration {
        reading_time(self.settings())
    }

    /// Reads, now, and says what to answer.
    pub fn answer(&self, world: &mut World, at: DateTime<Utc>) -> Value {
        let key = self.asked.get("experiment_id").and_then(Value::as_str);
        let reading = match measure(world, self.settings(), key, at) {
            Ok(reading) => reading,
            Err(error) => {
                tracing::error!(%error, "a reading couldn't be recorded");
                return refusal(&self.asked, "the reading couldn't be recorded");
            }
        };
        let mut answer = self.asked.clone();
        let names = BANDS.iter().map(|band| band.name);
        let bands: BTreeMap<_, _> = names.zip(reading.channels.bands()).collect();
        answer.insert("sensor_data".to_owned(), json!(bands));
        if let Some(gain) = self.gain {
            let told =
                json!({ "gain": gain.factor(), "again_code": gain.code(), "analog_saturated": reading.saturated });
            answer.insert("sensor_settings".to_owned(), told);
        }
        Value::Object(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::WorldConfig;

    fn answer(payload: &Value) -> Value {
        let mut world = World::open(WorldConfig::default()).expect("a world");
        match parse(payload.to_string().as_bytes()) {
            Ok(request) => request.answer(&mut world, Utc::now()),
            Err(refusal) => refusal.unwrap_or_default(),
        }
    }

    #[test]
    fn every_key_of_a_request_comes_back_with_eight_bands() {
        let asked = json!({"command": {"R": 1, "Y": 2, "B": 3}, "experiment_id": "e", "session_id": "s", "more": [1]});
        let mut told = answer(&asked);
        let bands = told.as_object_mut().expect("an object").remove("sensor_data").expect("bands");
        assert_eq!(told, asked);
        assert_eq!(bands.as_object().map(Map::len), Some(8));
    }

    #[test]
    fn settings_that_came_are_used_and_told() {
        let told = answer(&json!({"command": {}, "experiment_id": "e", "settings": {"gain": 64}}));
        assert_eq!(told["sensor_settings"], json!({"gain": 64.0, "again_code": 7, "analog_saturated": false}));
        assert_eq!(told["settings"], json!({"gain": 64}));
        let refused = answer(&json!({"experiment_id": "e", "settings": {"gain": 100}}));
        assert_eq!(refused, json!({"experiment_id": "e", "error": "100 is no gain of an AS7341"}));
        assert_eq!(parse(b"no json"), Err(None));
        let refused = answer(&json!({"experiment_id": "e", "settings": {"gain": 64, "led_ma": 12}}));
        assert_eq!(refused, json!({"experiment_id": "e", "error": "there is no setting 'led_ma'"}));
    }
}
