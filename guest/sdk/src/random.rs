//! Gives an engine random bytes, and lets other crates use them.
//!
//! Without features, [`Random`] has bytes, keys and UUIDs. Two features of this crate let other crates draw from the
//! host:
//! - **`rand_core`**: [`Random::rng`] implements the traits of `rand_core` 0.10, which `rand`, `rsa`, `p256` and
//!   `ed25519-dalek` take. In native tests it is reproducible, like all of `cx.random`.
//! - **`getrandom`**: crates that call `getrandom` 0.3 or 0.4 themselves, such as `uuid`, work in a guest. The guest has
//!   to be built with `--cfg getrandom_backend="custom"`, which `.cargo/config.toml` sets in a project of `airlock new`.
//!   In native tests these crates ask the operating system.
//!
//! `docs/crates.md` says which crates need which of them.

use crate::host::Host;

/// The most bytes of one call to the host.
const CHUNK: usize = 65_536;

/// Random bytes that are suitable for cryptographic keys.
#[derive(Debug)]
pub struct Random {
    host: Host,
}

impl Random {
    pub(crate) fn new(host: Host) -> Random {
        Random { host }
    }

    /// Returns `length` random bytes. They count towards the request's memory.
    pub fn bytes(&self, length: u32) -> Vec<u8> {
        let mut bytes = vec![0; length as usize];
        self.fill(&mut bytes);
        bytes
    }

    /// Returns random bytes for a key of a known size.
    pub fn array<const N: usize>(&self) -> [u8; N] {
        let mut array = [0; N];
        self.fill(&mut array);
        array
    }

    /// Fills a buffer with random bytes.
    pub fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(CHUNK) {
            // A chunk is at most 64 KiB, so its length fits.
            chunk.copy_from_slice(&self.host.random(chunk.len() as u32));
        }
    }

    /// Returns a random UUID: `67e55044-10b1-426f-9247-bb680e5fe0c8`.
    pub fn uuid(&self) -> String {
        let mut bytes: [u8; 16] = self.array();
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let mut text = String::with_capacity(36);
        for (i, byte) in bytes.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            for nibble in [byte >> 4, byte & 0x0f] {
                text.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
            }
        }
        text
    }

    /// Returns a generator of random numbers for crates that take `rand_core` 0.10: `CryptoRng`, and with `rand` also
    /// `RngExt`.
    ///
    /// ```
    /// # use airlock_sdk::Context;
    /// use rand_core::Rng as _;
    ///
    /// fn roll(cx: &Context) -> u32 {
    ///     cx.random.rng().next_u32() % 6 + 1
    /// }
    /// // With ed25519-dalek: SigningKey::generate(&mut cx.random.rng())
    /// ```
    #[cfg(feature = "rand_core")]
    pub fn rng(&self) -> Rng<'_> {
        Rng { random: self }
    }
}

/// The traits of `rand_core` 0.10 for [`Random`]; see [`Random::rng`]. It never fails.
#[cfg(feature = "rand_core")]
#[derive(Clone, Copy, Debug)]
pub struct Rng<'r> {
    random: &'r Random,
}

#[cfg(feature = "rand_core")]
impl rand_core::TryRng for Rng<'_> {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(u32::from_le_bytes(self.random.array()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(u64::from_le_bytes(self.random.array()))
    }

    fn try_fill_bytes(&mut self, buffer: &mut [u8]) -> Result<(), Self::Error> {
        self.random.fill(buffer);
        Ok(())
    }
}

#[cfg(feature = "rand_core")]
impl rand_core::TryCryptoRng for Rng<'_> {}

/// Fills a buffer for crates that have no [`Context`](crate::Context), such as an older version of `getrandom` with its
/// macro `register_custom_getrandom!`. Exists only in a guest.
#[cfg(all(target_arch = "wasm32", feature = "getrandom"))]
pub fn fill_from_host(buffer: &mut [u8]) {
    Random::new(Host).fill(buffer);
}

/// The backend of `getrandom` 0.3 and 0.4, which find it by its name.
#[cfg(all(target_arch = "wasm32", feature = "getrandom"))]
#[allow(unsafe_code)]
// SAFETY: the name is that which `getrandom` declares, with this signature.
#[unsafe(no_mangle)]
unsafe extern "Rust" fn __getrandom_v03_custom(
    buffer: *mut u8,
    length: usize,
) -> Result<(), getrandom::Error> {
    // SAFETY: `getrandom` passes a buffer of this length, which nothing else uses meanwhile. It may be uninitialized,
    // so that it is initialized before it becomes a slice.
    let buffer = unsafe {
        buffer.write_bytes(0, length);
        std::slice::from_raw_parts_mut(buffer, length)
    };
    fill_from_host(buffer);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::rc::Rc;

    use super::*;
    use crate::host::world::World;

    fn random() -> Random {
        Random::new(Rc::new(World::new(Vec::new(), vec![""], 0, false)))
    }

    #[test]
    fn many_bytes_come_in_several_calls() {
        let bytes = random().bytes(200_000);
        let chunks: BTreeSet<&[u8]> = bytes.chunks(8).collect();
        assert_eq!((bytes.len(), chunks.len()), (200_000, 25_000));
    }

    #[cfg(feature = "rand_core")]
    #[test]
    fn the_generator_draws_the_bytes_of_the_host() {
        use rand_core::Rng as _;
        let (random, same) = (random(), random());
        let mut rng = random.rng();
        assert_eq!(rng.next_u32(), u32::from_le_bytes(same.array()));
        assert_eq!(rng.next_u64(), u64::from_le_bytes(same.array()));
        let mut buffer = [0; 24];
        rng.fill_bytes(&mut buffer);
        assert_eq!(buffer, same.array());
    }
}
