//! The storage client against Vault's and OpenBao's storage.

use std::sync::Arc;

use super::server::{StorageDouble, channel};
use super::soon;
use tokio_util::sync::CancellationToken;

use crate::link::Link;
use crate::{ServerError, Storage, StorageEntry};

async fn client(server: &StorageDouble) -> Storage {
    Storage::new(Arc::new(Link::new(
        server.connect().await,
        CancellationToken::new(),
    )))
}

async fn filled(server: &StorageDouble) -> Storage {
    let storage = client(server).await;
    for key in ["a", "b", "b/1", "b/2/x", "c"] {
        storage.put(StorageEntry::new(key, key.to_owned())).await.unwrap();
    }
    storage
}

#[tokio::test]
async fn entries_are_stored_read_listed_and_deleted() {
    let storage = filled(&StorageDouble::vault()).await;
    let entry = storage.get("b/1").await.unwrap().unwrap();
    assert_eq!(
        (entry.key.as_str(), &entry.value[..], entry.seal_wrap),
        ("b/1", &b"b/1"[..], true)
    );
    assert_eq!(storage.list("").await.unwrap(), ["a", "b", "b/", "c"]);
    assert_eq!(storage.list("b/").await.unwrap(), ["1", "2/"]);
    storage.delete("b/1").await.unwrap();
    storage.delete("b/1").await.unwrap();
    assert_eq!(storage.get("b/1").await.unwrap(), None);
}

#[tokio::test]
async fn pages_are_the_same_with_and_without_the_servers_help() {
    for server in [StorageDouble::vault(), StorageDouble::openbao()] {
        let storage = filled(&server).await;
        assert_eq!(storage.list_page("", "", 2).await.unwrap(), ["a", "b"]);
        assert_eq!(storage.list_page("", "b", 2).await.unwrap(), ["b/", "c"]);
        assert_eq!(storage.list_page("", "c", 2).await.unwrap(), [""; 0]);
        assert_eq!(storage.list_page("", "", 0).await.unwrap(), [""; 0]);
        assert_eq!(storage.list_page("", "", u32::MAX).await.unwrap().len(), 4);
    }
}

#[tokio::test]
async fn vault_has_no_transactions_and_is_asked_once() {
    let server = StorageDouble::vault();
    let storage = client(&server).await;
    assert!(matches!(
        storage.begin_tx().await,
        Err(ServerError::NotTransactional)
    ));
    assert!(matches!(
        storage.clone().begin_read_only_tx().await,
        Err(ServerError::NotTransactional)
    ));
    assert!(!storage.is_transactional().await.unwrap());
    assert_eq!(server.asked_for_transactions(), 1);
}

#[tokio::test]
async fn a_transactions_writes_are_seen_by_it_alone_until_it_commits() {
    let server = StorageDouble::openbao();
    let storage = filled(&server).await;
    let transaction = storage.begin_tx().await.unwrap();
    transaction.put(StorageEntry::new("new", "1")).await.unwrap();
    transaction.delete("a").await.unwrap();
    assert_eq!(transaction.list_page("", "c", 9).await.unwrap(), ["new"]);
    assert_eq!(transaction.get("a").await.unwrap(), None);
    assert_eq!(storage.get("new").await.unwrap(), None);
    transaction.commit().await.unwrap();
    assert_eq!(storage.list("").await.unwrap(), ["b", "b/", "c", "new"]);
    assert_eq!(server.open_transactions(), 0);
}

#[tokio::test]
async fn a_transaction_whose_reads_were_overtaken_conflicts() {
    let server = StorageDouble::openbao();
    let storage = filled(&server).await;
    let transaction = storage.begin_tx().await.unwrap();
    transaction.put(StorageEntry::new("a", "mine")).await.unwrap();
    storage.put(StorageEntry::new("a", "theirs")).await.unwrap();
    assert!(matches!(transaction.commit().await, Err(ServerError::Conflict)));
    assert_eq!(&storage.get("a").await.unwrap().unwrap().value[..], b"theirs");
}

#[tokio::test]
async fn a_transaction_is_rolled_back_by_name_and_when_it_is_dropped() {
    let server = StorageDouble::openbao();
    let storage = filled(&server).await;
    let transaction = storage.begin_read_only_tx().await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(server.open_transactions(), 0);

    let transaction = storage.begin_tx().await.unwrap();
    transaction.put(StorageEntry::new("new", "1")).await.unwrap();
    drop(transaction);
    let rolled_back = async {
        while server.open_transactions() > 0 {
            tokio::task::yield_now().await;
        }
    };
    soon(rolled_back).await;
    assert_eq!(storage.get("new").await.unwrap(), None);
}

#[tokio::test]
async fn refusals_come_out_typed() {
    let server = StorageDouble::vault();
    let storage = client(&server).await;
    server.refuse_writes("cannot write to storage during setup");
    assert!(matches!(
        storage.put(StorageEntry::new("a", "1")).await,
        Err(ServerError::SetupReadOnly)
    ));
    server.refuse_writes("relative paths not supported");
    assert!(matches!(
        storage.delete("../a").await,
        Err(ServerError::RelativePath)
    ));
    server.refuse_writes("disk full");
    let error = storage.delete("a").await.unwrap_err();
    assert_eq!(error.to_string(), "storage delete failed: disk full");
}

#[tokio::test]
async fn a_folder_or_a_name_in_a_lists_error_means_nothing() {
    const FOLDER: &str = "file name too long/";
    const NAME: &str = "cannot write to readonly storage";
    for server in [StorageDouble::vault(), StorageDouble::openbao()] {
        let storage = client(&server).await;
        server.refuse_lists("open /data/file name too long: input/output error");
        for error in [
            storage.list(FOLDER).await.unwrap_err(),
            storage.list_page(FOLDER, "", 9).await.unwrap_err(),
        ] {
            assert!(matches!(error, ServerError::Failed { .. }), "{error}");
        }
        let told = storage.list("other/").await.unwrap_err();
        assert!(matches!(told, ServerError::UnstorableKey(_)), "{told}");
    }
    let server = StorageDouble::openbao();
    let storage = client(&server).await;
    server.refuse_lists("cannot list after \"cannot write to readonly storage\": input/output error");
    let error = storage.list_page("a/", NAME, 9).await.unwrap_err();
    assert!(matches!(error, ServerError::Failed { .. }), "{error}");
    let told = storage.list_page("a/", "", 9).await.unwrap_err();
    assert!(matches!(told, ServerError::ReadOnly), "{told}");
}

#[tokio::test]
async fn a_closed_link_refuses_calls_and_ends_open_ones() {
    let (ours, _silent) = tokio::io::duplex(1 << 16);
    let link = Arc::new(Link::new(channel(ours).await, CancellationToken::new()));
    let open = {
        let storage = Storage::new(link.clone());
        tokio::spawn(async move { storage.get("a").await })
    };
    tokio::task::yield_now().await;
    link.close();
    assert!(matches!(soon(open).await.unwrap(), Err(ServerError::Closed)));
    assert!(matches!(
        Storage::new(link).get("a").await,
        Err(ServerError::Closed)
    ));
}
