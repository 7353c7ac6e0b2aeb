//! Lists folders as a transaction would leave them.
//!
//! A folder from which the transaction has deleted keys is shown if something is left in it, and only storage knows
//! that. So a list may need more than one storage call: one for each such folder, and one for each folder inside it. A
//! [`Budget`] is asked before each of these calls, see [`Transaction::set_budget`].

use crate::access::{HIDDEN, check_folder};
use crate::conflict::counters::Thing;
use crate::conflict::protocol;
use crate::replay::answers::Lookup;
use crate::{Error, Result, Transaction};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Pays for the storage calls of a request beyond the first one of each operation.
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
///
/// /// The number of calls that are left.
/// struct Calls(AtomicU32);
///
/// impl airlock_storage::Budget for Calls {
///     fn charge_call(&self) -> bool {
///         self.0.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
///     }
/// }
/// ```
pub trait Budget: Send + Sync + 'static {
    /// Charges one call that is about to be made. Returns false if the budget is used up; then the call is not made.
    fn charge_call(&self) -> bool;
}

impl Transaction {
    /// Sets the budget for the storage calls that an operation makes after its first, as a [list](Self::list) may. If
    /// the budget is used up, the operation fails with [`Error::OverBudget`]. Without a budget the number of calls has
    /// no limit.
    pub fn set_budget(&mut self, budget: Arc<dyn Budget>) {
        self.budget = Some(budget);
    }

    fn charge_call(&self) -> Result<()> {
        match &self.budget {
            Some(budget) if !budget.charge_call() => Err(Error::OverBudget),
            _ => Ok(()),
        }
    }

    /// Returns the names directly below a folder (empty, or ending in `/`), in byte order; folders end in `/`.
    ///
    /// This costs one storage call, and one more for each folder of which it must find out whether the transaction's
    /// deletions leave something in it.
    pub async fn list(&mut self, folder: &str) -> Result<Vec<String>> {
        check_folder(folder, &self.settings.storage)?;
        self.enter().await?;
        self.names_left(folder, "", None).await
    }

    /// Returns at most `limit` of these names that come after `after` (empty: from the start).
    pub async fn list_page(&mut self, folder: &str, after: &str, limit: usize) -> Result<Vec<String>> {
        check_folder(folder, &self.settings.storage)?;
        self.enter().await?;
        if limit == 0 {
            return Ok(Vec::new());
        }
        self.names_left(folder, after, Some(limit)).await
    }

    async fn names_left(&mut self, folder: &str, after: &str, limit: Option<usize>) -> Result<Vec<String>> {
        let changes = self.writes.changes_in(folder, after);
        // The number of names that may be gone, and the hidden folder.
        let spare = changes.removed.len() + changes.thinned.len() + usize::from(folder.is_empty());
        let page = limit.map(|limit| (after, limit.saturating_add(spare)));
        let stored = self.stored_names(folder, page).await?;
        let names: BTreeSet<String> = stored.into_iter().chain(changes.added.iter().cloned()).collect();
        let mut left = Vec::new();
        for name in names {
            if limit.is_some_and(|limit| left.len() == limit) {
                break;
            }
            let is_gone = changes.removed.contains(&name)
                || changes.thinned.contains(&name) && self.is_emptied(format!("{folder}{name}")).await?;
            if !is_gone {
                left.push(name);
            }
        }
        Ok(left)
    }

    /// Returns true if nothing is left in a folder from which the transaction has deleted keys and into which it has
    /// put none.
    ///
    /// This is a loop and not a recursion, because a guest can make thousands of levels of folders.
    async fn is_emptied(&mut self, folder: String) -> Result<bool> {
        let mut folders = vec![folder];
        while let Some(folder) = folders.pop() {
            let deleted = self.writes.deleted_in(&folder);
            self.charge_call()?;
            // If there are more names than the transaction has touched, one of them stays.
            let page = Some(("", deleted.len() + 1));
            for name in self.stored_names(&folder, page).await? {
                if !deleted.contains(&name) {
                    return Ok(false);
                }
                if name.ends_with('/') {
                    folders.push(format!("{folder}{name}"));
                }
            }
        }
        Ok(true)
    }

    async fn stored_names(&mut self, folder: &str, page: Option<(&str, usize)>) -> Result<Vec<String>> {
        let of_lookup = page.map(|(after, limit)| (after, limit as u64));
        if let Some(replay) = &self.replay
            && let Some(names) = replay.told_names(folder, of_lookup)
        {
            return Ok(names);
        }
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
        self.trace_lookup(|| Lookup::List {
            folder: folder.to_owned(),
            page: of_lookup.map(|(after, limit)| (after.to_owned(), limit)),
            names: names.clone(),
        });
        Ok(names)
    }
}
