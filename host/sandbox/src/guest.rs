//! A loaded guest.

use std::fmt;
use std::sync::Arc;

use airlock_logical::SpecialPaths;
use airlock_storage::{Settings, Written};
use parking_lot::Mutex;
use wasmtime::component::Component;

use crate::limits::{Limit, Limits};
use crate::load::code::CodeOrigin;
use crate::load::description::{self, Description};
use crate::mount::MountContext;
use crate::replay::{Record, Recorded, Replayer, Second};
use crate::run::calls::{
    AskSpecialPaths, CheckExistence, HandleRequest, Initialize, Invalidate, Replay, Transact, TryInitialize,
};
use crate::run::code::{Code, Shared};
use crate::run::exports::GuestCode;
use crate::run::instance::is_large;
use crate::run::kept::may_be_due_to_reuse;
use crate::run::permit::{Outcome, Permit};
use crate::types::{Request, Response};
use crate::{CallError, LoadError, Result};

/// A guest that has been compiled, checked and described. Cheap to clone.
#[derive(Clone)]
pub struct Guest {
    inner: Arc<Inner>,
    /// The guest's code, under the limits of this handle.
    code: Arc<Code>,
}

struct Inner {
    component: Arc<GuestCode>,
    shared: Arc<Shared>,
    digest: String,
    code_origin: CodeOrigin,
    imports: Vec<String>,
    description: Description,
}

/// The second run of a request; see [`Guest::replay`].
#[derive(Debug)]
pub struct SecondRun {
    /// The guest's answer.
    pub outcome: Outcome<Option<Box<Response>>>,
    /// The writes of the first run.
    pub before: Written,
    /// The writes that the second run would have made.
    pub written: Written,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.shared.kept.guest_ended(&self.component);
    }
}

impl fmt::Debug for Guest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Description { name, version, .. } = self.description();
        f.debug_struct("Guest")
            .field("name", name)
            .field("version", version)
            .field("digest", &self.digest())
            .finish_non_exhaustive()
    }
}

impl Guest {
    pub(crate) fn new(
        code: Code,
        digest: String,
        code_origin: CodeOrigin,
        imports: Vec<String>,
        description: Description,
    ) -> Self {
        let code = Code {
            name: description.shared_name(),
            ..code
        };
        Self {
            inner: Arc::new(Inner {
                component: code.component.clone(),
                shared: code.shared.clone(),
                digest,
                code_origin,
                imports,
                description,
            }),
            code: Arc::new(code),
        }
    }

    pub(crate) fn component(&self) -> &Component {
        self.inner.component.component()
    }

    /// Returns what the guest says of itself.
    pub fn description(&self) -> &Description {
        &self.inner.description
    }

    /// Returns the SHA-256 of the guest's file, in lower-case hexadecimal.
    pub fn digest(&self) -> &str {
        &self.inner.digest
    }

    /// Returns where the guest's compiled code came from.
    pub fn code_origin(&self) -> CodeOrigin {
        self.inner.code_origin
    }

    /// Returns the guest's compiled code, to be carried to another process as [`CompiledCode`](crate::CompiledCode).
    ///
    /// # Errors
    /// [`LoadError::Runtime`] with wasmtime's reason.
    pub fn compiled(&self) -> Result<Vec<u8>, LoadError> {
        self.component().serialize().map_err(|error| LoadError::Runtime {
            what: "the compiled guest cannot be written down",
            source: error.into(),
        })
    }

    /// Returns the names of the guest's imports, such as `airlock:engine/storage@0.1.0`.
    pub fn imports(&self) -> &[String] {
        &self.inner.imports
    }

    /// Returns the limits of the guest's requests.
    pub fn limits(&self) -> &Limits {
        &self.code.limits
    }

    /// Returns the same guest, under limits that are not higher than those under which it was loaded.
    ///
    /// # Errors
    /// [`LoadError::Needs`] if the guest says that it needs more.
    pub fn with_limits(&self, limits: Limits) -> Result<Self, LoadError> {
        description::check_needs(&self.description().needs, &limits)?;
        Ok(Self {
            inner: self.inner.clone(),
            code: Arc::new(Code {
                limits,
                ..Code::clone(&self.code)
            }),
        })
    }

    /// Returns the paths that Vault treats specially, for a mount's options.
    ///
    /// # Errors
    /// The same as for a request. The time limit is [`Limits::start`].
    pub async fn special_paths(&self, config: &[(String, String)]) -> Result<SpecialPaths> {
        let call = AskSpecialPaths(config.to_vec());
        self.code.call_static(call).await
    }

    /// Prepares a mount, before its first request. The time limit is [`Limits::start`].
    pub async fn initialize(&self, mount: &Arc<MountContext>) -> Outcome<()> {
        self.run(mount, Initialize).await
    }

    /// Does the same as [`initialize`](Self::initialize) and stores nothing, though the guest's commits seem to succeed. The
    /// guest need not be in office. `settings` are those that its transactions would have.
    pub async fn try_initialize(&self, mount: &Arc<MountContext>, settings: Settings) -> Outcome<()> {
        self.run(mount, TryInitialize(settings)).await
    }

    /// Waits for the permits of a request. Dropping the future while it waits leaves no trace.
    ///
    /// # Errors
    /// [`CallError::Busy`](crate::CallError::Busy) and [`CallError::Full`](crate::CallError::Full).
    pub async fn permit(&self, mount: &Arc<MountContext>, request: &Request) -> Outcome<Permit> {
        Permit::take(&self.code, mount, Limit::Wall, is_large(request.bytes())).await
    }

    /// Answers a request.
    ///
    /// Drive the future to its end, in a task that outlives a caller who hangs up; see the crate's documentation.
    pub async fn handle_request(
        &self,
        mount: &Arc<MountContext>,
        request: Request,
    ) -> Outcome<Option<Box<Response>>> {
        self.run(mount, HandleRequest(Arc::new(request))).await
    }

    /// Runs a request that another guest has answered, and stores nothing. `settings` are those that the guest's transactions
    /// would have. Runs in the slow lane. If the first run was in the instance of its existence check, so is this one, as far as
    /// the host would do that.
    ///
    /// Returns the guest's answer with what it would have stored, or `None` if the two runs cannot be compared.
    pub async fn replay(
        &self,
        mount: &Arc<MountContext>,
        request: Arc<Request>,
        record: &Record,
        settings: Settings,
    ) -> Option<SecondRun> {
        let Recorded {
            mut check,
            calls,
            trace,
        } = record.take()?;
        let before = trace.written().clone();
        loop {
            let checked = check.take();
            let call = Replay {
                call: HandleRequest(request.clone()),
                settings: settings.clone(),
                check: checked.is_some().then(|| CheckExistence(request.clone())),
            };
            let second = Arc::new(Second {
                replayer: Arc::new(Replayer::new(checked, calls.clone())),
                trace: trace.clone(),
                replayed: Mutex::default(),
            });
            let is_reused = call.check.is_some();
            let outcome = self.run(&mount.replayed(&second), call).await;
            // As in office, it starts over without what the check left.
            if is_reused && outcome.result.as_ref().is_err_and(may_be_due_to_reuse) {
                continue;
            }
            // Check and request had each limit for themselves in the first run, and share it here.
            if is_reused && matches!(outcome.result, Err(CallError::Limit { .. })) {
                return None;
            }
            let written = second.end(&outcome.result)?;
            return Some(SecondRun {
                outcome,
                before,
                written,
            });
        }
    }

    /// Does the same as [`replay`](Self::replay) for an existence check, which stores nothing anyway.
    pub async fn replay_check(
        &self,
        mount: &Arc<MountContext>,
        request: Arc<Request>,
        record: &Record,
        settings: Settings,
    ) -> Option<Outcome<Option<bool>>> {
        let Recorded { calls, trace, .. } = record.take()?;
        let call = Replay {
            call: CheckExistence(request),
            settings,
            check: None,
        };
        let second = Arc::new(Second {
            replayer: Arc::new(Replayer::new(None, calls)),
            trace,
            replayed: Mutex::default(),
        });
        let outcome = self.run(&mount.replayed(&second), call).await;
        second.end(&outcome.result)?;
        Some(outcome)
    }

    /// Answers `Some(true)` if a path holds something, and `None` if the guest has no such check for the path. Nothing
    /// that the check writes is stored.
    pub async fn check_existence(
        &self,
        mount: &Arc<MountContext>,
        request: Request,
    ) -> Outcome<Option<bool>> {
        self.run(mount, CheckExistence(Arc::new(request))).await
    }

    /// Invalidates the mount's own cache, then tells the guest that storage changed beneath it.
    pub async fn invalidate(&self, mount: &Arc<MountContext>, key: &str) -> Outcome<()> {
        mount.storage.invalidate(key);
        self.run(mount, Invalidate(key.to_owned())).await
    }

    pub(crate) async fn run<C: Transact>(&self, mount: &Arc<MountContext>, call: C) -> Outcome<C::Output> {
        let Outcome { result, usage } = Permit::take(&self.code, mount, C::TIME, call.is_large()).await;
        match result {
            Ok(permit) => permit.run(call).await,
            Err(error) => Outcome {
                result: Err(error),
                usage,
            },
        }
    }
}
