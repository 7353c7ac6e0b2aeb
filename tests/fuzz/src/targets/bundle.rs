//! The end of a bundle, which `airlock inspect` reads of any file.

use airlock::fuzz::{TRAILER, bundle_trailer};
use sha2::{Digest as _, Sha256};

use crate::Target;

/// A byte that is odd if the checksum is to fit, the file's length, and the trailer.
pub const TRAILERS: Target = Target {
    name: "bundle_trailers",
    run: trailers,
    longest: 9 + TRAILER,
    mutations: 240_000,
    words: &["AIRLOCK<", ">AIRLOCK", "x86-64", "ARMv8-A"],
    reshape: None,
};

/// The bytes that the checksum covers. It follows them.
const CHECKED: usize = 112;

/// Returns true if the bytes are the trailer of a bundle.
fn trailers(input: &[u8]) -> bool {
    let (Some((head, rest)), mut trailer) = (input.split_first_chunk::<9>(), [0; TRAILER]) else {
        return false;
    };
    let given = rest.len().min(TRAILER);
    trailer[..given].copy_from_slice(&rest[..given]);
    if head[0] % 2 == 1 {
        let sum = Sha256::digest(&trailer[..CHECKED]);
        trailer[CHECKED..CHECKED + 32].copy_from_slice(&sum);
    }
    let mut length = [0; 8];
    length.copy_from_slice(&head[1..]);
    match bundle_trailer(u64::from_le_bytes(length), &trailer) {
        Ok(Some(again)) => {
            assert_eq!(again, trailer, "what is read is not what was written");
            true
        }
        Ok(None) => false,
        Err(told) => {
            assert!(!told.contains(printable::is_unsafe), "{told:?} needs escaping");
            false
        }
    }
}
