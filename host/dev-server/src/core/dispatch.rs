//! From a call to its answer: routing, wrapping, the envelope and the journal.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use vault_core::json::to_text;
use vault_core::{RequestKind, check_list};
use vault_plugin::Operation;

use super::Core;
use crate::answer::{Answer, Outcome, Refusal, Reply};
use crate::call::Call;
use crate::cost::metered;
use crate::journal::{NUMBER, RequestRecord};
use crate::sys;

impl Core {
    /// Serves a call. The call is completed even if the caller hangs up.
    pub(crate) async fn answer(self: Arc<Self>, mut call: Call) -> Answer {
        let work = tokio::spawn(async move {
            let at = self.clock.now();
            let performed = metered(self.perform(&mut call));
            let ((result, cost), effects) = self.store.watched.observe(performed).await;
            let answer = match result.and_then(|outcome| self.finish(&call, outcome)) {
                Ok(answer) => answer,
                Err(refusal) => refusal.into_answer(),
            };
            let record = RequestRecord {
                number: 0,
                at,
                operation: match &call.operation {
                    Operation::Other(_) => "options".to_owned(),
                    operation => operation.to_string(),
                },
                path: call.path,
                status: answer.status.as_u16(),
                took: call.began.elapsed(),
                cost,
            };
            let number = self.journal.request(record, effects);
            answer.with_header(NUMBER, &number.to_string())
        });
        // If a backend panics, only its own request fails, with 500 as in Vault.
        work.await
            .unwrap_or_else(|_| Refusal::collected(500, &["internal error"]).into_answer())
    }

    async fn perform(&self, call: &mut Call) -> Result<Outcome, Refusal> {
        // Wrapping tokens are accepted only below `sys/wrapping/`, so `sys::serve` checks them itself.
        if sys::is_sys(&call.path) {
            sys::serve(self, call).await
        } else {
            self.route(call).await
        }
    }

    fn finish(&self, call: &Call, outcome: Outcome) -> Result<Answer, Refusal> {
        let kind = RequestKind::of(call.operation.as_str());
        let reply = match outcome {
            Outcome::Raw(answer) => return Ok(answer),
            Outcome::Nothing => {
                return match kind.status_of_nothing() {
                    204 => Ok(Answer::no_content()),
                    status => Err(Refusal::status(status)),
                };
            }
            Outcome::Reply(reply) => reply,
        };
        if kind == RequestKind::Help {
            return Ok(Answer::json(200, to_text(&reply.data.unwrap_or(Value::Null))));
        }
        if let Some(ttl) = shorter(reply.wrap_ttl, call.wrap_ttl) {
            if kind == RequestKind::List && !sys::is_sys(&call.path) {
                check_wrapped_list(&reply)?;
            }
            let wrapped = self.wraps.wrap(&reply, &call.id, &call.path, ttl)?;
            return Ok(Answer::json(200, wrapped.envelope()));
        }
        if kind == RequestKind::List {
            let data = reply.data.as_ref().and_then(Value::as_object);
            check_list(data, !reply.warnings.is_empty()).map_err(Refusal::status)?;
        }
        let envelope = if sys::injects(&call.path) {
            reply.envelope_with_data_on_top(&call.id)
        } else {
            reply.envelope(&call.id)
        };
        let mut answer = Answer::json(200, envelope);
        answer.headers.extend(reply.headers);
        Ok(answer)
    }
}

fn shorter(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    one.into_iter().chain(other).filter(|ttl| !ttl.is_zero()).min()
}

/// Refuses a wrapped list that has keys. Vault cannot wrap the keys of a list from an external plugin, because it
/// expects a Go type that external plugins never produce.
fn check_wrapped_list(reply: &Reply) -> Result<(), Refusal> {
    let fields = reply
        .data
        .as_ref()
        .and_then(Value::as_object)
        .filter(|fields| !fields.is_empty());
    match fields {
        Some(fields) if fields.get("keys").is_none_or(Value::is_null) => Ok(()),
        None if !reply.warnings.is_empty() => Ok(()),
        _ => Err(Refusal::new(404, "unsupported path")),
    }
}
