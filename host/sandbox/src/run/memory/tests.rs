use super::*;
use crate::limits::Limit;

const MIB: u64 = 1 << 20;

fn request(process: &ProcessMemory, mib: u64) -> Arc<RequestMemory> {
    process.for_request(&Limits {
        memory_bytes: mib * MIB,
        ..Limits::default()
    })
}

#[tokio::test]
async fn a_request_holds_no_more_than_its_limit() {
    let memory = request(&ProcessMemory::new(1 << 30), 10);
    let mut first = memory.reserve(6 * MIB).await.unwrap();
    assert_eq!(first.add(5 * MIB).await.unwrap_err().limit, Limit::Memory);
    let second = memory.reserve(4 * MIB).await.unwrap();
    assert_eq!((memory.left(), memory.peak()), (0, 10 * MIB));
    drop(second);
    first.clear();
    assert_eq!((memory.left(), memory.peak()), (10 * MIB, 10 * MIB));
    assert!(memory.reserve(u64::MAX).await.is_err());
}

#[tokio::test]
async fn much_returned_memory_is_announced_though_others_hold_some() {
    let (process, returns) = ProcessMemory::with_returns(256 * MIB, 64);
    let _beside = request(&process, 16).reserve(2 * MIB).await.unwrap();
    for _ in 0..100 {
        drop(request(&process, 16).reserve(3 * MIB / 2).await.unwrap());
    }
    assert!(returns.try_recv().is_err(), "small requests");
    drop(request(&process, 64).reserve(10 * MIB).await.unwrap());
    assert!(returns.try_recv().is_err(), "less than much");
    drop(request(&process, 64).reserve(10 * MIB).await.unwrap());
    assert!(returns.try_recv().is_ok());
    assert!(returns.try_recv().is_err(), "it was said");
}

#[tokio::test]
async fn what_an_answer_gives_back_is_counted_too() {
    let (process, returns) = ProcessMemory::with_returns(256 * MIB, 64);
    let memory = request(&process, 128);
    drop(memory.reserve(100 * MIB).await.unwrap());
    assert!(returns.try_recv().is_err());
    memory.shrink();
    assert!(returns.try_recv().is_ok());
}

#[tokio::test]
async fn a_request_that_does_not_fit_fails_after_a_while() {
    // Two slots of 1 MiB each, and 6 MiB to share.
    let mut process = ProcessMemory::new(8 * MIB);
    process.wait = Duration::ZERO;
    let first = request(&process, 8);
    let _held = first.reserve(6 * MIB).await.unwrap();
    let second = request(&process, 8);
    assert!(second.reserve(MIB).await.is_ok(), "what its slot stands for");
    let error = second.reserve(4 * MIB).await.err().unwrap();
    assert_eq!(error.limit, Limit::ProcessMemory);
    assert_eq!(
        error.to_string(),
        "over the limit of 8 MiB of memory for all requests together (--process-memory-mib)"
    );
    assert_eq!(second.left(), 8 * MIB);
}

#[tokio::test]
async fn a_request_that_does_not_fit_waits_for_others_to_end() {
    let mut process = ProcessMemory::new(8 * MIB);
    process.wait = Duration::MAX;
    let first = request(&process, 8);
    let held = first.reserve(6 * MIB).await.unwrap();
    let second = request(&process, 8);
    let waiting = tokio::spawn(async move { second.reserve(4 * MIB).await.map(drop) });
    while process.pool.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    assert!(!waiting.is_finished());
    drop((held, first));
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_was_granted_is_given_back_when_the_request_ends() {
    let process = ProcessMemory::new(8 * MIB);
    for _ in 0..3 {
        let memory = request(&process, 7);
        assert!(memory.reserve(7 * MIB).await.is_ok());
    }
}

#[tokio::test]
async fn what_an_answer_does_not_need_is_given_back() {
    let process = ProcessMemory::new(8 * MIB);
    let pages = process.pool.available_permits();
    let memory = request(&process, 8);
    let instance = memory.reserve(4 * MIB).await.unwrap();
    let answer = memory.reserve(2 * MIB).await.unwrap();
    memory.shrink();
    assert_eq!(pages - process.pool.available_permits(), 5 * 16);
    drop(instance);
    memory.shrink();
    assert!(memory.is_large());
    assert_eq!(pages - process.pool.available_permits(), 16);
    drop(answer);
    memory.shrink();
    assert!(!memory.is_large());
    assert_eq!(process.pool.available_permits(), pages);
}

#[test]
fn a_quarter_is_for_slots() {
    assert_eq!(ProcessMemory::new(0).slots(), 1);
    assert_eq!(ProcessMemory::new(512 * MIB).slots(), 128);
    assert_eq!(ProcessMemory::new(1 << 40).slots(), 512);
    let process = ProcessMemory::new(512 * MIB);
    assert!(process.fits(384 * MIB) && !process.fits(400 * MIB));
}
