//! Mutates inputs, in the same way for the same seed.

use crate::Target;

/// The source of random choices.
pub type Rng = fastrand::Rng;

/// Numbers at which decoders often fail.
const EDGES: [u64; 12] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0x7fff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX,
    10_000,
];

/// Changes an input in one to four places.
pub fn mutate(target: &Target, input: &mut Vec<u8>, rng: &mut Rng) {
    for _ in 0..rng.usize(1..=4) {
        match target.reshape {
            Some(reshape) if rng.bool() => reshape(input, rng),
            _ => change(target, input, rng),
        }
    }
    input.truncate(target.longest);
}

/// Takes the beginning of one input and the end of another.
pub fn splice(one: &[u8], other: &[u8], rng: &mut Rng) -> Vec<u8> {
    let (head, _) = one.split_at(rng.usize(0..=one.len()));
    let (_, tail) = other.split_at(rng.usize(0..=other.len()));
    [head, tail].concat()
}

fn change(target: &Target, input: &mut Vec<u8>, rng: &mut Rng) {
    let at = rng.usize(0..=input.len());
    let most = 1 << rng.u8(0..8);
    let length = rng.usize(0..=most.min(input.len() - at));
    match rng.u8(0..10) {
        0 => flip(input, at, rng),
        1 => drop(input.drain(at..at + length)),
        2 => {
            let copied = input[at..at + length].to_vec();
            let to = rng.usize(0..=input.len());
            input.splice(to..to, copied);
        }
        3 => {
            let repeated = input[at..at + length].repeat(rng.usize(1..=8));
            input.splice(at..at, repeated);
        }
        4 => {
            let edge = EDGES[rng.usize(0..EDGES.len())].to_le_bytes();
            let width = 1 << rng.u8(0..4);
            let replaced = if rng.bool() {
                0
            } else {
                width.min(input.len() - at)
            };
            input.splice(at..at + replaced, edge[..width].iter().copied());
        }
        5..8 if !target.words.is_empty() => {
            let word = target.words[rng.usize(0..target.words.len())];
            let replaced = if rng.bool() { 0 } else { length };
            input.splice(at..at + replaced, word.bytes());
        }
        8 => input.insert(at, rng.u8(..)),
        _ => flip(input, at, rng),
    }
}

fn flip(input: &mut [u8], at: usize, rng: &mut Rng) {
    if let Some(byte) = input.get_mut(at) {
        match rng.u8(0..4) {
            0 => *byte = rng.u8(..),
            1 => *byte = byte.wrapping_add(1),
            2 => *byte = byte.wrapping_sub(1),
            _ => *byte ^= 1 << rng.u8(0..8),
        }
    }
}
