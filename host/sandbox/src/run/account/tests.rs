use super::time::{EXACT_AFTER, MOST_INEXACT, nanoseconds, thread_time};
use super::*;

fn account(limits: Limits) -> Account {
    Account::open("test".into(), limits, Limit::Wall, &ProcessMemory::new(1 << 30))
}

/// Uses CPU time of this thread.
fn burn(time: Duration) {
    let until = thread_time() + nanoseconds(time);
    while thread_time() < until {}
}

#[test]
fn the_call_after_the_last_allowed_is_refused_and_not_counted() {
    let account = account(Limits {
        storage_operations: 2,
        ..Limits::default()
    });
    assert!(account.operation().is_ok() && account.operation().is_ok());
    for _ in 0..3 {
        assert_eq!(account.operation().unwrap_err().limit, Limit::StorageOperations);
    }
    assert_eq!(account.usage().storage_operations, 2);
}

#[test]
fn bytes_that_do_not_fit_are_not_counted() {
    let account = account(Limits {
        transfer_bytes: 100,
        ..Limits::default()
    });
    assert!(account.transfer(60).is_ok());
    assert_eq!(account.transfer(60).unwrap_err().limit, Limit::Transfer);
    assert_eq!(account.transfer_left(), 40);
    assert!(account.transfer(40).is_ok());
    assert_eq!(account.usage().transfer_bytes, 100);
    assert!(account.transfer(usize::MAX).is_err());
}

#[test]
fn the_first_dropped_log_line_is_marked() {
    let account = account(Limits {
        log_lines: 1,
        ..Limits::default()
    });
    let lines: Vec<_> = (0..4).map(|_| account.log_line()).collect();
    assert_eq!(
        lines,
        [LogLine::Pass, LogLine::FirstDropped, LogLine::Drop, LogLine::Drop]
    );
    assert_eq!(account.usage().log_lines, 1);
}

#[test]
fn a_suspended_machine_is_not_charged_to_the_guest() {
    let account = account(Limits::default());
    account.polled_at.store(0, Relaxed);
    assert_eq!(account.uncharged(1_000_000), 1_000_000);
    assert_eq!(account.uncharged(60_000_000_000), nanoseconds(MOST_INEXACT));
}

#[test]
fn a_suspension_does_not_move_a_request() {
    let account = account(Limits::default());
    // The latest point at which the inexact clock is used.
    account.cpu.store(nanoseconds(EXACT_AFTER) - 1, Relaxed);
    account.polled_at.store(0, Relaxed);
    account.charge(60_000_000_000);
    assert!(account.cpu_of_polls() < crate::run::lanes::FAST);
}

#[test]
fn cpu_is_charged_while_it_is_used_and_then_refused() {
    let account = account(Limits {
        cpu: Duration::from_millis(1),
        ..Limits::default()
    });
    account.poll_begins();
    assert_eq!(account.check_time(), Ok(()));
    burn(Duration::from_millis(3));
    assert_eq!(account.check_time().unwrap_err().limit, Limit::Cpu);
    account.poll_ends();
    assert!(account.usage().cpu > Duration::from_millis(1));
}

#[test]
fn one_long_poll_is_charged_in_full() {
    let account = account(Limits::default());
    account.poll_begins();
    for _ in 0..20 {
        burn(Duration::from_millis(3));
        account.check_time().unwrap();
    }
    assert!(account.should_yield() && !account.should_yield());
    account.poll_ends();
    assert!(account.usage().cpu >= Duration::from_millis(57));
}

#[test]
fn a_request_past_its_deadline_may_not_go_on() {
    let account = account(Limits {
        wall: Duration::ZERO,
        ..Limits::default()
    });
    assert_eq!(account.check_time().unwrap_err().limit, Limit::Wall);
}

#[test]
fn a_long_request_is_charged_by_its_threads_time() {
    let account = account(Limits::default());
    account.poll_begins();
    burn(EXACT_AFTER);
    account.poll_ends();
    let before = account.usage().cpu;
    account.poll_begins();
    std::thread::sleep(Duration::from_millis(20));
    account.poll_ends();
    assert!(
        account.usage().cpu - before < Duration::from_millis(10),
        "sleeping was charged"
    );
    account.poll_begins();
    let before = account.usage().cpu;
    burn(Duration::from_micros(10));
    account.poll_ends();
    assert!(account.usage().cpu > before);
}
