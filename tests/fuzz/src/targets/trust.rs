//! Parses what vouches for a guest: signatures, and the keys of signers.

use airlock_trust::{PublicKey, Signature, SignedName, Trust};

use crate::Target;

/// A component, its signature and a public or secret key, separated by lines of `--`.
pub const SIGNATURES: Target = Target {
    name: "signatures",
    run: signature,
    longest: 6000,
    mutations: 20_000,
    words: &[
        "\n--\n",
        "untrusted comment: ",
        "trusted comment: ",
        "name=",
        "version=",
        "1.2.0",
        "RW",
        "RU",
        "==",
    ],
    reshape: None,
};

/// The key that signed the inputs in the corpus. It signed `component` and nothing else.
const KEY: &str = "RWSGbb3p+gtLwCc9ry5ZcmzunuJO+g7SgjdFrMMdeE3cZ7LRmFYvorMR";

fn signature(input: &[u8]) -> bool {
    let text = String::from_utf8_lossy(input);
    let mut parts = text.splitn(3, "\n--\n");
    let mut next = || parts.next().unwrap_or_default();
    let (component, text, key) = (next(), next(), next());
    if let Ok(key) = key.parse::<PublicKey>() {
        assert_eq!(key.to_string().parse().as_ref(), Ok(&key));
        // A key that anybody may have made: what it vouches for does not matter.
        let _ = Trust::new([], [key]).vouch(component.as_bytes(), Some(text));
    }
    if let Some(key) = airlock::fuzz::secret_key(key) {
        assert_eq!(airlock::fuzz::secret_key(&key).as_ref(), Some(&key));
    }
    if let Ok(name) = text.parse::<SignedName>() {
        assert_eq!(name.to_string().parse(), Ok(name));
    }
    let trust = Trust::new([], [KEY.parse().unwrap()]);
    match trust.vouch(component.as_bytes(), Some(text)) {
        Ok(voucher) => {
            assert_eq!(component, "component");
            assert!(voucher.signed().is_some());
        }
        Err(refused) => assert!(!refused.to_string().contains(char::is_control)),
    }
    text.parse::<Signature>().is_ok()
}
