//! Builds a mount of a native test.

use std::marker::PhantomData;
use std::rc::Rc;

use super::{LeaseBook, Mount};
use crate::host::Host;
use crate::host::world::World;
use crate::{Dependency, Engine};

/// The settings of a mount. [`start`](Self::start) mounts the engine.
#[derive(Debug)]
#[must_use = "a mount begins with `start`"]
pub struct MountBuilder<E> {
    options: Vec<(String, String)>,
    replacements: Vec<Replacement>,
    engine: PhantomData<fn() -> E>,
}

struct Replacement(Box<dyn Fn(&World)>);

impl std::fmt::Debug for Replacement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Replacement")
    }
}

impl<E: Engine> MountBuilder<E> {
    pub(super) fn new() -> Self {
        MountBuilder {
            options: Vec::new(),
            replacements: Vec::new(),
            engine: PhantomData,
        }
    }

    /// Adds an option, as `vault secrets enable -options` does.
    pub fn option(mut self, name: &str, value: &str) -> Self {
        self.options.push((name.into(), value.into()));
        self
    }

    /// Puts something in the place of a [`Dependency`]. All requests of the mount share it.
    pub fn replace<T: ?Sized + 'static>(mut self, dependency: &Dependency<T>, with: Rc<T>) -> Self {
        let name = dependency.name();
        let replace = move |world: &World| world.replace(name, with.clone());
        self.replacements.push(Replacement(Box::new(replace)));
        self
    }

    /// Mounts the engine and initializes it.
    ///
    /// # Panics
    /// If its `initialize` fails.
    #[track_caller]
    pub fn start(self) -> Mount<E> {
        let world = World::new(
            self.options,
            crate::engine::storage_prefixes::<E>(),
            E::DESCRIPTION.scratch_bytes,
            E::DESCRIPTION.redo_record,
        );
        for Replacement(replace) in &self.replacements {
            replace(&world);
        }
        let mount = Mount {
            world: Host::new(world),
            leases: LeaseBook::default(),
            requests: Default::default(),
            engine: PhantomData,
        };
        if let Err(error) = mount.initialize() {
            panic!("initialize failed: {error}");
        }
        mount
    }
}
