//! The second module: the decoder of Brotli and the checks of signatures, which a page loads when
//! the first region needs them.
//!
//! The lint that is switched off here concerns only the attributes of the exports, as in the first
//! module.
#![expect(
    unsafe_code,
    reason = "only for the attributes of exports: without them JavaScript cannot call this module"
)]

use core::cell::RefCell;
use dacti_index::{BrotliStanding, BrotliStream, open_brotli};
use dacti_seal::{SIGNATURE_LEN, SignatureCheck, check_of_key};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The input that JavaScript has written, the output that it will read, and the open streams.
#[derive(Default)]
struct State {
    input: Vec<u8>,
    output: Vec<u8>,
    last: u32,
    streams: BTreeMap<u32, Box<dyn BrotliStream>>,
    /// The number of bytes that the last call read, and the number that it wrote.
    read: usize,
    written: usize,
}

thread_local! {
    /// The state of this instance of the module. WebAssembly has one thread.
    static STATE: RefCell<State> = RefCell::default();
}

fn with_state<T>(work: impl FnOnce(&mut State) -> T) -> T {
    STATE.with_borrow_mut(work)
}

/// Reserves memory for the bytes of the next call, and returns its address; 0 if there is not
/// enough memory.
#[unsafe(no_mangle)]
extern "C" fn input(len: usize) -> *const u8 {
    with_state(|state| {
        state.input.clear();
        if state.input.try_reserve(len).is_err() {
            return core::ptr::null();
        }
        state.input.resize(len, 0);
        state.input.as_ptr()
    })
}

/// Opens a stream, and returns its number. The input is the dictionary, if there is one.
#[unsafe(no_mangle)]
extern "C" fn open(has_dictionary: u32) -> u32 {
    with_state(|state| {
        let dictionary = (has_dictionary != 0).then_some(&state.input[..]);
        let stream = open_brotli(dictionary);
        state.last = state.last.wrapping_add(1);
        state.streams.insert(state.last, stream);
        state.last
    })
}

/// Decodes the input into at most `room` bytes. Returns 0 at the end of the stream, 1 if more
/// follows, and 2 if the bytes are invalid or memory is missing.
#[unsafe(no_mangle)]
extern "C" fn decompress(number: u32, room: usize) -> u32 {
    with_state(|state| {
        let State { input, output, streams, .. } = state;
        (state.read, state.written) = (0, 0);
        output.clear();
        let Some(stream) = streams.get_mut(&number) else { return 2 };
        if output.try_reserve(room).is_err() {
            return 2;
        }
        output.resize(room, 0);
        let step = stream.decompress(input, output);
        (state.read, state.written) = (step.read, step.written);
        match step.standing {
            BrotliStanding::Done => 0,
            BrotliStanding::More => 1,
            BrotliStanding::Wrong => 2,
        }
    })
}

/// Returns how many bytes the last call read.
#[unsafe(no_mangle)]
extern "C" fn read() -> usize {
    with_state(|state| state.read)
}

/// Returns how many bytes the last call wrote.
#[unsafe(no_mangle)]
extern "C" fn written() -> usize {
    with_state(|state| state.written)
}

/// Returns the address of the written bytes.
#[unsafe(no_mangle)]
extern "C" fn output() -> *const u8 {
    with_state(|state| state.output.as_ptr())
}

/// Drops a stream.
#[unsafe(no_mangle)]
extern "C" fn close(number: u32) {
    with_state(|state| drop(state.streams.remove(&number)));
}

/// Returns a checker of signatures for the key in the first 32 bytes of the input; `None` if these
/// bytes are not a valid key.
fn checks(input: &[u8]) -> Option<Arc<dyn SignatureCheck>> {
    check_of_key(input.first_chunk()?)
}

/// Returns 1 if the first 32 bytes of the input are a valid key, and 0 otherwise.
#[unsafe(no_mangle)]
extern "C" fn is_key() -> u32 {
    with_state(|state| u32::from(checks(&state.input).is_some()))
}

/// The input is a key, a signature and a message. Returns 1 if the key has signed the message, and
/// 0 otherwise.
#[unsafe(no_mangle)]
extern "C" fn is_signed() -> u32 {
    with_state(|state| {
        let parts = || {
            let (_, rest) = state.input.split_first_chunk::<32>()?;
            let (signature, message) = rest.split_first_chunk::<SIGNATURE_LEN>()?;
            Some(checks(&state.input)?.is_signed(message.first_chunk()?, signature))
        };
        u32::from(parts() == Some(true))
    })
}
