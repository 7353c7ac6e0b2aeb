//! Limits the memory that each request, and all requests of the process together, may hold.
//!
//! Everything that is held for a request counts: memory and tables of its instance, the request itself, the data that
//! its guest hands over or gets, the data that its transaction keeps until the commit, and the answer. Code that is
//! about to hold something makes a [`Reservation`] first, and drops it together with that thing.
//!
//! A request may hold [`BASE`] bytes without asking: its slot stands for them. What it needs beyond comes out of a pool
//! that all requests share. A request that finds too little there waits. It keeps what it has in the meantime, and so
//! may all others that wait, so the wait is short. Afterwards the request fails, which gives the others what it had.
//!
//! Note that the data that an import takes from its guest is copied before the import can reserve memory for it.
//! wasmtime's fuel for host calls keeps that copy within what the request may still hold ([`RequestMemory::left`]).
//! Only threads that run guests copy, and there are two of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::limits::{Exceeded, Limits};
use crate::load::engine::POOL;

/// Bytes that a slot stands for: enough for small guests.
const BASE: u64 = 1 << 20;

/// Bytes in one permit of the pool: a page of WebAssembly.
const PAGE: u64 = 64 << 10;

/// Bytes from which a request has held much, so that the allocator may keep more than it will need soon. A request that
/// stores a value of a few hundred KiB is one.
const MUCH: u64 = 2 << 20;

/// Bytes that such requests must give back before the allocator is asked for what it keeps.
const MUCH_RETURNED: u64 = 16 << 20;

/// Longest time that a request waits for others to end when the pool has too little.
const WAIT: Duration = Duration::from_secs(2);

/// The memory of all requests together. Clones share it.
#[derive(Clone)]
pub(crate) struct ProcessMemory {
    bytes: u64,
    slots: u32,
    pool: Arc<Semaphore>,
    returned: Arc<Returned>,
    wait: Duration,
}

/// Memory that was given back by requests that held much.
struct Returned {
    /// Bytes since the last announcement.
    bytes: AtomicU64,
    announce: SyncSender<()>,
}

impl Returned {
    fn add(&self, bytes: u64) {
        if self.bytes.fetch_add(bytes, Relaxed) + bytes > MUCH_RETURNED {
            self.bytes.store(0, Relaxed);
            // A message that waits already stands for this one too.
            let _ = self.announce.try_send(());
        }
    }
}

impl ProcessMemory {
    #[cfg(test)]
    pub fn new(bytes: u64) -> Self {
        Self::with_returns(bytes, Self::slots_of(bytes)).0
    }

    /// Returns how many slots a quarter of `bytes` is enough for.
    pub fn slots_of(bytes: u64) -> u32 {
        let slots = bytes / 4 / BASE;
        u32::try_from(slots).map_or(POOL, |slots| slots.clamp(1, POOL))
    }

    /// Divides `bytes` between this many slots and the pool. The channel gets a message once requests have given much back,
    /// whatever others hold. It closes when nothing uses this memory any longer.
    pub fn with_returns(bytes: u64, slots: u32) -> (Self, Receiver<()>) {
        let (announce, returns) = sync_channel(1);
        let pages = bytes.saturating_sub(u64::from(slots) * BASE) / PAGE;
        let pages =
            usize::try_from(pages).map_or(Semaphore::MAX_PERMITS, |pages| pages.min(Semaphore::MAX_PERMITS));
        let memory = Self {
            bytes,
            slots,
            pool: Arc::new(Semaphore::new(pages)),
            returned: Arc::new(Returned {
                bytes: AtomicU64::new(0),
                announce,
            }),
            wait: WAIT,
        };
        (memory, returns)
    }

    /// Returns the number of requests that may run at once.
    pub fn slots(&self) -> u32 {
        self.slots
    }

    /// Returns the error of requests that find no memory.
    pub fn exceeded(&self) -> Exceeded {
        Exceeded::process_memory(self.bytes)
    }

    /// Returns true if one request may hold `bytes` when no other runs.
    pub fn fits(&self, bytes: u64) -> bool {
        bytes <= self.bytes.saturating_sub(BASE * (u64::from(self.slots) - 1))
    }

    /// Returns the memory of a request, which must have a slot before it reserves anything.
    pub fn for_request(&self, limits: &Limits) -> Arc<RequestMemory> {
        Arc::new(RequestMemory {
            process: self.bytes,
            limit: limits.memory_bytes,
            pool: self.pool.clone(),
            returned: self.returned.clone(),
            wait: self.wait,
            held: Mutex::new(Held {
                granted: BASE,
                ..Held::default()
            }),
        })
    }
}

/// The memory of one request.
pub(crate) struct RequestMemory {
    /// The limit of all requests together.
    process: u64,
    limit: u64,
    pool: Arc<Semaphore>,
    /// Shared by all requests of the process.
    returned: Arc<Returned>,
    wait: Duration,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    now: u64,
    peak: u64,
    /// Bytes that may be held without asking. They stay with the request until it [shrinks](RequestMemory::shrink) or
    /// ends.
    granted: u64,
    permits: Option<OwnedSemaphorePermit>,
}

impl RequestMemory {
    /// Returns the most bytes that were held at once.
    pub fn peak(&self) -> u64 {
        self.held.lock().peak
    }

    /// Returns the bytes that the request may still hold.
    pub fn left(&self) -> u64 {
        self.limit.saturating_sub(self.held.lock().now)
    }

    /// Reserves bytes, see [`Reservation::add`].
    pub async fn reserve(self: &Arc<Self>, bytes: u64) -> Result<Reservation, Exceeded> {
        let mut reservation = Reservation::of(self);
        reservation.add(bytes).await?;
        Ok(reservation)
    }

    /// Takes bytes that the request may hold without asking. Returns false, and takes nothing, if it needs more.
    fn take_now(&self, bytes: u64) -> bool {
        let mut held = self.held.lock();
        let after = held.now.saturating_add(bytes);
        let fits = after <= self.limit.min(held.granted);
        if fits {
            held.hold(bytes);
        }
        fits
    }

    async fn take(&self, bytes: u64) -> Result<(), Exceeded> {
        let missing = {
            let mut held = self.held.lock();
            let after = held.now.saturating_add(bytes);
            if after > self.limit {
                return Err(Exceeded::memory(self.limit));
            }
            match after.checked_sub(held.granted) {
                None | Some(0) => {
                    held.hold(bytes);
                    return Ok(());
                }
                Some(missing) => u32::try_from(missing.div_ceil(PAGE)).unwrap_or(u32::MAX),
            }
        };
        let permits = match self.pool.clone().try_acquire_many_owned(missing) {
            Ok(permits) => permits,
            Err(_) => match timeout(self.wait, self.pool.clone().acquire_many_owned(missing)).await {
                Ok(Ok(permits)) => permits,
                // The semaphore is never closed.
                Ok(Err(_)) | Err(_) => return Err(Exceeded::process_memory(self.process)),
            },
        };
        let mut held = self.held.lock();
        held.granted += u64::from(missing) * PAGE;
        match &mut held.permits {
            Some(all) => all.merge(permits),
            none => *none = Some(permits),
        }
        held.hold(bytes);
        Ok(())
    }

    /// Gives back to the pool what is granted but not held, except what the slot stands for.
    pub fn shrink(&self) {
        let mut held = self.held.lock();
        let unused = (held.granted - held.now.max(BASE).min(held.granted)) / PAGE;
        if let Some(permits) = &mut held.permits
            && let Some(unneeded) = permits.split(unused as usize)
        {
            drop(unneeded);
            held.granted -= unused * PAGE;
            self.gave_back(&held, unused * PAGE);
        }
    }

    fn gave_back(&self, held: &Held, bytes: u64) {
        if held.peak >= MUCH {
            self.returned.add(bytes);
        }
    }

    /// Returns true if more is held than the slot stands for.
    pub fn is_large(&self) -> bool {
        self.held.lock().now > BASE
    }

    fn give_back(&self, bytes: u64) {
        self.held.lock().now -= bytes;
    }
}

impl Drop for RequestMemory {
    fn drop(&mut self) {
        let held = self.held.lock();
        self.gave_back(&held, held.granted - BASE);
    }
}

impl Held {
    fn hold(&mut self, bytes: u64) {
        self.now += bytes;
        self.peak = self.peak.max(self.now);
    }
}

/// Bytes that are held for a request, until this is dropped.
pub(crate) struct Reservation {
    memory: Arc<RequestMemory>,
    bytes: u64,
}

impl Reservation {
    /// Returns a reservation of no bytes.
    pub fn of(memory: &Arc<RequestMemory>) -> Self {
        Self {
            memory: memory.clone(),
            bytes: 0,
        }
    }

    /// Reserves more.
    ///
    /// # Errors
    /// [`Memory`](crate::Limit::Memory) if the request may not hold so much. [`ProcessMemory`](crate::Limit::ProcessMemory)
    /// if all requests together may not, and the others have not given enough back in time.
    pub async fn add(&mut self, bytes: u64) -> Result<(), Exceeded> {
        self.memory.take(bytes).await?;
        self.bytes += bytes;
        Ok(())
    }

    /// Reserves more if that needs no wait. Otherwise returns false and reserves nothing.
    pub fn add_now(&mut self, bytes: u64) -> bool {
        let fits = self.memory.take_now(bytes);
        if fits {
            self.bytes += bytes;
        }
        fits
    }

    /// Returns the bytes that are reserved.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Gives everything back.
    pub fn clear(&mut self) {
        if self.bytes > 0 {
            self.memory.give_back(self.bytes);
            self.bytes = 0;
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests;
