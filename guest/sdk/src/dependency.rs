//! Gives handlers what they need besides the host, so that a native test can replace it.
//!
//! An engine rolls dice, makes keys or computes a price, and its tests want another of these. A [`Dependency`] is a
//! constant that makes it; a test replaces what it makes:
//!
//! ```
//! # use airlock_sdk::{Context, Description, Engine, Response, Result, Routes, json, route};
//! use airlock_sdk::Dependency;
//! use std::rc::Rc;
//!
//! trait Dice {
//!     fn roll(&self) -> u8;
//! }
//!
//! struct Real(u8);
//! # impl Dice for Real { fn roll(&self) -> u8 { self.0 % 6 + 1 } }
//!
//! const DICE: Dependency<dyn Dice> = Dependency::new("dice", |cx| Rc::new(Real(cx.random.array::<1>()[0])));
//!
//! fn roll(cx: &Context, _: ()) -> Result<Response> {
//!     Response::json(&json!({ "rolled": DICE.of(cx).roll() }))
//! }
//! # struct Game;
//! # impl Engine for Game {
//! #     const DESCRIPTION: Description = Description::new("game", "1.0.0", "Rolls dice.");
//! #     const ROUTES: Routes = &[&route("roll").read(roll)];
//! # }
//!
//! // In a test:
//! use airlock_sdk::testing::Mount;
//!
//! struct Fixed(u8);
//! # impl Dice for Fixed { fn roll(&self) -> u8 { self.0 } }
//!
//! let mount = Mount::<Game>::builder().replace(&DICE, Rc::new(Fixed(3))).start();
//! assert_eq!(mount.read("roll").data()["rolled"], 3);
//! ```
//!
//! Time, randomness and the system view need no dependency: a test sets those of the mount. A guest has no network, so what a
//! dependency makes there cannot call a service.

use std::fmt;
use std::rc::Rc;

use crate::Context;

/// A constant that makes what handlers need, and that a native test can replace. See the [module](crate::dependency).
pub struct Dependency<T: ?Sized + 'static> {
    #[cfg_attr(target_arch = "wasm32", allow(dead_code))]
    name: &'static str,
    make: fn(&Context) -> Rc<T>,
}

impl<T: ?Sized + 'static> Dependency<T> {
    /// Makes a dependency from a name, which no other dependency of its type in the engine has, and the function that makes
    /// it outside of tests.
    pub const fn new(name: &'static str, make: fn(&Context) -> Rc<T>) -> Self {
        Self { name, make }
    }

    /// Returns what a test has put in its place, or else makes it. Each call makes another one.
    pub fn of(&self, cx: &Context) -> Rc<T> {
        #[cfg(not(target_arch = "wasm32"))]
        if let Some(replaced) = cx.host.replaced(self.name) {
            return replaced;
        }
        (self.make)(cx)
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }
}

impl<T: ?Sized> fmt::Debug for Dependency<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Dependency").field(&self.name).finish()
    }
}
