//! Values of a JSON object, read with errors that name the setting.

use serde_json::{Map, Value};

use crate::import::error::ImportError;

/// A JSON object whose values are read by name. What is null is not there.
#[derive(Clone, Copy)]
pub(crate) struct Object<'a>(pub(crate) &'a Map<String, Value>);

/// Largest whole number that any setting has.
const LARGEST: u64 = 1 << 24;

impl<'a> Object<'a> {
    pub(crate) fn get(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn object(self, name: &str) -> Option<Object<'a>> {
        self.get(name)?.as_object().map(Object)
    }

    pub(crate) fn text(self, name: &str) -> Result<Option<&'a str>, ImportError> {
        self.value(name, "a text", Value::as_str)
    }

    pub(crate) fn flag(self, name: &str) -> Result<Option<bool>, ImportError> {
        self.value(name, "true or false", Value::as_bool)
    }

    pub(crate) fn number(self, name: &str) -> Result<Option<f64>, ImportError> {
        let finite = |value: &Value| value.as_f64().filter(|number| number.is_finite());
        self.value(name, "a number", finite)
    }

    pub(crate) fn count(self, name: &str) -> Result<Option<usize>, ImportError> {
        self.value(name, "a whole number below 2²⁴", count)
    }

    /// One number for both axes, or one each.
    pub(crate) fn pair(self, name: &str) -> Result<Option<[usize; 2]>, ImportError> {
        self.value(name, "a whole number or two", |value| {
            match value.as_array() {
                None => count(value).map(|side| [side, side]),
                Some(list) => match list.as_slice() {
                    [height, width] => Some([count(height)?, count(width)?]),
                    _ => None,
                },
            }
        })
    }

    /// One number per channel.
    pub(crate) fn numbers(self, name: &str) -> Result<Option<Vec<f32>>, ImportError> {
        self.value(name, "a list of up to 64 numbers", |value| {
            let list = value.as_array().filter(|list| list.len() <= 64)?;
            let number = |value: &Value| value.as_f64().map(|number| number as f32);
            list.iter().map(number).collect()
        })
    }

    fn value<T>(
        self,
        name: &str,
        expected: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ImportError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let refuse = || unsupported(name, short(value), expected);
        read(value).map(Some).ok_or_else(refuse)
    }
}

fn count(value: &Value) -> Option<usize> {
    let number = value.as_u64().filter(|number| *number < LARGEST)?;
    usize::try_from(number).ok()
}

/// A value as an error shows it.
fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

pub(crate) fn unsupported(
    what: impl Into<String>,
    got: impl Into<String>,
    expected: impl Into<String>,
) -> ImportError {
    ImportError::Unsupported {
        what: what.into(),
        got: got.into(),
        expected: expected.into(),
    }
}
