//! The calls of a guest's exports.

use std::sync::Arc;

use airlock_storage::{Attempt, Mount, Transaction};
use wasmtime::Store;

use crate::bindings::Engine as Guest;
use crate::bindings::exports::airlock::engine::backend::{Description, Paths};
use crate::instance::{Call, State};
use crate::limits::Limit;
use crate::session::is_json_object;
use crate::types::{Error, Operation, Request, Response};

/// A call that works in a transaction: it may be run again, and commits when it succeeds.
pub(crate) trait Transact: Call<Answer = Result<Self::Output, Error>> {
    type Output: Send + 'static;

    /// Which limit bounds its time.
    const TIME: Limit = Limit::Wall;

    /// Begins the transaction of an attempt.
    fn begin(
        &self,
        storage: &Arc<Mount>,
        attempt: Attempt,
    ) -> impl Future<Output = airlock_storage::Result<Transaction>> + Send {
        storage.begin(attempt)
    }

    /// The existence check that this call rests on, and what it answered.
    fn rests_on(&self) -> Option<(CheckExistence, bool)> {
        None
    }

    /// For an existence check, the request whose transaction is to continue this one. It then stores nothing.
    fn continued_by(&self) -> Option<&str> {
        None
    }

    /// What is wrong with an answer that the contract does not allow.
    fn fault(_output: &Result<Self::Output, Error>) -> Option<String> {
        None
    }
}

/// `describe`.
pub(crate) struct Describe;

impl Call for Describe {
    type Answer = Description;

    async fn invoke(&self, guest: &Guest, store: &mut Store<State>) -> wasmtime::Result<Description> {
        guest.airlock_engine_backend().call_describe(store).await
    }
}

/// `special-paths`.
pub(crate) struct SpecialPaths(pub Vec<(String, String)>);

impl Call for SpecialPaths {
    type Answer = Paths;

    async fn invoke(&self, guest: &Guest, store: &mut Store<State>) -> wasmtime::Result<Paths> {
        guest
            .airlock_engine_backend()
            .call_special_paths(store, &self.0)
            .await
    }
}

/// `initialize`.
pub(crate) struct Initialize;

impl Call for Initialize {
    type Answer = Result<(), Error>;

    async fn invoke(&self, guest: &Guest, store: &mut Store<State>) -> wasmtime::Result<Self::Answer> {
        guest.airlock_engine_backend().call_initialize(store).await
    }
}

impl Transact for Initialize {
    type Output = ();
    const TIME: Limit = Limit::Start;
}

/// `handle-request`.
pub(crate) struct HandleRequest(pub Arc<Request>);

impl Call for HandleRequest {
    type Answer = Result<Option<Response>, Error>;

    async fn invoke(&self, guest: &Guest, store: &mut Store<State>) -> wasmtime::Result<Self::Answer> {
        guest
            .airlock_engine_backend()
            .call_handle_request(store, &self.0)
            .await
    }

    fn asked_bytes(&self) -> usize {
        self.0.bytes()
    }

    fn answered_bytes(answer: &Self::Answer) -> usize {
        match answer {
            Ok(response) => response.as_ref().map_or(0, Response::bytes),
            Err(error) => error.bytes(),
        }
    }
}

impl Transact for HandleRequest {
    type Output = Option<Response>;

    async fn begin(&self, storage: &Arc<Mount>, attempt: Attempt) -> airlock_storage::Result<Transaction> {
        if attempt == Attempt::FIRST {
            storage.begin_with_reads(&self.0.id).await
        } else {
            storage.begin(attempt).await
        }
    }

    fn rests_on(&self) -> Option<(CheckExistence, bool)> {
        let existed = match self.0.operation {
            Operation::Create => false,
            Operation::Update => true,
            _ => return None,
        };
        Some((CheckExistence(self.0.clone()), existed))
    }

    fn fault(output: &Result<Option<Response>, Error>) -> Option<String> {
        match output {
            Err(Error::Coded(error)) if !(400..=599).contains(&error.status) => Some(format!(
                "it answered an error of status {}, which is none",
                error.status
            )),
            Ok(Some(response)) => {
                let internal = response
                    .secret
                    .as_ref()
                    .and_then(|secret| secret.internal_data.as_deref());
                let not_an_object = |json: Option<&str>| json.is_some_and(|json| !is_json_object(json));
                if not_an_object(response.data.as_deref()) {
                    Some("the data of its answer is not a JSON object".into())
                } else if not_an_object(internal) {
                    Some("the internal data of its secret is not a JSON object".into())
                } else {
                    None
                }
            }
            _ => None,
        }
    }
}

/// `check-existence`.
pub(crate) struct CheckExistence(pub Arc<Request>);

impl Call for CheckExistence {
    type Answer = Result<Option<bool>, Error>;

    async fn invoke(&self, guest: &Guest, store: &mut Store<State>) -> wasmtime::Result<Self::Answer> {
        guest
            .airlock_engine_backend()
            .call_check_existence(store, &self.0)
            .await
    }

    fn asked_bytes(&self) -> usize {
        self.0.bytes()
    }

    fn answered_bytes(answer: &Self::Answer) -> usize {
        answer.as_ref().map_or_else(Error::bytes, |_| 0)
    }
}

impl Transact for CheckExistence {
    type Output = Option<bool>;

    fn continued_by(&self) -> Option<&str> {
        Some(&self.0.id)
    }
}

/// `invalidate`.
pub(crate) struct Invalidate(pub String);

impl Call for Invalidate {
    type Answer = Result<(), Error>;

    async fn invoke(&self, guest: &Guest, store: &mut Store<State>) -> wasmtime::Result<Self::Answer> {
        guest
            .airlock_engine_backend()
            .call_invalidate(store, &self.0)
            .await
            .map(Ok)
    }
}

impl Transact for Invalidate {
    type Output = ();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(data: &str) -> Result<Option<Response>, Error> {
        Ok(Some(Response {
            data: Some(data.into()),
            ..Response::default()
        }))
    }

    #[test]
    fn an_answer_s_data_is_a_json_object() {
        for good in ["{}", r#" {"a":[1,2]}"#] {
            assert_eq!(HandleRequest::fault(&answer(good)), None);
        }
        for bad in ["", "null", "[1]", "\"a\"", "{", "{} {}", "{\"a\":}"] {
            assert!(HandleRequest::fault(&answer(bad)).is_some(), "{bad}");
        }
        assert_eq!(HandleRequest::fault(&Ok(None)), None);
    }

    #[test]
    fn an_error_s_status_is_one_of_an_error() {
        let coded = |status| {
            Err(Error::Coded(crate::types::CodedError {
                status,
                message: String::new(),
            }))
        };
        assert_eq!(HandleRequest::fault(&coded(413)), None);
        for bad in [0, 200, 399, 600] {
            assert!(HandleRequest::fault(&coded(bad)).is_some());
        }
    }
}
