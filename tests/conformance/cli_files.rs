//! Which input files the program accepts, the paths that they get, and which files it writes.

use crate::cli::{Ended, ended};
use dacti_tests::program::program;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A folder in which the program runs. Its folder `in` has the input files.
struct Place(TempDir);

impl Place {
    fn new(files: &[&str]) -> Self {
        let place = Self(tempfile::tempdir().expect("a temporary directory"));
        fs::create_dir(place.at("in")).expect("a new directory");
        for file in files {
            place.write(file, file.as_bytes());
        }
        place
    }

    fn at(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, file: &str, bytes: &[u8]) {
        let file = self.at("in").join(file);
        fs::create_dir_all(file.parent().expect("it has a folder")).expect("a new directory");
        fs::write(file, bytes).expect("a new file");
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        ended(Command::new(program()).current_dir(self.0.path()).args(arguments))
    }

    /// Packs the folder `in`. Returns the output of `ls` for the package, and the messages.
    #[track_caller]
    fn packed(&self, more: &[&str]) -> (Vec<String>, String) {
        let built = self.run(&[&["pack", "in", "-o", "p"], more].concat());
        assert_eq!(built.code, Some(0), "{built:?}");
        (self.listed(), built.err)
    }

    fn listed(&self) -> Vec<String> {
        self.run(&["ls", "p"]).text().lines().map(Into::into).collect()
    }
}

// ------------------------------------------------------------------------------------------
// Which files are taken
// ------------------------------------------------------------------------------------------

#[test]
fn patterns_are_those_of_gitignore() {
    let place = Place::new(&["a.md", "docs/b.md", "secrets/key", "secrets/deep/key", "x/secrets"]);
    let cases: [(&[&str], &[&str]); 7] = [
        (&["--exclude", "secrets/"], &["a.md", "docs/b.md", "x/secrets"]),
        (&["--exclude", "/secrets"], &["a.md", "docs/b.md", "x/secrets"]),
        (&["--exclude", "./secrets/"], &["a.md", "docs/b.md", "x/secrets"]),
        (&["--exclude", "secrets"], &["a.md", "docs/b.md"]),
        (&["--include", "secrets/"], &["secrets/deep/key", "secrets/key"]),
        (
            &["--exclude", "*.md", "--exclude", "!a.md"],
            &["a.md", "secrets/deep/key", "secrets/key", "x/secrets"],
        ),
        (&["--include", "*.md", "--exclude", "docs/**"], &["a.md"]),
    ];
    for (options, expected) in cases {
        assert_eq!(place.packed(options).0, expected, "{options:?}");
    }
}

#[test]
fn a_pattern_that_matches_nothing_is_told() {
    let place = Place::new(&["a", "b"]);
    let (listed, told) = place.packed(&["--exclude", "secretz/", "--include", "a"]);
    assert_eq!(listed, ["a"]);
    assert!(told.contains("warning: --exclude \"secretz/\" matches nothing"), "{told}");
    fs::remove_file(place.at("p")).expect("it is there");
    let strict = place.run(&["pack", "in", "-o", "p", "--exclude", "secretz/", "--strict"]);
    assert!(strict.failure().contains("--exclude \"secretz/\" matches nothing"), "{strict:?}");
    assert!(!place.at("p").exists());
    place.packed(&["--exclude", "b", "--strict"]);
    let put = place.run(&["put", "p", "in", "--exclude", "nope", "--strict"]);
    assert!(put.failure().contains("--exclude \"nope\" matches nothing"), "{put:?}");
}

#[test]
fn hidden_files_are_taken_on_request_only() {
    let place = Place::new(&[".env", ".git/config", "a", "sub/.hidden", "sub/b"]);
    let (listed, told) = place.packed(&[]);
    assert_eq!(listed, ["a", "sub/b"]);
    let note = "3 hidden files or folders were left out: --hidden takes them";
    assert!(told.contains(note), "{told}");
    let all = [".env", ".git/config", "a", "sub/.hidden", "sub/b"];
    assert_eq!(place.packed(&["--hidden"]).0, all);
    let (listed, told) = place.packed(&["--hidden", "--exclude", ".git/", "--exclude", "./.env"]);
    assert_eq!(listed, ["a", "sub/.hidden", "sub/b"]);
    assert!(!told.contains("hidden") && !told.contains("matches nothing"), "{told}");
    // `put` of a folder leaves out the same files as `pack`. But `put` of a file always puts the
    // file.
    assert_eq!(place.packed(&["--include", "a"]).0, ["a"]);
    assert_eq!(place.run(&["put", "p", "in"]).code, Some(0));
    assert_eq!(place.listed(), ["a", "sub/b"]);
    assert_eq!(place.run(&["put", "p", "in/.env", "in/sub/.hidden"]).code, Some(0));
    assert_eq!(place.listed(), [".env", ".hidden", "a", "sub/b"]);
}

#[test]
fn a_file_of_patterns_leaves_out_files_of_its_folder() {
    let place = Place::new(&["a.log", "keep.log", "sub/b.log", "sub/c.txt", "sub/d/e.txt"]);
    place.write(".dactiignore", b"# comment\n*.log\n!keep.log\n");
    place.write("sub/.dactiignore", b"!b.log\n/d/\n");
    let expected = ["keep.log", "sub/b.log", "sub/c.txt"];
    assert_eq!(place.packed(&[]).0, expected);
    assert_eq!(place.packed(&["--hidden"]).0, expected, "the file itself is of no use there");
    assert_eq!(place.packed(&["--exclude", "!a.log"]).0[0], "a.log", "options count first");
}

#[test]
fn names_are_taken_as_they_are_before_they_are_patterns() {
    let odd = ["[draft].md", "pages/[slug].js", "{a,b}", "st*r", "back\\slash", "#1", "!x"];
    let plain = ["a", "b", "d.md", "pages/s.js", "star"];
    let place = Place::new(&[&odd[..], &plain].concat());
    let all = place.packed(&[]).0;
    for name in odd {
        let (listed, told) = place.packed(&["--exclude", name]);
        let expected: Vec<_> = all.iter().filter(|path| *path != name).cloned().collect();
        assert_eq!((listed, told.contains("warning")), (expected, false), "{name}: {told}");
        assert_eq!(place.packed(&["--include", name, "--strict"]).0, [name]);
    }
    place.packed(&["--hot", "[draft].md", "--hot", "{a,b}"]);
    for name in odd {
        assert_eq!(place.run(&["ls", "p", "--", name]).text(), format!("{name}\n"));
        assert_eq!(place.run(&["get", "p", "--", name]).text(), name);
        let unpacked = place.run(&["unpack", "p", "-C", "out", "--", name]);
        assert_eq!(unpacked.code, Some(0), "{unpacked:?}");
        assert_eq!(fs::read(place.at("out").join(name)).expect("it is there"), name.as_bytes());
        assert_eq!(place.run(&["rm", "p", "--", name]).code, Some(0), "{name}");
    }
    assert_eq!(place.listed(), plain, "no other file was meant");
    assert!(!place.at("out/pages/s.js").exists());
}

#[test]
fn names_in_form_d_are_those_in_form_c() {
    let (decomposed, composed) = ("cafe\u{301}.txt", "caf\u{e9}.txt");
    let place = Place::new(&["a"]);
    place.write(decomposed, b"coffee");
    assert_eq!(place.packed(&[]).0, ["a", composed]);
    for name in [decomposed, composed] {
        assert_eq!(place.run(&["ls", "p", name]).text(), format!("{composed}\n"));
        assert_eq!(place.run(&["get", "p", name]).text(), "coffee");
        assert_eq!(place.run(&["get", "p", name, "--dry-run"]).code, Some(0));
        let unpacked = place.run(&["unpack", "p", name, "-C", "out", "--overwrite"]);
        assert_eq!(unpacked.code, Some(0), "{unpacked:?}");
        place.packed(&["--exclude", name, "--strict"]);
        place.packed(&["--include", name, "--strict", "--hot", name]);
        assert_eq!(place.run(&["put", "p", &format!("{name}=in/a")]).code, Some(0));
        assert_eq!(place.listed(), [composed]);
        assert_eq!(place.run(&["rm", "p", name]).code, Some(0));
        place.packed(&[]);
    }
}

#[test]
fn a_dangling_link_is_called_one() {
    let place = Place::new(&["a"]);
    symlink("nowhere", place.at("in/link")).expect("a new link");
    let refused = place.run(&["pack", "in", "-o", "p"]);
    assert!(
        refused.failure().contains("link is a symbolic link that leads nowhere"),
        "{refused:?}"
    );
    for arguments in
        [&["pack", "in", "-o", "p", "--symlinks", "follow"][..], &["pack", "in/link", "-o", "p"]]
    {
        let refused = place.run(arguments);
        let told = "link: it is a symbolic link to nowhere, which does not exist";
        assert!(refused.failure().contains(told), "{refused:?}");
    }
    let (_, told) = place.packed(&["--symlinks", "skip"]);
    assert!(told.contains("1 symbolic link was skipped"), "{told}");
}

// ------------------------------------------------------------------------------------------
// Private keys
// ------------------------------------------------------------------------------------------

pub(crate) const KEY: &str = "dacti-ed25519-private 1 \
    000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f \
    00112233-4455-6677-8899-aabbccddeeff";

/// Returns contents that hold a private key, in several forms.
pub(crate) fn forms() -> Vec<Vec<u8>> {
    let words = KEY.split(' ').map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(",");
    let texts = [
        KEY.into(),
        format!("{KEY}\n"),
        format!("\u{feff}{KEY}\r\n"),
        format!("KEY=\"{KEY}\"\n"),
        format!("export KEY='{KEY}'\n"),
        format!("{{\"key\": \"{KEY}\"}}"),
        format!("{{\"key\": [{words}]}}"),
        format!("> {KEY}\n"),
        format!("# {KEY}\n"),
        format!("  // {KEY}\n"),
        format!("key: {KEY}\n"),
        format!("<pre>{KEY}</pre>"),
        KEY.replace(' ', "\t"),
        KEY.replace(' ', "\n"),
        KEY.replace(' ', "%20"),
        KEY.replace("0a0b", "0a\n> 0b"),
        KEY.to_uppercase(),
        format!("{}{KEY}", "long before it ".repeat(5_000)),
        format!("{KEY}{}", " long behind it".repeat(5_000)),
    ];
    let mut forms: Vec<Vec<u8>> = texts.map(String::into_bytes).into();
    forms.push(KEY.encode_utf16().flat_map(u16::to_le_bytes).collect());
    forms.push(
        [b"\xff\xfe".to_vec(), KEY.encode_utf16().flat_map(u16::to_le_bytes).collect()].concat(),
    );
    forms.push([&b"caf\xe9 "[..], KEY.as_bytes(), b" \xff"].concat());
    forms.push([&[0; 9000][..], KEY.as_bytes()].concat());
    forms.push([&vec![7; 3 << 20][..], KEY.as_bytes(), &vec![7; 3 << 20]].concat());
    let edge = vec![b'.'; (1 << 20) - 30];
    forms.push([&edge[..], KEY.as_bytes(), &edge].concat());
    forms
}

#[test]
fn private_keys_are_not_published_in_any_form() {
    let place = Place::new(&["a"]);
    place.packed(&[]);
    let before = fs::read(place.at("p")).expect("it is there");
    for (i, form) in forms().iter().enumerate() {
        place.write("b", form);
        let input = fs::File::open(place.at("in/b")).expect("it is there");
        for arguments in [
            &["pack", "in", "-o", "q"][..],
            &["pack", "in", "-o", "q", "--layout", "compact"],
            &["pack", "in", "-o", "q", "--encoding", "none"],
            &["put", "p", "in"],
            &["put", "p", "y=in/b"],
            &["put", "p", "y=in/b", "--plan", "q"],
            &["dar", "create", "in", "-o", "q"],
        ] {
            let ended = place.run(arguments);
            let told = ended.failure();
            assert!(told.contains("private key"), "form {i}, {arguments:?}: {told}");
            assert!(!told.contains("0001"), "{told}");
        }
        let mut put = Command::new(program());
        put.current_dir(place.0.path()).args(["put", "p", "y=-"]).stdin(input);
        let put = put.output().expect("it runs");
        let told = String::from_utf8_lossy(&put.stderr);
        assert!(put.status.code() == Some(1) && told.contains("private key"), "form {i}: {told}");
        let left: Vec<_> = fs::read_dir(place.0.path()).expect("it is there").collect();
        assert_eq!(left.len(), 2, "only `in` and `p`: {left:?}");
        assert_eq!(fs::read(place.at("p")).expect("it is there"), before, "form {i}");
    }
    // The packer accepts a text about keys, and a public key.
    place.write("b", b"dacti-ed25519-private 1 <64 hexadecimal digits>");
    place.write("c", KEY.replace("private", "public").as_bytes());
    assert_eq!(place.packed(&[]).0, ["a", "b", "c"]);
}

#[test]
fn a_private_key_is_no_dictionary() {
    let place = Place::new(&["a"]);
    for form in forms().iter().filter(|form| form.len() <= 1 << 20) {
        fs::write(place.at("k"), form).expect("a new file");
        let refused = place.run(&["pack", "in", "-o", "q", "--dictionary", "k"]);
        assert!(refused.failure().contains("private key"), "{refused:?}");
        assert!(!place.at("q").exists());
    }
}

#[cfg(unix)]
#[test]
fn a_file_of_patterns_that_cannot_be_read_is_not_passed_over() {
    let place = Place::new(&["a"]);
    let patterns = place.at("in/.dactiignore");
    std::os::unix::fs::symlink("nowhere", &patterns).expect("a new link");
    let refused = || place.run(&["pack", "in", "-o", "q"]).failure().to_owned();
    assert!(refused().contains(".dactiignore is not a file of patterns"), "{}", refused());
    fs::remove_file(&patterns).expect("it is there");
    fs::create_dir(&patterns).expect("a new folder");
    assert!(refused().contains(".dactiignore is not a file of patterns"), "{}", refused());
}

// ------------------------------------------------------------------------------------------
// What is put, and from where
// ------------------------------------------------------------------------------------------

#[test]
fn a_file_of_that_name_is_put_before_a_path_is_split_off() {
    let place = Place::new(&["a"]);
    place.packed(&[]);
    for (file, content) in
        [("year=2024", "a year"), ("2024", "wrong"), ("k=v.txt", "both"), ("v.txt", "v")]
    {
        fs::write(place.at(file), content).expect("a new file");
    }
    let get = |path: &str| place.run(&["get", "p", path]).text().to_owned();
    for (argument, path, content) in [
        ("year=2024", "year=2024", "a year"),
        ("./k=v.txt", "k=v.txt", "both"),
        ("k=v.txt", "k=v.txt", "both"),
        ("k=./v.txt", "k", "v"),
        ("x\\=y=v.txt", "x=y", "v"),
    ] {
        let put = place.run(&["put", "p", "--", argument]);
        assert_eq!(put.code, Some(0), "{put:?}");
        assert_eq!(get(path), content, "{argument}");
        place.packed(&[]);
    }
    let missing = place.run(&["put", "p", "none=where"]);
    assert!(missing.failure().contains("where"), "{missing:?}");
}

#[test]
fn a_pipe_is_put_under_a_path() {
    let place = Place::new(&["a"]);
    place.packed(&[]);
    let script = format!("{} put p x=<(printf piped)", program().display());
    let put = ended(Command::new("bash").current_dir(place.0.path()).args(["-c", &script]));
    assert_eq!(put.code, Some(0), "{put:?}");
    assert_eq!(place.run(&["get", "p", "x"]).text(), "piped");
    let script = format!("{} put p <(printf piped)", program().display());
    let put = ended(Command::new("bash").current_dir(place.0.path()).args(["-c", &script]));
    assert!(put.err.contains("a pipe needs a path"), "{put:?}");
}

// ------------------------------------------------------------------------------------------
// Which files are written
// ------------------------------------------------------------------------------------------

#[test]
fn no_verb_writes_over_its_inputs() {
    let place = Place::new(&["a"]);
    place.packed(&["--encoding", "none"]);
    assert_eq!(place.run(&["key", "new", "-o", "key"]).code, Some(0));
    let files = || {
        let entries = fs::read_dir(place.0.path()).expect("it is there").map(|entry| {
            let path = entry.expect("it is there").path();
            (path.clone(), fs::read(path).unwrap_or_default())
        });
        entries.collect::<BTreeMap<_, _>>()
    };
    fs::copy(place.at("p"), place.at("q.data")).expect("a copy");
    fs::write(place.at("ids"), "").expect("a new file");
    let before = files();
    for arguments in [
        &["put", "p", "a=in/a", "--force", "--plan", "p"][..],
        &["put", "p", "a=in/a", "--force", "--plan", "in/a"],
        &["put", "q.data", "a=in/a", "--force", "--plan", "q"],
        &["rm", "p", "a", "--plan", "./p"],
        &["sync", "p", "in", "--plan", "p"],
        &["compact", "p", "-o", "p"],
        &["sign", "p", "-o", "p", "--key", "key"],
        &["sign", "p", "-o", "key", "--key", "key"],
        &["pack", "in", "-o", "key", "--sign", "key"],
        &["pack", "in", "-o", "ids", "--ids", "ids"],
        &["get", "p", "a", "-o", "p"],
        &["get", "p", "a", "-o", "key.pub", "--key", "key.pub"],
        &["get", "p", "a", "-o", "none/a"],
        &["get", "p", "a", "-o", "in"],
        &["get", "p", "a", "-o", "/dev/null"],
        &["pack", "in", "-o", "/dev/stdout"],
        &["compact", "p", "-o", "/dev/stdout"],
        &["key", "new", "-o", "key"],
    ] {
        let ended = place.run(arguments);
        assert_eq!(ended.code, Some(1), "{arguments:?}: {ended:?}");
        assert_eq!(files(), before, "{arguments:?}");
    }
    let nowhere = place.run(&["get", "p", "a", "-o", "none/a"]);
    assert!(nowhere.failure().contains("there is no folder none"), "{nowhere:?}");
}

#[test]
fn unpack_does_not_replace_the_package() {
    let place = Place::new(&["p", "other"]);
    place.packed(&[]);
    let before = fs::read(place.at("p")).expect("it is there");
    let unpacked = place.run(&["unpack", "p", "--overwrite"]);
    assert_eq!(unpacked.code, Some(3), "{unpacked:?}");
    assert!(unpacked.err.contains("p: is the package itself"), "{unpacked:?}");
    assert_eq!(fs::read(place.at("p")).expect("it is there"), before);
    assert_eq!(fs::read(place.at("other")).expect("it is there"), b"other");
}

#[test]
fn unpack_makes_no_more_folders_than_files_need() {
    let place = Place::new(&[]);
    // Creates 100 files. Above each of them are 127 folders that belong to it alone.
    for i in 0..100 {
        let path = format!("{i}/{}", "d/".repeat(126));
        assert_eq!(path.matches('/').count(), 127);
        fs::create_dir_all(place.at("in").join(&path)).expect("new folders");
        fs::write(place.at("in").join(&path).join("f"), b"f").expect("a new file");
    }
    place.packed(&[]);
    for more in [&[][..], &["--dry-run"]] {
        let refused = place.run(&[&["unpack", "p", "-C", "out"], more].concat());
        let told = "the paths need 12700 folders, more than the limit for 100 regions";
        assert!(refused.failure().contains(told), "{refused:?}");
        assert!(refused.failure().contains("--max-folders 12700"), "{refused:?}");
        assert!(!place.at("out").exists());
    }
    let more = ["unpack", "p", "-C", "out", "--max-folders", "12700", "--max-depth", "126"];
    let refused = place.run(&more);
    assert!(refused.err.contains("--max-depth allows 126"), "{refused:?}");
    let unpacked = place.run(&["unpack", "p", "-C", "out", "--max-folders", "12700"]);
    assert_eq!(unpacked.code, Some(0), "{unpacked:?}");
}

// ------------------------------------------------------------------------------------------
// A package equal to a folder
// ------------------------------------------------------------------------------------------

#[test]
fn a_package_is_made_equal_to_a_folder() {
    let place = Place::new(&["a", "b", "sub/c"]);
    place.packed(&["--slice", "4KiB", "--encoding", "none"]);
    fs::remove_file(place.at("in/b")).expect("it is there");
    place.write("a", b"changed");
    place.write("sub/d", b"new");
    place.write(".hidden", b"hidden");
    let before = fs::read(place.at("p")).expect("it is there");
    let dry: Value = {
        let dry = place.run(&["sync", "p", "in", "--delete", "--dry-run", "--json"]);
        serde_json::from_str(dry.text()).expect("it is JSON")
    };
    assert_eq!(fs::read(place.at("p")).expect("it is there"), before, "nothing was written");
    let count = |what: &str| dry[what].as_u64();
    assert_eq!((count("added"), count("replaced")), (Some(1), Some(1)));
    assert_eq!((count("removed"), count("unchanged")), (Some(1), Some(1)));
    let text = place.run(&["sync", "p", "in", "--delete", "--dry-run"]);
    for line in ["replace  a", "add      sub/d", "remove   b"] {
        assert!(text.text().contains(line), "{line}: {}", text.text());
    }
    let kept = place.run(&["sync", "p", "in"]);
    assert_eq!(kept.code, Some(0), "{kept:?}");
    assert!(kept.err.contains("1 region is not a file of the folder"), "{kept:?}");
    assert_eq!(place.listed(), ["a", "b", "sub/c", "sub/d"]);
    let synced = place.run(&["sync", "p", "in", "--delete"]);
    assert_eq!(synced.code, Some(0), "{synced:?}");
    assert_eq!(place.listed(), ["a", "sub/c", "sub/d"]);
    assert_eq!(place.run(&["get", "p", "a"]).text(), "changed");
    let again = place.run(&["sync", "p", "in", "--delete"]);
    assert!(again.err.contains("nothing to change"), "{again:?}");
    // The package now has the same regions as a package that was packed from the folder.
    assert_eq!(place.run(&["pack", "in", "-o", "q", "--encoding", "none"]).code, Some(0));
    assert_eq!(place.run(&["diff", "p", "q", "--exit-code"]).code, Some(0));
}

#[test]
fn puts_and_removals_of_a_folder_are_one_switch() {
    let place = Place::new(&["a", "b"]);
    place.packed(&["--slice", "4KiB", "--encoding", "none"]);
    fs::remove_file(place.at("in/b")).expect("it is there");
    place.write("a", b"changed");
    let dry = place.run(&["sync", "p", "in", "--delete", "--dry-run", "--json"]);
    let dry: Value = serde_json::from_str(dry.text()).expect("it is JSON");
    let plans = dry["plans"].as_array().expect("a list");
    let steps = plans.iter().flat_map(|plan| plan["steps"].as_array().expect("a list"));
    let switches = steps.filter(|step| step["kind"] == "switch").count();
    assert_eq!((plans.len(), switches), (1, 1), "{dry}");
}

#[test]
fn an_empty_folder_does_not_empty_a_package() {
    let place = Place::new(&["a"]);
    place.packed(&[]);
    fs::remove_file(place.at("in/a")).expect("it is there");
    let refused = place.run(&["sync", "p", "in", "--delete"]);
    assert!(refused.failure().contains("would remove all regions"), "{refused:?}");
    let refused = place.run(&["sync", "p", "missing"]);
    assert!(refused.failure().contains("missing is not a folder"), "{refused:?}");
    assert_eq!(place.listed(), ["a"]);
}

#[test]
fn a_file_that_no_region_can_hold_is_refused_with_the_way_out() {
    let place = Place::new(&["a"]);
    let large = place.at("large");
    // The file has 4 GiB of zeros. It is sparse, so it takes no space on the disk.
    let file = fs::File::create(&large).expect("a new file");
    file.set_len(1 << 32).expect("it can be sparse");
    let packed = place.run(&["pack", "large", "-o", "p"]);
    let told = packed.failure();
    assert!(told.contains("\"large\": 4294967296 bytes do not fit into a region"), "{told}");
    assert!(told.contains("nothing was written") && told.contains("split -b 4000M"), "{told}");
    assert!(!place.at("p").exists());
    place.packed(&[]);
    let before = fs::read(place.at("p")).expect("it was written");
    fs::rename(&large, place.at("in/large")).expect("it is in the same folder");
    for verb in [
        &["put", "p", "x=in/large"][..],
        &["put", "p", "x=in", "--dry-run"],
        &["put", "p", "in/large", "--plan", "plan"],
        &["sync", "p", "in", "--delete"],
        &["sync", "p", "in", "--json"],
        &["pack", "in", "-o", "p"],
        &["site", "in", "-o", "site"],
    ] {
        let told = place.run(verb);
        let fault = told.failure();
        assert!(fault.contains("\": 4294967296 bytes do not fit into a region"), "{fault}");
        let is_named = fault.contains("large\"") || fault.contains("\"x\"");
        assert!(is_named, "{fault}");
        assert!(told.failure().contains("split -b 4000M"), "{told:?}");
        assert_eq!(fs::read(place.at("p")).expect("it is there"), before, "{verb:?}");
    }
    for made in ["plan", "plan.data", "site"] {
        assert!(!place.at(made).exists(), "{made} was written");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn files_whose_length_is_not_told_are_read() {
    let place = Place::new(&["empty"]);
    place.write("empty", b"");
    let version = fs::read("/proc/version").expect("linux has it");
    assert_eq!(fs::metadata("/proc/version").expect("linux has it").len(), 0);
    // For these files, the system states the length of a memory page, but their content is shorter.
    let mut shorter = ["/sys/kernel/fscaps", "/sys/kernel/kexec_loaded"].into_iter();
    let shorter = shorter.find(|file| Path::new(file).exists());
    let mut inputs = vec!["/proc/version", "in"];
    inputs.extend(shorter);
    let packed = place.run(&[&["pack"][..], &inputs, &["-o", "p"]].concat());
    assert_eq!(packed.code, Some(0), "{packed:?}");
    assert_eq!(place.run(&["get", "p", "version"]).out, version);
    assert_eq!(place.run(&["get", "p", "empty"]).out, b"");
    if let Some(file) = shorter {
        let name = Path::new(file).file_name().and_then(|name| name.to_str()).expect("text");
        assert_eq!(place.run(&["get", "p", name]).out, fs::read(file).expect("it is there"));
    }
    let put = place.run(&["put", "p", "v=/proc/version"]);
    assert_eq!(put.code, Some(0), "{put:?}");
    assert_eq!(place.run(&["get", "p", "v"]).out, version);
}

#[cfg(unix)]
#[test]
fn times_and_programs_are_kept_on_demand() {
    use std::os::unix::fs::PermissionsExt;
    use std::time::{Duration, UNIX_EPOCH};
    let place = Place::new(&["plain", "program"]);
    let time = UNIX_EPOCH + Duration::from_millis(1_000_000_000_500);
    let set = |file: &str, mode: u32| {
        let file = place.at("in").join(file);
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("it is ours");
        let file = fs::File::options().write(true).open(file).expect("it is there");
        file.set_modified(time).expect("it is ours");
    };
    // Without options, the packer drops the attributes of files, and its message says so.
    let (_, told) = place.packed(&[]);
    assert!(told.ends_with("; modification times and executable bits are dropped\n"), "{told}");
    let bytes = fs::read(place.at("p")).expect("it was written");
    set("plain", 0o644);
    set("program", 0o751);
    place.packed(&[]);
    assert_eq!(fs::read(place.at("p")).expect("it was written"), bytes, "the same package");
    let long = |more: &str| {
        let listed = place.run(&["ls", "p", "--long", more]);
        let lines = listed.text().lines();
        let kept = lines.map(|line| line.split_whitespace().skip(5).collect::<Vec<_>>().join(" "));
        kept.collect::<Vec<_>>()
    };
    assert_eq!(long("*"), ["plain", "program"]);
    let (_, told) = place.packed(&["--keep-times", "--keep-modes"]);
    assert!(!told.contains("dropped"), "{told}");
    let shown = "2001-09-09T01:46:40.5Z";
    assert_eq!(long("*"), [format!("- {shown} plain"), format!("x {shown} program")]);
    let json: serde_json::Value =
        serde_json::from_slice(&place.run(&["ls", "p", "program", "--json"]).out)
            .expect("it is JSON");
    assert_eq!((&json["modified"], &json["executable"]), (&shown.into(), &true.into()));
    let unpacked = |from: &str, to: &str| {
        assert_eq!(place.run(&["unpack", from, "-C", to]).code, Some(0));
        ["plain", "program"].map(|file| {
            let found = fs::metadata(place.at(to).join(file)).expect("it was written");
            let is_program = found.permissions().mode() & 0o111 != 0;
            (found.modified().expect("it has one") == time, is_program)
        })
    };
    assert_eq!(unpacked("p", "all"), [(true, false), (true, true)]);
    // Compaction keeps the attributes.
    assert_eq!(place.run(&["compact", "p", "-o", "c"]).code, Some(0));
    assert_eq!(unpacked("c", "compacted"), [(true, false), (true, true)]);
    // A region whose content changes gets new attributes. A region whose content stays the same
    // keeps its attributes.
    place.write("plain", b"other content");
    let put = place.run(&["put", "p", "plain=in/plain", "program=in/program"]);
    assert_eq!(put.code, Some(0), "{put:?}");
    assert_eq!(long("*"), ["- - plain".to_owned(), format!("x {shown} program")]);
    set("plain", 0o700);
    let put = place.run(&["put", "p", "plain=in/plain", "--keep-modes"]);
    assert_eq!(put.code, Some(0), "{put:?}");
    assert_eq!(long("*"), ["x - plain".to_owned(), format!("x {shown} program")]);
    let synced = place.run(&["sync", "p", "in", "--keep-times"]);
    assert_eq!(synced.code, Some(0), "{synced:?}");
    assert_eq!(long("*"), [format!("- {shown} plain"), format!("- {shown} program")]);
    assert_eq!(place.run(&["verify", "p"]).code, Some(0));
}
