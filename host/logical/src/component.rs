//! Passes [`Json`] to and from guests as the text that it is.
//!
//! wasmtime has no derive for a type that wraps another. So each method here forwards to the text's own, as wasmtime's
//! derives do field by field.

#![allow(unsafe_code)] // wasmtime's traits are `unsafe`

use std::mem::MaybeUninit;

use wasmtime::Result;
use wasmtime::component::__internal::{
    CanonicalAbiInfo, InstanceType, InterfaceType, LiftContext, LowerContext,
};
use wasmtime::component::{ComponentType, Lift, Lower};

use crate::Json;

// SAFETY: everything is the text's own, so the layout agrees with what is lifted and lowered.
unsafe impl ComponentType for Json {
    type Lower = <String as ComponentType>::Lower;
    const ABI: CanonicalAbiInfo = <String as ComponentType>::ABI;
    const MAY_REQUIRE_REALLOC: bool = <String as ComponentType>::MAY_REQUIRE_REALLOC;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        String::typecheck(ty, types)
    }
}

// SAFETY: see above.
unsafe impl Lower for Json {
    fn linear_lower_to_flat<T>(
        &self,
        context: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        into: &mut MaybeUninit<Self::Lower>,
    ) -> Result<()> {
        self.as_str().linear_lower_to_flat(context, ty, into)
    }

    fn linear_lower_to_memory<T>(
        &self,
        context: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        offset: usize,
    ) -> Result<()> {
        self.as_str().linear_lower_to_memory(context, ty, offset)
    }
}

// SAFETY: see above.
unsafe impl Lift for Json {
    fn linear_lift_from_flat(
        context: &mut LiftContext<'_>,
        ty: InterfaceType,
        from: &Self::Lower,
    ) -> Result<Self> {
        String::linear_lift_from_flat(context, ty, from).map(Self::from)
    }

    fn linear_lift_from_memory(
        context: &mut LiftContext<'_>,
        ty: InterfaceType,
        bytes: &[u8],
    ) -> Result<Self> {
        String::linear_lift_from_memory(context, ty, bytes).map(Self::from)
    }
}
