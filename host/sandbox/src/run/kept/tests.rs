use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::*;
use crate::limits::{Exceeded, Limits};
use crate::mount::Services;
use crate::types::Operation;

const LIFETIME: Duration = Duration::from_millis(80);

/// A pool with instances and guests that are numbers.
struct Pool {
    slots: Arc<Semaphore>,
    kept: Arc<KeptInstances<u32, u8>>,
    guest: Arc<u8>,
    mount: Arc<MountContext>,
}

impl Pool {
    fn new(slots: u32) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(slots as usize)),
            kept: KeptInstances::with_lifetime(slots, LIFETIME),
            guest: Arc::new(1),
            mount: mount(),
        }
    }

    fn keep(&self, request: &Request, instance: u32) {
        self.keep_on(&self.mount, request, instance);
    }

    fn keep_on(&self, mount: &Arc<MountContext>, request: &Request, instance: u32) {
        let mut slot = Some(self.slots.clone().try_acquire_owned().unwrap());
        let request = Arc::new(request.clone());
        self.kept.keep(mount, &self.guest, &request, instance, &mut slot);
    }

    fn take(&self, request: &Request) -> Option<u32> {
        self.kept.take(&self.mount, &self.guest, request)
    }

    fn free(&self) -> usize {
        self.slots.available_permits()
    }
}

fn mount() -> Arc<MountContext> {
    let storage = Arc::new(airlock_storage::MemoryStorage::new());
    let storage = airlock_storage::Mount::new(storage, airlock_storage::Settings::default());
    MountContext::new(storage, Services::default(), vec![], &Limits::default())
}

/// Returns a request with something in each field.
fn request(id: &str) -> Request {
    let mut request = Request::new(Operation::Update, "path");
    request.id = id.into();
    request.data = Some(r#"{"a":1}"#.into());
    request.mount_accessor = "accessor".into();
    request.entity_id = "entity".into();
    request.display_name = "name".into();
    request.client_token = "token".into();
    request
}

#[tokio::test]
async fn an_instance_is_given_once_and_only_to_its_request() {
    let pool = Pool::new(16);
    let one = request("one");
    pool.keep(&one, 1);
    assert_eq!(pool.take(&request("two")), None);
    assert_eq!(pool.free(), 15);
    let mut create = one.clone();
    create.operation = Operation::Create;
    assert_eq!(pool.take(&create), Some(1), "Vault decides the operation");
    assert_eq!(pool.take(&one), None);
    assert_eq!(pool.free(), 16);
}

#[tokio::test]
async fn another_request_with_the_same_id_gets_nothing() {
    let changes: [fn(&mut Request); 19] = [
        |request| request.path.push('x'),
        |request| request.data = None,
        |request| request.data = Some("{}".into()),
        |request| request.mount_point.push('x'),
        |request| request.mount_type.push('x'),
        |request| request.mount_accessor.push('x'),
        |request| request.entity_id.push('x'),
        |request| request.entity_id.clear(),
        |request| request.display_name.push('x'),
        |request| request.client_token.push('x'),
        |request| request.client_token_accessor.push('x'),
        |request| {
            request.headers.push(crate::types::Header {
                name: "a".into(),
                values: vec![],
            });
        },
        |request| {
            request.connection = Some(crate::types::Connection {
                remote_addr: "127.0.0.1".into(),
                remote_port: 1,
            });
        },
        |request| request.secret = Some(Default::default()),
        |request| request.wrap = Some(Default::default()),
        |request| request.unauthenticated = true,
        |request| request.policy_override = true,
        |request| request.replication_cluster.push('x'),
        |request| request.recover_source_path.push('x'),
    ];
    let pool = Pool::new(16);
    for (number, change) in changes.iter().enumerate() {
        let mut other = request("one");
        change(&mut other);
        pool.keep(&request("one"), 1);
        assert_eq!(pool.take(&other), None, "change {number}");
        assert_eq!(pool.take(&request("one")), None, "it was dropped");
    }
    assert_eq!(pool.free(), 16);
}

/// Vault's core routes the check before it sets these fields.
#[tokio::test]
async fn vault_may_fill_in_what_belongs_to_the_token() {
    let pool = Pool::new(16);
    let mut check = request("one");
    check.mount_accessor.clear();
    check.entity_id.clear();
    check.display_name.clear();
    pool.keep(&check, 1);
    assert_eq!(pool.take(&request("one")), Some(1));

    let mut caller = request("one");
    check.client_token.clear();
    caller.client_token.clear();
    pool.keep(&check, 1);
    assert_eq!(pool.take(&caller), None, "nothing says whose entity that is");
}

#[tokio::test]
async fn a_mount_and_a_guest_get_only_their_own() {
    let pool = Pool::new(16);
    let (other_mount, other_guest) = (mount(), Arc::new(1));
    pool.keep(&request("one"), 1);
    assert_eq!(pool.kept.take(&other_mount, &pool.guest, &request("one")), None);
    assert_eq!(pool.kept.take(&pool.mount, &other_guest, &request("one")), None);
    assert_eq!(pool.take(&request("one")), None, "the guest was swapped");
}

#[tokio::test]
async fn nothing_is_kept_for_a_request_without_id_or_of_many_bytes() {
    let pool = Pool::new(16);
    pool.keep(&request(""), 1);
    let mut large = request("large");
    large.path = "x".repeat(MOST_REQUEST);
    pool.keep(&large, 1);
    assert_eq!(pool.free(), 16);
}

#[tokio::test]
async fn instances_go_after_their_time_also_if_nobody_asks() {
    let pool = Pool::new(16);
    pool.keep(&request("one"), 1);
    sleep(LIFETIME).await;
    assert_eq!(pool.take(&request("one")), None);
    pool.keep(&request("two"), 1);
    sleep(LIFETIME * 3 / 2).await;
    assert_eq!(pool.free(), 16);
    assert!(!pool.kept.kept.lock().sweeping);
}

#[tokio::test]
async fn checks_without_requests_take_few_slots() {
    let pool = Pool::new(1024);
    for n in 0..1000 {
        pool.keep(&request(&n.to_string()), n);
    }
    assert_eq!(pool.free(), 1024 - MOST_OF_A_MOUNT);
    assert_eq!(pool.take(&request("0")), None);
    let mounts: Vec<_> = (0..1000).map(|_| mount()).collect();
    for mount in &mounts {
        pool.keep_on(mount, &request("one"), 1);
    }
    assert_eq!(pool.free(), 1024 - 256);
    let few = Pool::new(3);
    few.keep(&request("one"), 1);
    assert_eq!(few.free(), 3);
}

#[tokio::test]
async fn a_slot_that_is_needed_comes_back() {
    let pool = Pool::new(16);
    pool.keep(&request("one"), 1);
    pool.keep(&request("two"), 2);
    drop(pool.kept.give_up().unwrap());
    assert_eq!((pool.free(), pool.take(&request("one"))), (15, None));
    assert_eq!(pool.take(&request("two")), Some(2));
    assert!(pool.kept.give_up().is_none());
}

#[tokio::test]
async fn instances_end_with_their_mount_and_their_guest() {
    let mut pool = Pool::new(16);
    pool.keep(&request("one"), 1);
    pool.kept.guest_ended(&Arc::new(1));
    assert_eq!(pool.free(), 15, "another guest ended");
    pool.kept.guest_ended(&pool.guest);
    assert_eq!(pool.free(), 16);

    pool.keep(&request("one"), 1);
    pool.mount = mount();
    pool.kept.mount_ended();
    assert_eq!(pool.free(), 16);
}

#[test]
fn nothing_is_kept_that_no_runtime_sweeps() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
    };
    let pool = Pool::new(16);
    runtime().block_on(async { pool.keep(&request("one"), 1) });
    assert_eq!(pool.free(), 16);
    runtime().block_on(async {
        pool.keep(&request("two"), 2);
        sleep(LIFETIME * 3).await;
        assert_eq!(pool.free(), 16);
    });
}

#[test]
fn only_what_reuse_may_cause_starts_over() {
    let guest: Arc<str> = "guest".into();
    let limit = |limit| CallError::Limit {
        guest: guest.clone(),
        exceeded: Exceeded::new(limit, &Limits::default()),
    };
    assert!(may_be_due_to_reuse(&limit(Limit::Memory)));
    for other in [Limit::Cpu, Limit::Wall, Limit::StorageOperations, Limit::Transfer] {
        assert!(!may_be_due_to_reuse(&limit(other)));
    }
}
