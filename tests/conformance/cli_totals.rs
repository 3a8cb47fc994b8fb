//! The program with packages whose regions decode to too many bytes in total, or share stored
//! bytes.

use crate::cli::{Ended, Scratch, dacti};
use crate::totals::{bombs, overlapping};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

const MIB: u64 = 1 << 20;

fn run(scratch: &Scratch, verb: &str, more: &[&str]) -> Ended {
    let package = scratch.package();
    let package = package.to_str().expect("it is text");
    dacti([&[verb, package], more].concat())
}

/// Checks that a run ends with one error, which names the limit and the option to raise it.
#[track_caller]
fn refused(ended: &Ended, mentions: &str) {
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let lines: Vec<_> = ended.err.lines().filter(|line| line.contains("error:")).collect();
    let told = matches!(&*lines, [line] if line.contains(mentions)
        && line.ends_with("far more than usual for a package of this size: if you trust the \
            package, raise the limit (option: --max-total BYTES)"));
    assert!(told, "{ended:?}");
}

#[test]
fn verbs_refuse_what_decodes_to_far_too_much_and_name_the_option() {
    let scratch = Scratch::new();
    fs::write(scratch.package(), bombs(1)).expect("a new file");
    let out = scratch.at("out");
    let out = out.to_str().expect("it is text");
    let few = ["--max-total", "1000000"];
    refused(&run(&scratch, "verify", &few), "more than 1000000 bytes");
    refused(
        &run(&scratch, "unpack", &[&["-C", out][..], &few].concat()),
        "more than 1000000 bytes",
    );
    assert_eq!(fs::read_dir(out).expect("it was made").count(), 0, "no file appears in part");
    let copy = scratch.at("copy");
    let copy = copy.to_str().expect("it is text");
    refused(&run(&scratch, "pull", &[&[copy][..], &few].concat()), "more than 1000000 bytes");
    refused(
        &run(&scratch, "compact", &[&["-o", copy][..], &few].concat()),
        "more than 1000000 bytes",
    );
    assert!(!scratch.at("copy").exists());
    let enough = (16 * MIB + 10_000).to_string();
    let pulled = run(&scratch, "pull", &[copy, "--max-total", &enough]);
    assert_eq!(pulled.code, Some(0), "{pulled:?}");
    let whole = run(&scratch, "verify", &["--max-total", &enough]);
    assert_eq!(whole.code, Some(0), "{whole:?}");
    let whole = run(&scratch, "unpack", &["-C", out, "--max-total", &enough]);
    assert_eq!(whole.code, Some(0), "{whole:?}");
    assert_eq!(fs::metadata(scratch.at("out/0")).expect("it was written").len(), 16 * MIB);
}

#[test]
fn verbs_that_copy_or_compare_have_the_same_option() {
    let scratch = Scratch::new();
    scratch.write("a", &[1; 5_000]);
    scratch.write("b", &[2; 5_000]);
    let packed = scratch.pack(&["--encoding", "none", "--no-seals"]);
    assert_eq!(packed.code, Some(0), "{packed:?}");
    let (key, out) = (scratch.at("key"), scratch.at("out"));
    let [key, out] = [&key, &out].map(|path: &PathBuf| path.to_str().expect("text"));
    assert_eq!(dacti(["key", "new", "-o", key]).code, Some(0));
    // The contents take 10,000 bytes. The limit also counts the names list.
    for (verb, more) in [("sign", &["--key", key, "-o", out][..]), ("compact", &["-o", out])] {
        let few = run(&scratch, verb, &[more, &["--max-total", "9999"]].concat());
        refused(&few, "more than 9999 bytes");
        let enough = run(&scratch, verb, &[more, &["--max-total", "11000"]].concat());
        assert_eq!(enough.code, Some(0), "{enough:?}");
        fs::remove_file(out).expect("it was made");
    }
    // In another layout, the new file differs from the old one. So `diff` compares the contents of
    // the regions.
    let compact = run(&scratch, "compact", &["-o", out, "--layout", "compact"]);
    assert_eq!(compact.code, Some(0), "{compact:?}");
    refused(&run(&scratch, "diff", &[out, "--max-total", "9999"]), "more than 9999 bytes");
    assert_eq!(run(&scratch, "diff", &[out, "--max-total", "10000"]).code, Some(0));
}

#[test]
fn regions_that_share_some_bytes_are_warned_about_and_not_written_to() {
    let scratch = Scratch::new();
    let (bytes, [a, b]) = overlapping();
    fs::write(scratch.package(), &bytes).expect("a new file");
    let out = scratch.at("out");
    let out = out.to_str().expect("it is text");
    let expected = format!(
        "dacti: warning: 1 region shares some stored bytes with another region, and no packer \
         writes such regions: the first is \"b\" at {b}, which overlaps \"a\" at {a}; do not trust \
         this package unless you know why\n"
    );
    let listed = run(&scratch, "ls", &[]);
    assert_eq!((listed.code, &*listed.err), (Some(0), &*expected));
    let unpacked = run(&scratch, "unpack", &["-C", out, "--json"]);
    assert_eq!((unpacked.code, &*unpacked.err), (Some(0), &*expected));
    let json: Value = serde_json::from_slice(&unpacked.out).expect("it is JSON");
    let finding = &json["findings"][0];
    assert_eq!((&finding["kind"], &finding["path"]), (&"overlap".into(), &"b".into()));
    assert_eq!(finding["place"]["at"], b.start);
    let verified = run(&scratch, "verify", &[]);
    assert!(verified.err.contains(&format!("at {b} overlaps")), "{verified:?}");
    let folder = scratch.at("in");
    scratch.write("c", b"new");
    let (folder, file) = (folder.to_str().expect("text"), scratch.at("in/c"));
    let put = format!("c={}", file.to_str().expect("text"));
    for (verb, more) in [("put", &[&*put][..]), ("rm", &["a"]), ("sync", &[folder, "--delete"])] {
        let ended = run(&scratch, verb, more);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let told = format!("at {b} overlap the stored bytes of \"a\" at {a}");
        assert!(ended.err.contains(&told), "{ended:?}");
        assert_eq!(fs::read(scratch.package()).expect("it is there"), bytes, "{verb}");
    }
}
