//! Passes each request to its handler, and the answer back.

use crate::field::{FieldError, Raw};
use crate::host::Host;
use crate::route::pattern::{Captures, capture, capture_folder};
use crate::route::{AnyOperation, AnyRoute};
use crate::verb::{VERBS, Verb};
use crate::{
    Context, Engine, Error, Operation, Request, Response, Result, Routes, help, rotation, secret, wal,
};

/// Answers a request.
pub(crate) fn handle<E: Engine>(host: &Host, request: Request) -> Result<Option<Response>> {
    let cx = Context::new::<E>(host, request);
    let response = match &cx.request.operation {
        Operation::Renew | Operation::Revoke => secret::handle(E::SECRETS, &cx),
        Operation::Rollback => tick::<E>(&cx),
        Operation::Rotate => E::rotate(&cx).map(|()| Some(Response::default())),
        Operation::Help => help::answer::<E>(&cx).map(Some),
        operation => answer(E::routes(&cx.system), &cx, operation.verb()),
    }?;
    if let Some(response) = &response {
        secret::check(E::SECRETS, response)?;
    }
    Ok(response)
}

/// Returns true if the path exists. Returns `None` if the path has no existence check.
pub(crate) fn exists<E: Engine>(host: &Host, request: Request) -> Result<Option<bool>> {
    let cx = Context::new::<E>(host, request);
    let routes = E::routes(&cx.system);
    let (route, captures) = find(routes, &cx.request.path, None).ok_or(Error::UnsupportedPath)?;
    let write = route
        .operation(Verb::Create)
        .or_else(|| route.operation(Verb::Update));
    let derived = || {
        route
            .operation(Verb::Read)
            .filter(|_| route.head().has(Verb::Create))
    };
    let Some(check) = route.operation(Verb::Exists).or_else(derived) else {
        return Ok(None);
    };
    let (mut raw, _) = Raw::new(cx.request.data.as_deref(), captures)?;
    let valid = write.map_or(Ok(()), |write| write.validate(raw.clone()));
    valid.map_err(|error: FieldError| Error::User(error.to_string()))?;
    check.call(&cx, &mut raw).map(|found| Some(found.is_some()))
}

/// Prepares a mount.
pub(crate) fn initialize<E: Engine>(host: &Host) -> Result<()> {
    E::initialize(&Context::new::<E>(host, Request::default()))
}

/// Tells the engine that storage changed beneath it.
pub(crate) fn invalidate<E: Engine>(host: &Host, key: &str) {
    E::invalidate(&Context::new::<E>(host, Request::default()), key);
}

/// Returns the first route that matches, and its captures. A list ignores the trailing slash of its route and of its path.
/// So does every operation if the route's pattern ends in a slash, because such a route stands for the folder.
pub(crate) fn find<'p>(
    routes: Routes,
    path: &'p str,
    verb: Option<Verb>,
) -> Option<(&'static AnyRoute, Captures<'p>)> {
    routes.iter().find_map(|route| {
        let head = route.head();
        let lists = verb.is_some_and(|verb| matches!(verb, Verb::List | Verb::Scan) && head.has(verb));
        let captures = if lists || head.pattern.ends_with('/') {
            capture_folder(head.pattern, path)
        } else {
            capture(head.pattern, path)
        };
        let captures = captures.filter(|captures| fit(route, captures))?;
        Some((*route, captures))
    })
}

/// Returns true if each captured part of the path may be the field of its name.
fn fit(route: &AnyRoute, captures: &Captures<'_>) -> bool {
    let operation = VERBS.iter().find_map(|verb| route.operation(*verb));
    let fields = operation.map_or(&[][..], |operation| operation.fields());
    captures.iter().all(|(name, part)| {
        let field = fields.iter().find(|field| field.name() == *name);
        field
            .and_then(|field| field.fits_path)
            .is_none_or(|fits| fits(part))
    })
}

fn answer(routes: Routes, cx: &Context, verb: Option<Verb>) -> Result<Option<Response>> {
    let (route, captures) = find(routes, &cx.request.path, verb).ok_or(Error::UnsupportedPath)?;
    let operation = verb
        .and_then(|verb| route.operation(verb))
        .ok_or(Error::UnsupportedOperation)?;
    let (mut raw, replaced) = Raw::new(cx.request.data.as_deref(), captures)?;
    let ignored = ignored(route, &raw);
    let mut response = operation.call(cx, &mut raw)?;
    if let Some(response) = &mut response {
        if !ignored.is_empty() {
            let text = format!(
                "Endpoint ignored these unrecognized parameters: [{}]",
                ignored.join(" ")
            );
            response.warnings.push(text);
        }
        if !replaced.is_empty() {
            response.warnings.push(format!(
                "Endpoint replaced the value of these parameters with the values captured from the endpoint's path: [{}]",
                replaced.join(" ")
            ));
        }
    }
    Ok(response)
}

/// Returns the names that no operation of the route knows, in order.
fn ignored(route: &AnyRoute, raw: &Raw<'_>) -> Vec<String> {
    let known = |operation: &dyn AnyOperation, name: &str| {
        operation
            .fields()
            .iter()
            .any(|field| field.is_rest() || field.name() == name)
    };
    let mut ignored: Vec<String> = Vec::new();
    for name in raw.names() {
        let operations = || VERBS.iter().filter_map(|verb| route.operation(*verb));
        if !operations().any(|operation| known(operation, name)) {
            let at = ignored.partition_point(|other| other.as_str() < name);
            ignored.insert(at, name.into());
        }
    }
    ignored
}

/// Handles Vault's tick: runs the periodic function, then the rotations, then the write-ahead entries.
///
/// The writes of a failed step are dropped only with the whole tick, so the tick ends before anything else is stored.
fn tick<E: Engine>(cx: &Context) -> Result<Option<Response>> {
    let immediate = !E::WAL.is_empty() && cx.request.object()?.contains_key("immediate");
    let mut failures: Vec<Error> = E::periodic(cx).err().into_iter().collect();
    let more = !E::WAL.is_empty() || !E::ROTATIONS.is_empty();
    if more && failures.is_empty() && cx.storage.is_dirty() {
        cx.storage.commit()?;
    }
    if !E::ROTATIONS.is_empty() && !cx.storage.is_dirty() {
        let ended = rotation::run(E::ROTATIONS, cx, &mut failures);
        failures.extend(ended.err());
    }
    if !E::WAL.is_empty() && !cx.storage.is_dirty() {
        let ended = wal::roll_back(E::WAL, cx, immediate, &mut failures);
        failures.extend(ended.err());
    }
    told(cx, &failures).map(|()| None)
}

/// Returns the result of a tick of which this failed.
///
/// Vault logs an internal error only: it takes no notice of an answer, as the caller's mistake is one, nor of an operation that is
/// not supported. A tick on read-only storage it ignores as well, so what else failed goes to the guest's own log then.
fn told(cx: &Context, failures: &[Error]) -> Result<()> {
    let others = failures.iter().filter(|error| **error != Error::ReadOnly);
    let text = others.map(ToString::to_string).collect::<Vec<_>>().join("; ");
    match (failures.contains(&Error::ReadOnly), text.is_empty()) {
        (true, true) => Err(Error::ReadOnly),
        (true, false) => {
            cx.log.warn(&text);
            Err(Error::ReadOnly)
        }
        (false, true) => Ok(()),
        (false, false) => Err(Error::Internal(text)),
    }
}
