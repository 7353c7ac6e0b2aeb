//! Keeps the dependencies that a test has replaced.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::rc::Rc;

use super::World;

/// The replacements, each an `Rc<T>`, by the name and the type of the dependency.
pub(super) type Replaced = BTreeMap<(&'static str, TypeId), Box<dyn Any>>;

impl World {
    pub(crate) fn replace<T: ?Sized + 'static>(&self, name: &'static str, with: Rc<T>) {
        let key = (name, TypeId::of::<T>());
        self.replaced.borrow_mut().insert(key, Box::new(with));
    }

    pub(crate) fn replaced<T: ?Sized + 'static>(&self, name: &'static str) -> Option<Rc<T>> {
        let replaced = self.replaced.borrow();
        let with = replaced.get(&(name, TypeId::of::<T>()))?;
        with.downcast_ref::<Rc<T>>().cloned()
    }
}
