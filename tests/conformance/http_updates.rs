//! The number of requests after updates. A removal causes no additional request, and a folded index
//! is fetched once in a session.

use crate::{Server, options, right};
use dacti::update::{Strategy, Update, UpdateOptions};
use dacti::{AsyncPackage, BuildOptions, EncodingChoice, Package, PackageBuilder};
use std::path::Path;

/// Builds a package of `regions` regions of ten bytes each, and returns its path.
fn built(dir: &Path, regions: usize) -> std::path::PathBuf {
    let out = dir.join("p.dacti-pack");
    // If regions shared bytes, reads would include more seals. The read of the names list would
    // then reach into the index.
    let options = BuildOptions { share: false, slice_len: 65_536, ..BuildOptions::default() };
    let options = BuildOptions { encoding: EncodingChoice::None, ..options };
    let mut builder = PackageBuilder::new(options);
    for n in 0..regions {
        builder.add(format!("{n}.bin"), vec![n as u8; 10]).expect("the path is good");
    }
    builder.build(&out).expect("it can be built");
    out
}

/// Updates a package. Returns the new bytes of the file, and the strategy of the plan.
fn updated(path: &Path, change: impl FnOnce(&mut Update)) -> (Vec<u8>, Strategy) {
    let mut update = Update::open(path, UpdateOptions::default()).expect("it is good");
    change(&mut update);
    let planned = update.plan().expect("it can be planned");
    let strategy = planned.plans()[0].strategy;
    planned.apply().expect("it can be written");
    (std::fs::read(path).expect("it is there"), strategy)
}

/// Returns the number of requests for opening a package, and for getting each path. Checks that the
/// blocking and the async package send the same number. If the package has `3.bin`, its content
/// must be ten bytes of value 3.
fn requests(file: &[u8], paths: &[&str]) -> Vec<u64> {
    let server = || Server::start(file.to_vec(), Box::new(|seen, _, file| right(seen, file)));
    let blocking = server();
    let (package, source) =
        Package::open_url_with(&blocking.url, &options()).expect("the package is good");
    let mut taken = vec![source.stats().requests];
    for path in paths {
        let found = package.get(*path).ok();
        let n: usize = path.trim_end_matches(".bin").parse().expect("a number");
        assert!(found.is_none_or(|found| found == [n as u8; 10]), "{path}");
        taken.push(source.stats().requests - taken.iter().sum::<u64>());
    }
    let waiting = server();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let requests = runtime.expect("it starts").block_on(async {
        let package = AsyncPackage::open_url_with(&waiting.url, &options()).await;
        let package = package.expect("the package is good");
        let mut taken = vec![package.stats().requests];
        for path in paths {
            let _ = package.get(*path).await;
            taken.push(package.stats().requests - taken.iter().sum::<u64>());
        }
        taken
    });
    assert_eq!(requests, taken, "an async package makes the same requests");
    taken
}

#[test]
fn a_removal_costs_no_reader_a_request() {
    // spec: R-GONE-01, R-CDN-22
    // In a package of 3,000 regions, each index block is fetched once. The block with the entry of
    // 3.bin is already fetched for 2.bin.
    let paths = ["1.bin", "2.bin", "1.bin", "3.bin"];
    for (regions, before) in [(5, [1, 1, 1, 1, 1]), (3000, [1, 2, 2, 1, 1])] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = built(dir.path(), regions);
        let file = std::fs::read(&path).expect("it was built");
        assert_eq!(requests(&file, &paths), before);
        let (file, strategy) = updated(&path, |update| {
            update.remove("3.bin").expect("it is there");
        });
        assert_eq!(strategy, Strategy::Delta);
        // An entry in the head shows that the region was removed, so no request is needed.
        let after = [&before[..4], &[0]].concat();
        assert_eq!(requests(&file, &paths), after, "{regions} regions");
        // The next update does not fold, either.
        let (file, strategy) = updated(&path, |update| {
            update.put("new", vec![1; 10]).expect("the path is good");
        });
        assert_eq!(strategy, Strategy::Delta);
        assert_eq!(requests(&file, &paths), after, "{regions} regions");
    }
}

#[test]
fn a_folded_index_is_fetched_once_in_a_session() {
    // spec: R-CDN-27, R-CDN-29
    let paths = ["1.bin", "2.bin", "1.bin", "3.bin", "4.bin"];
    // With 3,000 regions, the fences and the index are adjacent. One request fetches both.
    for (regions, expected) in [(5, [1, 2, 1, 1, 0, 1]), (3000, [2, 1, 1, 1, 0, 1])] {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = built(dir.path(), regions);
        let (file, strategy) = updated(&path, |update| {
            update.remove("3.bin").expect("it is there");
            update.put("2.bin", vec![2; 10]).expect("the path is good");
            update.put("new", vec![2; 10]).expect("the path is good");
        });
        assert_eq!(strategy, Strategy::Fold);
        assert_eq!(requests(&file, &paths), expected, "{regions} regions");
        // For a list, the reader fetches only the index and the names list.
        let server = Server::start(file, Box::new(|seen, _, file| right(seen, file)));
        let (package, source) =
            Package::open_url_with(&server.url, &options()).expect("the package is good");
        assert_eq!(package.list().expect("it is whole").len(), regions);
        let index = package.view().index();
        let touches = |(first, last): (usize, usize)| {
            (first as u64) < index.end && last as u64 >= index.start
        };
        let seen = server.seen();
        let of_index = seen.iter().filter_map(|seen| seen.range).filter(|range| touches(*range));
        assert_eq!(of_index.count(), 1, "{:?}", source.stats());
    }
}

#[test]
fn an_index_of_more_slices_is_opened_by_one_request_and_each_block_comes_once() {
    // spec: R-CDN-29
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = built(dir.path(), 30_000);
    let (file, strategy) = updated(&path, |update| {
        update.remove("3.bin").expect("it is there");
        update.put("new", vec![2; 10]).expect("the path is good");
    });
    assert_eq!(strategy, Strategy::Fold);
    assert_eq!(requests(&file, &["1.bin", "1.bin"]), [2, 2, 1]);
}
