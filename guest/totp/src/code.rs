//! Computes codes: HOTP (RFC 4226) of the number of a period, which is TOTP (RFC 6238).

use airlock_sdk::{Error, Result};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2_digest_0_11::{Sha256, Sha512};

use crate::base32;
use crate::key::{Algorithm, Key};

/// Returns the code of a key in a period.
///
/// # Errors
/// [`Error::Internal`] if the stored key is not base32.
pub(crate) fn of(key: &Key, counter: u64) -> Result<String> {
    let secret = secret(&key.key).map_err(|_| Error::internal("Decoding of secret as base32 failed."))?;
    let message = counter.to_be_bytes();
    let sum = match key.algorithm {
        Algorithm::Sha1 => sum::<Hmac<Sha1>>(&secret, &message),
        Algorithm::Sha256 => sum::<Hmac<Sha256>>(&secret, &message),
        Algorithm::Sha512 => sum::<Hmac<Sha512>>(&secret, &message),
    };
    let digits = usize::from(key.digits);
    let number = sum
        .map(truncated)
        .ok_or_else(|| Error::internal("the key has a wrong length"))?;
    Ok(format!("{:0digits$}", number % 10_u32.pow(u32::from(key.digits))))
}

/// Decodes a key: in any case, and with or without its padding. The error is the offset of what is wrong.
pub(crate) fn secret(key: &str) -> Result<Vec<u8>, usize> {
    base32::decode(&padded(key).to_uppercase())
}

/// Adds the padding.
pub(crate) fn padded(key: &str) -> String {
    format!("{key}{}", "=".repeat(key.len().next_multiple_of(8) - key.len()))
}

/// HMAC takes keys of every length, so there always is a sum.
fn sum<M: Mac + KeyInit>(secret: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    let mut mac = <M as KeyInit>::new_from_slice(secret).ok()?;
    mac.update(message);
    Some(mac.finalize().into_bytes().to_vec())
}

/// Takes 31 bits at the place that the last four bits name, as RFC 4226 says.
fn truncated(sum: Vec<u8>) -> u32 {
    let at = usize::from(sum.last().copied().unwrap_or_default() & 0xf);
    let bytes = sum.iter().skip(at).take(4);
    bytes.fold(0, |number, byte| number << 8 | u32::from(*byte)) & 0x7fff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of RFC 6238, appendix B.
    #[test]
    fn codes_are_those_of_rfc_6238() {
        let digits = b"1234567890".repeat(7);
        for (algorithm, length, codes) in [
            (
                Algorithm::Sha1,
                20,
                [
                    "94287082", "07081804", "14050471", "89005924", "69279037", "65353130",
                ],
            ),
            (
                Algorithm::Sha256,
                32,
                [
                    "46119246", "68084774", "67062674", "91819424", "90698825", "77737706",
                ],
            ),
            (
                Algorithm::Sha512,
                64,
                [
                    "90693936", "25091201", "99943326", "93441116", "38618901", "47863826",
                ],
            ),
        ] {
            let key = Key {
                key: base32::encode(&digits[..length]),
                issuer: String::new(),
                account_name: String::new(),
                period: 30,
                algorithm,
                digits: 8,
                skew: 1,
            };
            let times: [u64; 6] = [
                59,
                1_111_111_109,
                1_111_111_111,
                1_234_567_890,
                2_000_000_000,
                20_000_000_000,
            ];
            for (time, code) in times.iter().zip(codes) {
                assert_eq!(of(&key, time / 30), Ok(code.to_owned()), "{algorithm} {time}");
            }
        }
    }
}
