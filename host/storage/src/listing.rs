//! Folders as a transaction would leave them.

use crate::access::{HIDDEN, check_folder};
use crate::counters::Thing;
use crate::writes::Changes;
use crate::{Result, Transaction, names, protocol};

impl Transaction {
    /// The names directly below a folder (empty, or ending in `/`), in byte order; folders end in `/`.
    pub async fn list(&mut self, folder: &str) -> Result<Vec<String>> {
        check_folder(folder, &self.settings.storage)?;
        self.enter().await?;
        let changes = self.writes.changes_in(folder);
        let names = self.stored_names(folder, None).await?;
        self.merge(folder, names, changes).await
    }

    /// At most `limit` of these names that come after `after` (empty: from the start).
    pub async fn list_page(&mut self, folder: &str, after: &str, limit: usize) -> Result<Vec<String>> {
        check_folder(folder, &self.settings.storage)?;
        self.enter().await?;
        if limit == 0 {
            return Ok(Vec::new());
        }
        let changes = self.writes.changes_in(folder);
        // Names that may turn out not to be there any more, and the hidden folder.
        let spare = changes.removed.len() + changes.thinned.len() + usize::from(folder.is_empty());
        let names = self
            .stored_names(folder, Some((after, limit.saturating_add(spare))))
            .await?;
        let names = self.merge(folder, names, changes).await?;
        Ok(names::page(names, after, limit))
    }

    async fn stored_names(&mut self, folder: &str, page: Option<(&str, usize)>) -> Result<Vec<String>> {
        let found = loop {
            let list = || self.calls.list(folder, page);
            match protocol::list(&self.mount.ledger, folder, list).await {
                Some(found) => break found?,
                None => {
                    self.mount
                        .until_written(Thing::Folder(folder), self.settings.wait)
                        .await?
                }
            }
        };
        let mut names = self.note(found)?;
        names.retain(|name| !(folder.is_empty() && name == HIDDEN));
        Ok(names)
    }

    async fn merge(&mut self, folder: &str, mut names: Vec<String>, changes: Changes) -> Result<Vec<String>> {
        names.retain(|name| !changes.removed.contains(name));
        for thinned in &changes.thinned {
            if let Some(at) = names.iter().position(|name| name == thinned) {
                let inside = Box::pin(self.list_page(&format!("{folder}{thinned}"), "", 1)).await?;
                if inside.is_empty() {
                    names.remove(at);
                }
            }
        }
        names.extend(changes.added);
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}
