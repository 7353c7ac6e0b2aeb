//! Allocates memory and never frees it.
//!
//! A guest lives for one request, and then its whole memory is discarded, so tracking free blocks would be wasted work.
//! Memory is handed out upwards from the heap's start as the linker sets it. Only the newest block can grow, shrink or
//! be given back in place, which is what a growing buffer needs.
//!
//! A guest that allocates and frees in a long loop uses ever more memory and reaches its limit. Such a guest should
//! switch off the feature `bump-allocator` of this crate, and use the standard library's allocator or its own.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::ptr::null_mut;

/// See the [module](self).
#[derive(Debug)]
pub struct Bump {
    /// The first free address; 0 before the first allocation.
    next: Cell<usize>,
    /// The first address behind the available memory.
    end: Cell<usize>,
}

// SAFETY: the contract has no threads, and the host refuses guests that ask for them.
#[allow(unsafe_code)]
unsafe impl Sync for Bump {}

impl Default for Bump {
    fn default() -> Self {
        Self::new()
    }
}

impl Bump {
    /// Makes an allocator that has handed out nothing yet.
    pub const fn new() -> Self {
        Self {
            next: Cell::new(0),
            end: Cell::new(0),
        }
    }

    /// Returns the address of `size` free bytes, or `None` if the host grants no more memory.
    fn take(&self, size: usize, align: usize) -> Option<usize> {
        if self.next.get() == 0 {
            let (start, end) = memory::heap();
            self.next.set(start);
            self.end.set(end);
        }
        let start = self.next.get().checked_next_multiple_of(align)?;
        let next = start.checked_add(size)?;
        if next > self.end.get() {
            self.end.set(memory::grow(next - self.end.get())?);
        }
        self.next.set(next);
        Some(start)
    }

    fn is_newest(&self, block: *mut u8, size: usize) -> bool {
        block.addr() + size == self.next.get()
    }
}

// SAFETY: `take` hands out each address once, aligned and inside the memory. Only its owner moves a block or gives it
// back, and only the space of the newest block is used again.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.take(layout.size(), layout.align())
            .map_or(null_mut(), std::ptr::with_exposed_provenance_mut)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those of `alloc`. A block that was given back may hold old bytes and
        // needs clearing.
        unsafe {
            let block = self.alloc(layout);
            if !block.is_null() {
                block.write_bytes(0, layout.size());
            }
            block
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if self.is_newest(block, layout.size()) {
            self.next.set(block.addr());
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if self.is_newest(block, layout.size()) {
            self.next.set(block.addr());
            return self.take(size, layout.align()).map_or(null_mut(), |_| block);
        }
        if size <= layout.size() {
            return block;
        }
        // SAFETY: the new block is not the old one, and the caller vouches for the `layout.size()` bytes of the old
        // one.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !moved.is_null() {
                block.copy_to_nonoverlapping(moved, layout.size());
            }
            moved
        }
    }
}

/// The linear memory of a component.
#[cfg(target_arch = "wasm32")]
mod memory {
    use std::arch::wasm32::{memory_grow, memory_size};

    const PAGE: usize = 65_536;
    /// The least growth, because growing is a system call in the host.
    const STEP: usize = 16 * PAGE;

    /// Returns the start of the heap and the end of the memory.
    #[allow(unsafe_code)]
    pub fn heap() -> (usize, usize) {
        unsafe extern "C" {
            static __heap_base: u8;
        }
        (&raw const __heap_base as usize, memory_size(0) * PAGE)
    }

    /// Grows the memory by at least `bytes`, and returns its new end.
    pub fn grow(bytes: usize) -> Option<usize> {
        let generous = memory_grow(0, bytes.max(STEP).div_ceil(PAGE));
        if generous == usize::MAX && memory_grow(0, bytes.div_ceil(PAGE)) == usize::MAX {
            return None;
        }
        Some(memory_size(0) * PAGE)
    }
}

/// In a native build, a fixed piece of memory takes its place, for the tests.
#[cfg(not(target_arch = "wasm32"))]
mod memory {
    use std::cell::RefCell;

    const SIZE: usize = 1 << 20;

    thread_local! {
        static MEMORY: RefCell<Vec<u8>> = RefCell::new(vec![0xaa; SIZE]);
    }

    pub fn heap() -> (usize, usize) {
        let start = MEMORY.with_borrow_mut(|memory| memory.as_mut_ptr().expose_provenance());
        (start, start + SIZE)
    }

    pub fn grow(_bytes: usize) -> Option<usize> {
        None
    }
}

#[cfg(test)]
#[allow(unsafe_code)]
mod tests {
    use super::*;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    #[test]
    fn blocks_are_aligned_and_do_not_overlap() {
        let bump = Bump::new();
        // SAFETY: the layouts are not empty.
        let (a, b) = unsafe { (bump.alloc(layout(3, 1)), bump.alloc(layout(8, 8))) };
        assert_eq!(b.addr() % 8, 0);
        assert!(b.addr() >= a.addr() + 3);
    }

    #[test]
    fn the_newest_block_grows_in_place_and_an_older_one_moves_with_its_bytes() {
        let bump = Bump::new();
        // SAFETY: blocks are used within their layouts and freed with them.
        unsafe {
            let old = bump.alloc(layout(4, 1));
            old.write_bytes(7, 4);
            let new = bump.alloc(layout(4, 1));
            assert_eq!(bump.realloc(new, layout(4, 1), 100), new);
            let moved = bump.realloc(old, layout(4, 1), 8);
            assert_ne!(moved, old);
            assert_eq!(std::slice::from_raw_parts(moved, 4), [7; 4]);
        }
    }

    #[test]
    fn space_that_is_used_again_is_cleared_when_asked_for() {
        let bump = Bump::new();
        // SAFETY: blocks are used within their layouts and freed with them.
        unsafe {
            let first = bump.alloc(layout(16, 1));
            first.write_bytes(9, 16);
            bump.dealloc(first, layout(16, 1));
            let second = bump.alloc_zeroed(layout(16, 1));
            assert_eq!(second, first);
            assert_eq!(std::slice::from_raw_parts(second, 16), [0; 16]);
        }
    }

    #[test]
    fn running_out_is_null_and_not_a_wild_pointer() {
        let bump = Bump::new();
        // SAFETY: the layouts are not empty.
        unsafe {
            assert!(bump.alloc(layout(2 << 20, 1)).is_null());
            assert!(bump.alloc(layout(isize::MAX as usize, 1)).is_null());
            assert!(!bump.alloc(layout(16, 1)).is_null());
        }
    }
}
