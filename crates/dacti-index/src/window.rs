//! Allocates the memory of the Brotli decoder, through the decoder's own allocator traits.

use alloc::boxed::Box;
use alloc::vec;
use brotli_decompressor::{Allocator, SliceWrapper, SliceWrapperMut};

/// Allocates zeroed slices on the heap for the decoder. The format limits them: a window has at
/// most 16 MiB.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Heap;

#[derive(Debug)]
pub(crate) struct Cells<T>(Box<[T]>);

impl<T: Clone> Cells<T> {
    /// Returns a copy of `values`.
    pub(crate) fn of(values: &[T]) -> Self {
        Self(values.into())
    }
}

impl<T> Default for Cells<T> {
    fn default() -> Self {
        Self(Box::default())
    }
}

impl<T> SliceWrapper<T> for Cells<T> {
    fn slice(&self) -> &[T] {
        &self.0
    }
}

impl<T> SliceWrapperMut<T> for Cells<T> {
    fn slice_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T: Clone + Default> Allocator<T> for Heap {
    type AllocatedMemory = Cells<T>;

    fn alloc_cell(&mut self, len: usize) -> Cells<T> {
        Cells(vec![T::default(); len].into_boxed_slice())
    }

    fn free_cell(&mut self, _cells: Cells<T>) {}
}
