//! Reading JSON that means one thing only. In front of serde, so that no endpoint can forget it.
//!
//! serde keeps the last of two equal keys, takes an array where fields are named, and follows nesting a long way. Here a
//! key that comes twice in an object, at any depth, is refused, as is an array in place of an object, and what is nested
//! deeper than any request of ours.
//!
//! Keys are compared as they read after their escapes, letter by letter: `"red"` and `"\u0072ed"` are one key, `"red"` and
//! `"Red"` are two. Since every field and every dye has a name of ASCII letters in lower case, the second is then refused
//! as a name that nobody knows; nothing is folded to match. `-0` is 0.

use serde::{
    Deserializer,
    de::{
        DeserializeOwned, DeserializeSeed, Error as _, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor,
        value::{MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};
use serde_json::{Error, Number};
use serde_path_to_error::{Path, Track};
use std::{collections::HashSet, fmt};

/// The deepest nesting read. An experiment's amounts are four deep.
const DEEPEST: usize = 16;

const OBJECT_WANTED: &str = "is here, and an object is wanted: write {…} with the fields";

/// What was wrong, and where in the document.
pub struct Refusal {
    pub path: Path,
    pub cause: Error,
}

/// Reads all of `bytes`, an object, as one `T`.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    let node = document(bytes)?;
    serde_path_to_error::deserialize(node)
        .map_err(|error| Refusal { path: error.path().clone(), cause: error.into_inner() })
}

fn document(bytes: &[u8]) -> Result<Node, Refusal> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let mut track = Track::new();
    let node = Nested(DEEPEST)
        .deserialize(serde_path_to_error::Deserializer::new(&mut reader, &mut track))
        .map_err(|cause| Refusal { path: track.path(), cause })?;
    let whole = |cause| Refusal { path: Track::new().path(), cause };
    reader.end().map_err(whole)?;
    if !matches!(node, Node::Object(_)) {
        // Said here too, since serde takes an array for what is told apart by a tag, and asks for no struct then.
        return Err(whole(Error::custom(format_args!("{} {OBJECT_WANTED} that /docs shows", node.what()))));
    }
    Ok(node)
}

/// A JSON value in which no object has a key twice.
enum Node {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

/// Reads a [`Node`] with so many levels below it.
#[derive(Clone, Copy)]
struct Nested(usize);

impl Nested {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        self.0.checked_sub(1).map(Self).ok_or_else(|| {
            E::custom(format_args!("this is nested more than {DEEPEST} deep, and no request is: send what /docs shows"))
        })
    }
}

impl<'de> DeserializeSeed<'de> for Nested {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Node, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Nested {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Node, E> {
        if value == 0.0 {
            return Ok(Node::Number(0.into()));
        }
        let number = Number::from_f64(value).map(Node::Number);
        number.ok_or_else(|| E::custom("a number must be finite: leave the value out if there is none"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Node, E> {
        Ok(Node::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let below = self.deeper()?;
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element_seed(below)? {
            nodes.push(node);
        }
        Ok(Node::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let below = self.deeper()?;
        let (mut entries, mut seen) = (Vec::new(), HashSet::new());
        while let Some(key) = map.next_key::<String>()? {
            if !seen.insert(key.clone()) {
                return map.next_value_seed(Twice);
            }
            let node = map.next_value_seed(below)?;
            entries.push((key, node));
        }
        Ok(Node::Object(entries))
    }
}

/// Refuses the value of a key that came before, from inside, where the path leads to it.
struct Twice;

impl<'de> DeserializeSeed<'de> for Twice {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, _: D) -> Result<Node, D::Error> {
        Err(D::Error::custom("this key comes twice in its object, and which value is meant can't be known: keep one"))
    }
}

impl Node {
    fn what(&self) -> Unexpected<'_> {
        match self {
            Self::Null => Unexpected::Other("null"),
            Self::Bool(value) => Unexpected::Bool(*value),
            Self::Number(number) => number.as_f64().map_or(Unexpected::Other("number"), Unexpected::Float),
            Self::Text(text) => Unexpected::Str(text),
            Self::List(_) => Unexpected::Other("an array"),
            Self::Object(_) => Unexpected::Map,
        }
    }
}

impl IntoDeserializer<'_, Error> for Node {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Node {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Null => visitor.visit_unit(),
            Self::Bool(value) => visitor.visit_bool(value),
            Self::Number(number) => number.deserialize_any(visitor),
            Self::Text(text) => visitor.visit_string(text),
            Self::List(nodes) => {
                let mut list = SeqDeserializer::new(nodes.into_iter());
                let value = visitor.visit_seq(&mut list)?;
                list.end().map(|()| value)
            }
            Self::Object(entries) => {
                let mut map = MapDeserializer::new(entries.into_iter());
                let value = visitor.visit_map(&mut map)?;
                map.end().map(|()| value)
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if matches!(self, Self::Null) { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if matches!(self, Self::Object(_)) {
            return self.deserialize_any(visitor);
        }
        Err(Error::custom(format_args!("{} {OBJECT_WANTED} {}", self.what(), fields.join(", "))))
    }

    /// By its name alone: no request of ours has variants that carry something, other than by a tag among their fields.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self {
            Self::Text(name) => visitor.visit_enum(name.into_deserializer()),
            other => Err(Error::custom(format_args!("{} is here: write one of {}", other.what(), variants.join(", ")))),
        }
    }

    /// A field or a tag. serde would take a number for one, by its place in the type.
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Text(name) => visitor.visit_string(name),
            other => Err(Error::custom(format_args!("{} is here, and a name is wanted", other.what()))),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    fn refused(text: &str) -> Refusal {
        match read::<Value>(text.as_bytes()) {
            Err(refusal) => refusal,
            Ok(value) => panic!("{text} was read as {value}"),
        }
    }

    /// Any value that nests at most so deep.
    fn value(levels: u32) -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1e15..1e15).prop_map(|number: f64| json!(number)),
            "\\PC{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(levels, 48, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("\\PC{0,4}", inner, 0..4).prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    fn object() -> impl Strategy<Value = Map<String, Value>> {
        prop::collection::btree_map("\\PC{0,4}", value(6), 1..4).prop_map(|map| map.into_iter().collect())
    }

    proptest! {
        #[test]
        fn what_means_one_thing_is_read_as_serde_reads_it(object in object()) {
            let text = serde_json::to_vec(&object).expect("text");
            match read::<Value>(&text) {
                Ok(read) => prop_assert_eq!(read, serde_json::from_slice::<Value>(&text).expect("JSON")),
                Err(refusal) => prop_assert!(false, "{}: {}", refusal.path, refusal.cause),
            }
        }

        #[test]
        fn a_key_that_comes_twice_is_found_at_any_depth(object in object(), arrays in 0..5usize, objects in 0..5usize, first in any::<bool>()) {
            let again = object.keys().next().expect("a key");
            let (again, whole) = (json!(again), serde_json::to_string(&object).expect("text"));
            let inside = whole.trim_start_matches('{').trim_end_matches('}');
            prop_assume!(whole.len() == inside.len() + 2);
            let twice = if first { format!("{{{again}:0,{inside}}}") } else { format!("{{{inside},{again}:0}}") };
            let (open, close) = (r#"{"in":"#.repeat(objects), "}".repeat(objects));
            let text = format!(r#"{{"at":{}{open}{twice}{close}{}}}"#, "[".repeat(arrays), "]".repeat(arrays));
            let refusal = refused(&text);
            prop_assert!(refusal.cause.is_data() && refusal.cause.to_string().contains("twice"), "{}", refusal.cause);
            let at = format!("at{}{}.{}", "[0]".repeat(arrays), ".in".repeat(objects), again.as_str().expect("text"));
            prop_assert_eq!(refusal.path.to_string(), at);
        }

        #[test]
        fn no_bytes_panic_and_none_are_read_that_serde_refuses(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(read::<Value>(&bytes).is_err() || serde_json::from_slice::<Value>(&bytes).is_ok());
        }

        #[test]
        fn no_damage_to_a_request_panics(at in 0..60usize, with in any::<u8>(), cut in 0..60usize) {
            let mut bytes = br#"{"wells":[{"volumes":{"red":60,"blue":-0.0}}],"name":"\u00e9"}"#.to_vec();
            bytes[at] = with;
            bytes.truncate(bytes.len() - cut);
            prop_assert!(read::<Value>(&bytes).is_err() || serde_json::from_slice::<Value>(&bytes).is_ok());
        }
    }

    #[test]
    fn nesting_has_a_bottom() {
        let nested = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
        assert!(read::<Value>(nested(DEEPEST).as_bytes()).is_ok());
        assert!(refused(&nested(DEEPEST + 1)).cause.to_string().contains("nested"));
        assert!(refused(&nested(100_000)).cause.is_data(), "refused long before the stack ends");
        assert!(refused(&format!(r#"{{"a":{}"#, "[".repeat(500_000))).cause.is_data());
    }

    #[test]
    fn numbers_are_finite_and_nought_has_no_sign() {
        for text in ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "+1", "01", "1.", ".5", "0x10"] {
            assert!(refused(&format!(r#"{{"a":{text}}}"#)).cause.is_syntax(), "{text}");
        }
        for text in ["-0", "-0.0", "-0e5", "1e-400"] {
            match read::<std::collections::BTreeMap<String, u8>>(format!(r#"{{"a":{text}}}"#).as_bytes()) {
                Ok(read) => assert_eq!(read["a"], 0, "{text}"),
                Err(refusal) => panic!("{text}: {}", refusal.cause),
            }
        }
    }

    #[test]
    fn keys_are_one_when_they_read_as_one_and_two_when_they_differ_in_case_or_form() {
        for text in [r#"{"a":1,"\u0061":2}"#, r#"{"é":1,"\u00e9":2}"#, r#"{"😀":1,"\ud83d\ude00":2}"#, r#"{"":1,"":2}"#]
        {
            assert!(refused(text).cause.to_string().contains("twice"), "{text}");
        }
        for text in [r#"{"red":1,"Red":2}"#, "{\"\u{e9}\":1,\"e\u{301}\":2}", r#"{"red":1,"red ":2}"#] {
            assert!(read::<Value>(text.as_bytes()).is_ok(), "{text}: two keys, of which one will be unknown");
        }
        assert!(refused(r#"{"\ud83d":1}"#).cause.is_syntax(), "half a letter");
    }

    #[test]
    fn a_document_is_an_object() {
        for text in ["[]", "[1]", "null", "1", r#""text""#, "true"] {
            assert!(refused(text).cause.to_string().contains("an object is wanted"), "{text}");
        }
        for text in ["", " ", "{}{}", "{} x", "\u{feff}{}"] {
            assert!(!refused(text).cause.is_data(), "{text}");
        }
    }
}
