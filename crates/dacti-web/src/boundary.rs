//! The functions that WebAssembly imports from JavaScript and exports to it.
//!
//! Rust requires `unsafe` for the block of imports, because a declaration could differ from the
//! function that JavaScript provides. It requires `unsafe` for the attribute of each export,
//! because two functions of one program could have the same name. No function here has an unsafe
//! body or reads memory through a pointer. JavaScript writes into the buffer of [`input`]. When
//! Rust passes bytes to JavaScript, JavaScript copies them before its function returns.
#![expect(
    unsafe_code,
    reason = "only for the block of imports and the attributes of exports, by which JavaScript and \
              this module call each other"
)]

#[cfg(feature = "codec")]
use crate::Tools;
#[cfg(not(feature = "codec"))]
use crate::far_tools::TOOLS;
use crate::{Engine, Host, Message, Order, OutcomeKind, Verb};
use core::cell::RefCell;
use core::time::Duration;
use dacti::Span;
use std::sync::Arc;

#[link(wasm_import_module = "host")]
unsafe extern "C" {
    safe fn send(
        slot: u32,
        client: u32,
        url: *const u8,
        url_len: usize,
        fields: *const u8,
        fields_len: usize,
        first_byte: f64,
        silence: f64,
        all: f64,
    );
    safe fn more(slot: u32);
    safe fn stop(slot: u32);
    safe fn sleep(slot: u32, millis: f64);
    safe fn blob(slot: u32, client: u32, start: f64, end: f64);
    safe fn cached(slot: u32, client: u32, name: *const u8, name_len: usize, start: f64, end: f64);
    safe fn keep(
        client: u32,
        name: *const u8,
        name_len: usize,
        start: f64,
        end: f64,
        bytes: *const u8,
        bytes_len: usize,
    );
    safe fn load_tools(slot: u32);
    safe fn random() -> u32;
    safe fn done(task: u32, kind: u32, bytes: *const u8, bytes_len: usize);
}

/// The JavaScript that instantiated this module.
#[derive(Debug)]
struct JavaScript;

#[expect(clippy::cast_precision_loss, reason = "positions below 2^53 are exact")]
const fn float(number: u64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and JavaScript hands over whole numbers"
)]
const fn whole(number: f64) -> u64 {
    number as u64
}

fn millis(time: Duration) -> f64 {
    float(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

impl Host for JavaScript {
    fn send(&self, slot: u32, client: u32, url: &str, fields: &str, times: [Duration; 3]) {
        let [first_byte, silence, all] = times.map(millis);
        let (url, url_len) = (url.as_ptr(), url.len());
        let (fields, fields_len) = (fields.as_ptr(), fields.len());
        send(slot, client, url, url_len, fields, fields_len, first_byte, silence, all);
    }

    fn more(&self, slot: u32) {
        more(slot);
    }

    fn stop(&self, slot: u32) {
        stop(slot);
    }

    fn sleep(&self, slot: u32, time: Duration) {
        sleep(slot, millis(time));
    }

    fn read_blob(&self, slot: u32, client: u32, span: Span) {
        blob(slot, client, float(span.start), float(span.end));
    }

    fn cached(&self, slot: u32, client: u32, name: &str, span: Span) {
        cached(slot, client, name.as_ptr(), name.len(), float(span.start), float(span.end));
    }

    fn keep(&self, client: u32, name: &str, span: Span, bytes: &[u8]) {
        let (start, end) = (float(span.start), float(span.end));
        keep(client, name.as_ptr(), name.len(), start, end, bytes.as_ptr(), bytes.len());
    }

    fn load_tools(&self, slot: u32) {
        load_tools(slot);
    }

    fn random(&self) -> u32 {
        random()
    }

    fn done(&self, task: u32, kind: OutcomeKind, bytes: &[u8]) {
        let kind = match kind {
            OutcomeKind::Bytes => 0,
            OutcomeKind::Json => 1,
            OutcomeKind::Failed => 2,
            OutcomeKind::End => 3,
        };
        done(task, kind, bytes.as_ptr(), bytes.len());
    }
}

/// The tools of this module, if it was built with the feature `codec`. Otherwise they are in a
/// second module.
#[cfg(feature = "codec")]
const TOOLS: Tools = Tools {
    open_brotli: dacti_index::open_brotli,
    checks_of: dacti_seal::check_of_key,
    take_missed: || false,
    are_here: true,
};

thread_local! {
    /// The engine of this instance of the module. One engine is enough, because the module has one
    /// thread.
    static ENGINE: RefCell<Option<Engine>> = const { RefCell::new(None) };
    /// The bytes that JavaScript has written for its next call.
    static INPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

fn with_engine(work: impl FnOnce(&mut Engine)) {
    ENGINE.with_borrow_mut(|engine| {
        work(engine.get_or_insert_with(|| Engine::new(Arc::new(JavaScript), TOOLS)));
    });
}

fn taken() -> Vec<u8> {
    INPUT.take()
}

fn taken_text() -> String {
    String::from_utf8(taken()).unwrap_or_default()
}

/// Reserves memory for the bytes of the next call, and returns its address; 0 if there is not
/// enough memory.
#[unsafe(no_mangle)]
extern "C" fn input(len: usize) -> *const u8 {
    INPUT.with_borrow_mut(|bytes| {
        bytes.clear();
        if bytes.try_reserve_exact(len).is_err() {
            return core::ptr::null();
        }
        bytes.resize(len, 0);
        bytes.as_ptr()
    })
}

/// Starts a task. The input is its text. If the range ends before it starts, the task has no range.
#[unsafe(no_mangle)]
extern "C" fn start(task: u32, verb: u32, object: u32, start: f64, end: f64) {
    let verb = match verb {
        0 => Verb::Open,
        1 => Verb::Get,
        2 => Verb::Stream,
        3 => Verb::Next,
        4 => Verb::Locate,
        5 => Verb::List,
        6 => Verb::Refresh,
        8 => Verb::GetMany,
        _ => Verb::Map,
    };
    let range = (start <= end).then(|| (whole(start), whole(end)));
    let text = taken_text();
    with_engine(|engine| engine.start(task, Order { verb, object, text, range }));
}

/// Ends a task without an outcome.
#[unsafe(no_mangle)]
extern "C" fn cancel(task: u32) {
    with_engine(|engine| engine.cancel(task));
}

/// Closes a package or a stream.
#[unsafe(no_mangle)]
extern "C" fn close(object: u32) {
    with_engine(|engine| engine.close(object));
}

/// Receives an answer for a slot. The input is the answer's bytes or text.
#[unsafe(no_mangle)]
extern "C" fn feed(slot: u32, kind: u32, number: u32) {
    let message = match kind {
        0 => Message::Begun(u16::try_from(number).unwrap_or(0), taken_text()),
        1 => Message::Bytes(taken()),
        2 => Message::End,
        _ => Message::Failed(number, taken_text()),
    };
    with_engine(|engine| engine.feed(slot, message));
}
