//! Device memory: handles to it, and the pool it comes from.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

/// Offsets of bindings and sizes of allocations are multiples of this many words (256 bytes), as
/// WebGPU asks of storage offsets.
pub const ALIGNMENT: usize = 64;

/// A handle to a stretch of device memory, counted in 32-bit words (an `f32` or a `u32` each).
///
/// Cloning shares the memory. When the last handle is dropped the memory goes back to the
/// device's pool, where the next allocation of that size finds it.
#[derive(Clone, Debug)]
pub struct Buffer {
    pub(crate) memory: Arc<Memory>,
    pub(crate) offset: usize,
    len: usize,
}

impl Buffer {
    /// The number of words.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is nothing in it; no allocation is.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A part of this buffer, in words from its start.
    ///
    /// # Panics
    /// Where the range leaves the buffer or its start is no multiple of 64 words: offsets come
    /// from layouts made by the program, never from input.
    pub fn slice(&self, range: Range<usize>) -> Buffer {
        assert!(
            range.start <= range.end && range.end <= self.len && range.start.is_multiple_of(ALIGNMENT),
            "the slice {range:?} of a buffer of {} words leaves it or is not aligned",
            self.len
        );
        Buffer { memory: self.memory.clone(), offset: self.offset + range.start, len: range.len() }
    }

    /// This buffer and `next` as one, where `next` begins in the same memory where this one ends.
    pub fn joined(&self, next: &Buffer) -> Option<Buffer> {
        let adjacent = self.shares_memory_with(next) && self.offset + self.len == next.offset;
        adjacent.then(|| Buffer { len: self.len + next.len, ..self.clone() })
    }

    /// Whether another handle to any part of this memory exists: who would notice if it were overwritten.
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.memory) > 1
    }

    /// Whether both are parts of one allocation.
    pub(crate) fn shares_memory_with(&self, other: &Buffer) -> bool {
        self.memory.id == other.memory.id
    }
}

/// Where the words are.
#[derive(Debug)]
pub(crate) enum Storage {
    Cpu(RwLock<Vec<u32>>),
    Gpu(wgpu::Buffer),
}

/// One allocation. Its id stays with the storage when the pool hands it out again.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) id: u64,
    words: usize,
    storage: Option<Storage>,
    pool: Weak<Pool>,
}

impl Memory {
    /// The size of the allocation, which is rounded up.
    pub(crate) fn words(&self) -> usize {
        self.words
    }

    pub(crate) fn storage(&self) -> &Storage {
        match &self.storage {
            Some(storage) => storage,
            None => unreachable!("the storage leaves its memory only in drop"),
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let (Some(pool), Some(storage)) = (self.pool.upgrade(), self.storage.take()) {
            let mut state = pool.lock();
            state.memory.in_use -= bytes(self.words);
            state.free.insert((self.words, self.id), storage);
        }
    }
}

/// Freed allocations by size. The oldest of a size goes out first, so that a step that allocates
/// in the same order finds the same memory, and the bind groups made for it.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    state: Mutex<PoolState>,
}

#[derive(Debug, Default)]
struct PoolState {
    free: BTreeMap<(usize, u64), Storage>,
    next_id: u64,
    memory: MemoryUse,
}

/// The memory of a device's buffers, in bytes. The parameter blocks of launches are not in it, nor what a
/// driver or a CPU body needs beside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// What buffers take now.
    pub in_use: usize,
    /// The most that buffers took at once.
    pub peak_in_use: usize,
    /// What the pool holds now: buffers, and what is kept for the next ones.
    pub held: usize,
    /// The most that the pool held: what the device had to have.
    pub peak_held: usize,
}

impl MemoryUse {
    fn use_more(&mut self, bytes: usize) {
        self.in_use += bytes;
        self.peak_in_use = self.peak_in_use.max(self.in_use);
    }

    fn hold_more(&mut self, bytes: usize) {
        self.held += bytes;
        self.peak_held = self.peak_held.max(self.held);
    }
}

fn bytes(words: usize) -> usize {
    words * size_of::<u32>()
}

impl Pool {
    fn lock(&self) -> std::sync::MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A buffer of `len` words with unspecified contents; `create` makes storage for the rounded size.
    pub(crate) fn take<E>(
        self: &Arc<Self>,
        len: usize,
        create: impl FnOnce(usize) -> Result<Storage, E>,
    ) -> Result<Buffer, E> {
        let words = len.max(1).next_multiple_of(ALIGNMENT);
        let reused = {
            let mut state = self.lock();
            let key = state.free.range((words, 0)..=(words, u64::MAX)).next().map(|(key, _)| *key);
            key.and_then(|key| state.free.remove(&key).map(|storage| (key.1, storage)))
        };
        let (id, storage) = match reused {
            Some(found) => found,
            None => {
                let storage = create(words)?;
                let mut state = self.lock();
                state.next_id += 1;
                state.memory.hold_more(bytes(words));
                (state.next_id, storage)
            }
        };
        self.lock().memory.use_more(bytes(words));
        let memory = Memory { id, words, storage: Some(storage), pool: Arc::downgrade(self) };
        Ok(Buffer { memory: Arc::new(memory), offset: 0, len })
    }

    /// Gives all free memory back to the system.
    pub(crate) fn forget_unused(&self) {
        let mut state = self.lock();
        let words: usize = state.free.keys().map(|(words, _)| words).sum();
        state.memory.held -= bytes(words);
        state.free.clear();
    }

    /// The peaks begin anew.
    pub(crate) fn forget_peaks(&self) {
        let memory = &mut self.lock().memory;
        (memory.peak_in_use, memory.peak_held) = (memory.in_use, memory.held);
    }

    pub(crate) fn memory(&self) -> MemoryUse {
        self.lock().memory
    }
}
