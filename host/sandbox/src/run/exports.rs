//! A guest's code, and where its exports are.
//!
//! wasmtime compares the type of an export, field by field, whenever it is looked up in an instance. So an instance looks up
//! only the export that is called. [`describe`](crate::run::calls::Describe) looks up all of them once, when the guest is
//! loaded, so that a guest with an export of another type is not loaded.

use wasmtime::Store;
use wasmtime::component::{
    Component, ComponentExportIndex, ComponentNamedList, Instance, InstancePre, Lift, Lower,
};

use crate::bindings::EnginePre;
use crate::run::instance::State;

/// The interface that guests export.
const BACKEND: &str = "airlock:engine/backend@0.1.0";

/// A component that can be instantiated.
pub(crate) struct GuestCode {
    pre: InstancePre<State>,
    pub exports: Exports,
}

/// The places of the exports that requests call.
pub(crate) struct Exports {
    pub special_paths: ComponentExportIndex,
    pub initialize: ComponentExportIndex,
    pub handle_request: ComponentExportIndex,
    pub check_existence: ComponentExportIndex,
    pub invalidate: ComponentExportIndex,
}

impl GuestCode {
    /// Finds the exports of a component.
    ///
    /// # Errors
    /// An export of the contract is missing.
    pub fn new(pre: InstancePre<State>) -> wasmtime::Result<Self> {
        // This checks that all exports exist, and says which one does not.
        let pre = EnginePre::new(pre)?.instance_pre().clone();
        let exports = Exports::of(pre.component())
            .ok_or_else(|| wasmtime::format_err!("no exported instance named `{BACKEND}`"))?;
        Ok(Self { pre, exports })
    }

    pub fn component(&self) -> &Component {
        self.pre.component()
    }

    pub async fn instantiate(&self, store: &mut Store<State>) -> wasmtime::Result<Instance> {
        self.pre.instantiate_async(store).await
    }
}

impl Exports {
    fn of(component: &Component) -> Option<Self> {
        let backend = component.get_export_index(None, BACKEND)?;
        let export = |name: &str| component.get_export_index(Some(&backend), name);
        Some(Self {
            special_paths: export("special-paths")?,
            initialize: export("initialize")?,
            handle_request: export("handle-request")?,
            check_existence: export("check-existence")?,
            invalidate: export("invalidate")?,
        })
    }
}

/// Calls an export of an instance.
pub(crate) async fn call<P, R>(
    instance: &Instance,
    store: &mut Store<State>,
    export: &ComponentExportIndex,
    arguments: P,
) -> wasmtime::Result<R>
where
    P: ComponentNamedList + Lower + Send + Sync,
    R: ComponentNamedList + Lift + Send + Sync + 'static,
{
    let function = instance.get_typed_func::<P, R>(&mut *store, export)?;
    function.call_async(store, arguments).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interface_is_that_of_the_contract() {
        let wit = include_str!("../../../../wit/engine.wit");
        let version = BACKEND.strip_prefix("airlock:engine/backend@").unwrap();
        assert!(wit.contains(&format!("package airlock:engine@{version};")));
    }
}
