//! Tests of packages in parts: updates that both put and remove regions, histories that replace
//! each other, packages that are published as one object, and publishing by async programs.

use crate::store::{Memory, NAME};
use crate::updates::{assert_holds, content, head, package, published, put, update};
use dacti::publish::{
    PublishFault, PublishOptions, Standing, in_background, publish, publish_async, publish_whole,
    pull_async, tag_async, update_async,
};
use dacti::update::{Strategy, Update, UpdateOptions};
use dacti::{Error, Package};
use dacti_tests::program::program;
use dacti_tests::served::Served;
use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow;
use std::process::Command;
use std::sync::Arc;

#[test]
fn an_update_that_puts_and_removes_does_not_fold() {
    // spec: R-PART-32
    let (store, mut model) = published(40);
    let options = (UpdateOptions::default(), PublishOptions::default());
    let mut planned = Update::at_place(&store.place(), options.0, options.1).unwrap();
    planned.put("file/3", b"changed".to_vec()).unwrap();
    planned.put("new", b"one more".to_vec()).unwrap();
    planned.remove("file/4").unwrap();
    planned.remove("file/5").unwrap();
    let planned = planned.plan().unwrap();
    let strategies: Vec<_> = planned.plans().iter().map(|plan| plan.strategy).collect();
    assert_eq!(strategies, [Strategy::Delta, Strategy::Delta]);
    let before = head(&store);
    planned.apply().unwrap();
    model.insert("file/3".into(), b"changed".to_vec());
    model.insert("new".into(), b"one more".to_vec());
    model.remove("file/4");
    model.remove("file/5");
    assert_holds(&store, &model);
    let after = head(&store);
    assert_eq!(after.region.sequence, before.region.sequence + 1, "one head publishes both");
    assert_eq!(after.region.entries.len(), 2, "one block");
}

#[test]
fn more_regions_than_one_group_holds_do_not_fold() {
    // spec: R-PART-32
    let (store, mut model) = published(5);
    let files: Vec<_> = (0..600).map(|n| (format!("many/{n}"), content(n, 1))).collect();
    let options = (UpdateOptions::default(), PublishOptions::default());
    let mut planned = Update::at_place(&store.place(), options.0, options.1).unwrap();
    for (name, bytes) in &files {
        planned.put(name.as_str(), bytes.clone()).unwrap();
    }
    let planned = planned.plan().unwrap();
    // The 600 regions and the names segment take three groups of at most 255 entries.
    assert_eq!(planned.plans().len(), 3);
    assert!(planned.plans().iter().all(|plan| plan.strategy == Strategy::Delta));
    planned.apply().unwrap();
    model.extend(files);
    assert_holds(&store, &model);
    // The nine delta groups have room for three such updates. So the fourth update folds.
    for round in 2..6 {
        let files: Vec<_> = (0..600).map(|n| (format!("many/{n}"), content(n, round))).collect();
        let named: Vec<_> = files.iter().map(|(n, bytes)| (n.as_str(), &bytes[..])).collect();
        put(&store, &mut model, &named);
        assert_holds(&store, &model);
    }
}

#[test]
fn a_history_that_replaces_another_has_a_file_id_of_its_own() {
    // spec: R-PART-33, R-PART-26
    let dir = tempfile::tempdir().unwrap();
    let (path, mut model) = package(&dir, 12);
    let open = || Package::open(&path).unwrap();
    let store = Memory::default();
    let options = PublishOptions::default();
    publish(&open(), &store.place(), &options).unwrap();
    let first = head(&store).file_id;
    // Two different updates start from the same state. One of them changes the published package,
    // and the other one changes the local file. So their histories differ.
    let mut theirs = model.clone();
    put(&store, &mut theirs, &[("file/1", b"theirs")]);
    let mut local = Update::open(&path, UpdateOptions::default()).unwrap();
    local.put("file/1", b"ours".to_vec()).unwrap();
    local.plan().unwrap().apply().unwrap();
    model.insert("file/1".into(), b"ours".to_vec());
    let refused = publish(&open(), &store.place(), &options).unwrap_err();
    assert!(matches!(refused, Error::Publish(PublishFault::Diverged { .. })), "{refused}");
    let replace = PublishOptions { replace: true, ..PublishOptions::default() };
    let replaced = publish(&open(), &store.place(), &replace).unwrap();
    assert_eq!(replaced.standing, Standing::Replaced);
    assert_holds(&store, &model);
    let second = head(&store).file_id;
    assert_ne!(second, first, "a reader of the first history must not follow this list");
    // The head has a new file id, and the local file keeps its first file id. Even so, the file can
    // be published again without the option `replace`.
    let same = publish(&open(), &store.place(), &options).unwrap();
    assert_eq!(same.standing, Standing::Same);
    let mut local = Update::open(&path, UpdateOptions::default()).unwrap();
    local.put("file/2", b"more".to_vec()).unwrap();
    local.plan().unwrap().apply().unwrap();
    model.insert("file/2".into(), b"more".to_vec());
    let continued = publish(&open(), &store.place(), &options).unwrap();
    assert_eq!(continued.standing, Standing::Continued);
    assert_eq!(head(&store).file_id, second);
    assert_holds(&store, &model);
    // The published package gets an update that the local file lacks. Then the local file replaces
    // the published package again. The head gets a new file id at each replacement, so no earlier
    // file id returns.
    let again = |update: &mut Update| {
        update.put("file/1", b"theirs again".to_vec()).unwrap();
    };
    update(&store, again).unwrap();
    publish(&open(), &store.place(), &replace).unwrap();
    let third = head(&store).file_id;
    assert!(third != first && third != second);
}

#[test]
fn a_package_is_one_object_if_asked() {
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = package(&dir, 12);
    let open = || Package::open(&path).unwrap();
    let (store, options) = (Memory::default(), PublishOptions::default());
    let first = publish_whole(&open(), &store.place(), &options).unwrap();
    let len = fs::metadata(&path).unwrap().len();
    assert_eq!((first.standing, first.bytes), (Standing::First, len));
    assert_eq!(store.bytes(NAME).unwrap(), fs::read(&path).unwrap());
    let mut local = Update::open(&path, UpdateOptions::default()).unwrap();
    local.put("file/1", b"ours".to_vec()).unwrap();
    local.plan().unwrap().apply().unwrap();
    let again = publish_whole(&open(), &store.place(), &options).unwrap();
    assert_eq!(again.standing, Standing::Continued);
    assert_eq!(store.bytes(NAME).unwrap(), fs::read(&path).unwrap());
    // Without the option `replace`, the publisher refuses to replace a package in parts.
    let (other, _) = package(&tempfile::tempdir().unwrap(), 3);
    assert!(!other.exists());
    let (in_parts, _) = published(5);
    let refused = publish_whole(&open(), &in_parts.place(), &options).unwrap_err();
    assert!(matches!(refused, Error::Publish(PublishFault::InParts { .. })), "{refused}");
    let replace = PublishOptions { replace: true, ..PublishOptions::default() };
    publish_whole(&open(), &in_parts.place(), &replace).unwrap();
    assert_eq!(in_parts.bytes(NAME).unwrap(), fs::read(&path).unwrap());
    // A package in parts can be published as one object. The object has the bytes that the
    // reference assembles from the parts.
    let (parts, mut model) = published(9);
    put(&parts, &mut model, &[("file/2", b"more")]);
    let version = dacti::publish::open_version(&parts.place(), 2, dacti::Limits::default());
    let whole = Memory::default();
    publish_whole(&version.unwrap(), &whole.place(), &options).unwrap();
    assert_eq!(whole.bytes(NAME).unwrap(), parts.assembled());
}

#[tokio::test]
async fn async_programs_publish_without_blocking_their_thread() {
    let dir = tempfile::tempdir().unwrap();
    let (path, mut model) = package(&dir, 12);
    let (store, options) = (Memory::default(), PublishOptions::default());
    let package = Arc::new(Package::open(&path).unwrap());
    let go_on = |_| ControlFlow::Continue(());
    let published =
        publish_async(Arc::clone(&package), store.place(), options.clone(), go_on).await;
    assert_eq!(published.unwrap().standing, Standing::First);
    let edit = |update: &mut Update| update.put("file/1", b"new".to_vec()).map(drop);
    update_async(store.place(), UpdateOptions::default(), options.clone(), edit).await.unwrap();
    model.insert("file/1".into(), b"new".to_vec());
    assert_holds(&store, &model);
    assert_eq!(tag_async(store.place(), None, "v2".into(), options.clone()).await.unwrap(), 2);
    pull_async(package, dir.path().join("copy")).await.unwrap();
    assert_eq!(fs::read(dir.path().join("copy")).unwrap(), fs::read(&path).unwrap());
    // If a future is dropped, its thread must end.
    let (sender, receiver) = std::sync::mpsc::channel();
    let waiting = in_background(move |abandoned| {
        while abandoned.go_on().is_continue() {
            std::thread::yield_now();
        }
        sender.send(()).map_err(|_| Error::Stopped)
    });
    let ended = tokio::time::timeout(std::time::Duration::from_millis(5), waiting).await;
    assert!(ended.is_err());
    receiver.recv_timeout(std::time::Duration::from_secs(30)).expect("the thread ends");
    let stopped = publish_async(
        Arc::new(Package::open(&path).unwrap()),
        Memory::default().place(),
        options,
        |_| ControlFlow::Break(()),
    );
    assert!(matches!(stopped.await, Err(Error::Stopped)));
}

#[test]
fn the_program_tells_costs_and_ways_out() {
    let dir = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output =
            Command::new(program()).args(arguments).current_dir(dir.path()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    fs::create_dir(dir.path().join("in")).unwrap();
    for n in 0..9 {
        fs::write(dir.path().join("in").join(n.to_string()), content(n, 0)).unwrap();
    }
    assert_eq!(run(&["pack", "in", "-o", "one"]).0, Some(0));
    let (code, _, err) = run(&["publish", "one", "www/whole", "--form", "whole"]);
    assert!(code == Some(0) && err.contains("uploaded as one object; each publication"), "{err}");
    let file = |name: &str| fs::read(dir.path().join(name)).unwrap();
    assert_eq!(file("www/whole"), file("one"));
    assert_eq!(run(&["publish", "one", "www/whole", "--form", "whole"]).0, Some(0));
    assert_eq!(run(&["publish", "one", "www/p.dacti-pack"]).0, Some(0));
    let (code, _, err) = run(&["publish", "one", "www/p.dacti-pack", "--form", "whole"]);
    assert!(code == Some(1) && err.contains("holds a package in parts"), "{err}");
    let (_, _, err) = run(&["put", "www/p.dacti-pack", "1=in/2"]);
    assert!(err.contains("and the head's 64.00 KiB uploaded"), "{err}");
    let (code, out, err) = run(&["get", "www/p.dacti-pack", "1", "--at", "2", "--stats"]);
    assert!(code == Some(0) && err.contains("reads, ") && !out.is_empty(), "{err}");
    for verb in [&["log", "http://h/p"][..], &["get", "http://h/p", "1", "--at", "1"]] {
        let (code, _, err) = run(verb);
        assert!(code == Some(2) && err.contains("does not list archived versions"), "{err}");
    }
    let (code, _, err) = run(&["put", "www/p.dacti-pack", "1=in/3", "--origin", "http://h/p"]);
    assert!(code == Some(2) && err.contains("does not wait for caches"), "{err}");
    // The program runs the purge command once for each URL, which is the last argument of the
    // command.
    let edge = "http://127.0.0.1:1/p";
    let purge = ["--edge", edge, "--purge", "cp one"];
    let put = [&["put", "www/p.dacti-pack", "1=in/3"], &purge[..]].concat();
    let (code, _, err) = run(&put);
    assert!(code == Some(3) && err.contains("is published, but this URL was not purged"), "{err}");
    let purge = ["--edge", "http://127.0.0.1:1/p", "--purge", "echo told"];
    let put = [&["put", "www/p.dacti-pack", "1=in/4"], &purge[..]].concat();
    let (code, _, err) = run(&put);
    assert!(code == Some(0) && err.contains("told http://127.0.0.1:1/p"), "{err}");
}

#[test]
fn a_host_is_checked_and_a_form_recommended() {
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = package(&dir, 3_000);
    let www = dir.path().join("www");
    fs::create_dir(&www).unwrap();
    fs::copy(&path, www.join("one")).unwrap();
    fs::write(www.join("text"), "no package").unwrap();
    let run = |arguments: &[&str]| {
        let output = Command::new(program()).args(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let publish =
        ["publish", path.to_str().unwrap(), www.join("p").to_str().unwrap()].map(String::from);
    assert_eq!(run(&publish.each_ref().map(String::as_str)).0, Some(0));
    let served = Served::start(&www, &[]);
    let url = |name: &str| format!("http://{}/{name}", served.address);
    for (name, says) in [
        ("one", "recommended: keep the present form (one file)"),
        ("p", "recommended: keep the present form (in parts)"),
    ] {
        let (code, out, err) = run(&["cdn-check", &url(name), "--edge", &url(name)]);
        assert!(code == Some(0) && err.contains(says), "{code:?} {out}\n{err}");
        assert!(!out.contains(" bad "), "{out}");
    }
    let (code, _, err) = run(&["cdn-check", &url("text")]);
    assert!(code == Some(0) && err.contains("this is not a package"), "{err}");
    let (code, out, _) = run(&["cdn-check", &url("missing")]);
    assert!(code == Some(3) && out.contains("404 to the first range"), "{out}");
    let (code, _, err) = run(&["cdn-check", "http://127.0.0.1:1/p"]);
    assert!(code == Some(1) && err.contains("cannot be reached"), "{err}");
    // This run publishes a scratch package, updates it, reads it back, and deletes it.
    let names = || {
        let entries = fs::read_dir(&www).unwrap().map(|entry| entry.unwrap().file_name());
        entries.collect::<BTreeSet<_>>()
    };
    let before = names();
    let dest = www.join("scratch");
    let scratch =
        ["cdn-check", &url("scratch"), "--write", dest.to_str().unwrap(), "--patience", "90"];
    let (code, out, err) = run(&scratch);
    assert!(code == Some(0), "{out}\n{err}");
    assert!(out.contains("in parts: read back after "), "{out}");
    assert!(out.contains("in place: read back at once"), "{out}");
    assert_eq!(names(), before);
    let taken =
        ["cdn-check", &url("p"), "--write", www.join("p").to_str().unwrap()].map(String::from);
    let (code, _, err) = run(&taken.each_ref().map(String::as_str));
    assert!(code == Some(2) && err.contains("exists already"), "{err}");
}
