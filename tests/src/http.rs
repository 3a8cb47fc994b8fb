//! An HTTP client for tests. It sends exactly the given fields, and shares no code with the crates.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::TcpStream;

/// Sends one request with exactly these `fields`, and reads the answer to its end.
///
/// # Errors
/// An error of the system, or an answer that ends early.
///
/// # Panics
/// If the bytes are not an HTTP answer.
pub fn ask(address: &str, method: &str, path: &str, fields: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    let start = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    stream.write_all(format!("{start}{fields}\r\n").as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let cut = || io::Error::new(io::ErrorKind::UnexpectedEof, "the answer was cut");
    if !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
        return Err(cut());
    }
    let answer = Answer::parse(&bytes);
    let len = answer.field("content-length").parse();
    if method != "HEAD" && len.is_ok_and(|len: usize| answer.body.len() < len) {
        return Err(cut());
    }
    Ok(answer)
}

/// The answer of a server.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The values of the fields. The names of the fields are in lower case.
    pub fields: BTreeMap<String, String>,
    /// The body, after decoding chunks.
    pub body: Vec<u8>,
}

impl Answer {
    /// Parses a complete answer.
    ///
    /// # Panics
    /// If the bytes are not an HTTP answer.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let end =
            bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("fields have an end");
        let head = std::str::from_utf8(&bytes[..end]).unwrap();
        let (status, fields) = head.split_once("\r\n").unwrap();
        let fields = fields.lines().map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_ascii_lowercase(), value.to_owned())
        });
        let status = status.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Self { status, fields: fields.collect(), body: bytes[end + 4..].to_vec() };
        if answer.field("transfer-encoding") == "chunked" {
            answer.body = unchunked(&answer.body);
        }
        answer
    }

    /// Returns the value of a field, or an empty text if the answer lacks the field.
    #[must_use]
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let line = bytes.iter().position(|byte| *byte == b'\n').expect("a chunk has a length");
        let len = std::str::from_utf8(&bytes[..line]).unwrap().trim();
        let len = usize::from_str_radix(len, 16).unwrap();
        if len == 0 {
            return whole;
        }
        whole.extend(&bytes[line + 1..line + 1 + len]);
        bytes = &bytes[line + 1 + len + 2..];
    }
}
