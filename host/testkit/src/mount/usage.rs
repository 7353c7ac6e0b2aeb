//! Sums up what the calls of a guest for one request use.

use std::cell::RefCell;

use airlock_sandbox::Usage;

tokio::task_local! {
    static USED: RefCell<Usage>;
}

/// Adds to what the request uses for which this task runs.
pub fn note(usage: &Usage) {
    // Outside of a request, such as at the start of a mount, nobody asks.
    let _ = USED.try_with(|used| add(&mut used.borrow_mut(), usage));
}

/// Runs a request and returns what its calls used.
pub async fn of<T>(request: impl Future<Output = T>) -> (T, Usage) {
    USED.scope(RefCell::default(), async {
        let answer = request.await;
        (answer, USED.with(RefCell::take))
    })
    .await
}

/// Adds what another call of the guest used.
pub fn add(usage: &mut Usage, more: &Usage) {
    usage.cpu += more.cpu;
    usage.wall += more.wall;
    usage.memory_bytes = usage.memory_bytes.max(more.memory_bytes);
    usage.storage_operations += more.storage_operations;
    usage.storage += more.storage;
    usage.transfer_bytes += more.transfer_bytes;
    usage.log_lines += more.log_lines;
    usage.attempts += more.attempts;
}
