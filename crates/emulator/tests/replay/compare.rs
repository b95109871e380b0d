//! Comparing an answer with a recording: identifiers and times differ, all else must not.

use serde_json::Value;
use std::collections::BTreeMap;

/// Numbers that differ by less are the same.
const TOLERANCE: f64 = 1e-6;
/// Where the recordings cut a long text off.
const CUT: &str = "…(cut)";

/// Which identifier here stands for which in the recordings.
#[derive(Debug, Default)]
pub struct Identities {
    here: BTreeMap<String, String>,
}

impl Identities {
    /// A text of the recordings with our identifiers in it.
    pub fn translate(&self, text: &str) -> String {
        self.here.iter().fold(text.to_owned(), |text, (recorded, here)| text.replace(recorded, here))
    }

    /// Takes runs out of a recorded list that were made before the recordings replayed here.
    pub fn forget_other_runs(&self, body: &mut Value) {
        let is_run = |item: &Value| item.get("hasEverEnteredErrorRecovery").is_some();
        let Some(runs) = body.get_mut("data").and_then(Value::as_array_mut) else { return };
        let before = runs.len();
        runs.retain(|item| !is_run(item) || self.here.contains_key(item["id"].as_str().unwrap_or_default()));
        let forgotten = (before - runs.len()) as u64;
        if let Some(total) = body.pointer_mut("/meta/totalLength") {
            *total = Value::from(total.as_u64().unwrap_or_default() - forgotten);
        }
    }

    /// The first difference between a recorded value and ours, leaving out the places in `except`.
    pub fn compare(&mut self, recorded: &Value, here: &Value, except: &[&str]) -> Option<String> {
        self.learn(recorded, here);
        self.difference(recorded, here, "", except)
    }

    fn learn(&mut self, recorded: &Value, here: &Value) {
        match (recorded, here) {
            (Value::String(recorded), Value::String(here)) if is_identifier(recorded) && is_identifier(here) => {
                self.here.entry(recorded.clone()).or_insert_with(|| here.clone());
            }
            (Value::Array(recorded), Value::Array(here)) => {
                recorded.iter().zip(here).for_each(|(recorded, here)| self.learn(recorded, here));
            }
            (Value::Object(recorded), Value::Object(here)) => {
                for (name, recorded) in recorded {
                    self.learn(recorded, here.get(name).unwrap_or(&Value::Null));
                }
            }
            _ => {}
        }
    }

    fn difference(&self, recorded: &Value, here: &Value, at: &str, except: &[&str]) -> Option<String> {
        let same = match (recorded, here) {
            _ if except.contains(&at) => true,
            (Value::Object(recorded), Value::Object(here)) => {
                let abridged = recorded.contains_key("omitted");
                let expected =
                    recorded.iter().filter(|(name, value)| *name != "omitted" && !(abridged && value.is_null()));
                let surplus = here.keys().find(|name| !abridged && !recorded.contains_key(*name));
                if let Some(name) = surplus {
                    return Some(format!("{at}/{name} wasn't recorded"));
                }
                return expected
                    .filter_map(|(name, recorded)| {
                        self.member(recorded, here.get(name), &format!("{at}/{name}"), abridged, except)
                    })
                    .next();
            }
            (Value::Array(recorded), Value::Array(here)) if recorded.len() == here.len() => {
                let pairs = recorded.iter().zip(here).enumerate();
                return pairs
                    .filter_map(|(index, (recorded, here))| {
                        self.difference(recorded, here, &format!("{at}/{index}"), except)
                    })
                    .next();
            }
            (Value::Number(recorded), Value::Number(here)) => {
                let (recorded, here) = (recorded.as_f64().unwrap_or(f64::NAN), here.as_f64().unwrap_or(f64::NAN));
                (recorded - here).abs() < TOLERANCE
            }
            (Value::String(recorded), Value::String(here)) => return self.text_difference(recorded, here, at),
            (recorded, here) => recorded == here,
        };
        (!same).then(|| format!("{at} is {here} where {recorded} was recorded"))
    }

    fn member(
        &self,
        recorded: &Value,
        here: Option<&Value>,
        at: &str,
        abridged: bool,
        except: &[&str],
    ) -> Option<String> {
        let Some(here) = here else { return Some(format!("{at} is missing")) };
        match (abridged, recorded, here) {
            // Of what was abridged only what is left counts.
            (true, Value::Object(recorded), Value::Object(here)) => recorded
                .iter()
                .filter(|(_, value)| !value.is_null())
                .find_map(|(name, value)| self.member(value, here.get(name), &format!("{at}/{name}"), true, except)),
            _ => self.difference(recorded, here, at, except),
        }
    }

    fn text_difference(&self, recorded: &str, here: &str, at: &str) -> Option<String> {
        if let (Ok(recorded @ Value::Object(_)), Ok(here)) =
            (serde_json::from_str(recorded), serde_json::from_str(here))
        {
            return self.difference(&recorded, &here, at, &[]);
        }
        let expected = self.translate(recorded);
        let same = match expected.strip_suffix(CUT) {
            Some(beginning) => here.starts_with(beginning),
            None => (is_time(recorded) && is_time(here)) || expected == here,
        };
        (!same).then(|| format!("{at} is {here:?} where {expected:?} was recorded"))
    }
}

fn is_identifier(text: &str) -> bool {
    matches!(text.len(), 32 | 36) && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

fn is_time(text: &str) -> bool {
    text.len() == 32 && text.ends_with("+00:00") && text.as_bytes().get(10) == Some(&b'T')
}
