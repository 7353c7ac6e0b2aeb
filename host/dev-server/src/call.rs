//! Reads an HTTP request as a call of Vault's API.

mod body;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, Method, Uri, request};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use vault_core::{list_path, parse_duration};
use vault_plugin::{Json, Operation};

use crate::answer::Refusal;
use crate::random;

pub(crate) use body::{MAX_BODY, data_of_body};

/// A request that was read and understood. The JSON of its body is unchanged.
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) operation: Operation,
    /// The path without `/v1/`, decoded.
    pub(crate) path: String,
    pub(crate) data: Option<Json>,
    pub(crate) token: String,
    /// The time for which the answer is to be wrapped. Zero means that it is not wrapped, but engines see the zero.
    pub(crate) wrap_ttl: Option<Duration>,
    pub(crate) headers: HeaderMap,
    pub(crate) remote: IpAddr,
    pub(crate) began: Instant,
}

/// The head of a request below `/v1/`. Its body may still have to be read.
pub(crate) struct Head {
    pub(crate) parts: request::Parts,
    pub(crate) path: String,
    pub(crate) operation: Operation,
    pub(crate) query: Query,
    pub(crate) began: Instant,
}

/// Query parameters, each with its values in their order.
pub(crate) struct Query(BTreeMap<String, Vec<String>>);

impl Query {
    pub(crate) fn of(uri: &Uri) -> Query {
        let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
            parameters
                .entry(name.into_owned())
                .or_default()
                .push(value.into_owned());
        }
        Query(parameters)
    }

    pub(crate) fn first(&self, name: &str) -> &str {
        self.0
            .get(name)
            .and_then(|values| values.first())
            .map_or("", String::as_str)
    }

    /// Returns the data that Vault makes of a query: one value becomes a text, several become an array.
    fn into_data(self) -> Option<Json> {
        let data: BTreeMap<String, Value> = self
            .0
            .into_iter()
            .filter(|(name, _)| name != "help")
            .map(|(name, mut values)| match values.len() {
                1 => (name, Value::String(values.swap_remove(0))),
                _ => (name, Value::from(values)),
            })
            .collect();
        if data.is_empty() {
            None
        } else {
            Json::encode(&data).ok()
        }
    }
}

impl Head {
    /// Reads the method and the path.
    ///
    /// # Errors
    /// Returns 400 for a path or a query that is not valid, and 405 for a method that Vault does not know.
    pub(crate) fn read(parts: request::Parts, began: Instant) -> Result<Head, Refusal> {
        let encoded = parts.uri.path().strip_prefix("/v1/").unwrap_or_default();
        let decoded = percent_decode_str(encoded).decode_utf8();
        let mut path = decoded.map_err(|_| Refusal::status(400))?.into_owned();
        if path.chars().any(|character| character.is_control()) {
            return Err(Refusal::status(400));
        }
        let mut query = Query::of(&parts.uri);
        let operation = match parts.method.as_str() {
            "HELP" => Operation::Help,
            _ if !query.first("help").is_empty() => Operation::Help,
            "GET" => match query.first("list") {
                "" => Operation::Read,
                "1" | "t" | "T" | "true" | "TRUE" | "True" => {
                    query.0.remove("list");
                    Operation::List
                }
                "0" | "f" | "F" | "false" | "FALSE" | "False" => Operation::Read,
                _ => return Err(Refusal::status(400)),
            },
            "POST" | "PUT" => Operation::Update,
            "PATCH" => Operation::Patch,
            "DELETE" => Operation::Delete,
            "LIST" => Operation::List,
            "HEAD" => Operation::Header,
            // Vault has no name for this operation and passes it on.
            "OPTIONS" => Operation::Other(String::new()),
            _ => return Err(Refusal::status(405)),
        };
        if operation == Operation::List {
            path = list_path(path);
        }
        Ok(Head {
            parts,
            path,
            operation,
            query,
            began,
        })
    }

    /// Returns true if the data is in the body.
    pub(crate) fn has_body(&self) -> bool {
        matches!(self.operation, Operation::Update | Operation::Patch)
    }

    /// Makes the whole call. `body` is empty if [`Head::has_body`] is false.
    ///
    /// # Errors
    /// Returns Vault's answer to a body, a media type or a wrapping header that it does not understand.
    pub(crate) fn with_body(self, body: &[u8], remote: IpAddr) -> Result<Call, Refusal> {
        let data = match self.operation {
            Operation::Update | Operation::Patch => data_of_body(&self.operation, &self.parts.headers, body)?,
            Operation::Help => None,
            _ => self.query.into_data(),
        };
        let headers = self.parts.headers;
        Ok(Call {
            id: random::uuid(),
            operation: self.operation,
            path: self.path,
            data,
            token: token(&headers),
            wrap_ttl: wrap_ttl(&headers)?,
            headers,
            remote,
            began: self.began,
        })
    }
}

impl Call {
    /// Returns the fields of the data, which is a JSON object. Without data it returns no fields.
    pub(crate) fn fields(&self) -> serde_json::Map<String, Value> {
        self.data
            .as_ref()
            .and_then(|data| data.decode().ok())
            .unwrap_or_default()
    }

    pub(crate) fn method_is_write(&self) -> bool {
        matches!(self.operation, Operation::Update | Operation::Patch)
    }
}

/// Returns a path without empty, `.` or `..` segments, as Go's router wants it, or `None` if the path is already clean.
pub(crate) fn cleaned(method: &Method, path: &str) -> Option<String> {
    if *method == Method::CONNECT {
        return None;
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    let mut clean = format!("/{}", segments.join("/"));
    if clean != "/" && path.ends_with('/') {
        clean.push('/');
    }
    (clean != path).then_some(clean)
}

/// Returns true if each `%` is followed by two hexadecimal digits, which Go requires.
pub(crate) fn is_percent_encoded(text: &[u8]) -> bool {
    let mut parts = text.split(|byte| *byte == b'%').skip(1);
    parts.all(|part| part.len() >= 2 && part[..2].iter().all(u8::is_ascii_hexdigit))
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Cow<'a, str> {
    let value = headers.get(name).map(HeaderValue::as_bytes);
    String::from_utf8_lossy(value.unwrap_or_default())
}

pub(crate) fn token(headers: &HeaderMap) -> String {
    let token = header(headers, "x-vault-token");
    if !token.is_empty() {
        return token.trim().to_owned();
    }
    header(headers, "authorization")
        .strip_prefix("Bearer ")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn wrap_ttl(headers: &HeaderMap) -> Result<Option<Duration>, Refusal> {
    let text = header(headers, "x-vault-wrap-ttl");
    let text = text.as_ref();
    if text.is_empty() {
        return Ok(None);
    }
    let refused = |why: &str| Refusal::new(400, format!("error parsing X-Vault-Wrap-TTL header: {why}"));
    if text.starts_with('-') && parse_duration(&Value::from(&text[1..])).is_ok() {
        return Err(refused("requested wrap ttl cannot be negative"));
    }
    let ttl = parse_duration(&Value::from(text)).map_err(|why| refused(&why))?;
    Ok(Some(ttl))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_gos_router_does() {
        let clean = |path| cleaned(&Method::GET, path);
        assert_eq!(clean("/v1/kv//b").unwrap(), "/v1/kv/b");
        assert_eq!(clean("/v1/kv/x/../b").unwrap(), "/v1/kv/b");
        assert_eq!(clean("/v1/kv/./").unwrap(), "/v1/kv/");
        assert_eq!(clean("/v1/kv/b/.").unwrap(), "/v1/kv/b");
        assert_eq!(clean("/v1/kv/b/..").unwrap(), "/v1/kv");
        assert_eq!(clean("/v1/kv/b/"), None);
        assert_eq!(clean("/"), None);
    }
}
