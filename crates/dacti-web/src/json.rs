//! JSON texts for the host.

use core::fmt::{self, Display, Write};

/// A JSON object, to which members are added one by one.
#[derive(Debug)]
pub(crate) struct Object(String);

impl Object {
    pub(crate) fn new() -> Self {
        Self(String::from("{"))
    }

    /// Adds a member whose value is JSON already.
    pub(crate) fn raw(mut self, name: &str, value: impl Display) -> Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        // Writing to a `String` never fails.
        let _ = write!(self.0, "\"{name}\":{value}");
        self
    }

    /// Adds a number. If JavaScript cannot hold it exactly, it is written as a string of digits.
    pub(crate) fn number(self, name: &str, value: u64) -> Self {
        if value < 1 << 53 { self.raw(name, value) } else { self.text(name, &value.to_string()) }
    }

    /// Adds a text.
    pub(crate) fn text(self, name: &str, value: &str) -> Self {
        self.raw(name, Text(value))
    }

    /// Adds a text or null.
    pub(crate) fn optional(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.text(name, value),
            None => self.raw(name, "null"),
        }
    }

    pub(crate) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// A text that is displayed as a JSON string.
#[derive(Debug, Clone, Copy)]
struct Text<'t>(&'t str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => {
                    f.write_char('\\')?;
                    f.write_char(c)?;
                }
                '\0'..='\u{1f}' => write!(f, "\\u{:04x}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::Object;

    #[test]
    fn texts_are_escaped_and_numbers_stay_exact() {
        let object = Object::new()
            .text("a", "\"\\\n\u{1}ü")
            .number("b", (1 << 53) - 1)
            .number("c", 1 << 53)
            .optional("d", None)
            .raw("e", true);
        let expected = "{\"a\":\"\\\"\\\\\\u000a\\u0001ü\",\"b\":9007199254740991,\
             \"c\":\"9007199254740992\",\"d\":null,\"e\":true}";
        assert_eq!(object.end(), expected);
    }
}
