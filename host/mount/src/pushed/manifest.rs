//! Describes one stored guest, beside its pieces.

use airlock_trust::Digest;
use serde::{Deserialize, Serialize};

use super::{LARGEST, PIECE, PushError};

/// The version of the format.
const VERSION: u32 = 1;

/// A guest that is stored, or that is being pushed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    version: u32,
    /// Bytes of the guest.
    pub size: u64,
    /// Its pieces, in their order.
    pub pieces: Vec<Digest>,
    /// The text of its `.minisig` file.
    pub signature: Option<String>,
    /// The time of the push, in seconds since 1970.
    pub pushed: u64,
    /// The guest's name, version and signer. `None` until it is whole and was checked.
    pub about: Option<About>,
}

/// The name and the version that a guest gives itself, and its signer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    pub name: String,
    pub version: String,
    /// The id of the key that signed it.
    pub signer: Option<String>,
}

impl Manifest {
    /// # Errors
    /// The guest is too large, or is not cut as it should be.
    pub fn new(
        size: u64,
        pieces: Vec<Digest>,
        signature: Option<String>,
        pushed: u64,
    ) -> Result<Self, PushError> {
        if size > LARGEST {
            return Err(PushError::TooLarge { size });
        }
        let wanted = size.div_ceil(PIECE as u64);
        if size == 0 || wanted != pieces.len() as u64 {
            let pieces = pieces.len();
            return Err(PushError::Cut { size, wanted, pieces });
        }
        Ok(Self {
            version: VERSION,
            size,
            pieces,
            signature,
            pushed,
            about: None,
        })
    }

    pub fn parse(key: &str, text: &[u8]) -> Result<Self, PushError> {
        serde_json::from_slice(text)
            .ok()
            .filter(|manifest: &Self| {
                manifest.version == VERSION
                    && manifest.size <= LARGEST
                    && manifest.size.div_ceil(PIECE as u64) == manifest.pieces.len() as u64
            })
            .ok_or_else(|| PushError::Unreadable { key: key.to_owned() })
    }

    pub fn to_text(&self) -> String {
        serde_json::json!(self).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_is_cut_at_fixed_places() {
        let piece = Digest::of(b"");
        let manifest = |size, pieces| Manifest::new(size, vec![piece; pieces], None, 0);
        assert!(manifest(PIECE as u64 + 1, 2).is_ok());
        assert!(matches!(
            manifest(PIECE as u64 + 1, 1),
            Err(PushError::Cut { wanted: 2, .. })
        ));
        assert!(matches!(
            manifest(LARGEST + 1, 257),
            Err(PushError::TooLarge { .. })
        ));
    }

    #[test]
    fn what_another_version_wrote_is_not_read() {
        let manifest = Manifest::new(1, vec![Digest::of(b"x")], Some("signature".into()), 7).unwrap();
        let text = manifest.to_text();
        assert_eq!(Manifest::parse("k", text.as_bytes()).unwrap(), manifest);
        let newer = text.replace("\"version\":1", "\"version\":2");
        for text in [newer.as_str(), "", "{}", "[]", &text.replace(":1,", ":9999999,")] {
            let refused = Manifest::parse("k", text.as_bytes()).unwrap_err();
            assert!(refused.to_string().starts_with("k is not"), "{text}");
        }
    }
}
