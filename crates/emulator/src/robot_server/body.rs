//! Reading requests as pydantic would: JSON with Python's complaints, and fields whose problems are all told at once.

use super::error::FieldProblem;
use serde_json::{Map, Value};
use std::sync::LazyLock;

const REQUIRED: &str = "field required";
const NOT_NULL: &str = "none is not an allowed value";

/// Parses a body. An empty one is `null`.
pub fn parse(bytes: &[u8]) -> Result<Value, FieldProblem> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(bytes).map_err(|error| {
        let offset = offset_of(bytes, error.line(), error.column());
        let detail = format!(
            "{}: line {} column {} (char {offset})",
            complaint(bytes, offset),
            error.line().max(1),
            error.column().max(1)
        );
        FieldProblem { at: offset.to_string(), detail }
    })
}

/// Byte offset of a place that `serde_json` names by line and column (from 1).
fn offset_of(bytes: &[u8], line: usize, column: usize) -> usize {
    let before: usize =
        bytes.split_inclusive(|&byte| byte == b'\n').take(line.saturating_sub(1)).map(<[u8]>::len).sum();
    (before + column.saturating_sub(1)).min(bytes.len())
}

/// What Python's JSON decoder would say there.
fn complaint(bytes: &[u8], offset: usize) -> &'static str {
    let before = bytes.get(..offset).unwrap_or_default().trim_ascii_end().last();
    match before {
        Some(b'{') => "Expecting property name enclosed in double quotes",
        Some(b',' | b'[' | b':') | None => "Expecting value",
        Some(b'}' | b']' | b'"' | b'0'..=b'9') => "Expecting ',' delimiter",
        Some(_) => "Expecting value",
    }
}

/// The fields of one JSON object. Reading never stops at the first problem; [`Fields::finish`] tells them all.
#[derive(Debug)]
pub struct Fields<'a> {
    object: Option<&'a Map<String, Value>>,
    at: String,
    problems: Vec<FieldProblem>,
}

impl<'a> Fields<'a> {
    /// `at` is the object's own place, as `data/HomeCreate/params`; empty for the body itself.
    pub fn of(value: &'a Value, at: impl Into<String>) -> Self {
        let mut fields = Self { object: as_object(value), at: at.into(), problems: Vec::new() };
        if fields.object.is_none() {
            let detail = if value.is_null() { REQUIRED } else { "value is not a valid dict" };
            fields.problems.push(FieldProblem { at: fields.at.clone(), detail: detail.to_owned() });
        }
        fields
    }

    /// The field as it is; absent and `null` are the same.
    pub fn raw(&self, name: &str) -> Option<&'a Value> {
        self.object?.get(name).filter(|value| !value.is_null())
    }

    pub fn text(&mut self, name: &str) -> String {
        self.required(name, as_text)
    }

    pub fn optional_text(&mut self, name: &str) -> Option<String> {
        self.optional(name, as_text)
    }

    pub fn number(&mut self, name: &str) -> f64 {
        self.required(name, as_number)
    }

    pub fn optional_number(&mut self, name: &str) -> Option<f64> {
        self.optional(name, as_number)
    }

    /// A number not below zero.
    pub fn amount(&mut self, name: &str) -> f64 {
        let amount = self.number(name);
        if amount < 0.0 {
            self.complain(name, "ensure this value is greater than or equal to 0");
        }
        amount
    }

    /// A number above zero.
    pub fn positive(&mut self, name: &str) -> f64 {
        let before = self.problems.len();
        let number = self.number(name);
        if self.object.is_some() && number <= 0.0 && self.problems.len() == before {
            self.complain(name, "ensure this value is greater than 0");
        }
        number
    }

    pub fn whole(&mut self, name: &str) -> i64 {
        self.required(name, as_whole)
    }

    pub fn truth(&mut self, name: &str) -> bool {
        self.required(name, as_truth)
    }

    pub fn optional_truth(&mut self, name: &str) -> Option<bool> {
        self.optional(name, as_truth)
    }

    /// One of `choices`.
    pub fn choice(&mut self, name: &str, choices: &[&'static str]) -> &'static str {
        match self.raw(name) {
            None => {
                self.complain_of_absence(name);
                ""
            }
            Some(value) => self.one_of(name, value, choices),
        }
    }

    pub fn optional_choice(&mut self, name: &str, choices: &[&'static str]) -> Option<&'static str> {
        let value = self.raw(name)?;
        Some(self.one_of(name, value, choices))
    }

    /// An object read by `read`; `None` when absent.
    pub fn optional_object<T>(&mut self, name: &str, read: impl FnOnce(&mut Fields<'_>) -> T) -> Option<T> {
        let value = self.raw(name)?;
        let mut inner = Fields::of(value, self.place(name));
        let read = read(&mut inner);
        self.problems.append(&mut inner.problems);
        Some(read)
    }

    /// An object read by `read`, which must be there.
    pub fn object<T: Default>(&mut self, name: &str, read: impl FnOnce(&mut Fields<'_>) -> T) -> T {
        if self.raw(name).is_none() {
            self.complain_of_absence(name);
        }
        self.optional_object(name, read).unwrap_or_default()
    }

    /// Says that a field that is needed isn't there, or is `null`.
    pub fn complain_of_absence(&mut self, name: &str) {
        let Some(object) = self.object else { return };
        self.complain(name, if object.contains_key(name) { NOT_NULL } else { REQUIRED });
    }

    /// A field that may be left out mustn't be `null`.
    pub fn refuse_null(&mut self, name: &str) {
        if self.object.is_some_and(|object| object.get(name) == Some(&Value::Null)) {
            self.complain(name, NOT_NULL);
        }
    }

    /// Says that the field is wrong.
    pub fn complain(&mut self, name: &str, detail: impl Into<String>) {
        let at = self.place(name);
        self.complain_at(at, detail);
    }

    /// Says what is wrong at any place.
    pub fn complain_at(&mut self, at: impl Into<String>, detail: impl Into<String>) {
        self.problems.push(FieldProblem { at: at.into(), detail: detail.into() });
    }

    /// Takes over what was wrong with another object.
    pub fn take_problems(&mut self, mut other: Fields<'_>) {
        self.problems.append(&mut other.problems);
    }

    /// Every field as it came.
    pub fn given(&self) -> Map<String, Value> {
        self.object.cloned().unwrap_or_default()
    }

    /// All well, or every problem.
    pub fn finish(self) -> Result<(), Vec<FieldProblem>> {
        if self.problems.is_empty() { Ok(()) } else { Err(self.problems) }
    }

    /// Where a field of this object is.
    pub fn place(&self, name: &str) -> String {
        if self.at.is_empty() { name.to_owned() } else { format!("{}/{name}", self.at) }
    }

    fn one_of(&mut self, name: &str, value: &Value, choices: &[&'static str]) -> &'static str {
        let chosen = choices.iter().copied().find(|choice| value.as_str() == Some(choice));
        chosen.unwrap_or_else(|| {
            self.complain(name, not_permitted(choices));
            ""
        })
    }

    fn required<T: Default>(&mut self, name: &str, read: fn(&Value) -> Result<T, &'static str>) -> T {
        if self.raw(name).is_none() {
            self.complain_of_absence(name);
        }
        self.optional(name, read).unwrap_or_default()
    }

    fn optional<T>(&mut self, name: &str, read: fn(&Value) -> Result<T, &'static str>) -> Option<T> {
        read(self.raw(name)?).map_err(|detail| self.complain(name, detail)).ok()
    }
}

/// pydantic's words for a value outside an enumeration.
pub fn not_permitted(choices: &[&str]) -> String {
    let quoted: Vec<_> = choices.iter().map(|choice| format!("'{choice}'")).collect();
    format!("value is not a valid enumeration member; permitted: {}", quoted.join(", "))
}

/// pydantic makes an object of whatever `dict()` does: an empty list or text is an empty one.
pub fn as_object(value: &Value) -> Option<&Map<String, Value>> {
    static EMPTY: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);
    match value {
        Value::Object(object) => Some(object),
        Value::Array(items) if items.is_empty() => Some(&EMPTY),
        Value::String(text) if text.is_empty() => Some(&EMPTY),
        _ => None,
    }
}

/// Numbers and truth values are texts, too, to pydantic.
pub fn as_text(value: &Value) -> Result<String, &'static str> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(truth) => Ok(if *truth { "True" } else { "False" }.to_owned()),
        _ => Err("str type expected"),
    }
}

fn as_number(value: &Value) -> Result<f64, &'static str> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
        _ => None,
    };
    number.filter(|number| number.is_finite()).ok_or("value is not a valid float")
}

fn as_whole(value: &Value) -> Result<i64, &'static str> {
    let whole = match value {
        // Python's `int()` cuts what is behind the point.
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|number| number as i64)),
        Value::String(text) => text.trim().parse().ok(),
        Value::Bool(truth) => Some(i64::from(*truth)),
        _ => None,
    };
    whole.ok_or("value is not a valid integer")
}

/// pydantic reads these words and numbers as truth values.
fn as_truth(value: &Value) -> Result<bool, &'static str> {
    match value {
        Value::Bool(truth) => Ok(*truth),
        Value::Number(number) if number.as_f64() == Some(1.0) => Ok(true),
        Value::Number(number) if number.as_f64() == Some(0.0) => Ok(false),
        Value::String(text) => match text.to_lowercase().as_str() {
            "true" | "on" | "yes" | "y" | "t" | "1" => Ok(true),
            "false" | "off" | "no" | "n" | "f" | "0" => Ok(false),
            _ => Err("value could not be parsed to a boolean"),
        },
        _ => Err("value could not be parsed to a boolean"),
    }
}
