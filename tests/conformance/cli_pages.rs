//! Output for people: completions, manual pages and pictures.

use crate::cli::{Scratch, dacti, ended, tree};
use dacti_tests::program::program;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Returns the verbs that `--help` lists.
fn verbs() -> Vec<String> {
    let help = dacti(["--help"]);
    let lines = help.text().lines().skip_while(|line| *line != "Commands:").skip(1);
    let lines = lines.take_while(|line| !line.is_empty());
    // If the text of a verb has several lines, the further lines have more spaces at their start.
    let verbs = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    verbs.filter_map(|line| line.split_whitespace().next().map(Into::into)).collect()
}

#[test]
fn every_shell_completes_every_verb() {
    let verbs = verbs();
    assert!(verbs.iter().any(|verb| verb == "unpack"), "{verbs:?}");
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = dacti(["completions", shell]);
        for verb in &verbs {
            assert!(script.text().contains(verb.as_str()), "{shell}: {verb}");
        }
    }
    assert_eq!(dacti(["completions", "vms"]).code, Some(2));
}

#[test]
fn every_verb_has_a_manual_page() {
    let scratch = Scratch::new();
    let folder = scratch.at("share/man1");
    let shown = folder.to_str().expect("it is text");
    for _ in 0..2 {
        assert_eq!(dacti(["man", shown]).code, Some(0));
    }
    for verb in verbs().iter().filter(|verb| *verb != "help") {
        let page = fs::read_to_string(folder.join(format!("dacti-{verb}.1"))).expect(verb);
        assert!(page.contains(".SH SYNOPSIS") && page.contains("\\-\\-help"), "{verb}: {page}");
    }
    for page in ["dacti.1", "dacti-key-new.1", "dacti-dar-get.1"] {
        assert!(folder.join(page).exists(), "{page}");
    }
    let names = fs::read_dir(&folder).expect("it is there").map(|entry| entry.unwrap().file_name());
    let left = names.filter(|name| !name.to_string_lossy().ends_with(".1")).count();
    assert_eq!(left, 0, "nothing else is left there");
    scratch.write("file", b"in the way");
    let file = scratch.at("in/file");
    let refused = dacti(["man", file.to_str().expect("it is text")]);
    assert!(refused.failure().contains("cannot make"), "{refused:?}");
}

#[test]
fn the_commands_of_the_readme_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = fs::read_to_string(root.join("README.md")).expect("it is there");
    let scratch = Scratch::new();
    scratch.write("README.md", readme.as_bytes());
    for (path, bytes) in tree(&root.join("docs")) {
        scratch.write(&format!("docs/{}", path.to_str().expect("it is text")), &bytes);
    }
    let calls = readme.lines().filter_map(|line| line.strip_prefix("cargo run --release -- "));
    let mut shown = Vec::new();
    for call in calls {
        let mut command = Command::new(program());
        let ran = ended(command.args(call.split(' ')).current_dir(scratch.at("in")));
        assert_eq!(ran.code, Some(0), "{call}: {ran:?}");
        if call.starts_with("get ") {
            shown.push(ran.out);
        }
    }
    let page = fs::read(root.join("docs/spec/daicon.md")).expect("it is there");
    assert_eq!(shown, [page.clone(), page]);
}

/// Returns the number in an attribute of an SVG element.
fn number(element: &str, attribute: &str) -> f64 {
    let (_, rest) = element.split_once(&format!(" {attribute}=\"")).expect(attribute);
    rest.split('"').next().and_then(|text| text.parse().ok()).expect(attribute)
}

#[test]
fn a_picture_shows_every_byte() {
    let scratch = Scratch::new();
    scratch.write("a & b", &[7; 5000]);
    scratch.write("c", &[8; 200_000]);
    assert_eq!(scratch.pack(&["--encoding", "none"]).code, Some(0));
    let picture = scratch.run("inspect", &["--svg"]);
    let lines: Vec<_> = picture.text().lines().collect();
    assert!(lines[0].starts_with("<svg ") && lines.last() == Some(&"</svg>"), "{lines:?}");
    // The picture has two grids of 64 rows. Each row starts at the left edge. It ends at the right
    // edge if it has enough bytes.
    let mut rows = BTreeMap::new();
    for line in lines.iter().filter(|line| line.contains("<title>")) {
        let (_, row) = line.split_once(" y=\"").expect("a rectangle has a place");
        let row = row.split('"').next().expect("it is quoted");
        *rows.entry(row).or_insert(0.0) += number(line, "width");
    }
    assert_eq!(rows.len(), 128);
    assert!(rows.values().all(|width| (width - 1024.0_f64).abs() < 1.0), "{rows:?}");
    // The legend has a line for each kind that `--json` prints.
    let json: Value = serde_json::from_str(scratch.run("inspect", &["--json"]).text()).unwrap();
    for claim in json["map"].as_array().expect("a list") {
        let what = claim["kind"].as_str().expect("a text");
        assert!(lines.iter().any(|line| line.contains(&format!(">{what}: "))), "{what}");
    }
    assert_eq!(scratch.run("inspect", &["--svg", "--json"]).code, Some(2));
}
