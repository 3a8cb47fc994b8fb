//! The gateway answers requests for `/ipfs/CID[/PATH]` from the DAR archives of the site. It sends
//! files. It also sends blocks, CARs and DARs, which clients verify.
//!
//! It follows the trustless gateway specification (`specs.ipfs.tech`), and for files the path
//! gateway specification. `docs/gateway.md` lists the features of both that the gateway supports.

mod accept;
mod archives;
mod dag;
mod dar;
mod entity;
mod fault;
mod fields;
mod file;
mod pending;
mod prepared;
mod seen;
mod selection;
mod sink;
mod store;
mod tar;
mod wanted;

use crate::answer::{self, Answer, Request};
use crate::body::Body;
use crate::page;
use crate::range::asked;
use crate::site::Site;
use crate::work::Work;
use archives::Archives;
use bytes::Bytes;
use core::time::Duration;
use fields::Fields;
use hyper::StatusCode;
use hyper::header::HeaderValue;
use prepared::{Content, Prepared, prepare};
use std::io;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use wanted::{Refusal, Wanted};

/// The longest wait of a request for a permit.
const TURN: Duration = Duration::from_secs(10);
/// The maximum number of bytes and the longest time for following a path.
const PATH_READ_MAX: u64 = 256 << 20;
const PATH_TIME_MAX: Duration = Duration::from_mins(1);

/// Answers requests under `/ipfs/`.
#[derive(Debug)]
pub(crate) struct Gateway {
    site: Arc<Site>,
    archives: Archives,
    /// The permits for reading regions. An answer of the gateway also needs a permit, because it
    /// uses a thread and memory.
    turns: Arc<Semaphore>,
    pages: bool,
}

impl Gateway {
    pub(crate) fn new(site: Arc<Site>, turns: Arc<Semaphore>, pages: bool) -> Self {
        Self { archives: Archives::new(Arc::clone(&site)), site, turns, pages }
    }

    /// Answers a request for a path of the gateway. Returns `None` for other paths, for a site
    /// without archives, and for a site that has its own file or folder `ipfs`.
    pub(crate) async fn answer(
        &self,
        path: &str,
        query: &str,
        request: &Request<'_>,
    ) -> io::Result<Option<Answer>> {
        let is_of_names = wanted::is_of_names(path);
        let own = if is_of_names { "ipns" } else { "ipfs" };
        if !(is_of_names || wanted::is_wanted(path)) || self.site.find(own).is_ok() {
            return Ok(None);
        }
        let archives = self.archives.shelf().await?;
        if archives.archives.is_empty() && archives.refused.is_empty() {
            return Ok(None);
        }
        if is_of_names {
            let why = "this gateway resolves no IPNS names: ask for /ipfs/CID";
            return Ok(Some(answer::failed(StatusCode::NOT_FOUND, why)));
        }
        let wanted = match Wanted::parse(path, query, request) {
            Ok(wanted) => wanted,
            Err(refusal) => return Ok(Some(refused(&refusal))),
        };
        let turn = timeout(TURN, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            let why = "too many requests are in progress: try again in a second";
            return Ok(Some(answer::failed(StatusCode::SERVICE_UNAVAILABLE, why)));
        };
        // If the client leaves, this future is dropped, and the work ends at its next read. Until
        // then, the work holds the permit.
        let (work, client) = Work::new(PATH_READ_MAX, PATH_TIME_MAX);
        let (asked, pages) = (wanted.clone(), self.pages);
        let prepared =
            spawn_blocking(move || (work.run(|| prepare(&archives, &asked, pages)).0, turn));
        let (prepared, turn) = prepared.await.map_err(io::Error::other)?;
        drop(client);
        Ok(Some(match prepared {
            Ok(prepared) => content(prepared, &wanted, request, turn),
            Err(refusal) => refused(&refusal),
        }))
    }
}

fn refused((status, why): &Refusal) -> Answer {
    if *status == StatusCode::PRECONDITION_FAILED {
        return answer::without_body(*status);
    }
    answer::failed(*status, why)
}

/// Answers with the thing at the end of a path.
fn content(
    prepared: Prepared,
    wanted: &Wanted,
    request: &Request<'_>,
    turn: OwnedSemaphorePermit,
) -> Answer {
    let fields = Fields::of(wanted, &prepared);
    let lifetimes = request.lifetimes();
    let is_page = matches!(prepared.content, Content::Names(_) | Content::Document(_));
    let lifetime = if is_page { lifetimes.none() } else { lifetimes.of_cids() };
    if fields.are_known_by(request) && !matches!(prepared.content, Content::Moved) {
        let mut answer = answer::unchanged(lifetime);
        fields.describe(&mut answer);
        return answer;
    }
    let head = request.is_head();
    let mut answer = match prepared.content {
        Content::Moved => {
            let query = if wanted.query.is_empty() { "" } else { "?" };
            return answer::moved(&format!("{}/{query}{}", wanted.path, wanted.query));
        }
        Content::Names(names) => answer::page(page::names(&wanted.path, &names), request, turn),
        Content::Document(links) => {
            answer::page(page::document(&wanted.path, &links), request, turn)
        }
        Content::Bytes { bytes, kind } => {
            let len = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            let asked = asked(request.range(fields.tag()), len);
            let bytes = Bytes::from(bytes);
            answer::part(&asked, len, media_type(&kind), lifetime, |span| {
                let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
                let part = bytes.slice(at(span.start)..at(span.end));
                if head { Body::empty() } else { Body::held(part, turn) }
            })
        }
        Content::File { file, store, kind, len: Some(len) } => {
            let asked = asked(request.range(fields.tag()), len);
            answer::part(&asked, len, media_type(&kind), lifetime, |span| {
                let range = (span != (0..len)).then_some(span);
                let write = move |sink: &mut sink::Sink| file.write(&store, range, sink);
                if head { Body::empty() } else { sink::stream(write, turn) }
            })
        }
        Content::File { file, store, kind, len: None } => {
            let write = move |sink: &mut sink::Sink| file.write(&store, None, sink);
            let body = if head { Body::empty() } else { sink::stream(write, turn) };
            answer::stream(media_type(&kind), lifetime, body)
        }
        Content::Tree(tree) => {
            let write = move |sink: &mut sink::Sink| tree.write(sink);
            let body = if head { Body::empty() } else { sink::stream(write, turn) };
            answer::stream(fields.media_type(), lifetime, body)
        }
        Content::Blocks(blocks) => {
            let write = move |sink: &mut sink::Sink| blocks.write(sink);
            let body = if head { Body::empty() } else { sink::stream(write, turn) };
            answer::stream(fields.media_type(), lifetime, body)
        }
    };
    fields.describe(&mut answer);
    answer
}

fn media_type(kind: &str) -> HeaderValue {
    HeaderValue::try_from(kind).unwrap_or(HeaderValue::from_static("application/octet-stream"))
}
