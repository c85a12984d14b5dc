//! A table of hosts.toml: its values with their lines, and sentences for those that are not as they should be.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Source;
use crate::base::Error;
use crate::base::bytes::clean_text;

/// The longest text that any key takes; the URL with the longest token seen stays below 2 KiB.
pub(super) const MAX_TEXT: usize = 8 * 1024;

/// A table, and where it stands.
pub(super) struct Table<'a> {
    pub(super) source: &'a Source<'a>,
    values: &'a DeTable<'a>,
    /// The line it begins on.
    pub(super) line: usize,
}

/// A text with the line of its key.
#[derive(Clone)]
pub(super) struct Text {
    pub(super) value: String,
    pub(super) line: usize,
}

impl<'a> Table<'a> {
    pub(super) fn new(source: &'a Source<'a>, values: &'a DeTable<'a>, line: usize) -> Self {
        Self { source, values, line }
    }

    /// An error of this line.
    pub(super) fn wrong(&self, line: usize, what: impl Into<String>) -> Error {
        self.source.wrong(line, what.into())
    }

    /// Refuses a key that is none of these.
    pub(super) fn check_keys(&self, known: &[&str]) -> Result<(), Error> {
        let unknown = self.values.keys().filter(|key| !known.contains(&key.get_ref().as_ref()));
        match unknown.min_by_key(|key| key.span().start) {
            None => Ok(()),
            Some(key) => {
                let name: String = clean_text(key.get_ref()).chars().take(40).collect();
                let known = known.join(", ");
                Err(self.wrong(self.line_of(key), format!("unknown key {name:?}")).hint(format!("use {known}")))
            }
        }
    }

    /// The text of a key, where it is there: 1 to [`MAX_TEXT`] bytes without control characters.
    pub(super) fn text(&self, key: &str) -> Result<Option<Text>, Error> {
        self.values.get_key_value(key).map(|(key, value)| self.checked(key, value)).transpose()
    }

    /// The names and texts of the table below a key, in the file's order.
    pub(super) fn texts(&self, key: &str) -> Result<Vec<(String, Text)>, Error> {
        let Some((key, value)) = self.values.get_key_value(key) else { return Ok(Vec::new()) };
        let DeValue::Table(values) = value.get_ref() else {
            let what = format!("{} is not a table", key.get_ref());
            return Err(self.wrong(self.line_of(key), what).hint("write headers = { Name = \"value\" }"));
        };
        let mut texts = Vec::new();
        for (key, value) in values {
            texts.push((key.get_ref().to_string(), self.checked(key, value)?));
        }
        texts.sort_by_key(|(_, text)| text.line);
        Ok(texts)
    }

    /// The one of these keys that is there, with its text; an error where there are several.
    pub(super) fn one_of(&self, keys: &[&'static str]) -> Result<Option<(&'static str, Text)>, Error> {
        let mut found = None;
        for &key in keys {
            let Some(text) = self.text(key)? else { continue };
            if let Some((first, _)) = found {
                let what = format!("both {first} and {key}");
                return Err(self.wrong(text.line, what).hint("keep one of them"));
            }
            found = Some((key, text));
        }
        Ok(found)
    }

    fn checked(&self, key: &Spanned<impl AsRef<str>>, value: &Spanned<DeValue<'_>>) -> Result<Text, Error> {
        let line = self.line_of(key);
        let name = clean_text(key.get_ref().as_ref());
        let what = match value.get_ref() {
            DeValue::String(text) if text.is_empty() => format!("{name} is empty"),
            DeValue::String(text) if text.len() > MAX_TEXT => {
                format!("{name} has {} bytes, the limit is {MAX_TEXT}", text.len())
            }
            DeValue::String(text) if text.chars().any(char::is_control) => {
                format!("{name} holds a control character")
            }
            DeValue::String(text) => return Ok(Text { value: text.to_string(), line }),
            _ => format!("{name} is not a text in quotes"),
        };
        Err(self.wrong(line, what))
    }

    fn line_of<T>(&self, key: &Spanned<T>) -> usize {
        self.source.line(key.span().start)
    }
}
