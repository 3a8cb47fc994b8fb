//! A URL can contain a password or a signature. No verb may print such a secret from any of its
//! arguments.

use crate::cli::{Scratch, dacti, ended};
use dacti_tests::program::program;
use dacti_tests::served::Served;
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

const SECRET: &str = "hunter2";

/// The arguments of each verb. `@` stands for a URL with secrets. Words in capital letters stand
/// for local files.
const RUNS: &[(&str, &[&str])] = &[
    (
        "pack",
        &["@ -o OUT", "DIR @ -o OUT", "DIR -o @", "DIR -o OUT --sign @", "DIR -o OUT --ids @"],
    ),
    ("ls", &["@", "@ --json", "PKG @", "@ --key @", "@ --stats", "@ --dry-run --json", "@ no*"]),
    ("ls", &["--head @ @", "PKG --head @", "@ @ @"]),
    ("get", &["@ a", "@ missing", "@ @", "PKG @", "PKG a -o @", "@ a -o OUT --json", "@"]),
    ("get", &["@ a --dry-run --json", "@ a --max-requests 1", "@ a --key @", "@ a -v", "a @"]),
    ("unpack", &["@ -C NEW --json", "PKG -C @", "PKG @ -C NEW", "@ no* -C NEW", "@ --dry-run"]),
    ("inspect", &["@", "@ --json", "@ --svg", "@ --dry-run --json", "PKG @"]),
    ("verify", &["@", "@ --json", "@ --key @", "@ --dry-run --json", "@ --max-total 1"]),
    ("put", &["@ x=FILE", "PKG @", "PKG x=@", "PKG x//y=@", "PKG x=FILE --plan @", "PKG x=FILE @"]),
    ("put", &["PKG x=FILE --sign @", "PKG x=FILE --ids @", "@ x=FILE --dry-run --json"]),
    ("rm", &["@ a", "PKG @", "PKG a --plan @", "@ a --json"]),
    ("sync", &["@ DIR", "PKG @", "PKG DIR --plan @", "PKG DIR @"]),
    ("publish", &["PKG @", "@ NEW", "PKG @ --sign @", "PKG @ --prefix @", "@ @ --dry-run"]),
    ("pull", &["@ OUT", "PKG @", "@ @ --json"]),
    ("tag", &["@ name", "@ name --json", "PKG @", "@ name --sign @"]),
    ("log", &["@", "@ --json", "PKG @"]),
    ("gc", &["@", "@ --json", "@ --days @"]),
    ("plan", &["@", "PLAN @", "@ @ @"]),
    ("apply", &["@ PKG", "PLAN @", "PLAN @ --json", "@ @ --step @"]),
    ("key", &["show @", "new -o @"]),
    ("sign", &["@ -o OUT --key KEY", "PKG -o @ --key KEY", "PKG -o OUT --key @"]),
    ("du", &["@", "@ --json", "PKG @"]),
    ("diff", &["@ PKG", "PKG @", "@ @ --json", "@ @ --dry-run --json", "@"]),
    ("serve", &["@", "DIR --listen @", "DIR @"]),
    ("compact", &["@ -o OUT", "PKG -o @", "PKG -o OUT --sign @"]),
    ("dar", &["ls @", "verify @", "inspect @", "inspect @ --json", "roots @", "create @ -o OUT"]),
    ("dar", &["create DIR -o @", "to-car @ -o OUT", "from-car @ -o OUT", "salvage @ -o OUT"]),
    ("dar", &["get @ CID", "extract @ CID -o OUT", "get DIR CID -o @", "index @", "@"]),
    ("cdn-check", &["@", "@ --json", "PKG @", "@ --edge @", "@ --write @"]),
    ("site", &["DIR -o @", "@ -o NEW", "DIR -o NEW --sign @"]),
    ("completions", &["@"]),
    ("man", &["@", "@ @"]),
];

#[test]
fn no_verb_prints_the_secrets_of_a_url() {
    let scratch = Scratch::new();
    scratch.write("a", b"one");
    scratch.write("b/c", &[7; 3_000]);
    assert_eq!(scratch.pack(&[]).code, Some(0));
    let server = Served::start(&scratch.at("packages"), &[]);
    let place = |name: &str| scratch.at(name).to_str().expect("it is text").to_owned();
    assert_eq!(dacti(["key", "new", "-o", &place("key")]).code, Some(0));
    let cid = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
    let with = |host: &str, name: &str| format!("http://me:{SECRET}@{host}/{name}?sig={SECRET}");
    let urls = [
        with(&server.address, "out.dacti-pack"),
        with(&server.address, "missing"),
        format!("ftp://me:{SECRET}@localhost/p?{SECRET}#{SECRET}"),
        format!("s3://me:{SECRET}@/key?{SECRET}"),
        // The program takes a mistyped URL for a path. It must not print the secrets in this path,
        // either.
        format!("http:/me:{SECRET}@h/x?{SECRET}"),
        format!(" http://me:{SECRET}@h/x?{SECRET}"),
        format!("HTTP:me:{SECRET}@h"),
        format!("https//me:{SECRET}@h/x"),
        format!("me:{SECRET}@h/x?sig={SECRET}"),
        format!("http://me:a/{SECRET}@127.0.0.1:1/x"),
    ];
    let mut verbs = BTreeSet::new();
    let run = |verb: &str, arguments: &str, url: &str| {
        let words = arguments.split(' ').map(|word| match word {
            "OUT" | "NEW" => place(word),
            "PKG" => place("packages/out.dacti-pack"),
            "DIR" => place("in"),
            "FILE" => place("in/a"),
            "KEY" => place("key"),
            "PLAN" => place("no plan"),
            "CID" => cid.into(),
            word => word.replace('@', url).replace("FILE", &place("in/a")),
        });
        let mut command = Command::new(program());
        // Each run has a new folder, because a run may create a folder that is named after the URL.
        let folder = scratch.at("empty");
        fs::create_dir(&folder).expect("a new directory");
        command.arg(verb).args(words).current_dir(&folder);
        command.env("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1").env("NO_COLOR", "1");
        let ended = ended(&mut command);
        let out = String::from_utf8_lossy(&ended.out).into_owned();
        let told = format!("dacti {verb} {arguments}: {out}{}", ended.err);
        assert!(!told.contains(SECRET), "{told}");
        // Removes the files of this run, which could change the result of the next run.
        let _ = fs::remove_file(scratch.at("OUT"));
        fs::remove_dir_all(&folder).expect("it is ours");
        let _ = fs::remove_dir_all(scratch.at("NEW"));
    };
    for (verb, runs) in RUNS {
        verbs.insert((*verb).to_owned());
        for (i, arguments) in runs.iter().enumerate() {
            urls.iter().for_each(|url| run(verb, arguments, url));
            if i == 0 && ["get", "verify"].contains(verb) {
                run(verb, arguments, &with("127.0.0.1:1", "p"));
            }
        }
    }
    let help = dacti(["help"]);
    let listed = help.text().split("Commands:").nth(1).expect("verbs are listed");
    let listed = listed.split("\n\n").next().expect("they end");
    // If the text of a verb has several lines, the further lines have more spaces at their start.
    let lines = listed.lines().filter_map(|line| line.strip_prefix("  "));
    let listed: BTreeSet<_> = lines
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let known: BTreeSet<_> = verbs.iter().map(String::as_str).chain(["help"]).collect();
    assert_eq!(listed, known, "each verb is tried");
}

#[test]
fn a_field_that_is_none_is_not_repeated() {
    for field in [SECRET, "Authorization hunter2"] {
        let ended = dacti(["ls", "http://127.0.0.1:1/p", "--header", field]);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.err.contains("Name: value") && !ended.err.contains(SECRET), "{ended:?}");
    }
}
