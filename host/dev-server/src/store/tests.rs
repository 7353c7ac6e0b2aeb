use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use airlock_storage::Storage as _;
use redb::StorageBackend;

use super::*;

fn view(store: Store) -> View {
    View::of_mount(Arc::new(store), "u")
}

#[tokio::test]
async fn a_list_shows_children_in_order_and_each_folder_once() {
    let view = view(Store::memory().unwrap());
    for key in ["b", "b-", "b/x", "b/y", "b0", "a/b/c", "z", "ü"] {
        view.put(StorageEntry::new(key, "v")).await.unwrap();
    }
    assert_eq!(
        view.list("").await.unwrap(),
        ["a/", "b", "b-", "b/", "b0", "z", "ü"]
    );
    assert_eq!(view.list("b/").await.unwrap(), ["x", "y"]);
    assert!(view.list("missing/").await.unwrap().is_empty());
    assert_eq!(view.list_page("", "b-", 2).await.unwrap(), ["b/", "b0"]);
    assert_eq!(view.list_page("", "b/", 1).await.unwrap(), ["b0"]);
}

#[tokio::test]
async fn mounts_do_not_see_each_other() {
    let store = Arc::new(Store::memory().unwrap());
    let (one, other) = (
        View::of_mount(Arc::clone(&store), "1"),
        View::of_mount(Arc::clone(&store), "10"),
    );
    one.put(StorageEntry::new("k", "one")).await.unwrap();
    other.put(StorageEntry::new("k", "other")).await.unwrap();
    one.wipe().await.unwrap();
    assert_eq!(one.get("k").await.unwrap(), None);
    assert_eq!(other.get("k").await.unwrap().unwrap().value, "other");
    assert!(one.get("../10/k").await.is_err());
}

#[tokio::test]
async fn a_transaction_writes_everything_or_nothing() {
    let view = view(Store::memory().unwrap());
    let mut given_up = view.begin().await.unwrap().unwrap();
    given_up.put(StorageEntry::new("a", "1")).await.unwrap();
    given_up.rollback().await.unwrap();
    assert_eq!(view.get("a").await.unwrap(), None);
    let mut kept = view.begin().await.unwrap().unwrap();
    kept.put(StorageEntry {
        seal_wrap: true,
        ..StorageEntry::new("a", "1")
    })
    .await
    .unwrap();
    kept.put(StorageEntry::new("b", "2")).await.unwrap();
    kept.delete("b").await.unwrap();
    kept.commit().await.unwrap();
    assert!(view.get("a").await.unwrap().unwrap().seal_wrap);
    assert_eq!(view.get("b").await.unwrap(), None);
}

#[tokio::test]
async fn what_is_stored_is_there_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new/store");
    view(Store::open(&path).unwrap())
        .put(StorageEntry::new("k", "v"))
        .await
        .unwrap();
    assert_eq!(
        view(Store::open(&path).unwrap())
            .get("k")
            .await
            .unwrap()
            .unwrap()
            .value,
        "v"
    );
}

#[test]
fn a_new_store_is_its_users_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let _store = Store::open(&path).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&path.join("vault.redb"))), (0o700, 0o600));
}

#[test]
fn a_store_that_is_in_use_or_newer_or_no_store_is_refused_in_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let error = Store::open(directory.path()).unwrap_err();
    assert!(matches!(error, Error::InUse(_)), "{error}");
    store.put_document(FORMAT_KEY, &(FORMAT + 1)).unwrap();
    drop(store);
    let error = Store::open(directory.path()).unwrap_err();
    assert!(
        matches!(
            error,
            Error::NewerStore {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{error}"
    );

    let file = directory.path().join("vault.redb");
    std::fs::write(&file, "a text that somebody keeps here").unwrap();
    let error = Store::open(directory.path()).unwrap_err();
    assert!(
        !error.to_string().contains('\n') && matches!(error, Error::Store { .. }),
        "{error}"
    );
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        "a text that somebody keeps here"
    );

    std::fs::remove_file(&file).unwrap();
    let other = TableDefinition::<&str, &str>::new("somebody's");
    let database = Database::create(&file).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(other).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = Store::open(directory.path()).unwrap_err();
    assert!(matches!(error, Error::Foreign(_)), "{error}");

    let used = tempfile::tempdir().unwrap();
    std::fs::write(used.path().join("notes.txt"), "").unwrap();
    let error = Store::open(used.path()).unwrap_err();
    assert!(matches!(error, Error::Foreign(_)), "{error}");
    assert_eq!(std::fs::read_dir(used.path()).unwrap().count(), 1);

    let error = Store::open(&file.join("below")).unwrap_err();
    assert!(matches!(error, Error::Directory { .. }), "{error}");
}

/// A disk that is full while the switch is on.
#[derive(Debug)]
struct Full {
    file: FileBackend,
    full: Arc<AtomicBool>,
}

impl Full {
    fn room(&self) -> Result<(), io::Error> {
        match self.full.load(Ordering::SeqCst) {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }
}

impl StorageBackend for Full {
    fn len(&self) -> Result<u64, io::Error> {
        self.file.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        self.file.read(offset, out)
    }
    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        self.room().and_then(|()| self.file.set_len(len))
    }
    fn sync_data(&self) -> Result<(), io::Error> {
        self.file.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.room().and_then(|()| self.file.write(offset, data))
    }
}

#[tokio::test]
async fn a_full_disk_is_said_loses_nothing_and_is_forgotten_once_there_is_room() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let full = Arc::new(AtomicBool::new(false));
    let open = {
        let (path, full) = (path.clone(), Arc::clone(&full));
        move || {
            let file = fs::OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .unwrap();
            let backend = Full {
                file: FileBackend::new(file)?,
                full: Arc::clone(&full),
            };
            Ok(Database::builder().create_with_backend(backend)?)
        }
    };
    let view = view(Store::new(Box::new(open), &path).unwrap());
    view.put(StorageEntry::new("kept", "1")).await.unwrap();
    full.store(true, Ordering::SeqCst);
    let error = view
        .put(StorageEntry::new("lost", vec![7; 1 << 20]))
        .await
        .unwrap_err();
    assert!(error.to_string().starts_with("the disk is full"), "{error}");
    full.store(false, Ordering::SeqCst);
    assert_eq!(view.get("lost").await.unwrap(), None);
    assert_eq!(view.get("kept").await.unwrap().unwrap().value, "1");
    view.put(StorageEntry::new("after", "2")).await.unwrap();
    assert_eq!(view.list("").await.unwrap(), ["after", "kept"]);
}
