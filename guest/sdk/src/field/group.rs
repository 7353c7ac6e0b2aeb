//! Joins the fields of a struct with those of its groups, in the compiler.

use super::Field;

/// Returns the number of fields in some lists.
#[doc(hidden)]
pub const fn count(parts: &[&[Field]]) -> usize {
    let (mut count, mut i) = (0, 0);
    while i < parts.len() {
        count += parts[i].len();
        i += 1;
    }
    count
}

/// Returns the fields of some lists as one, whose length is their [`count`].
#[doc(hidden)]
pub const fn join<const N: usize>(parts: &[&[Field]]) -> [Field; N] {
    let mut all = [const { Field::of::<bool>("", &[]) }; N];
    let (mut at, mut i) = (0, 0);
    while i < parts.len() {
        let mut j = 0;
        while j < parts[i].len() {
            all[at] = parts[i][j];
            at += 1;
            j += 1;
        }
        i += 1;
    }
    all
}
