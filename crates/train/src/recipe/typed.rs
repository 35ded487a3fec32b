//! From a TOML table to a typed recipe, with the path of whatever does not fit.
//!
//! serde's own errors carry no path once the table was edited; this deserializer keeps it, and refuses keys that a struct
//! does not have whether or not the struct says `deny_unknown_fields`.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeOwned, DeserializeSeed, EnumAccess, VariantAccess, Visitor};
use serde::forward_to_deserialize_any;
use toml::{Table, Value};

/// What does not fit, and where.
#[derive(Debug)]
pub(super) struct TypedError {
    /// From the root to the value at fault.
    pub(super) path: Vec<String>,
    /// What is wrong with it.
    pub(super) fault: Fault,
}

#[derive(Debug)]
pub(super) enum Fault {
    UnknownKey { key: String, valid: Vec<String> },
    MissingKey { key: String },
    UnknownVariant { variant: String, valid: &'static [&'static str] },
    Other(String),
}

impl TypedError {
    fn new(fault: Fault) -> Self {
        Self { path: Vec::new(), fault }
    }

    fn below(mut self, part: &str) -> Self {
        self.path.insert(0, part.to_owned());
        self
    }
}

impl fmt::Display for TypedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.fault {
            Fault::UnknownKey { key, .. } => write!(f, "unknown key `{key}`"),
            Fault::MissingKey { key } => write!(f, "missing key `{key}`"),
            Fault::UnknownVariant { variant, .. } => write!(f, "unknown value `{variant}`"),
            Fault::Other(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for TypedError {}

impl de::Error for TypedError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Fault::Other(message.to_string()))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let valid = expected.iter().map(|&key| key.to_owned()).collect();
        Self::new(Fault::UnknownKey { key: field.to_owned(), valid })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Fault::MissingKey { key: field.to_owned() })
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Fault::UnknownVariant { variant: variant.to_owned(), valid: expected })
    }
}

/// Reads a typed recipe from a table.
pub(super) fn from_table<T: DeserializeOwned>(table: &Table) -> Result<T, TypedError> {
    T::deserialize(TableReader(table))
}

#[derive(Clone, Copy)]
struct TableReader<'a>(&'a Table);

#[derive(Clone, Copy)]
struct ValueReader<'a>(&'a Value);

impl<'de> de::Deserializer<'de> for TableReader<'_> {
    type Error = TypedError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypedError> {
        visitor.visit_map(Entries { rest: self.0.iter(), value: None })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TypedError> {
        match self.0.keys().find(|key| !fields.contains(&key.as_str())) {
            Some(unknown) => Err(de::Error::unknown_field(unknown, fields)),
            None => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

impl<'de> de::Deserializer<'de> for ValueReader<'_> {
    type Error = TypedError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypedError> {
        match self.0 {
            Value::String(text) => visitor.visit_str(text),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Boolean(truth) => visitor.visit_bool(*truth),
            Value::Datetime(date) => visitor.visit_str(&date.to_string()),
            Value::Array(items) => visitor.visit_seq(Items { rest: items.iter().enumerate() }),
            Value::Table(table) => TableReader(table).deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypedError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, TypedError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TypedError> {
        match self.0 {
            Value::Table(table) => TableReader(table).deserialize_struct(name, fields, visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TypedError> {
        match self.0 {
            Value::String(variant) => visitor.visit_enum(Variant { name: variant, content: None }),
            Value::Table(table) => match table.iter().next() {
                Some((name, content)) if table.len() == 1 => {
                    visitor.visit_enum(Variant { name, content: Some(content) })
                }
                _ => Err(de::Error::custom(format!("expected a table of one key, got {} keys", table.len()))),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

struct Entries<'a> {
    rest: toml::map::Iter<'a, String, Value>,
    value: Option<(&'a str, &'a Value)>,
}

impl<'de> de::MapAccess<'de> for Entries<'_> {
    type Error = TypedError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, TypedError> {
        let Some((key, value)) = self.rest.next() else { return Ok(None) };
        self.value = Some((key, value));
        seed.deserialize(StrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, TypedError> {
        let (key, value) = self.value.take().ok_or_else(|| de::Error::custom("a value is read before its key"))?;
        seed.deserialize(ValueReader(value)).map_err(|error| error.below(key))
    }
}

struct Items<'a> {
    rest: std::iter::Enumerate<std::slice::Iter<'a, Value>>,
}

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = TypedError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, TypedError> {
        let Some((index, item)) = self.rest.next() else { return Ok(None) };
        seed.deserialize(ValueReader(item)).map(Some).map_err(|error| error.below(&index.to_string()))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

struct Variant<'a> {
    name: &'a str,
    content: Option<&'a Value>,
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a> {
    type Error = TypedError;
    type Variant = VariantContent<'a>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, VariantContent<'a>), TypedError> {
        let variant = seed.deserialize(StrDeserializer::new(self.name))?;
        Ok((variant, VariantContent { name: self.name, content: self.content }))
    }
}

struct VariantContent<'a> {
    name: &'a str,
    content: Option<&'a Value>,
}

impl<'a> VariantContent<'a> {
    fn content(&self) -> Result<ValueReader<'a>, TypedError> {
        self.content
            .map(ValueReader)
            .ok_or_else(|| de::Error::custom(format!("expected a table {{ {} = … }}, got the name alone", self.name)))
    }
}

impl<'de> VariantAccess<'de> for VariantContent<'_> {
    type Error = TypedError;

    fn unit_variant(self) -> Result<(), TypedError> {
        match self.content {
            None => Ok(()),
            Some(_) => Err(de::Error::custom(format!("expected the name \"{}\" alone, got a table", self.name))),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, TypedError> {
        seed.deserialize(self.content()?).map_err(|error| error.below(self.name))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, TypedError> {
        de::Deserializer::deserialize_any(self.content()?, visitor).map_err(|error| error.below(self.name))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TypedError> {
        de::Deserializer::deserialize_struct(self.content()?, "", fields, visitor)
            .map_err(|error| error.below(self.name))
    }
}
