//! JSON in every way that it can be written.

use std::fmt::Write as _;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Writes JSON as somebody with no taste would: white space anywhere, letters escaped at whim.
struct Scribe {
    whims: Vec<u8>,
    at: usize,
    text: String,
}

impl Scribe {
    fn whim(&mut self) -> u8 {
        self.at += 1;
        self.whims[self.at % self.whims.len()]
    }

    fn space(&mut self) {
        let spaces = ["", "", "", " ", "\n", "\t", " \r\n  "];
        let whim = usize::from(self.whim());
        self.text.push_str(spaces[whim % spaces.len()]);
    }

    fn string(&mut self, text: &str) {
        self.text.push('"');
        for each in text.chars() {
            if each.is_ascii_alphanumeric() && self.whim().is_multiple_of(9) {
                write!(self.text, "\\u{:04x}", u32::from(each)).unwrap();
            } else {
                let quoted = json!(each.to_string()).to_string();
                self.text.push_str(&quoted[1..quoted.len() - 1]);
            }
        }
        self.text.push('"');
    }

    fn value(&mut self, value: &Value) {
        self.space();
        match value {
            Value::Array(items) => {
                self.text.push('[');
                for (at, item) in items.iter().enumerate() {
                    self.text.push_str(if at > 0 { "," } else { "" });
                    self.value(item);
                }
                self.space();
                self.text.push(']');
            }
            Value::Object(members) => {
                self.text.push('{');
                // Members in any order.
                let turn = usize::from(self.whim()) % members.len().max(1);
                let order = members.iter().cycle().skip(turn).take(members.len());
                for (at, (key, value)) in order.enumerate() {
                    self.text.push_str(if at > 0 { "," } else { "" });
                    self.space();
                    self.string(key);
                    self.space();
                    self.text.push(':');
                    self.value(value);
                }
                self.space();
                self.text.push('}');
            }
            Value::String(text) => self.string(text),
            Value::Bool(_) | Value::Null | Value::Number(_) => {
                self.text.push_str(&value.to_string());
            }
        }
        self.space();
    }
}

/// `value` as whims have it.
pub(crate) fn write(value: &Value, whims: Vec<u8>) -> Bytes {
    let mut scribe = Scribe { whims, at: 0, text: String::new() };
    scribe.value(value);
    Bytes::from(scribe.text)
}

/// Whims to write by.
pub(crate) fn whims() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 1..40)
}
