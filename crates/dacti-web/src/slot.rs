//! Slots: places where the engine waits for answers of the host.

use crate::{Host, Tools};
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};
use dacti::fetch::Location;
use dacti::{Error, ErrorKind};
use futures_util::future::poll_fn;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An answer of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// An answer over HTTP begins: its status, and lines of text. The first line is the URL after
    /// redirects, or empty without redirects. The other lines are header fields.
    Begun(u16, String),
    /// Bytes: a piece of a body, a part of a file, or cached bytes.
    Bytes(Vec<u8>),
    /// The end of a body or of a wait. For a read of the cache: the cache does not have the bytes.
    End,
    /// The exchange failed. The number is 0 for a broken connection, 1 for a timeout, and 2 for a
    /// server that was not reached. The text is the message of the system.
    Failed(u32, String),
}

/// The slots of an engine, its host, and the host's tools.
#[derive(Debug)]
pub(crate) struct Slots {
    host: Arc<dyn Host>,
    tools: Tools,
    /// Whether the tools were requested.
    are_tools_wanted: AtomicBool,
    /// Whether the tools are loaded.
    are_tools_here: AtomicBool,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    last: u32,
    slots: BTreeMap<u32, State>,
}

#[derive(Debug, Default)]
struct State {
    messages: VecDeque<Message>,
    waker: Option<Waker>,
}

impl Slots {
    pub(crate) fn new(host: Arc<dyn Host>, tools: Tools) -> Self {
        let are_tools_wanted = AtomicBool::new(false);
        let are_tools_here = AtomicBool::new(tools.are_here);
        Self { host, tools, are_tools_wanted, are_tools_here, waiting: Mutex::default() }
    }

    pub(crate) const fn tools(&self) -> &Tools {
        &self.tools
    }

    /// Makes the host load the tools, at the same time as the next requests.
    pub(crate) fn want_tools(self: &Arc<Self>) {
        let is_here = self.are_tools_here.load(Ordering::Relaxed);
        if !is_here && !self.are_tools_wanted.swap(true, Ordering::Relaxed) {
            let slot = self.open();
            self.host.load_tools(slot.number());
        }
    }

    /// Waits for the tools if they were requested. Fetches call this before their bytes are
    /// decoded.
    pub(crate) async fn tools_if_wanted(self: &Arc<Self>) {
        let is_wanted = self.are_tools_wanted.load(Ordering::Relaxed);
        if is_wanted && !self.are_tools_here.load(Ordering::Relaxed) {
            // A failure is reported later, by the task that needs a tool.
            let _ = self.load_tools().await;
        }
    }

    /// Waits until the tools are loaded.
    ///
    /// # Errors
    /// `Remote` of the kind `Unavailable` if they cannot be loaded.
    pub(crate) async fn load_tools(self: &Arc<Self>) -> Result<(), Error> {
        let slot = self.open();
        self.host.load_tools(slot.number());
        let Message::Failed(_, cause) = slot.next().await else {
            self.are_tools_here.store(true, Ordering::Relaxed);
            return Ok(());
        };
        let (place, kind) = (Location::from("codec.wasm"), ErrorKind::Unavailable);
        Err(Error::Remote { place, kind, source: cause.into() })
    }

    pub(crate) fn host(&self) -> &dyn Host {
        &*self.host
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a slot.
    pub(crate) fn open(self: &Arc<Self>) -> Slot {
        let mut waiting = self.waiting();
        waiting.last = waiting.last.wrapping_add(1);
        let number = waiting.last;
        waiting.slots.insert(number, State::default());
        drop(waiting);
        Slot { slots: Arc::clone(self), number, stops: false }
    }

    /// Receives an answer. If its slot was closed, the answer is dropped.
    pub(crate) fn feed(&self, number: u32, message: Message) {
        let mut waiting = self.waiting();
        let Some(state) = waiting.slots.get_mut(&number) else { return };
        state.messages.push_back(message);
        let waker = state.waker.take();
        drop(waiting);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll(&self, number: u32, context: &Context<'_>) -> Poll<Message> {
        let mut waiting = self.waiting();
        let Some(state) = waiting.slots.get_mut(&number) else { return Poll::Pending };
        if let Some(message) = state.messages.pop_front() {
            Poll::Ready(message)
        } else {
            state.waker = Some(context.waker().clone());
            Poll::Pending
        }
    }
}

/// A place for the host's answers to one question. Dropping a slot closes it.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    number: u32,
    /// Whether the host is told to stop its work when the slot is closed.
    stops: bool,
}

impl Slot {
    pub(crate) const fn number(&self) -> u32 {
        self.number
    }

    pub(crate) fn host(&self) -> &dyn Host {
        self.slots.host()
    }

    pub(crate) const fn slots(&self) -> &Arc<Slots> {
        &self.slots
    }

    /// Sets whether the host is told to stop its work when the slot is closed.
    pub(crate) const fn stop_when_dropped(&mut self, stops: bool) {
        self.stops = stops;
    }

    /// Waits for the next answer.
    pub(crate) async fn next(&self) -> Message {
        poll_fn(|context| self.slots.poll(self.number, context)).await
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.waiting().slots.remove(&self.number);
        if self.stops {
            self.slots.host().stop(self.number);
        }
    }
}
