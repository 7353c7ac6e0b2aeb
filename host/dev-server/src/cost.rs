//! The cost of a request: reported by the backend that runs the guest, shown by the server.

use std::cell::Cell;
use std::future::Future;
use std::time::Duration;

/// The resources that one request used, including its existence check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// CPU time of the guest.
    pub cpu: Duration,
    /// Entries read from storage.
    pub reads: u64,
    /// Entries written to or deleted from storage.
    pub writes: u64,
    /// Folders listed in storage.
    pub lists: u64,
}

impl Cost {
    /// Returns the number of all storage calls.
    pub fn storage_operations(&self) -> u64 {
        self.reads.saturating_add(self.writes).saturating_add(self.lists)
    }

    fn plus(self, other: Cost) -> Cost {
        Cost {
            cpu: self.cpu.saturating_add(other.cpu),
            reads: self.reads.saturating_add(other.reads),
            writes: self.writes.saturating_add(other.writes),
            lists: self.lists.saturating_add(other.lists),
        }
    }
}

tokio::task_local! {
    static METER: Cell<Option<Cost>>;
}

/// Adds to the cost of the request that is being served. A backend calls it before it answers, in the task in which the
/// server called the backend. Anywhere else it does nothing, so a backend does not need to know who runs it.
pub fn report_cost(cost: Cost) {
    let _ = METER.try_with(|meter| meter.set(Some(meter.get().unwrap_or_default().plus(cost))));
}

/// Runs a future and returns the cost that was reported in it, or `None` if none was.
pub(crate) async fn metered<T>(work: impl Future<Output = T>) -> (T, Option<Cost>) {
    METER
        .scope(Cell::new(None), async {
            let answer = work.await;
            (answer, METER.with(Cell::get))
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reports_add_up_and_those_outside_a_request_are_dropped() {
        let cost = Cost {
            cpu: Duration::from_millis(2),
            reads: 1,
            writes: 2,
            lists: 3,
        };
        report_cost(cost);
        let ((), none) = metered(async {}).await;
        assert_eq!(none, None);
        let ((), sum) = metered(async {
            report_cost(cost);
            tokio::task::yield_now().await;
            report_cost(cost);
        })
        .await;
        assert_eq!(sum.unwrap().cpu, Duration::from_millis(4));
        assert_eq!(sum.unwrap().storage_operations(), 12);
    }
}
