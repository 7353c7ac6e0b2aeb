//! Handles the requests that callers send to a mount's own paths.

use std::collections::BTreeSet;

use airlock_trust::{Digest, LONGEST_SIGNATURE};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use vault_plugin::{Error, Request, Response};

use super::{answer, named};
use crate::canary::MOST;
use crate::pushed::{About, Actor};
use crate::vault_mount::VaultMount;
use crate::vault_mount::change::{Change, Move, Moved};
use crate::vault_mount::swap::refused;

/// Most fields that may differ in a trial.
const MOST_TOLERATED: usize = 64;

/// The announcement of a guest.
#[derive(Deserialize)]
struct Announcement {
    size: u64,
    pieces: Vec<Digest>,
    #[serde(default)]
    signature: Option<String>,
}

#[derive(Deserialize)]
struct Piece {
    data: String,
}

#[derive(Deserialize)]
struct Target {
    #[serde(default)]
    sha256: Option<String>,
    #[serde(default)]
    reload: bool,
    /// The number of requests on which the guest is tried first.
    #[serde(default)]
    canary: Option<u32>,
    /// The fields of answers that may differ meanwhile.
    #[serde(default)]
    tolerate: BTreeSet<String>,
}

impl VaultMount {
    /// Takes the announcement of a guest. If all pieces are here, checks who vouches for the guest, loads it, and remembers
    /// what it says of itself.
    pub(super) async fn announce(&self, digest: Digest, request: &Request) -> Result<Response, Error> {
        let finder = &self.finder;
        finder.source.takes_pushed().map_err(Error::User)?;
        let Announcement {
            size,
            pieces,
            signature,
        } = request.decode()?;
        if signature
            .as_ref()
            .is_some_and(|signature| signature.len() > LONGEST_SIGNATURE)
        {
            return Err(Error::User(format!(
                "the signature is longer than {LONGEST_SIGNATURE} bytes, so it is not one of minisign"
            )));
        }
        let _one = self.moving.lock().await;
        let announced = finder.guests.announce(digest, size, pieces, signature).await;
        let (manifest, missing) = announced.map_err(refused)?;
        if !missing.is_empty() {
            return answer::missing(&missing);
        }
        let loaded = finder.load_stored(digest, &manifest).await.map_err(refused);
        let granted = loaded
            .and_then(|loaded| loaded.map_err(Error::User))
            .inspect_err(|error| self.refuse_guest(Some(digest), error))?;
        let description = granted.guest.description();
        let signed = granted.voucher.as_ref().and_then(|voucher| voucher.signed());
        let about = About {
            name: description.name.clone(),
            version: description.version.clone(),
            signer: signed.map(|signed| signed.signer().to_string()),
        };
        let answer = answer::whole(&about)?;
        finder
            .guests
            .keep(digest, manifest, about)
            .await
            .map_err(refused)?;
        Ok(answer)
    }

    pub(super) async fn put_piece(&self, digest: Digest, request: &Request) -> Result<Response, Error> {
        self.finder.source.takes_pushed().map_err(Error::User)?;
        let Piece { data } = request.decode()?;
        let compressed = BASE64
            .decode(data)
            .map_err(|_| Error::User("data is not base64".to_owned()))?;
        let stored = self.finder.guests.put_piece(digest, compressed).await;
        stored.map_err(refused)?;
        answer::stored()
    }

    pub(super) async fn move_to(&self, way: Move, request: &Request) -> Result<Response, Error> {
        self.finder.source.takes_pushed().map_err(Error::User)?;
        if self.finder.parts.is_standby {
            // The server forwards it to the active node.
            return Err(vault_plugin::ServerError::ReadOnly.into());
        }
        let Target {
            sha256,
            reload,
            canary,
            tolerate,
        } = request.decode()?;
        let digest = sha256.as_deref().map(named).transpose()?;
        if let Some(wanted) = canary {
            if way != Move::Swap || !(1..=MOST).contains(&wanted) {
                return Err(Error::User(format!(
                    "canary is for .airlock/swap, with a number of requests from 1 to {MOST}"
                )));
            }
            if tolerate.len() > MOST_TOLERATED {
                return Err(Error::User(format!(
                    "tolerate names more than {MOST_TOLERATED} fields"
                )));
            }
            let record = self
                .begin_canary(digest, wanted, tolerate, Actor::of(request))
                .await?;
            let moved = Moved {
                record,
                reload_needed: false,
            };
            return answer::moved(&moved, self.running());
        }
        let change = Change {
            digest,
            way,
            reload,
            by: Actor::of(request),
        };
        let moved = self.shift(change).await?;
        answer::moved(&moved, self.running())
    }

    pub(super) async fn collect(&self) -> Result<Response, Error> {
        let _one = self.moving.lock().await;
        let record = crate::pushed::Record::read(&*self.finder.parts.storage).await;
        let mut kept: BTreeSet<_> = record.map_err(refused)?.digests().collect();
        kept.extend(self.tried_guest());
        kept.extend(self.finder.writer.unsettled());
        let collected = self.finder.guests.collect(&kept).await.map_err(refused)?;
        answer::collected(&collected)
    }
}
