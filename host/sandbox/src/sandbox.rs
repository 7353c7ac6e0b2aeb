//! Loads guests.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use printable::Report;
use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use crate::LoadError;
use crate::aside::aside;
use crate::guest::Guest;
use crate::limits::Limits;
use crate::load::cache::Cache;
use crate::load::code::{CodeOrigin, CompiledCode};
use crate::load::compiler::Compiler;
use crate::load::{contract, description, engine};
use crate::run::address_space;
use crate::run::calls::Describe;
use crate::run::code::{Code, Shared};
use crate::run::exports::GuestCode;
use crate::run::instance::{self, State};
use crate::run::machine;
use crate::run::memory::ProcessMemory;
use crate::run::ticker::Ticker;

/// Settings for compiling and keeping guests, and for the memory of requests.
#[derive(Debug, Clone)]
pub struct SandboxSettings {
    /// The place where guests are compiled.
    pub compiler: Compiler,
    /// A directory for compiled guests, which only this user may enter. It is created if it is missing. `None` means
    /// that guests are compiled at each start.
    pub cache: Option<PathBuf>,
    /// Most bytes that are held for all requests together. `None` means a quarter of the machine's memory, or of what
    /// the process's control group may use if that is less, but at least 128 MiB.
    pub memory_bytes: Option<u64>,
}

/// Bytes that requests may hold together by default on the smallest machine.
const LEAST_MEMORY: u64 = 128 << 20;

/// Returns the bytes that requests may hold together by default, if the process can expect `machine` bytes of memory.
fn memory_by_default(machine: Option<u64>) -> u64 {
    machine.map_or(0, |bytes| bytes / 4).max(LEAST_MEMORY)
}

/// The sandbox: a pool of instances, and what runs them. One in a process is enough for any number of guests and
/// mounts, and there should not be another.
///
/// Everything `async` here needs a tokio runtime with time. Requests run in tasks on that runtime.
pub struct Sandbox {
    shared: Arc<Shared>,
    linker: Linker<State>,
    compiler: Compiler,
    cache: Option<Cache>,
}

impl Sandbox {
    /// Sets up the runtime. Reserves address space for the pool, which does not take memory.
    ///
    /// # Errors
    /// [`LoadError::Runtime`] if the machine does not allow this, [`LoadError::AddressSpace`], [`LoadError::Processes`] or
    /// [`LoadError::Denied`] if its limits or its policy do not, [`LoadError::Cache`] if the directory cannot be trusted.
    pub fn new(settings: SandboxSettings) -> Result<Self, LoadError> {
        let memory = settings
            .memory_bytes
            .unwrap_or_else(|| memory_by_default(machine::memory_bytes()));
        let slots = address_space::most_slots(ProcessMemory::slots_of(memory))?;
        let (memory, returns) = ProcessMemory::with_returns(memory, slots);
        machine::check_memory_files()?;
        let engine = engine::serving(memory.slots())?;
        let cache = settings
            .cache
            .map(|directory| Cache::open(&directory, &engine))
            .transpose()?;
        let ticker = Ticker::start(&engine)
            .map_err(|error| LoadError::not_started("the thread that interrupts guests", error))?;
        let shared = Arc::new(Shared::new(ticker, memory));
        machine::give_memory_back(returns, Arc::downgrade(&shared))
            .map_err(|error| LoadError::not_started("the thread that gives memory back", error))?;
        Ok(Self {
            linker: instance::linker(&engine)?,
            shared,
            compiler: settings.compiler,
            cache,
        })
    }

    /// Checks that a loaded guest is kept, or can be kept, in a directory for compiled guests.
    ///
    /// # Errors
    /// [`LoadError::Cache`] if the directory cannot be trusted or written to.
    pub fn check_cache(directory: &Path, guest: &Guest) -> Result<(), LoadError> {
        let component = guest.component();
        let cache = Cache::open(directory, component.engine())?;
        if cache.get(guest.digest()).is_some() {
            return Ok(());
        }
        let code = component.serialize().map_err(|error| LoadError::Cache {
            directory: directory.to_owned(),
            what: format!("the compiled guest cannot be kept: {error:#}"),
            source: None,
        })?;
        cache.keep(guest.digest(), &code)
    }

    /// Compiles a component or finds it compiled, checks that it is a guest for this host, and asks it to describe
    /// itself.
    ///
    /// `limits` apply to every request of this guest.
    ///
    /// # Errors
    /// Each reason for which a file is not a guest that can run here: the variants of [`LoadError`].
    pub async fn load(&self, component: &[u8], limits: Limits) -> Result<Guest, LoadError> {
        let digest = hex::encode(Sha256::digest(component));
        self.load_with_digest(component, &digest, limits).await
    }

    /// Does the same as [`Sandbox::load`] for a caller that knows the component's SHA-256, in lower-case hexadecimal.
    /// Computing it takes a millisecond for each MiB or two. The code that is found is that of the component with this digest.
    ///
    /// # Errors
    /// The same as of [`Sandbox::load`].
    pub async fn load_with_digest(
        &self,
        component: &[u8],
        digest: &str,
        limits: Limits,
    ) -> Result<Guest, LoadError> {
        self.check_memory(&limits)?;
        contract::check_is_component(component)?;
        let (compiled, origin) = self.compiled(component, digest).await?;
        self.guest(&compiled, digest.to_owned(), origin, limits).await
    }

    /// Does the same as [`Sandbox::load`] for compiled code that came with its component. Returns `None`, and logs why, if
    /// the code does not fit this host or this machine: then load the component.
    ///
    /// # Errors
    /// The same as of [`Sandbox::load`].
    pub async fn load_compiled(
        &self,
        code: CompiledCode,
        limits: Limits,
    ) -> Result<Option<Guest>, LoadError> {
        self.check_memory(&limits)?;
        let digest = code.digest.clone();
        let engine = self.linker.engine().clone();
        // Takes a while, as the code is copied, checked and wiped.
        let compiled = match aside(move || deserialize(&engine, code.bytes())).await? {
            Ok(compiled) => compiled,
            Err(error) => {
                tracing::warn!(
                    reason = %Report::new(&error),
                    "the compiled code that came with the guest does not fit this host or this machine; the guest is \
                     compiled instead"
                );
                return Ok(None);
            }
        };
        let guest = self.guest(&compiled, digest, CodeOrigin::Contained, limits);
        guest.await.map(Some)
    }

    fn check_memory(&self, limits: &Limits) -> Result<(), LoadError> {
        if self.shared.memory.fits(limits.memory_bytes) {
            return Ok(());
        }
        Err(LoadError::Needs {
            needs: format!(
                "{} MiB of memory for a request (--memory-mib)",
                limits.memory_bytes >> 20
            ),
            exceeded: self.shared.memory.exceeded(),
        })
    }

    async fn guest(
        &self,
        compiled: &Component,
        digest: String,
        origin: CodeOrigin,
        limits: Limits,
    ) -> Result<Guest, LoadError> {
        let engine = self.linker.engine();
        contract::check(compiled, engine)?;
        let link = |error: wasmtime::Error| LoadError::Link(format!("{error:#}"));
        let pre = self.linker.instantiate_pre(compiled).map_err(link)?;
        let code = Code {
            // The guest's name is not known yet.
            name: format!("with digest {}…", digest.get(..12).unwrap_or(&digest)).into(),
            component: Arc::new(GuestCode::new(pre).map_err(link)?),
            limits,
            shared: self.shared.clone(),
        };
        let description = code.call_static(Describe).await?;
        description::check(&description, &code.limits)?;
        let imports = contract::imports(compiled, engine);
        Ok(Guest::new(code, digest, origin, imports, description))
    }

    async fn compiled(&self, component: &[u8], digest: &str) -> Result<(Component, CodeOrigin), LoadError> {
        if let Some(component) = self.kept(digest).await {
            return Ok((component, CodeOrigin::Cached));
        }
        let code = self.compiler.run(component).await?;
        let component = deserialize(self.linker.engine(), &code)?;
        if let Some(cache) = &self.cache {
            cache.put(digest, &code);
        }
        Ok((component, CodeOrigin::Compiled))
    }

    /// Returns the component from the cache. Reading and checking the code takes milliseconds, so it has a thread of its own.
    async fn kept(&self, digest: &str) -> Option<Component> {
        let (cache, engine) = (self.cache.clone()?, self.linker.engine().clone());
        let digest = digest.to_owned();
        let kept = aside(move || {
            let code = cache.get(&digest)?;
            deserialize(&engine, &code)
                .inspect_err(|error| {
                    tracing::warn!(%error, "a compiled guest on disk does not fit; compiling again");
                })
                .ok()
        });
        kept.await.ok().flatten()
    }
}

fn deserialize(engine: &Engine, code: &[u8]) -> Result<Component, LoadError> {
    // SAFETY: these bytes are native code, and are trusted as this program is. They come from its own compiler, in
    // this process or a child of it, or from a directory that only this user can enter. Its own compiler put them
    // there, and a digest vouches that they are still the same. Or they are `CompiledCode`, whose owner has vouched for
    // them: `airlock` takes it from its own executable only, which Vault has checked as a whole.
    #[allow(unsafe_code)]
    let component = unsafe { Component::deserialize(engine, code) };
    component.map_err(|error| match Engine::detect_precompiled(code) {
        Some(_) => LoadError::Link(format!("{error:#}")),
        None => LoadError::Compiler {
            what: "made something that is not a compiled component".into(),
            source: None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_may_hold_a_quarter_of_the_machines_memory() {
        assert_eq!(memory_by_default(Some(4 << 30)), 1 << 30);
        assert_eq!(memory_by_default(Some(64 << 20)), 128 << 20);
        assert_eq!(memory_by_default(None), 128 << 20);
    }
}
