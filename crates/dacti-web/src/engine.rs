//! The tasks of the host. An order starts a task, answers resume it, and an outcome ends it.

use crate::outcome::{Outcome, described};
use crate::reader::{Opening, Reader};
use crate::slot::Slots;
use crate::{Host, Message, OutcomeKind, Tools};
use core::cell::RefCell;
use core::fmt;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};
use dacti::fetch::{Location, Remote};
use dacti::{AsyncRegionReader, Error, ErrorKind};
use futures_util::StreamExt;
use futures_util::future::{AbortHandle, LocalBoxFuture, abortable};
use futures_util::lock::Mutex;
use futures_util::stream::FuturesUnordered;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Wake;

/// The kinds of tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Opens a package. The text holds the options, and the object is the host's number of the
    /// client.
    Open,
    /// Reads a region, or a range of it. The text is its path.
    Get,
    /// Reads many regions. The text holds their paths, with a NUL between two of them. The outcome
    /// has, for each region: 0 for content or 1 for an error, the length of the bytes, and the
    /// bytes of the content or of the error's description. The first two are numbers of four
    /// bytes, in little-endian order.
    GetMany,
    /// Opens a region as a stream. The text is its path.
    Stream,
    /// Reads the next piece of a stream.
    Next,
    /// Finds a region. The text is its path.
    Locate,
    /// Lists regions. The text is a prefix of their paths.
    List,
    /// Opens a later view, if there is one. The start of the range is the current time, in seconds
    /// since 1970.
    Refresh,
    /// Describes a daicon file of any kind. The text and the object are those of
    /// [`Open`](Self::Open). Needs the feature `map`.
    Map,
}

/// A request of the host.
#[derive(Debug, Clone)]
pub struct Order {
    /// The kind of the task.
    pub verb: Verb,
    /// The number of the package, the stream or the client.
    pub object: u32,
    /// A path, or other text.
    pub text: String,
    /// The range of content.
    pub range: Option<(u64, u64)>,
}

/// Runs the tasks of a host.
pub struct Engine {
    slots: Arc<Slots>,
    objects: Rc<RefCell<Objects>>,
    tasks: FuturesUnordered<LocalBoxFuture<'static, ()>>,
    /// The tasks in progress, by number, so that they can be cancelled.
    handles: Rc<RefCell<BTreeMap<u32, AbortHandle>>>,
    flag: Arc<Flag>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("tasks", &self.tasks.len()).finish_non_exhaustive()
    }
}

/// Packages and streams, by number.
#[derive(Debug, Default)]
struct Objects {
    last: u32,
    packages: BTreeMap<u32, Rc<Reader>>,
    streams: BTreeMap<u32, Rc<Mutex<AsyncRegionReader>>>,
}

impl Objects {
    fn next(&mut self) -> u32 {
        self.last = self.last.wrapping_add(1);
        self.last
    }
}

/// The waker of all tasks: records that some task can continue.
#[derive(Debug, Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Engine {
    /// Returns an engine without tasks.
    #[must_use]
    pub fn new(host: Arc<dyn Host>, tools: Tools) -> Self {
        Self {
            slots: Arc::new(Slots::new(host, tools)),
            objects: Rc::default(),
            tasks: FuturesUnordered::new(),
            handles: Rc::default(),
            flag: Arc::default(),
        }
    }

    /// Starts a task under a number that the host has chosen. Its outcome goes to [`Host::done`].
    pub fn start(&mut self, task: u32, order: Order) {
        let (slots, objects) = (Arc::clone(&self.slots), Rc::clone(&self.objects));
        let (work, handle) = abortable(done(slots, objects, task, order));
        self.handles.borrow_mut().insert(task, handle);
        let handles = Rc::clone(&self.handles);
        self.tasks.push(Box::pin(async move {
            // A task that was cancelled has no outcome.
            let _ = work.await;
            handles.borrow_mut().remove(&task);
        }));
        self.run();
    }

    /// Ends a task and its requests. The task has no outcome.
    pub fn cancel(&mut self, task: u32) {
        let handle = self.handles.borrow_mut().remove(&task);
        if let Some(handle) = handle {
            handle.abort();
            self.run();
        }
    }

    /// Closes a package or a stream. Its tasks go on.
    pub fn close(&mut self, object: u32) {
        let mut objects = self.objects.borrow_mut();
        objects.packages.remove(&object);
        objects.streams.remove(&object);
    }

    /// Receives an answer of the host, and resumes the tasks that waited for it.
    pub fn feed(&mut self, slot: u32, message: Message) {
        self.slots.feed(slot, message);
        self.run();
    }

    /// Runs each task until it has to wait.
    fn run(&mut self) {
        let waker = Waker::from(Arc::clone(&self.flag));
        let mut context = Context::from_waker(&waker);
        loop {
            self.flag.0.store(false, Ordering::Relaxed);
            match Pin::new(&mut self.tasks).poll_next_unpin(&mut context) {
                Poll::Ready(Some(())) => {}
                // The flag is set, so a task has woken another task, which can continue.
                Poll::Pending if self.flag.0.load(Ordering::Relaxed) => {}
                Poll::Ready(None) | Poll::Pending => return,
            }
        }
    }
}

/// Does a task, and passes its outcome to the host.
async fn done(slots: Arc<Slots>, objects: Rc<RefCell<Objects>>, task: u32, order: Order) {
    let mut done = outcome(&slots, &objects, &order).await;
    // A task does not wait for the tools if all its bytes are in memory already. If it called a
    // tool before the tools were loaded, load them, and run the task again.
    if (slots.tools().take_missed)() {
        done = match slots.load_tools().await {
            Ok(()) => outcome(&slots, &objects, &order).await,
            Err(error) => Err(error),
        };
    }
    let host = slots.host();
    match done {
        Ok(Outcome::Bytes(bytes)) => host.done(task, OutcomeKind::Bytes, &bytes),
        Ok(Outcome::Json(text)) => host.done(task, OutcomeKind::Json, text.as_bytes()),
        Ok(Outcome::End) => host.done(task, OutcomeKind::End, &[]),
        Err(error) => {
            let is_about_path = matches!(order.verb, Verb::Get | Verb::Stream | Verb::Locate);
            let path = is_about_path.then_some(&*order.text);
            host.done(task, OutcomeKind::Failed, described(&error, path).as_bytes());
        }
    }
}

async fn outcome(
    slots: &Arc<Slots>,
    objects: &RefCell<Objects>,
    order: &Order,
) -> Result<Outcome, Error> {
    let Order { verb, object, text, .. } = order;
    match verb {
        Verb::Open => {
            let reader = Opening::parse(*object, text, slots.tools())?.open(slots).await?;
            let mut objects = objects.borrow_mut();
            let number = objects.next();
            let described = reader.described(number);
            objects.packages.insert(number, Rc::new(reader));
            Ok(Outcome::Json(described))
        }
        Verb::Map => {
            let remote = Opening::parse(*object, text, slots.tools())?.remote(slots).await?;
            described_file(remote).await.map(Outcome::Json)
        }
        Verb::Next => {
            let Some(stream) = objects.borrow().streams.get(object).cloned() else {
                return Ok(Outcome::End);
            };
            let chunk = stream.lock().await.chunk().await?;
            Ok(chunk.map_or(Outcome::End, Outcome::Bytes))
        }
        _ => {
            let package = objects.borrow().packages.get(object).cloned();
            let package = package.ok_or_else(closed)?;
            of_package(slots, objects, &package, order).await
        }
    }
}

/// Does a task that needs an open package.
async fn of_package(
    slots: &Arc<Slots>,
    objects: &RefCell<Objects>,
    reader: &Reader,
    order: &Order,
) -> Result<Outcome, Error> {
    let Order { verb, object, text, range } = order;
    match verb {
        Verb::Get => reader.get(slots, text, *range).await.map(Outcome::Bytes),
        Verb::GetMany => reader.get_many(slots, text).await.map(Outcome::Bytes),
        Verb::Locate => reader.located(text).await.map(Outcome::Json),
        Verb::List => reader.list(slots, text).await.map(Outcome::Json),
        Verb::Refresh => {
            let now = range.map_or(0, |(now, _)| now);
            let Some(fresh) = reader.refreshed(slots, now).await? else {
                return Ok(Outcome::Json("null".into()));
            };
            let described = fresh.described(*object);
            // The package may have been closed meanwhile.
            if let Some(place) = objects.borrow_mut().packages.get_mut(object) {
                *place = Rc::new(fresh);
            }
            Ok(Outcome::Json(described))
        }
        Verb::Stream => {
            let located = reader.located_region(slots, text).await?;
            // A stream cannot restart, so wait for its tools before starting it.
            slots.tools_if_wanted().await;
            let stream = reader.package.reader_at(located)?;
            let mut objects = objects.borrow_mut();
            let number = objects.next();
            objects.streams.insert(number, Rc::new(Mutex::new(stream)));
            Ok(Outcome::Json(number.to_string()))
        }
        Verb::Open | Verb::Next | Verb::Map => Ok(Outcome::End),
    }
}

/// Returns the description of a file, as `dacti inspect --json` prints it.
#[cfg(feature = "map")]
async fn described_file(remote: Arc<dyn Remote>) -> Result<String, Error> {
    let limits = dacti::fetch::HttpOptions::default().limits;
    let inspection = dacti::report::inspect::Inspection::fetch(remote, limits).await?;
    // This cannot fail: every value of an inspection can be written as JSON.
    Ok(serde_json::to_string(&inspection).unwrap_or_default())
}

#[cfg(not(feature = "map"))]
#[expect(clippy::unused_async, reason = "with the feature `map` it waits for the network")]
async fn described_file(_: Arc<dyn Remote>) -> Result<String, Error> {
    let place = Location::from("the reader");
    let source = "this module describes no files: load `inspect.wasm`".into();
    Err(Error::Remote { place, kind: ErrorKind::Misuse, source })
}

fn closed() -> Error {
    let place = Location::from("the package");
    let source = "it was closed: open it anew".into();
    Error::Remote { place, kind: ErrorKind::Misuse, source }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Engine, Order, Verb};
    use crate::slot::Slots;
    use crate::{Host, Message, OutcomeKind, Tools};
    use core::time::Duration;
    use dacti::Span;
    use std::sync::{Arc, Mutex};

    /// A host that records the calls.
    #[derive(Debug, Default)]
    struct Recorder(Mutex<Vec<String>>);

    impl Recorder {
        fn note(&self, call: String) {
            self.0.lock().expect("no test panics with it").push(call);
        }

        fn taken(&self) -> Vec<String> {
            core::mem::take(&mut *self.0.lock().expect("no test panics with it"))
        }
    }

    impl Host for Recorder {
        fn send(&self, slot: u32, client: u32, url: &str, fields: &str, _: [Duration; 3]) {
            self.note(format!("send {slot} {client} {url} {}", fields.replace('\n', "; ")));
        }

        fn more(&self, slot: u32) {
            self.note(format!("more {slot}"));
        }

        fn stop(&self, slot: u32) {
            self.note(format!("stop {slot}"));
        }

        fn sleep(&self, slot: u32, _: Duration) {
            self.note(format!("sleep {slot}"));
        }

        fn read_blob(&self, slot: u32, client: u32, span: Span) {
            self.note(format!("blob {slot} {client} {}..{}", span.start, span.end));
        }

        fn cached(&self, slot: u32, _: u32, name: &str, span: Span) {
            self.note(format!("cached {slot} {name} {}..{}", span.start, span.end));
        }

        fn keep(&self, _: u32, name: &str, span: Span, bytes: &[u8]) {
            self.note(format!("keep {name} {}..{} {}", span.start, span.end, bytes.len()));
        }

        fn load_tools(&self, slot: u32) {
            self.note(format!("load {slot}"));
        }

        fn random(&self) -> u32 {
            7
        }

        fn done(&self, task: u32, kind: OutcomeKind, bytes: &[u8]) {
            self.note(format!("done {task} {kind:?} {}", String::from_utf8_lossy(bytes)));
        }
    }

    /// The tools of the test program. They are part of it, so nothing loads them.
    const TOOLS: Tools = Tools {
        open_brotli: dacti_index::open_brotli,
        checks_of: dacti_seal::check_of_key,
        take_missed: || false,
        are_here: true,
    };

    pub(crate) fn silent_slots() -> Arc<Slots> {
        Arc::new(Slots::new(Arc::new(Recorder::default()), TOOLS))
    }

    fn open(url: &str) -> Order {
        let text = format!("{url}\0\0\0\x000\x000\0");
        Order { verb: Verb::Open, object: 8, text, range: None }
    }

    const RANGE: &str = "range: bytes=0-65535; accept-encoding: identity; ";

    #[test]
    fn a_head_is_asked_for_and_a_wrong_one_is_refused() {
        let host = Arc::new(Recorder::default());
        let mut engine = Engine::new(Arc::clone(&host) as _, TOOLS);
        engine.start(3, open("http://h/p"));
        assert_eq!(host.taken(), [format!("send 1 8 http://h/p {RANGE}")]);
        engine.feed(1, Message::Begun(404, "\n".into()));
        let [stop, done] = &host.taken()[..] else { panic!("two calls") };
        assert_eq!(stop, "stop 1");
        assert!(done.starts_with("done 3 Failed {\"kind\":\"not found\""), "{done}");
    }

    #[test]
    fn a_cancelled_task_stops_its_request_and_has_no_outcome() {
        let host = Arc::new(Recorder::default());
        let mut engine = Engine::new(Arc::clone(&host) as _, TOOLS);
        engine.start(3, open("http://h/p"));
        host.taken();
        engine.cancel(3);
        assert_eq!(host.taken(), ["stop 1"]);
        // The task was cancelled, so a late answer and a second cancellation have no effect.
        engine.feed(1, Message::Begun(200, "\n".into()));
        engine.cancel(3);
        assert!(host.taken().is_empty());
    }

    #[test]
    fn a_closed_package_is_an_error() {
        let host = Arc::new(Recorder::default());
        let mut engine = Engine::new(Arc::clone(&host) as _, TOOLS);
        engine.start(1, Order { verb: Verb::List, object: 9, text: String::new(), range: None });
        let calls = host.taken();
        assert!(calls[0].starts_with("done 1 Failed {\"kind\":\"misuse\""), "{calls:?}");
    }
}
