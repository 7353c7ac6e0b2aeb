//! Builds a mount of a native test.

use std::marker::PhantomData;
use std::rc::Rc;
use std::time::Duration;

use super::{LeaseBook, Mount};
use crate::host::Host;
use crate::host::world::World;
use crate::system::{Entity, Group};
use crate::{Dependency, Engine, Timestamp};

/// The settings of a mount, which it has before its `initialize` runs. [`start`](Self::start) mounts the engine.
#[derive(Debug)]
#[must_use = "a mount begins with `start`"]
pub struct MountBuilder<E> {
    options: Vec<(String, String)>,
    settings: Vec<Setting>,
    engine: PhantomData<fn() -> E>,
}

/// Sets something of the mount's host.
struct Setting(Box<dyn FnOnce(&World)>);

impl std::fmt::Debug for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Setting")
    }
}

impl<E: Engine> MountBuilder<E> {
    pub(super) fn new() -> Self {
        MountBuilder {
            options: Vec::new(),
            settings: Vec::new(),
            engine: PhantomData,
        }
    }

    fn set(mut self, setting: impl FnOnce(&World) + 'static) -> Self {
        self.settings.push(Setting(Box::new(setting)));
        self
    }

    /// Adds an option, as `vault secrets enable -options` does.
    pub fn option(mut self, name: &str, value: &str) -> Self {
        self.options.push((name.into(), value.into()));
        self
    }

    /// Puts something in the place of a [`Dependency`]. All requests of the mount share it.
    pub fn replace<T: ?Sized + 'static>(self, dependency: &Dependency<T>, with: Rc<T>) -> Self {
        let name = dependency.name();
        self.set(move |world| world.replace(name, with))
    }

    /// Adds an entity; see [`Mount::set_entity`].
    pub fn entity(self, entity: Entity, groups: Vec<Group>) -> Self {
        self.set(move |world| world.set_entity(entity, groups))
    }

    /// Adds a password policy; see [`Mount::set_password_policy`].
    pub fn password_policy(self, name: &str, length: usize, charset: &str) -> Self {
        let (name, charset) = (name.to_owned(), charset.to_owned());
        self.set(move |world| world.set_password_policy(&name, length, &charset))
    }

    /// Sets the default and the maximum time of the mount's leases; see [`Mount::set_lease_times`].
    pub fn lease_times(self, default: Duration, max: Duration) -> Self {
        self.set(move |world| world.set_lease_times(default, max))
    }

    /// Sets the time at which the clock starts. The default is 2026-01-01T00:00:00Z.
    pub fn starts_at(self, moment: Timestamp) -> Self {
        self.set(move |world| world.set_time(moment))
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
        for Setting(set) in self.settings {
            set(&world);
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
