//! The server's side of the broker: storage as Vault or OpenBao serves it. System view and events are not served.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use go_plugin::{Channel, Services};
use parking_lot::Mutex;
use tokio::io::DuplexStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::proto::pb;
use crate::proto::pb::storage_server::{Storage, StorageServer};

type Entries = BTreeMap<String, Bytes>;

/// A storage server. Clones are the same server.
#[derive(Clone, Default)]
pub(super) struct StorageDouble(Arc<State>);

#[derive(Default)]
struct State {
    openbao: bool,
    entries: Mutex<Entries>,
    /// For each open transaction, the storage that it sees and the storage with which it began.
    transactions: Mutex<HashMap<String, (Entries, Entries)>>,
    begun: AtomicUsize,
    asked_for_transactions: AtomicUsize,
    /// The error of every write.
    refusal: Mutex<String>,
    /// The error of every list and page.
    list_refusal: Mutex<String>,
    /// Ends the connections.
    hung_up: CancellationToken,
}

impl StorageDouble {
    pub(super) fn vault() -> StorageDouble {
        StorageDouble::default()
    }

    pub(super) fn openbao() -> StorageDouble {
        StorageDouble(Arc::new(State {
            openbao: true,
            ..State::default()
        }))
    }

    pub(super) fn refuse_writes(&self, text: &str) {
        *self.0.refusal.lock() = text.to_owned();
    }

    pub(super) fn refuse_lists(&self, text: &str) {
        *self.0.list_refusal.lock() = text.to_owned();
    }

    /// Breaks the existing connections.
    pub(super) fn hang_up(&self) {
        self.0.hung_up.cancel();
    }

    pub(super) fn keys(&self) -> Vec<String> {
        self.0.entries.lock().keys().cloned().collect()
    }

    pub(super) fn open_transactions(&self) -> usize {
        self.0.transactions.lock().len()
    }

    pub(super) fn asked_for_transactions(&self) -> usize {
        self.0.asked_for_transactions.load(Ordering::Relaxed)
    }

    pub(super) async fn connect(&self) -> Channel {
        let server = StorageServer::new(self.clone());
        let server = server
            .max_decoding_message_size(usize::MAX)
            .max_encoding_message_size(usize::MAX);
        channel(serve(Services::new().with(server), self.0.hung_up.clone())).await
    }

    fn read<T>(&self, txn: &str, read: impl FnOnce(&Entries) -> T) -> T {
        match self.0.transactions.lock().get(txn) {
            Some((seen, _)) => read(seen),
            None => read(&self.0.entries.lock()),
        }
    }

    /// Makes a write. Returns the `err` of the answer.
    fn write(&self, txn: &str, write: impl FnOnce(&mut Entries)) -> String {
        let refusal = self.0.refusal.lock().clone();
        if refusal.is_empty() {
            match self.0.transactions.lock().get_mut(txn) {
                Some((seen, _)) => write(seen),
                None => write(&mut self.0.entries.lock()),
            }
        }
        refusal
    }

    fn openbao_only(&self) -> Result<(), Status> {
        if self.0.openbao {
            Ok(())
        } else {
            Err(Status::unimplemented("unknown method for service pb.Storage"))
        }
    }

    fn begin(&self) -> Result<Response<pb::StorageBeginTxReply>, Status> {
        self.openbao_only()?;
        let txn = format!("transaction-{}", self.0.begun.fetch_add(1, Ordering::Relaxed));
        let now = self.0.entries.lock().clone();
        self.0.transactions.lock().insert(txn.clone(), (now.clone(), now));
        Ok(Response::new(pb::StorageBeginTxReply {
            txn,
            err: String::new(),
        }))
    }
}

fn children(entries: &Entries, prefix: &str) -> Vec<String> {
    let below = entries.keys().filter_map(|key| key.strip_prefix(prefix));
    let names: BTreeSet<_> = below
        .map(|rest| rest.split_inclusive('/').next().unwrap_or(rest).to_owned())
        .collect();
    names.into_iter().collect()
}

#[async_trait]
impl Storage for StorageDouble {
    async fn get(
        &self,
        request: Request<pb::StorageGetArgs>,
    ) -> Result<Response<pb::StorageGetReply>, Status> {
        let pb::StorageGetArgs { key, txn } = request.into_inner();
        let value = self.read(&txn, |entries| entries.get(&key).cloned());
        let entry = value.map(|value| pb::StorageEntry {
            key,
            value,
            seal_wrap: true,
        });
        Ok(Response::new(pb::StorageGetReply {
            entry,
            err: String::new(),
        }))
    }

    async fn put(
        &self,
        request: Request<pb::StoragePutArgs>,
    ) -> Result<Response<pb::StoragePutReply>, Status> {
        let pb::StoragePutArgs { entry, txn } = request.into_inner();
        let entry = entry.ok_or_else(|| Status::invalid_argument("no entry"))?;
        let err = self.write(&txn, |entries| _ = entries.insert(entry.key, entry.value));
        Ok(Response::new(pb::StoragePutReply {
            err,
            ..Default::default()
        }))
    }

    async fn delete(
        &self,
        request: Request<pb::StorageDeleteArgs>,
    ) -> Result<Response<pb::StorageDeleteReply>, Status> {
        let pb::StorageDeleteArgs { key, txn } = request.into_inner();
        let err = self.write(&txn, |entries| _ = entries.remove(&key));
        Ok(Response::new(pb::StorageDeleteReply {
            err,
            ..Default::default()
        }))
    }

    async fn list(
        &self,
        request: Request<pb::StorageListArgs>,
    ) -> Result<Response<pb::StorageListReply>, Status> {
        let pb::StorageListArgs { prefix, txn } = request.into_inner();
        let keys = self.read(&txn, |entries| children(entries, &prefix));
        Ok(Response::new(pb::StorageListReply {
            keys,
            err: self.0.list_refusal.lock().clone(),
        }))
    }

    async fn list_page(
        &self,
        request: Request<pb::StorageListPageArgs>,
    ) -> Result<Response<pb::StorageListReply>, Status> {
        self.openbao_only()?;
        let pb::StorageListPageArgs {
            prefix,
            after,
            limit,
            txn,
        } = request.into_inner();
        let mut keys = self.read(&txn, |entries| children(entries, &prefix));
        keys.retain(|key| *key > after);
        if limit > 0 {
            keys.truncate(limit as usize);
        }
        Ok(Response::new(pb::StorageListReply {
            keys,
            err: self.0.list_refusal.lock().clone(),
        }))
    }

    async fn is_transactional(
        &self,
        _: Request<pb::Empty>,
    ) -> Result<Response<pb::StorageIsTransactionalReply>, Status> {
        self.0.asked_for_transactions.fetch_add(1, Ordering::Relaxed);
        self.openbao_only()?;
        Ok(Response::new(pb::StorageIsTransactionalReply {
            transactional: true,
        }))
    }

    async fn begin_read_only_tx(
        &self,
        _: Request<pb::Empty>,
    ) -> Result<Response<pb::StorageBeginTxReply>, Status> {
        self.begin()
    }

    async fn begin_tx(&self, _: Request<pb::Empty>) -> Result<Response<pb::StorageBeginTxReply>, Status> {
        self.begin()
    }

    async fn commit(
        &self,
        request: Request<pb::StorageCommitTxArgs>,
    ) -> Result<Response<pb::StorageCommitTxReply>, Status> {
        let ended = self.0.transactions.lock().remove(&request.into_inner().txn);
        let (seen, before) = ended.ok_or_else(|| Status::unknown("missing storage implementation"))?;
        let mut entries = self.0.entries.lock();
        let err = if *entries == before {
            *entries = seen;
            String::new()
        } else {
            "transaction commit failure".to_owned()
        };
        Ok(Response::new(pb::StorageCommitTxReply { err }))
    }

    async fn rollback(
        &self,
        request: Request<pb::StorageRollbackTxArgs>,
    ) -> Result<Response<pb::StorageRollbackTxReply>, Status> {
        let ended = self.0.transactions.lock().remove(&request.into_inner().txn);
        ended.ok_or_else(|| Status::unknown("missing storage implementation"))?;
        Ok(Response::new(pb::StorageRollbackTxReply::default()))
    }
}

/// Returns a channel to these services. They end with it.
pub(super) async fn connect(services: Services) -> Channel {
    channel(serve(services, CancellationToken::new())).await
}

/// Serves on a connection that breaks when `broken` is cancelled. Returns the client's end of it.
pub(super) fn serve(services: Services, broken: CancellationToken) -> DuplexStream {
    let (ours, near) = tokio::io::duplex(1 << 20);
    let (mut far, theirs) = tokio::io::duplex(1 << 20);
    tokio::spawn(async move {
        let mut near = near;
        tokio::select! {
            () = broken.cancelled() => {}
            _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
        }
    });
    tokio::spawn(services.serve(theirs));
    ours
}

/// Returns a channel over a connection, which connects only once.
pub(super) async fn channel(connection: DuplexStream) -> Channel {
    let mut connection = Some(connection);
    let channel = Channel::new(move || std::future::ready(connection.take().ok_or("connected before")));
    channel.connect().await.unwrap();
    channel
}
