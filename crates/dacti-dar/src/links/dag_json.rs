//! The links of DAG-JSON: objects whose only key is `/` and whose value is the text of a CID.
//!
//! The parser follows the grammar of JSON and needs one byte of memory for each level of nesting.

use alloc::borrow::Cow;
use alloc::vec::Vec;

/// Passes the text of each link to `take`. Returns false if the block is invalid.
pub(super) fn links(data: &[u8], take: &mut dyn FnMut(&str) -> bool) -> bool {
    core::str::from_utf8(data).is_ok_and(|text| Scanner { text, at: 0 }.value(take).is_some())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Container {
    Object,
    List,
}

struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Scanner<'t> {
    /// Reads one value that fills the whole text. Returns `None` at the first fault.
    fn value(&mut self, take: &mut dyn FnMut(&str) -> bool) -> Option<()> {
        let mut open: Vec<Container> = Vec::new();
        loop {
            self.blank();
            let entered = match self.peek()? {
                b'{' => self.object(take)?,
                b'[' => self.list(),
                b'"' => {
                    self.string()?;
                    None
                }
                b'n' => self.literal("null")?,
                b't' => self.literal("true")?,
                b'f' => self.literal("false")?,
                _ => {
                    self.number()?;
                    None
                }
            };
            if let Some(container) = entered {
                open.push(container);
                continue;
            }
            // A value has ended. Containers around it may have ended, too.
            loop {
                self.blank();
                let Some(&container) = open.last() else {
                    return (self.at == self.text.len()).then_some(());
                };
                if self.eat(b',') {
                    if container == Container::Object {
                        self.key()?;
                    }
                    break;
                }
                let close = if container == Container::Object { b'}' } else { b']' };
                self.eat(close).then_some(())?;
                open.pop();
            }
        }
    }

    /// Enters an object and stops before its first value. A link, an object that stands for bytes,
    /// or an empty object is read whole.
    #[expect(
        clippy::option_option,
        reason = "`None` is a fault, and `Some(None)` a value that was read whole"
    )]
    fn object(&mut self, take: &mut dyn FnMut(&str) -> bool) -> Option<Option<Container>> {
        let start = self.at;
        if let Some(text) = self.only_member("/") {
            return take(&text).then_some(None);
        }
        self.at = start;
        if self.eat(b'{') {
            self.blank();
            if self.eat(b'}') {
                return Some(None);
            }
        }
        self.key()?;
        Some(Some(Container::Object))
    }

    /// Reads an object whose only member has this key and a string as its value. Returns the
    /// string.
    fn only_member(&mut self, key: &str) -> Option<Cow<'t, str>> {
        self.eat(b'{').then_some(())?;
        self.blank();
        let found = self.string()?;
        (decoded(found)? == key).then_some(())?;
        self.blank();
        self.eat(b':').then_some(())?;
        self.blank();
        let text = self.string()?;
        self.blank();
        self.eat(b'}').then_some(())?;
        decoded(text)
    }

    /// Enters a list and stops before its first value. An empty list is read whole.
    fn list(&mut self) -> Option<Container> {
        self.at = self.at.saturating_add(1);
        self.blank();
        (!self.eat(b']')).then_some(Container::List)
    }

    fn key(&mut self) -> Option<()> {
        self.blank();
        self.string()?;
        self.blank();
        self.eat(b':').then_some(())
    }

    /// Reads a string. Returns it with its quotes and escapes.
    fn string(&mut self) -> Option<&'t str> {
        let start = self.at;
        self.eat(b'"').then_some(())?;
        loop {
            match self.next()? {
                b'"' => return self.text.get(start..self.at),
                b'\\' => match self.next()? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => {
                        for _ in 0..4 {
                            self.next()?.is_ascii_hexdigit().then_some(())?;
                        }
                    }
                    _ => return None,
                },
                0..0x20 => return None,
                _ => {}
            }
        }
    }

    fn number(&mut self) -> Option<()> {
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            if !self.eat(b'+') {
                self.eat(b'-');
            }
            self.digits()?;
        }
        Some(())
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at = self.at.saturating_add(1);
        }
        (self.at > start).then_some(())
    }

    #[expect(
        clippy::option_option,
        reason = "`None` is a fault, and `Some(None)` a value that was read whole"
    )]
    fn literal(&mut self, word: &str) -> Option<Option<Container>> {
        self.text.get(self.at..)?.starts_with(word).then_some(())?;
        self.at = self.at.saturating_add(word.len());
        Some(None)
    }

    fn blank(&mut self) {
        while self.peek().is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')) {
            self.at = self.at.saturating_add(1);
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at = self.at.saturating_add(1);
        Some(byte)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at = self.at.saturating_add(usize::from(found));
        found
    }
}

/// Returns the decoded text of a JSON string that is given with its quotes.
fn decoded(json: &str) -> Option<Cow<'_, str>> {
    let plain = json.strip_prefix('"')?.strip_suffix('"')?;
    if plain.contains('\\') {
        return serde_json::from_str(json).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(plain))
}
