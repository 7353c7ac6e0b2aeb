//! Routes a call to an engine: the existence check, the request, and the processing of the answer in Vault's core.

use std::sync::Arc;

use airlock_logical::WrapInfo;
use airlock_logical::time::nanoseconds;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;
use sha2::{Digest, Sha256};
use vault_core::json::{as_floats, read_object};
use vault_core::{EngineAnswer, Form, LeaseTerms, RequestKind};
use vault_plugin::{Connection, Error, Json, Operation, Report, Request, Response, WrapRequest};

use super::Core;
use crate::answer::{Answer, LeaseShown, Outcome, Refusal, Reply};
use crate::call::Call;
use crate::mount::{Mount, is_special};
use crate::raw;

impl Core {
    /// Serves a call with the engine that is mounted at its path.
    ///
    /// # Errors
    /// Returns the refusal of Vault's core or of the engine.
    pub(crate) async fn route(&self, call: &mut Call) -> Result<Outcome, Refusal> {
        if call.method_is_write() && call.path.ends_with('/') {
            return Err(Refusal::user("cannot write to a path ending in '/'"));
        }
        let path = call.path.clone();
        let found = self.mount_of(&path);
        let open = found.as_ref().is_some_and(|(mount, rest)| {
            mount
                .engine()
                .is_ok_and(|engine| is_special(&engine.special.unauthenticated, rest))
        });
        if !open {
            self.authorize(&call.token)?;
        }
        let Some((mount, rest)) = found else {
            return Err(Refusal::new(
                404,
                format!("no handler for route \"{path}\". route entry not found."),
            ));
        };
        if mount.is_tainted() {
            return Err(Refusal::unsupported_path());
        }
        let _in_use = mount.in_use.read().await;
        let engine = mount
            .engine()
            .map_err(|why| Refusal::new(500, format!("the mount {} is not served: {why}", mount.path())))?;
        let mut request = self.request(call, &mount, rest, open);
        if call.operation == Operation::Update {
            let exists = match engine.backend.check_existence(request.clone()).await {
                Ok(exists) => exists,
                Err(Error::UnsupportedPath) => None,
                Err(Error::User(text)) => return Err(Refusal::user(text)),
                Err(error) => {
                    let error = Report::new(&error);
                    self.journal
                        .trouble(&format!("an existence check of {} failed: {error}", mount.path()));
                    return Err(Refusal::collected(500, &["internal error"]));
                }
            };
            if exists == Some(false) {
                call.operation = Operation::Create;
                request.operation = Operation::Create;
            }
            // Vault sets the accessor only after it has routed the request once, which it does for the existence check.
            request.mount_accessor = mount.entry().accessor;
        }
        match engine.backend.handle_request(request).await {
            Ok(None) => Ok(Outcome::Nothing),
            Ok(Some(response)) => {
                let mut outcome = self.outcome(call, &mount, response)?;
                if let (true, Outcome::Reply(reply)) = (open, &mut outcome) {
                    reply.mount_type.clear(); // Vault serves such paths as logins, which have no mount type
                }
                Ok(outcome)
            }
            Err(error) => Err(refusal(&error)),
        }
    }

    fn request(&self, call: &Call, mount: &Arc<Mount>, path: &str, unauthenticated: bool) -> Request {
        let entry = mount.entry();
        let known = self.is_root(&call.token);
        let mut request = Request::new(call.operation.clone(), path);
        request.id.clone_from(&call.id);
        request.data.clone_from(&call.data);
        request.headers = passed(&call.headers, entry.config.list("passthrough_request_headers"));
        request.mount_point = entry.path;
        request.mount_type = entry.engine;
        request.unauthenticated = unauthenticated && !known;
        request.wrap = call.wrap_ttl.map(|ttl| WrapRequest {
            ttl: nanoseconds(ttl),
            ..WrapRequest::default()
        });
        let salted = [self.cluster.salt.as_str(), &entry.uuid, &call.token].join("\0");
        request.client_token = hex::encode(Sha256::digest(salted));
        if known {
            request.client_token_accessor.clone_from(&self.root.accessor);
            "root".clone_into(&mut request.display_name);
        }
        let mut connection = Connection::default();
        connection.remote_addr = call.remote.to_string();
        request.connection = Some(connection);
        request
    }

    /// Converts an engine's answer to the result that the caller gets.
    fn outcome(&self, call: &Call, mount: &Arc<Mount>, response: Response) -> Result<Outcome, Refusal> {
        if response.auth.is_some() {
            return Err(Refusal::collected(500, &["internal error"]));
        }
        let entry = mount.entry();
        let data = match &response.data {
            Some(text) => Some(shown(text).ok_or_else(|| {
                Refusal::collected(
                    500,
                    &["the engine's data is not a JSON object that Vault can read"],
                )
            })?),
            None => None,
        };
        let wrap_ttl = response
            .wrap_info
            .as_deref()
            .map(WrapInfo::ttl)
            .filter(|ttl| !ttl.is_zero());
        let answer = EngineAnswer {
            data: data.as_ref().and_then(Value::as_object),
            has_warnings: !response.warnings.is_empty(),
            has_secret: response.secret.is_some(),
            redirect: &response.redirect,
            wrap_ttl: wrap_ttl.unwrap_or_default(),
            caller_wrap_ttl: call.wrap_ttl.unwrap_or_default(),
        };
        match answer.form(RequestKind::of(call.operation.as_str())) {
            Form::Redirect(to) => {
                let method = match call.operation {
                    Operation::Read => Method::GET,
                    _ => Method::POST,
                };
                return Ok(Outcome::Raw(Answer::redirect(to, &method)));
            }
            Form::Error { text, data } => {
                return Err(Refusal {
                    data: data.cloned(),
                    ..Refusal::user(text)
                });
            }
            Form::Own(own) => return Ok(Outcome::Raw(raw::answer(own))),
            // A missing list is refused at the end, after the registration of a lease.
            Form::NotAList(_) | Form::Envelope => {}
        }
        let mut reply = Reply {
            data,
            warnings: response.warnings,
            mount_type: entry.engine.clone(),
            wrap_ttl,
            headers: allowed(&response.headers, entry.config.list("allowed_response_headers")),
            ..Reply::default()
        };
        if let Some(secret) = response.secret {
            let leased = entry.options.get("leased_passthrough");
            if matches!(entry.engine.as_str(), "kv" | "generic")
                && leased.is_none_or(|leased| leased != "true")
            {
                reply.lease = Some(LeaseShown {
                    id: String::new(),
                    renewable: false,
                    ttl: secret.lease.ttl(),
                });
            } else {
                let terms = LeaseTerms {
                    ttl: secret.lease.ttl(),
                    max_ttl: secret.lease.max_ttl(),
                    ..mount.lease_terms()
                };
                let Some((ttl, warning)) = terms.granted() else {
                    return Err(Refusal::collected(500, &["max TTL must be greater than zero"]));
                };
                reply.warnings.extend(warning);
                let lease = self
                    .leases
                    .register(&call.path, ttl, &secret, response.data.as_ref())?;
                reply.lease = Some(LeaseShown {
                    id: lease.id,
                    renewable: lease.renewable,
                    ttl,
                });
            }
        }
        Ok(reply.into())
    }
}

/// Returns the data of an answer as its caller gets it, or `None` if it is not a JSON object that Vault can decode.
pub(crate) fn shown(data: &Json) -> Option<Value> {
    let object = read_object(data.as_str()).ok()?;
    as_floats(Value::Object(object))
}

/// Returns the refusal with the status that Vault gives to an engine's error.
pub(crate) fn refusal(error: &Error) -> Refusal {
    match error {
        Error::User(text) => Refusal::user(text),
        error => Refusal::collected(error.status(), &[&Report::new(error).to_string()]),
    }
}

/// Returns the headers that the mount passes to its engine, with their canonical names.
fn passed(headers: &HeaderMap, names: &[String]) -> std::collections::BTreeMap<String, Vec<String>> {
    let values = |name: &str| -> Vec<String> {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .map(str::to_owned)
            .collect()
    };
    let passed = names
        .iter()
        .filter(|name| !name.eq_ignore_ascii_case("x-vault-token"));
    passed
        .map(|name| (canonical(name), values(name)))
        .filter(|(_, values)| !values.is_empty())
        .collect()
}

/// Returns the headers of an engine's answer that the mount allows.
fn allowed(headers: &std::collections::BTreeMap<String, Vec<String>>, names: &[String]) -> HeaderMap {
    let mut allowed = HeaderMap::new();
    for (name, values) in headers {
        let known = names.iter().any(|allowed| allowed.eq_ignore_ascii_case(name));
        let Some(name) = HeaderName::try_from(name.as_str()).ok().filter(|_| known) else {
            continue;
        };
        for value in values
            .iter()
            .filter_map(|value| HeaderValue::from_str(value).ok())
        {
            allowed.append(name.clone(), value);
        }
    }
    allowed
}

/// Converts `x-request-id` to `X-Request-Id`, the form in which Go stores header names.
fn canonical(name: &str) -> String {
    let part = |part: &str| match part.split_at_checked(1) {
        Some((first, rest)) => first.to_ascii_uppercase() + &rest.to_ascii_lowercase(),
        None => part.to_owned(),
    };
    name.split('-').map(part).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_pass_only_where_they_are_named() {
        let mut headers = HeaderMap::new();
        headers.append("x-request-id", HeaderValue::from_static("1"));
        headers.append("x-vault-token", HeaderValue::from_static("secret"));
        let names = [
            "X-REQUEST-ID".to_owned(),
            "X-Vault-Token".to_owned(),
            "X-Absent".to_owned(),
        ];
        let passed = passed(&headers, &names);
        assert_eq!(
            passed.into_iter().collect::<Vec<_>>(),
            [("X-Request-Id".to_owned(), vec!["1".to_owned()])]
        );
    }

    #[test]
    fn errors_have_vaults_statuses() {
        assert_eq!(refusal(&Error::User("x".into())), Refusal::user("x"));
        assert_eq!(
            refusal(&Error::UnsupportedOperation),
            Refusal::unsupported_operation()
        );
        assert_eq!(refusal(&Error::UnsupportedPath), Refusal::unsupported_path());
        assert_eq!(
            refusal(&Error::Coded {
                status: 418,
                message: "tea".into()
            })
            .status,
            418
        );
        assert_eq!(
            refusal(&Error::Coded {
                status: 200,
                message: "odd".into()
            })
            .status,
            500
        );
    }
}
