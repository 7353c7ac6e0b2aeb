//! Ids and tokens in Vault's formats.

/// Vault's alphabet for tokens, accessors and lease ids.
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // Without random bytes the server cannot make a token, so it cannot go on.
    getrandom::fill(&mut bytes).unwrap_or_else(|error| panic!("the system gives no random bytes: {error}"));
    bytes
}

/// Returns `length` random characters of base 62.
pub(crate) fn base62(length: usize) -> String {
    // 248 is the largest multiple of 62 in a byte. Larger bytes are discarded, because they would make some characters
    // likelier than others.
    let fair = std::iter::repeat_with(bytes::<64>)
        .flatten()
        .filter(|byte| *byte < 248);
    fair.take(length)
        .map(|byte| char::from(BASE62[usize::from(byte % 62)]))
        .collect()
}

/// Returns four random bytes in lower-case hexadecimal, as in a mount's accessor.
pub(crate) fn hex8() -> String {
    hex::encode(bytes::<4>())
}

/// Returns a UUID as Vault writes it: random, with no version bits.
pub(crate) fn uuid() -> String {
    let hex = hex::encode(bytes::<16>());
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_have_vaults_lengths_and_differ() {
        assert_eq!(super::base62(24).len(), 24);
        assert_ne!(super::base62(24), super::base62(24));
        assert_eq!(super::uuid().len(), 36);
        assert_eq!(super::hex8().len(), 8);
    }
}
