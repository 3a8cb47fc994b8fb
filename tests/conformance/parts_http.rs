//! Packages in parts over HTTP: from `dacti serve`, and from a server whose answers a script
//! decides.

use crate::store::{Memory, NAME, impatient};
use crate::updates::{Publisher, content, head, published, put};
use dacti::fetch::HttpOptions;
use dacti::publish::{PublishOptions, Standing, publish};
use dacti::{AsyncPackage, Error, ErrorKind, Package};
use dacti_tests::reference::parts::{REGION_AT, head_in_parts};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A request: the name of the object, the query, and the range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    name: String,
    query: String,
    range: (usize, usize),
}

impl Seen {
    pub fn name_has(&self, part: &str) -> bool {
        self.name.contains(part)
    }

    pub fn is_part(&self) -> bool {
        self.name.starts_with("p.dacti-pack.parts/")
    }
}

/// An answer of the server. A script decides whether it is right or wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    Right,
    Status(u16),
    /// Status 200 with this body.
    Whole(Vec<u8>),
    /// Answers with the requested range of these bytes instead of the object's. The answer states
    /// their length as the total.
    Of(Vec<u8>),
    /// Answers with the right range, and with `*` as the total.
    Star,
}

type Script = dyn Fn(&Seen, usize) -> Act + Send + Sync;

/// A server of the objects in a store.
pub struct Server {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    pub fn start(
        store: &Memory,
        script: impl Fn(&Seen, usize) -> Act + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let url = format!("http://{}/{NAME}", listener.local_addr().expect("it is bound"));
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let (store, script, noted) = (store.clone(), Arc::new(script), Arc::clone(&seen));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (store, script, noted) = (store.clone(), Arc::clone(&script), noted.clone());
                std::thread::spawn(move || serve(stream, &store, &*script, &noted));
            }
        });
        Self { url, seen }
    }

    pub fn right(store: &Memory) -> Self {
        Self::start(store, |_, _| Act::Right)
    }

    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }

    pub fn open(&self) -> Result<Package, Error> {
        Package::open_url_with(&self.url, &options()).map(|(package, _)| package)
    }
}

fn options() -> HttpOptions {
    HttpOptions { session: impatient(), ..HttpOptions::default() }
}

fn serve(stream: TcpStream, store: &Memory, script: &Script, noted: &Mutex<Vec<Seen>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let (mut target, mut range) = (String::new(), (0, usize::MAX));
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            if let Some(rest) = line.strip_prefix("GET /") {
                target = rest.split(' ').next().unwrap().into();
            }
            if let Some(rest) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
                let (first, last) = rest.split_once('-').unwrap();
                range = (first.parse().unwrap(), last.parse::<usize>().unwrap() + 1);
            }
        }
        let (name, query) = target.split_once('?').unwrap_or((&target, ""));
        let seen = Seen { name: name.into(), query: query.into(), range };
        let number = {
            let mut noted = noted.lock().unwrap();
            noted.push(seen.clone());
            noted.len() - 1
        };
        let answer = answer(&seen, store.bytes(name), &script(&seen, number));
        if stream.write_all(&answer).is_err() {
            return;
        }
    }
}

fn answer(seen: &Seen, object: Option<Vec<u8>>, act: &Act) -> Vec<u8> {
    let status =
        |status: u16| format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n").into_bytes();
    let bytes = match (act, object) {
        (Act::Status(code), _) => return status(*code),
        (Act::Whole(body), _) => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            return [head.as_bytes(), body].concat();
        }
        (Act::Of(bytes), _) => bytes.clone(),
        (_, None) => return status(404),
        (_, Some(bytes)) => bytes,
    };
    let (start, end) = (seen.range.0, seen.range.1.min(bytes.len()));
    if start >= end {
        return format!(
            "HTTP/1.1 416 No\r\nContent-Range: bytes */{}\r\nContent-Length: 0\r\n\r\n",
            bytes.len()
        )
        .into();
    }
    let total = if *act == Act::Star { "*".into() } else { bytes.len().to_string() };
    let head = format!(
        "HTTP/1.1 206 Partial\r\nContent-Range: bytes {start}-{}/{total}\r\n\
         Content-Length: {}\r\n\r\n",
        end - 1,
        end - start
    );
    [head.as_bytes(), &bytes[start..end]].concat()
}

#[test]
fn a_region_takes_the_head_and_one_range_of_a_part() {
    // spec: R-PART-08, R-PART-09, R-PART-11, R-PART-12
    let (store, mut model) = published(30);
    put(&store, &mut model, &[("file/3", b"changed"), ("new", &[7; 5000])]);
    let server = Server::right(&store);
    let package = server.open().unwrap();
    assert_eq!(package.get("new").unwrap(), [7; 5000]);
    let seen = server.seen();
    let [of_head, of_part] = &seen[..] else { panic!("{seen:?}") };
    assert_eq!((&*of_head.name, of_head.range), (NAME, (0, 65_536)));
    assert!(of_part.is_part() && seen.iter().all(|seen| seen.query.is_empty()), "{seen:?}");
    for (name, bytes) in &model {
        assert_eq!(&package.get(name.as_str()).unwrap(), bytes);
    }
    assert_eq!(package.find("none").unwrap(), None);
    package.confirm().unwrap();
    let last = server.seen();
    assert!(last.iter().all(Seen::is_part), "no look at the head is needed: {last:?}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let got = runtime.block_on(async {
        let package = AsyncPackage::open_url_with(&server.url, &options()).await?;
        package.get("new").await
    });
    assert_eq!(got.unwrap(), [7; 5000]);
}

#[test]
fn a_query_is_for_the_head_alone() {
    // spec: R-PART-09
    let (store, _) = published(3);
    let server = Server::right(&store);
    let url = format!("{}?token=1", server.url);
    for for_parts in [false, true] {
        let options = HttpOptions { query_for_parts: for_parts, ..options() };
        let (package, _) = Package::open_url_with(&url, &options).unwrap();
        assert_eq!(package.get("file/1").unwrap(), content(1, 0));
        for seen in server.seen() {
            let expected = if seen.is_part() && !for_parts { "" } else { "token=1" };
            assert_eq!(seen.query, expected, "{seen:?}");
        }
    }
}

#[test]
fn a_part_that_comes_late_is_waited_for() {
    // spec: R-PART-13
    let (store, _) = published(3);
    for status in [403, 404, 410] {
        // The first requests for the part fail: one with the plain URL, one with a nonce, and,
        // after the reader has fetched the head again, another one with the plain URL.
        let server = Server::start(&store, move |seen, number| match seen.is_part() {
            true if number < 5 => Act::Status(status),
            _ => Act::Right,
        });
        let package = server.open().unwrap();
        assert_eq!(package.get("file/1").unwrap(), content(1, 0), "{status}");
    }
    // A cache keeps its answer 404 for the plain URL. The URL with a new query leads to the part.
    let server = Server::start(&store, |seen, _| match seen.is_part() {
        true if seen.query.is_empty() => Act::Status(404),
        _ => Act::Right,
    });
    let package = server.open().unwrap();
    assert_eq!(package.get("file/1").unwrap(), content(1, 0));
    assert_eq!(server.seen().len(), 3);
}

#[test]
fn no_other_object_passes_for_a_part() {
    // spec: R-PART-12
    let (store, _) = published(3);
    let len = head(&store).region.entries[0].len as usize;
    let page = b"<html>".repeat(len / 6 + 1);
    let html = page[..len].to_vec();
    for act in [
        Act::Status(404),
        Act::Status(403),
        Act::Whole(page.clone()),
        Act::Whole(b"<html>".to_vec()),
        Act::Of(page),
        Act::Of(vec![0; len + 1]),
        Act::Of(vec![0; len - 1]),
    ] {
        let told = act.clone();
        let server = Server::start(
            &store,
            move |seen, _| if seen.is_part() { act.clone() } else { Act::Right },
        );
        let error = server.open().unwrap().get("file/1").unwrap_err();
        let kinds = [ErrorKind::NotFound, ErrorKind::Denied, ErrorKind::Stale];
        assert!(kinds.contains(&error.kind()), "{error}");
        let text = error.to_string();
        assert!(text.contains("p.dacti-pack.parts/"), "{text}");
        assert!(text.contains("this part of the package is missing"), "{told:?}: {text}");
    }
    // Even an HTML page that has the length of the part is refused.
    let server = Server::start(&store, move |seen, _| match seen.is_part() {
        true => Act::Of(html.clone()),
        false => Act::Right,
    });
    server.open().unwrap().get("file/1").unwrap_err();
    // In an answer with the total `*`, nothing states the length of the part. The reader accepts
    // the answer, because the bytes are right.
    let server =
        Server::start(&store, |seen, _| if seen.is_part() { Act::Star } else { Act::Right });
    assert_eq!(server.open().unwrap().get("file/1").unwrap(), content(1, 0));
}

#[test]
fn a_head_of_two_ages_is_asked_for_again() {
    // spec: R-PART-16
    let (store, mut model) = published(3);
    let old = store.bytes(NAME).unwrap();
    put(&store, &mut model, &[("file/1", b"changed")]);
    let new = store.bytes(NAME).unwrap();
    let torn = [&old[..16_384], &new[16_384..]].concat();
    assert_ne!(torn, new);
    let server = Server::start(&store, move |seen, _| match seen.query.is_empty() {
        true if !seen.is_part() => Act::Of(torn.clone()),
        _ => Act::Right,
    });
    assert_eq!(server.open().unwrap().get("file/1").unwrap(), b"changed");
    let seen = server.seen();
    assert!(seen[1].query.starts_with("g=0-") && seen[1].name == NAME, "{seen:?}");
    // Now every answer for the head mixes old and new bytes, even if the request bypasses all
    // caches.
    let torn = [&old[..16_384], &new[16_384..]].concat();
    let server = Server::start(&store, move |seen, _| match seen.is_part() {
        true => Act::Right,
        false => Act::Of(torn.clone()),
    });
    let error = server.open().unwrap_err();
    assert!(error.to_string().contains("head at 0x0"), "{error}");
}

#[test]
fn an_open_session_goes_on_by_the_parts_of_its_view() {
    // spec: R-PART-13, R-PART-20
    let (store, mut model) = published(30);
    put(&store, &mut model, &[("file/3", b"second")]);
    let server = Server::right(&store);
    let package = server.open().unwrap();
    // Later updates merge parts, and a collection deletes the parts that the new head does not
    // name. The reader finds the positions of its old view through the list of the new head.
    for n in 0..40 {
        put(&store, &mut model, &[("file/4", &content(4, n + 1))]);
    }
    let named: Vec<String> = head(&store)
        .region
        .entries
        .iter()
        .map(|entry| entry.digest.iter().map(|byte| format!("{byte:02x}")).collect())
        .collect();
    for name in store.names() {
        let is_named = named.iter().any(|hex| name.contains(hex.as_str()));
        if name != NAME && !is_named {
            store.remove(&name);
        }
    }
    assert_eq!(package.get("file/3").unwrap(), b"second");
    assert_eq!(package.get("file/4").unwrap(), content(4, 0));
    assert_eq!(server.seen().iter().filter(|seen| seen.name == NAME).count(), 2);
}

#[test]
fn another_package_at_the_url_ends_the_session() {
    // spec: R-PART-13
    let (store, _) = published(30);
    let server = Server::right(&store);
    let package = server.open().unwrap();
    assert_eq!(package.get("file/1").unwrap(), content(1, 0));
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = crate::updates::package(&dir, 29);
    let options = PublishOptions { replace: true, ..PublishOptions::default() };
    let done = publish(&Package::open(path).unwrap(), &store.place(), &options).unwrap();
    assert_eq!(done.standing, Standing::Replaced);
    // The store still has the parts of the old package. Their names are hashes of their bytes, so
    // they cannot hold other bytes.
    assert_eq!(package.get("file/29").unwrap(), content(29, 0));
    for name in store.names() {
        let old = name.starts_with("p.dacti-pack.parts/") && !name.contains("heads/");
        if old && !format!("{:?}", head(&store).region.entries).is_empty() {
            let hex = |digest: [u8; 32]| -> String {
                digest.iter().map(|byte| format!("{byte:02x}")).collect()
            };
            let named = head(&store).region.entries.iter().any(|e| name.contains(&hex(e.digest)));
            if !named {
                store.remove(&name);
            }
        }
    }
    for _ in 0..3 {
        let error = package.get("file/28").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Replaced, "{error}");
    }
}

#[test]
fn an_earlier_head_from_a_cache_is_ignored() {
    // spec: R-PART-20
    let (store, mut model) = published(5);
    let old = store.bytes(NAME).unwrap();
    put(&store, &mut model, &[("file/1", b"second")]);
    let part = store.names().into_iter().find(|name| {
        let first = head(&store).region.entries[1].digest;
        let hex: String = first.iter().map(|byte| format!("{byte:02x}")).collect();
        name.contains(&hex)
    });
    let server = Server::start(&store, move |seen, number| match seen.name == NAME {
        // The first request for the head gets the right head. All later ones get an earlier head.
        true if number > 0 => Act::Of(old.clone()),
        _ => Act::Right,
    });
    let package = server.open().unwrap();
    store.remove(&part.unwrap());
    let error = package.get("file/1").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

#[test]
fn a_list_that_leads_nowhere_is_corrupt() {
    // spec: R-PART-11
    let (store, _) = published(5);
    let file = store.assembled();
    let mut region = head(&store).region;
    region.entries[0].start += 8;
    region.entries[0].len -= 8;
    let hash = |bytes: &[u8]| *blake3::hash(bytes).as_bytes();
    store.set(NAME, head_in_parts(&file, &region, &hash, &|_| vec![0; 64]));
    assert_eq!(REGION_AT, 1536);
    let server = Server::right(&store);
    let error = server.open().unwrap().list().unwrap_err();
    assert!(error.to_string().contains("parts at 0x10000"), "{error}");
}

#[test]
fn publishers_and_readers_at_once_see_whole_packages() {
    let (store, _) = published(20);
    let server = Server::right(&store);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..30 {
                let name = format!("of/{n}");
                Publisher { place: store.place(), name }.run().unwrap();
            }
        });
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = 0;
                while last < 50 {
                    let package = server.open().unwrap();
                    let listed = package.list().unwrap();
                    assert!(listed.len() >= last, "{} after {last}", listed.len());
                    last = listed.len();
                    for region in listed {
                        let name = region.path.unwrap();
                        let bytes = package.get(name.as_str()).unwrap();
                        assert!(name.starts_with("file/") || bytes == name.as_bytes());
                    }
                }
            });
        }
    });
}
