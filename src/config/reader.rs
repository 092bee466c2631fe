//! Reads settings out of a [`Node`] through serde, and says where it failed.
//!
//! One deserializer for all three formats: path and line are known at every step, and serde's own error constructors
//! bring the name that was not known together with those that are. No text of the file gets into a fault, but for
//! the names of options.

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;

use super::document::{Entry, Node, Value};
use super::fault::{Fault, FaultKind};

/// Reads a value of settings; `path` is where the node stands in the document.
pub(super) fn read<'de, T: serde::Deserialize<'de>>(
    node: &'de Node,
    path: &str,
) -> Result<T, Fault> {
    T::deserialize(Reader {
        node,
        path: path.to_owned(),
    })
}

/// Joins a path and a name.
pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

struct Reader<'de> {
    node: &'de Node,
    path: String,
}

impl Reader<'_> {
    /// Gives a fault that has no place yet the place of this node.
    fn locate(node: &Node, path: &str, mut fault: Fault) -> Fault {
        if fault.path.is_none() {
            fault.path = Some(path.to_owned());
            fault.line = node.line;
        }
        fault
    }
}

impl<'de> de::Deserializer<'de> for Reader<'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let Self { node, path } = self;
        let result = match &node.value {
            Value::Null => Err(Fault::from(FaultKind::NoValue)),
            Value::Bool(flag) => visitor.visit_bool(*flag),
            Value::Int(int) => visit_int(*int, visitor),
            Value::Float(float) => visitor.visit_f64(*float),
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::List(items) => visitor.visit_seq(Items {
                items: items.iter().enumerate(),
                path: &path,
            }),
            Value::Map(entries) => visitor.visit_map(Entries {
                rest: entries.iter(),
                value: None,
                path: &path,
            }),
        };
        result.map_err(|fault| Self::locate(node, &path, fault))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        // A key without a value is a slip, not a wish for the default: `deserialize_any` refuses it.
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let (node, path) = (self.node, self.path.clone());
        visitor
            .visit_newtype_struct(self)
            .map_err(|fault| Self::locate(node, &path, fault))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let result = match &self.node.value {
            Value::Text(text) => visitor.visit_enum(Choice(text)),
            Value::Null => Err(Fault::from(FaultKind::NoValue)),
            other => Err(FaultKind::WrongType {
                found: other.kind(),
                wanted: "text".to_owned(),
            }
            .into()),
        };
        result.map_err(|fault| Self::locate(self.node, &self.path, fault))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        // Serde would take a list as well, field by field in the order of the code.
        if let Value::List(_) = self.node.value {
            let fault = FaultKind::WrongType {
                found: self.node.value.kind(),
                wanted: "a map of options".to_owned(),
            };
            return Err(Self::locate(self.node, &self.path, fault.into()));
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string
        bytes byte_buf unit unit_struct seq tuple tuple_struct map identifier
    }
}

fn visit_int<'de, V: Visitor<'de>>(int: i128, visitor: V) -> Result<V::Value, Fault> {
    if let Ok(int) = u64::try_from(int) {
        visitor.visit_u64(int)
    } else if let Ok(int) = i64::try_from(int) {
        visitor.visit_i64(int)
    } else {
        visitor.visit_i128(int)
    }
}

struct Items<'de, 'p> {
    items: std::iter::Enumerate<std::slice::Iter<'de, Node>>,
    path: &'p str,
}

impl<'de> SeqAccess<'de> for Items<'de, '_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        let Some((index, node)) = self.items.next() else {
            return Ok(None);
        };
        let path = format!("{}[{index}]", self.path);
        seed.deserialize(Reader {
            node,
            path: path.clone(),
        })
        .map(Some)
        .map_err(|fault| Reader::locate(node, &path, fault))
    }
}

struct Entries<'de, 'p> {
    rest: std::slice::Iter<'de, Entry>,
    value: Option<(&'de str, &'de Node)>,
    path: &'p str,
}

impl<'de> MapAccess<'de> for Entries<'de, '_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        let Some(entry) = self.rest.next() else {
            return Ok(None);
        };
        self.value = Some((&entry.key, &entry.node));
        let key: StrDeserializer<'_, Fault> = entry.key.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|mut fault| {
            fault.path = Some(self.path.to_owned());
            fault.line = entry.line;
            fault
        })
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Fault> {
        let (key, node) = self
            .value
            .take()
            .expect("serde asks for a value after its key");
        let path = join(self.path, key);
        seed.deserialize(Reader {
            node,
            path: path.clone(),
        })
        .map_err(|fault| Reader::locate(node, &path, fault))
    }
}

/// A word that names a unit variant.
struct Choice<'de>(&'de str);

impl<'de> EnumAccess<'de> for Choice<'de> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Fault> {
        let name: StrDeserializer<'_, Fault> = self.0.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Choice<'de> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _seed: T) -> Result<T::Value, Fault> {
        Err(word_only())
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, _visitor: V) -> Result<V::Value, Fault> {
        Err(word_only())
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Fault> {
        Err(word_only())
    }
}

fn word_only() -> Fault {
    FaultKind::WrongType {
        found: "text",
        wanted: "a map".to_owned(),
    }
    .into()
}

impl Value {
    /// Names the kind of value for people.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "empty",
            Self::Bool(_) => "true or false",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}
