//! Archives for async programs. They have the same results and send the same requests as the
//! blocking reader. The executor here has no runtime.

use crate::dar_cli::Folder;
use crate::dar_support::{cid, tree, tree_plan, write};
use dacti::dar::{Archive, AsyncArchive, DarSource};
use dacti::fetch::HttpOptions;
use dacti_dar::unixfs::{self, Node};
use dacti_dar::{Cid, Reader};
use dacti_tests::served::Served;
use std::fs;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future to its end on this thread, without a runtime.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return done;
        }
        thread::park();
    }
}

fn serve(folder: &Folder) -> (Served, String) {
    let served = Served::start(&folder.at("site"), &[]);
    let url = format!("http://{}/x.dar", served.address);
    (served, url)
}

#[test]
fn blocks_and_dags_come_by_the_requests_of_the_blocking_archive() {
    let folder = Folder::new();
    let blocks = tree(4_001, 400, 5);
    let bytes = write(&tree_plan(&blocks, true));
    fs::create_dir(folder.at("site")).expect("a folder");
    fs::write(folder.at("site/x.dar"), &bytes).expect("a file");
    let (_served, url) = serve(&folder);
    let local = Archive::open(&bytes[..]).expect("it is sound");
    let (source, remote) = DarSource::open_url(&url, &HttpOptions::default()).expect("it is there");
    let blocking = Archive::open(source).expect("it is sound");
    block_on(async {
        let archive =
            AsyncArchive::open_url(&url, &HttpOptions::default()).await.expect("it opens");
        assert_eq!(archive.roots().await.expect("a list"), local.roots().expect("a list"));
        for number in [0, 1, 777, 4_000] {
            let name = cid(&blocks[number].cid);
            let found = archive.get(&name).await.expect("it is sound");
            assert_eq!(found.as_ref(), Some(&blocks[number].data));
            assert_eq!(blocking.get(&name).expect("it is sound"), found);
            let spent = |stats: dacti::fetch::Stats| (stats.requests, stats.bytes);
            assert_eq!(spent(archive.stats()), spent(remote.stats()), "{number}");
        }
        let absent = cid(&crate::dar_support::leaf(b"nowhere").cid);
        assert_eq!(archive.get(&absent).await.expect("it is sound"), None);
        // Reading a DAG gives the same blocks in the same order. It takes at most three requests.
        let top = cid(&blocks[1].cid);
        let before = archive.stats().requests;
        let (found, summary) = archive.dag(&top).await.expect("it is sound");
        assert!(archive.stats().requests <= before + 3);
        let mut walk = local.dag(&top).expect("it is there");
        let mut expected = vec![];
        while let Some(block) = walk.next_block().expect("it is sound") {
            expected.push((block.cid, block.data.to_vec()));
        }
        assert!(found == expected && summary == *walk.summary());
        let places = local.dag(&top).expect("it is there").finish().expect("it is sound");
        assert_eq!(archive.sub_dag(&top).await.expect("it is sound"), places);
        // Reads the whole archive from its start to its end.
        let expected = Reader::new(&bytes[..]).verify().expect("it is sound");
        assert_eq!(archive.verify().await.expect("it is sound"), expected);
        assert!(AsyncArchive::open_url(&format!("{url}x"), &HttpOptions::default()).await.is_err());
    });
}

#[test]
fn files_and_folders_come_by_the_same_machines() {
    let folder = Folder::new();
    fs::create_dir_all(folder.at("in/many")).expect("a folder");
    for number in 0..5_000 {
        let name = format!("a name that makes the folder large enough to be sharded {number}");
        fs::write(folder.at("in/many").join(name), number.to_string()).expect("a file");
    }
    let long: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    fs::write(folder.at("in/long"), &long).expect("a file");
    fs::create_dir(folder.at("site")).expect("a folder");
    folder.ends(0, &["create", "in", "-o", "site/x.dar"]);
    let bytes = fs::read(folder.at("site/x.dar")).expect("it is there");
    let local = Archive::open(&bytes[..]).expect("it is sound");
    let root = local.roots().expect("a list")[0].cid.clone();
    let (_served, url) = serve(&folder);
    block_on(async {
        let archive =
            AsyncArchive::open_url(&url, &HttpOptions::default()).await.expect("it opens");
        let at = async |path: &[&str]| archive.resolve(&root, path).await.expect("it is sound");
        let file = at(&["long"]).await.expect("it is there");
        let mut reader = archive.file(&file).await.expect("a file");
        let mut found = vec![];
        loop {
            let chunk = reader.next_chunk().await.expect("it is sound");
            if chunk.is_empty() {
                break;
            }
            found.extend_from_slice(chunk);
        }
        assert!(found == long);
        let range = archive.file_range(&file, Some(700_000..700_010)).await;
        let mut range = range.expect("a file");
        let chunk = range.next_chunk().await.expect("it is sound").to_vec();
        assert_eq!(chunk, long[700_000..700_010]);
        assert!(range.next_chunk().await.expect("it is sound").is_empty());
        // Lists the names of a sharded folder, and looks up one of them.
        let many = at(&["many"]).await.expect("it is there");
        let listed = archive.list(&many, 5_000).await.expect("a folder").expect("as many");
        let mut store = Local(&local);
        let node = Node::read(&many, &local.get(&many).unwrap().unwrap()).expect("a node");
        let expected = unixfs::list(&mut store, &many, node, 5_000).expect("a folder");
        assert_eq!(Some(&listed), expected.as_ref());
        assert_eq!(archive.list(&many, 4_999).await.expect("a folder"), None);
        let name = "a name that makes the folder large enough to be sharded 4321";
        let one = at(&["many", name]).await.expect("it is there");
        assert_eq!(archive.get(&one).await.expect("it is sound").as_deref(), Some(&b"4321"[..]));
        assert_eq!(at(&["many", "no such"]).await, None);
        assert!(archive.file(&many).await.is_err() && archive.list(&file, 9).await.is_err());
    });
}

struct Local<'a>(&'a Archive<&'a [u8]>);

impl dacti_dar::BlockStore for Local<'_> {
    fn get(&mut self, cid: &Cid, into: &mut Vec<u8>) -> Result<bool, dacti_dar::ReadError> {
        let found = self.0.get(cid)?;
        into.extend(found.iter().flatten());
        Ok(found.is_some())
    }
}
