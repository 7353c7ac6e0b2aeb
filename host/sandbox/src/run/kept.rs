//! Keeps the instance of an existence check for the request that it belongs to.
//!
//! Vault sends the two one after the other with the same id, and asks its policies in between. A request that finds the
//! instance of its check saves the making and the wiping of its own. So the memory that it meets is what its own caller's
//! check left there, and nobody else's:
//!
//! - [`take`](KeptInstances::take) gives an instance away once, and only to the same guest, the same mount, and a request
//!   that equals the check in all that the guest saw ([`is_of`]).
//! - The request's transaction must continue that of the check. The caller sees to that: what the guest remembers is then
//!   something that its transaction has read.
//! - An instance is kept only after a check that succeeded, wrote nothing and used little.
//!
//! # What to watch
//! A kept instance has the slot of the pool of the check, and no instance permit of its mount. It fits into the memory that the
//! slot stands for. A check whose request never comes must not cost anybody anything, so instances are kept only while
//! half of the slots are free, only for a short time, and [`give_up`](KeptInstances::give_up) takes the slot of one back as
//! soon as a request finds no other.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::CallError;
use crate::limits::Limit;
use crate::mount::MountContext;
use crate::run::code::Slot;
use crate::run::exports::GuestCode;
use crate::run::instance::Instance;
use crate::types::Request;

/// Time for which an instance is kept. Between a check and its request Vault asks its policies, which takes well below a
/// millisecond.
const LIFETIME: Duration = Duration::from_secs(1);

/// Most instances that are kept for one mount: as many as by default run at once.
const MOST_OF_A_MOUNT: usize = 64;

/// Most bytes of a request whose check's instance is kept. The request is kept with it.
const MOST_REQUEST: usize = 64 << 10;

/// The kept instances of the process. Tests keep something else, of another kind of guest.
pub(crate) struct KeptInstances<I = Instance, G = GuestCode> {
    kept: Mutex<Kept<I, G>>,
    /// Most instances.
    most: usize,
    lifetime: Duration,
}

struct Kept<I, G> {
    /// The oldest first. Boxed, because entries move when one between them is removed.
    entries: VecDeque<Box<Entry<I, G>>>,
    sweeping: bool,
}

struct Entry<I, G> {
    mount: Weak<MountContext>,
    guest: Arc<G>,
    request: Arc<Request>,
    until: Instant,
    /// The instance goes before its slot is free.
    instance: I,
    slot: Slot,
}

impl<I, G> Entry<I, G> {
    fn is_on(&self, mount: &Arc<MountContext>) -> bool {
        std::ptr::eq(self.mount.as_ptr(), Arc::as_ptr(mount))
    }
}

impl<I: Send + 'static, G: Send + Sync + 'static> KeptInstances<I, G> {
    /// Keeps no more than a quarter of the slots of the pool.
    pub fn new(slots: u32) -> Arc<Self> {
        Self::with_lifetime(slots, LIFETIME)
    }

    fn with_lifetime(slots: u32, lifetime: Duration) -> Arc<Self> {
        let kept = Kept {
            entries: VecDeque::new(),
            sweeping: false,
        };
        Arc::new(Self {
            kept: Mutex::new(kept),
            most: slots as usize / 4,
            lifetime,
        })
    }

    /// Keeps the instance of a check for its request. Takes the slot, or drops the instance if it may not be kept.
    pub fn keep(
        self: &Arc<Self>,
        mount: &Arc<MountContext>,
        guest: &Arc<G>,
        request: &Arc<Request>,
        instance: I,
        slot: &mut Option<Slot>,
    ) {
        if request.id.is_empty() || request.bytes() > MOST_REQUEST || self.most == 0 {
            return;
        }
        let Some(slot) = slot.take() else { return };
        let entry = Box::new(Entry {
            mount: Arc::downgrade(mount),
            guest: guest.clone(),
            request: request.clone(),
            until: Instant::now() + self.lifetime,
            instance,
            slot,
        });
        let mut kept = self.kept.lock();
        // An instance is wiped when it is dropped, which takes long enough not to make others wait.
        let same = kept.remove(|entry| entry.request.id == request.id && entry.is_on(mount));
        let of_mount = kept.entries.iter().filter(|entry| entry.is_on(mount)).count();
        let surplus = if of_mount >= MOST_OF_A_MOUNT {
            kept.remove(|entry| entry.is_on(mount))
        } else if kept.entries.len() >= self.most {
            kept.entries.pop_front()
        } else {
            None
        };
        kept.entries.push_back(entry);
        let sweeps = std::mem::replace(&mut kept.sweeping, true);
        drop(kept);
        drop((same, surplus));
        if !sweeps {
            tokio::spawn(Sweep(Arc::downgrade(self)).run(Instant::now() + self.lifetime));
        }
    }

    /// Removes the instance that was kept for a request with this id, and returns it if the request may have it.
    pub fn take(&self, mount: &Arc<MountContext>, guest: &Arc<G>, request: &Request) -> Option<I> {
        let entry = self
            .kept
            .lock()
            .remove(|entry| entry.request.id == request.id && entry.is_on(mount))?;
        let fits = Arc::ptr_eq(&entry.guest, guest)
            && entry.until > Instant::now()
            && is_of(&entry.request, request);
        fits.then_some(entry.instance)
    }

    /// Drops the oldest instance, and returns its slot.
    pub fn give_up(&self) -> Option<Slot> {
        let entry = self.kept.lock().entries.pop_front()?;
        let Entry { instance, slot, .. } = *entry;
        drop(instance);
        Some(slot)
    }

    /// Drops the instances of mounts that have ended.
    pub fn mount_ended(&self) {
        self.drop_all(|entry| entry.mount.strong_count() == 0);
    }

    /// Drops the instances of a guest.
    pub fn guest_ended(&self, guest: &Arc<G>) {
        self.drop_all(|entry| Arc::ptr_eq(&entry.guest, guest));
    }

    fn drop_all(&self, is_dropped: impl Fn(&Entry<I, G>) -> bool) {
        let mut kept = self.kept.lock();
        let entries = std::mem::take(&mut kept.entries);
        let (dropped, entries): (Vec<_>, _) = entries.into_iter().partition(|entry| is_dropped(entry));
        kept.entries = entries.into();
        drop(kept);
        drop(dropped);
    }
}

impl<I, G> Kept<I, G> {
    fn remove(&mut self, is_it: impl Fn(&Entry<I, G>) -> bool) -> Option<Box<Entry<I, G>>> {
        let at = self.entries.iter().position(|entry| is_it(entry))?;
        self.entries.remove(at)
    }
}

/// Returns true if an existence check was made for this request.
///
/// They differ in the operation, which Vault decides by the check, and in three fields that Vault fills in only after
/// it: the mount's accessor, and the entity and the name that belong to the caller's token. The token itself is the
/// same.
fn is_of(check: &Request, request: &Request) -> bool {
    let Request {
        id,
        operation: _,
        path,
        data,
        mount_point,
        mount_type,
        mount_accessor,
        entity_id,
        display_name,
        client_token,
        client_token_accessor,
        headers,
        connection,
        secret,
        wrap,
        unauthenticated,
        policy_override,
        replication_cluster,
        recover_source_path,
    } = request;
    let fills_in = |before: &str, now: &str| before == now || before.is_empty();
    let fills_in_of_token =
        |before, now| before == now || (fills_in(before, now) && !client_token.is_empty());
    check.id == *id
        && check.path == *path
        && check.data == *data
        && check.mount_point == *mount_point
        && check.mount_type == *mount_type
        && fills_in(&check.mount_accessor, mount_accessor)
        && fills_in_of_token(&check.entity_id, entity_id)
        && fills_in_of_token(&check.display_name, display_name)
        && check.client_token == *client_token
        && check.client_token_accessor == *client_token_accessor
        && check.headers == *headers
        && check.connection == *connection
        && check.secret == *secret
        && check.wrap == *wrap
        && check.unauthenticated == *unauthenticated
        && check.policy_override == *policy_override
        && check.replication_cluster == *replication_cluster
        && check.recover_source_path == *recover_source_path
}

/// Returns true if a request might not have ended with this error in a fresh instance: the memory that its check used is
/// not free, and a guest need not expect to be called twice.
pub(crate) fn may_be_due_to_reuse(error: &CallError) -> bool {
    match error {
        CallError::Trap { .. } => true,
        CallError::Limit { exceeded, .. } => exceeded.limit == Limit::Memory,
        _ => false,
    }
}

/// Drops instances whose time is over, for as long as any are kept.
struct Sweep<I, G>(Weak<KeptInstances<I, G>>);

impl<I: Send + 'static, G: Send + Sync + 'static> Sweep<I, G> {
    async fn run(mut self, mut next: Instant) {
        loop {
            sleep_until(next).await;
            let Some(shared) = self.0.upgrade() else { return };
            let now = Instant::now();
            shared.drop_all(|entry| entry.until <= now);
            let mut kept = shared.kept.lock();
            match kept.entries.front() {
                Some(oldest) => next = oldest.until,
                None => {
                    kept.sweeping = false;
                    self.0 = Weak::new();
                    return;
                }
            }
        }
    }
}

/// A runtime that ends drops its tasks, and another one may go on with the same sandbox. So what nobody sweeps any
/// longer is not kept.
impl<I, G> Drop for Sweep<I, G> {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade() {
            let mut kept = shared.kept.lock();
            kept.sweeping = false;
            let entries = std::mem::take(&mut kept.entries);
            drop(kept);
            drop(entries);
        }
    }
}

#[cfg(test)]
mod tests;
