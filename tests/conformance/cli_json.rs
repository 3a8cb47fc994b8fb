//! The JSON that the program prints. Each object must have exactly the fields and types that
//! `docs/json.md` lists.

use crate::cli::{Ended, Scratch, dacti, ended};
use dacti_tests::program::program;
use dacti_tests::served::Served;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The fields of each object, and the type of each field, from the tables of the page.
struct Schema(BTreeMap<String, BTreeMap<String, String>>);

impl Schema {
    fn read() -> Self {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/json.md");
        let page = fs::read_to_string(page).expect("the page is there");
        let mut objects: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        let mut object = None;
        for line in page.lines() {
            if let Some(name) = line.strip_prefix("### ") {
                assert!(objects.insert(name.into(), BTreeMap::new()).is_none(), "{name} twice");
                object = Some(name);
            }
            if let (Some(object), Some(row)) = (object, line.strip_prefix("| `")) {
                let (field, rest) = row.split_once("` | ").expect("a field");
                let (kind, _) = rest.split_once(" | ").expect("a type");
                objects.get_mut(object).expect("it was met").insert(field.into(), kind.into());
            }
        }
        Self(objects)
    }

    /// Checks that a value has this type. Adds the objects in it to `seen`.
    #[track_caller]
    fn check(&self, value: &Value, kind: &str, seen: &mut BTreeSet<String>) {
        if let Some(kind) = kind.strip_suffix(" or null") {
            if !value.is_null() {
                self.check(value, kind, seen);
            }
            return;
        }
        if let Some(kind) = kind.strip_prefix("list of ") {
            let list = value.as_array().unwrap_or_else(|| panic!("no list of {kind}: {value}"));
            list.iter().for_each(|one| self.check(one, kind, seen));
            return;
        }
        match kind {
            "text" => assert!(value.is_string(), "{value}"),
            "number" => assert!(value.is_u64(), "{value}"),
            "boolean" => assert!(value.is_boolean(), "{value}"),
            "uuid" => {
                let text = value.as_str().unwrap_or_default();
                assert!(uuid::Uuid::try_parse(text).is_ok() && text.len() == 36, "{value}");
            }
            object => {
                let fields = self.0.get(object).unwrap_or_else(|| panic!("{object} is not there"));
                let found = value.as_object().unwrap_or_else(|| panic!("no {object}: {value}"));
                let (found_keys, keys): (Vec<_>, Vec<_>) =
                    (found.keys().collect(), fields.keys().collect());
                let sorted: BTreeSet<_> = found_keys.into_iter().collect();
                assert_eq!(sorted, keys.into_iter().collect(), "{object}");
                seen.insert(object.into());
                found.iter().for_each(|(field, value)| self.check(value, &fields[field], seen));
            }
        }
    }
}

fn objects(ended: &Ended) -> Vec<Value> {
    let text = str::from_utf8(&ended.out).expect("JSON is text");
    assert!(!text.is_empty(), "{ended:?}");
    text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

#[test]
fn every_object_is_as_the_page_says() {
    let scratch = Scratch::new();
    for (path, bytes) in [("a", &b"1"[..]), ("b", &[7; 3000]), ("c/d", &[7; 3000])] {
        scratch.write(path, bytes);
    }
    let at = |name: &str| scratch.at(name).to_str().expect("it is text").to_owned();
    let run = |arguments: &[&str]| {
        let mut command = Command::new(program());
        ended(command.current_dir(scratch.at("")).args(arguments))
    };
    let (schema, mut seen) = (Schema::read(), BTreeSet::new());
    let mut check = |kind: &str, arguments: &[&str]| {
        let ended = run(arguments);
        assert!(matches!(ended.code, Some(0 | 3)), "{arguments:?}: {ended:?}");
        for object in objects(&ended) {
            schema.check(&object, kind, &mut seen);
        }
    };
    check("NewKey", &["key", "new", "-o", "key", "--json"]);
    check("ShownKey", &["key", "show", "key", "--json"]);
    check("Packed", &["pack", "in", "-o", "p", "--slice", "4KiB", "--json"]);
    fs::copy(at("p"), at("old")).expect("a copy");
    check("Update", &["put", "p", "a=in/b", "new=in/a", "--json"]);
    check("Update", &["rm", "p", "b", "--dry-run", "--json"]);
    check("Update", &["sync", "p", "in", "--delete", "--plan", "plan", "--json"]);
    check("Saved", &["plan", "plan", "p", "--json"]);
    check("Saved", &["plan", "plan", "--json"]);
    check("Standing", &["apply", "plan", "p", "--json"]);
    check("Listed", &["ls", "p", "--json"]);
    check("Got", &["get", "p", "a", "-o", "got", "--json"]);
    assert_eq!(run(&["get", "p", "a", "--json"]).code, Some(2), "content goes there");
    check("Unpacked", &["unpack", "p", "-C", "out", "--json"]);
    scratch.write("c/d", b"changed");
    assert_eq!(run(&["put", "p", "in", "x/y=in/a", "y=in/a"]).code, Some(0));
    check("Unpacked", &["unpack", "p", "-C", "out", "--json"]);
    check("Verified", &["verify", "p", "--json"]);
    check("Difference", &["diff", "old", "p", "--json"]);
    fs::write(at("ids"), "00000000-0000-0000-0000-000000000abc a\n").expect("a new file");
    check("Packed", &["pack", "in/a", "-o", "one", "--ids", "ids", "--json"]);
    scratch.write("z", b"1");
    fs::write(at("ids"), "00000000-0000-0000-0000-000000000abc z\n").expect("a file");
    check("Packed", &["pack", "in/z", "-o", "two", "--ids", "ids", "--json"]);
    check("Difference", &["diff", "one", "two", "--json"]);
    check("Usage", &["du", "p", "--json"]);
    check("Usage", &["du", "p", "--json", "--no-duplicates"]);
    check("Compacted", &["compact", "p", "-o", "compacted", "--json"]);
    check("Signed", &["sign", "p", "-o", "signed", "--key", "key", "--json"]);
    check("Inspection", &["inspect", "signed", "--json"]);
    check("Published", &["publish", "signed", "parts/p", "--json"]);
    assert_eq!(run(&["put", "parts/p", "a=in/b", "--sign", "key", "--archive"]).code, Some(0));
    check("Version", &["log", "parts/p", "--json"]);
    check("Pulled", &["pull", "parts/p", "copy", "--json"]);
    check("Collected", &["gc", "parts/p", "--json"]);
    let served = Served::start(&scratch.at("parts"), &[]);
    check("Checked", &["cdn-check", &format!("http://{}/p", served.address), "--json"]);
    check("Inspection", &["inspect", "parts/p", "--json"]);
    check("Site", &["site", "in", "-o", "site", "--json"]);
    for verb in ["ls", "verify", "inspect", "du", "unpack"] {
        check("Cost", &[verb, "p", "--dry-run", "--json"]);
    }
    check("Cost", &["get", "p", "a", "--dry-run", "--json"]);
    check("Cost", &["diff", "old", "p", "--dry-run", "--json"]);
    // The following runs report two kinds of findings. A removal leaves a name without a region. A
    // damaged region is reported with its place.
    assert_eq!(run(&["rm", "p", "y"]).code, Some(0));
    check("Verified", &["verify", "p", "--json"]);
    let listed = objects(&run(&["ls", "p", "--json"]));
    let place =
        listed.iter().find(|line| line["path"] == "x/y").expect("it is there")["place"].clone();
    let mut bytes = fs::read(at("p")).expect("it is there");
    let first = place["at"].as_u64().and_then(|at| usize::try_from(at).ok()).expect("a place");
    bytes[first] ^= 1;
    fs::write(at("damaged"), bytes).expect("a new file");
    check("Verified", &["verify", "damaged", "--json"]);
    let verified = objects(&run(&["verify", "damaged", "--json"])).remove(0);
    let findings = verified["findings"].as_array().expect("a list");
    let lost = findings.iter().find(|finding| finding["loss"] == true).expect("one is lost");
    assert_eq!((&lost["kind"], &lost["path"]), (&"region".into(), &"x/y".into()), "{lost}");
    assert_eq!(lost["place"], place);
    check("Inspection", &["inspect", "--json", note(&scratch).as_str()]);
    check("DarCreated", &["dar", "create", "in", "-o", "x.dar", "--json"]);
    let root = objects(&run(&["dar", "roots", "x.dar", "--json"])).remove(0);
    let cid = root["cid"].as_str().expect("a CID").to_owned();
    check("DarRoot", &["dar", "roots", "x.dar", "--json"]);
    check("DarBlock", &["dar", "ls", "x.dar", "--json"]);
    check("DarCounts", &["dar", "verify", "x.dar", "--json"]);
    check("DarInspection", &["dar", "inspect", "x.dar", "--json"]);
    check("DarGot", &["dar", "get", "x.dar", &cid, "-o", "block", "--json"]);
    check("DarCounts", &["dar", "extract", "x.dar", &cid, "-o", "y.dar", "--json"]);
    let files = ["dar", "extract", "x.dar", &cid, "--files", "-C", "files", "--json"];
    check("DarFiles", &files);
    // The second run of `extract` writes the removed file again, and refuses to replace the other
    // files.
    fs::remove_file(at("files/a")).expect("it was written");
    check("DarFiles", &files);
    check("DarToCar", &["dar", "to-car", "x.dar", "-o", "x.car", "--json"]);
    check("DarFromCar", &["dar", "from-car", "x.car", "-o", "z.dar", "--json"]);
    check("DarSalvaged", &["dar", "salvage", "x.dar", "-o", "s.dar", "--json"]);
    check("DarCost", &["dar", "verify", "x.dar", "--dry-run", "--json"]);
    // `Rejected` strategies are printed only if the plan is not the cheapest one.
    let all: BTreeSet<_> = schema.0.keys().cloned().collect();
    let missing: Vec<_> = all.difference(&seen).filter(|name| *name != "Rejected").collect();
    assert!(missing.is_empty(), "never printed: {missing:?}");
}

/// Writes a daicon file that is not a package, and returns its path.
fn note(scratch: &Scratch) -> String {
    let file = scratch.at("note");
    fs::write(&file, dacti_tests::NOTE).expect("a new file");
    file.to_str().expect("it is text").into()
}

#[test]
fn any_daicon_file_is_shown() {
    let scratch = Scratch::new();
    let note = note(&scratch);
    let shown = dacti(["inspect", &note]);
    let expected = "\
format      5544809d-1951-45fa-816e-31f03934912d text note (example), version 1.0
length      86 bytes (86 B)
table       at 0x1c, 1 component
component   37cb72a4-caab-440c-8b7c-869019ed348e text (example), version 0.1, at 0x34: \
region 0x50..0x53 (3 B)

bytes
0x000000000000             28  preamble
0x00000000001c             52  component table
0x000000000050              3  component text (example)
0x000000000053              3  unclaimed, zeros
";
    let shown = shown.text().replace("signature and format header", "preamble");
    assert_eq!(shown, expected);
    let picture = dacti(["inspect", "--svg", &note]);
    assert!(picture.text().contains("component text (example): 3 B"), "{}", picture.text());
    // If the format or a component belongs to another project, the program prints its UUID. If the
    // data of a component cannot be a span of the file, the program prints the bytes.
    let mut other = fs::read(&note).expect("it is there");
    other[8] = 0xee;
    other[52] = 0xee;
    other[72..80].copy_from_slice(b"anything");
    fs::write(&note, &other).expect("a file");
    let shown = dacti(["inspect", &note]);
    let shown = shown.text();
    assert!(shown.contains("554480ee-1951-45fa-816e-31f03934912d unknown format"), "{shown}");
    assert!(shown.contains("37cb72ee-caab-440c-8b7c-869019ed348e unknown component"), "{shown}");
    assert!(shown.contains("data 616e797468696e67"), "{shown}");
    // The program reports an error for a truncated daicon file. It does not take the file for a
    // package.
    fs::write(&note, &other[..60]).expect("a file");
    let cut = dacti(["inspect", &note]);
    assert!(cut.failure().contains("table entries at 0x34"), "{cut:?}");
}

#[test]
fn other_kinds_of_files_are_called_by_their_names() {
    let scratch = Scratch::new();
    let file = scratch.at("file");
    for (bytes, kind) in [
        (&b"PK\x03\x04 and so on"[..], "it is a ZIP file"),
        (b"\x1f\x8b\x08\0\0\0\0\0\0\x03", "it is compressed with gzip"),
        (b"<!DOCTYPE html>\n<title>404</title>", "it is an HTML page"),
        (b"plain text\n", "it is text"),
        (b"dar\x01\x80\x01\x02\x03\x04", "it is a DAR archive"),
        (b"\x3a\xa2\x65roots\x81\xd8\x2a", "it is a CAR"),
        (&[&[b'n'; 257][..], b"ustar\x0000"].concat(), "it is a tar file"),
    ] {
        fs::write(&file, bytes).expect("a file");
        for verb in ["ls", "inspect", "verify", "du"] {
            let ended = dacti([verb, file.to_str().expect("it is text")]);
            let line = ended.failure();
            assert!(line.contains("is not a daicon container") && line.contains(kind), "{line}");
        }
    }
}

#[test]
fn a_near_miss_is_suggested() {
    let scratch = Scratch::new();
    for path in ["README.md", "docs/index.html", "docs/guide/a.txt"] {
        scratch.write(path, path.as_bytes());
    }
    assert_eq!(scratch.pack(&[]).code, Some(0));
    for (given, suggested) in [
        ("readme", "did you mean \"README.md\"?"),
        ("readme.md", "did you mean \"README.md\"?"),
        ("index.html", "did you mean \"docs/index.html\"?"),
        ("docs/idnex.html", "did you mean \"docs/index.html\"?"),
        ("docs", "it is a folder"),
        ("docs/", "it is a folder"),
    ] {
        let got = scratch.run("get", &[given]);
        assert!(got.failure().contains(suggested), "{given}: {got:?}");
    }
    let removed = scratch.run("rm", &["readme"]);
    assert!(removed.failure().contains("did you mean \"README.md\"?"), "{removed:?}");
}
