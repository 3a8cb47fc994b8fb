//! The part of protobuf that DAG-PB and UnixFS need: fields of bytes and of numbers.

use alloc::vec::Vec;

use crate::varint;

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field<'b> {
    /// A varint.
    Number(u64),
    /// Bytes, a text or a message.
    Bytes(&'b [u8]),
    /// A number of fixed width.
    Fixed(u64),
}

/// The fields of a message: their numbers and values. After a fault, the last item is `None`.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    pub(crate) fn new(message: &'b [u8]) -> Self {
        Self(message)
    }

    fn read(&mut self) -> Option<(u64, Field<'b>)> {
        let tag = self.varint()?;
        let field = match tag & 7 {
            0 => Field::Number(self.varint()?),
            1 => Field::Fixed(self.fixed(8)?),
            2 => {
                let len = usize::try_from(self.varint()?).ok()?;
                Field::Bytes(self.take(len)?)
            }
            5 => Field::Fixed(self.fixed(4)?),
            _ => return None,
        };
        Some((tag >> 3, field))
    }

    fn varint(&mut self) -> Option<u64> {
        let (value, len) = varint::read(self.0).ok()?;
        self.take(len)?;
        Some(value)
    }

    fn fixed(&mut self, width: usize) -> Option<u64> {
        Some(self.take(width)?.iter().rev().fold(0, |sum, &byte| (sum << 8) | u64::from(byte)))
    }

    fn take(&mut self, len: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }
}

impl<'b> Iterator for Fields<'b> {
    type Item = Option<(u64, Field<'b>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field)
    }
}

/// Appends a field of bytes.
pub(crate) fn push_bytes(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    varint::push(out, (number << 3) | 2);
    varint::push(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a field of a number.
pub(crate) fn push_number(out: &mut Vec<u8>, number: u64, value: u64) {
    varint::push(out, number << 3);
    varint::push(out, value);
}
