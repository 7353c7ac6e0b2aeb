//! Reads values from an input's bytes, for targets whose input is not a single text or message.
//!
//! Texts stand in the input unchanged, so that a person can read a kept input and a mutation of a text is still a
//! mutation of that text. At its end an input yields zeros and empty texts.

/// The rest of an input.
#[derive(Clone, Copy)]
pub struct Input<'a>(pub &'a [u8]);

/// The byte that ends a text or a run of bytes. No UTF-8 text has it.
const END: u8 = 0xff;

impl<'a> Input<'a> {
    /// Returns true if nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes everything that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// Takes the next byte.
    pub fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    /// Takes a number below `bound`, which is at most 256.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound
    }

    /// Takes the lowest bit of the next byte.
    pub fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// Takes eight bytes as a number.
    pub fn number(&mut self) -> i64 {
        i64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    /// Takes the bytes up to the next end mark.
    pub fn bytes(&mut self) -> &'a [u8] {
        let end = self.0.iter().position(|byte| *byte == END);
        let (bytes, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest.get(1..).unwrap_or_default();
        bytes
    }

    /// Takes bytes of any kind, whose number is in the two bytes before them. There are fewer if the input ends.
    pub fn counted(&mut self) -> &'a [u8] {
        let length = usize::from(u16::from_le_bytes([self.byte(), self.byte()]));
        let (bytes, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    /// Takes the text up to the next end mark. Bytes that are not valid UTF-8 are replaced.
    pub fn text(&mut self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    /// Takes a text if the next byte is odd.
    pub fn maybe_text(&mut self) -> Option<String> {
        self.flag().then(|| self.text())
    }

    /// Takes up to `most` values, at most 255.
    pub fn list<T>(&mut self, most: usize, mut value: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(most + 1)).map(|_| value(self)).collect()
    }

    /// Takes up to `most` texts.
    pub fn texts(&mut self, most: usize) -> Vec<String> {
        self.list(most, Self::text)
    }
}
