//! Holding answers against the OpenAPI document: types, required fields, enumerations, unions. A small part of JSON
//! Schema, and all that document uses for answers.

use serde_json::{Map, Value};
use std::path::Path;

/// Schemas nest no deeper; labware on labware would be endless otherwise.
const DEEPEST: usize = 60;

pub struct OpenApi {
    document: Value,
}

impl OpenApi {
    pub fn read(file: &Path) -> Self {
        let bytes = std::fs::read(file).expect("the OpenAPI document");
        Self { document: serde_json::from_slice(&bytes).expect("the OpenAPI document is JSON") }
    }

    /// What in an answer the document doesn't allow. An answer it says nothing about is allowed.
    pub fn check(&self, method: &str, path: &str, status: u16, body: &Value) -> Option<String> {
        let schema = self.schema(method, path, status)?;
        self.complaint(schema, body, "", 0).map(|complaint| format!("against the OpenAPI document: {complaint}"))
    }

    fn schema(&self, method: &str, path: &str, status: u16) -> Option<&Value> {
        let asked: Vec<_> = path.split('?').next()?.split('/').collect();
        let fits = |template: &str| {
            let parts: Vec<_> = template.split('/').collect();
            parts.len() == asked.len()
                && parts.iter().zip(&asked).all(|(part, asked)| part.starts_with('{') || part == asked)
        };
        let paths = self.document.get("paths")?.as_object()?;
        // A literal path is meant before one with a parameter.
        let route =
            paths.get(path).or_else(|| paths.iter().find(|(template, _)| fits(template)).map(|(_, route)| route))?;
        let responses = route.get(method.to_lowercase())?.get("responses")?;
        responses.get(status.to_string())?.pointer("/content/application~1json/schema")
    }

    fn complaint(&self, schema: &Value, value: &Value, at: &str, depth: usize) -> Option<String> {
        if depth > DEEPEST {
            return None;
        }
        let schema = self.resolve(schema);
        let all = schema.get("allOf").and_then(Value::as_array).into_iter().flatten();
        if let Some(complaint) = all.filter_map(|part| self.complaint(part, value, at, depth + 1)).next() {
            return Some(complaint);
        }
        let any = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array);
        if let Some(any) = any {
            let complaints: Vec<_> = any.iter().map(|part| self.complaint(part, value, at, depth + 1)).collect();
            if complaints.iter().all(Option::is_some) {
                let shortest = complaints.into_iter().flatten().min_by_key(String::len).unwrap_or_default();
                return Some(format!("{at} fits none of {}: {shortest}", any.len()));
            }
        }
        if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
            && !allowed.contains(value)
        {
            return Some(format!("{at} is {value}, not one of {allowed:?}"));
        }
        if let Some(wanted) = schema.get("type").and_then(Value::as_str)
            && !is_a(wanted, value)
        {
            return Some(format!("{at} is {value}, not a {wanted}"));
        }
        match value {
            Value::Object(fields) => self.object_complaint(schema, fields, at, depth),
            Value::Array(items) => {
                let schema = schema.get("items")?;
                let complaints = items.iter().enumerate();
                complaints
                    .filter_map(|(index, item)| self.complaint(schema, item, &format!("{at}/{index}"), depth + 1))
                    .next()
            }
            _ => None,
        }
    }

    fn object_complaint(&self, schema: &Value, fields: &Map<String, Value>, at: &str, depth: usize) -> Option<String> {
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        if let Some(missing) = required.filter_map(Value::as_str).find(|name| !fields.contains_key(*name)) {
            return Some(format!("{at}/{missing} is required"));
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        let rest = schema.get("additionalProperties").filter(|rest| rest.is_object());
        fields.iter().find_map(|(name, value)| {
            // pydantic writes an optional field's null where the document names only its type.
            let schema =
                properties.and_then(|properties| properties.get(name)).or(rest).filter(|_| !value.is_null())?;
            self.complaint(schema, value, &format!("{at}/{name}"), depth + 1)
        })
    }

    fn resolve<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let target = schema.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
        target.and_then(|pointer| self.document.pointer(pointer)).unwrap_or(schema)
    }
}

fn is_a(wanted: &str, value: &Value) -> bool {
    match wanted {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => true,
    }
}
