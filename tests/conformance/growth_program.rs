//! Checks that the reads and writes of every verb grow no faster than its input. The system counts
//! the calls and bytes, for the worst inputs of one size and of twice that size.
//!
//! `growth.rs` and `dar_growth.rs` count the memory, the hashes and the comparisons of the same
//! work in our libraries.

#![cfg(target_os = "linux")]

mod growth_inputs;

use dacti_tests::dar_reference::{self as dar, Block, CidBytes, Plan};
use dacti_tests::program::{Folder, program};
use dacti_tests::served::Served;
use growth_inputs::INPUTS;
use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

/// The calls of a process that read or write, and their bytes. Bytes from the system's cache count,
/// too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spent {
    calls: u64,
    bytes: u64,
}

impl Spent {
    /// Returns the counts of a process. The system keeps the counts after the end of the process,
    /// until its parent waits for it.
    fn of(process: u32) -> Self {
        let counts = fs::read_to_string(format!("/proc/{process}/io")).expect("it is our child");
        let count = |name: &str| -> u64 {
            let line = counts.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|count| count.trim().parse().ok()).expect("the system counts it")
        };
        let calls = count("syscr:") + count("syscw:");
        Self { calls, bytes: count("rchar:") + count("wchar:") }
    }
}

/// Returns whether a child process has ended. The parent must not have waited for the child before.
fn has_ended(process: u32) -> bool {
    let state = fs::read_to_string(format!("/proc/{process}/stat")).expect("it is our child");
    state.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
}

/// Runs the program in a folder, and returns its costs. The exit code must be one of `codes`.
#[track_caller]
fn run(folder: &Folder, arguments: &[&str], codes: &[i32]) -> Spent {
    let mut command = Command::new(program());
    command.args(arguments).current_dir(folder.at("")).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let mut errors = String::new();
    let stderr = child.stderr.as_mut().expect("it is piped");
    stderr.read_to_string(&mut errors).expect("messages are text");
    // The program closes its error output before it ends. So the loop waits for the end of the
    // process, when its counts are complete.
    while !has_ended(child.id()) {
        std::thread::yield_now();
    }
    let spent = Spent::of(child.id());
    let code = child.wait().expect("it has ended").code();
    assert!(code.is_some_and(|code| codes.contains(&code)), "{arguments:?}: {code:?} {errors}");
    spent
}

/// Runs the program, and checks that it succeeds.
#[track_caller]
fn done(folder: &Folder, arguments: &[&str]) {
    let (code, _, errors) = folder.run(arguments);
    assert_eq!(code, Some(0), "{arguments:?}: {errors}");
}

/// A function that makes an input of the given size in a folder.
type Make = dyn Fn(&Folder, usize);

/// A verb and an input whose length is proportional to `n`.
struct Case {
    /// The arguments of the program. The first ones name the verb.
    arguments: &'static [&'static str],
    input: &'static str,
    n: usize,
    /// The exit codes that the test accepts. A verb may refuse an input that a stranger made.
    codes: &'static [i32],
    /// Makes the input in a folder.
    make: Box<Make>,
}

fn case(
    arguments: &'static [&'static str],
    (input, n): (&'static str, usize),
    make: impl Fn(&Folder, usize) + 'static,
) -> Case {
    Case { arguments, input, n, codes: &[0], make: Box::new(make) }
}

fn strange(
    arguments: &'static [&'static str],
    input: (&'static str, usize),
    make: impl Fn(&Folder, usize) + 'static,
) -> Case {
    Case { codes: &[0, 1, 3], ..case(arguments, input, make) }
}

/// Checks that an input of twice the size costs at most about twice as much.
#[track_caller]
fn check(what: &str, one: Spent, two: Spent) {
    let grown = |one: u64, two: u64, slack: u64| two > 2 * one + one / 4 + slack;
    let faster = grown(one.calls, two.calls, 300) || grown(one.bytes, two.bytes, 1 << 18);
    assert!(!faster, "{what}: {one:?}, at twice the size {two:?}");
}

impl Case {
    fn check(&self) {
        let [one, two] = [self.n, 2 * self.n].map(|n| {
            let folder = Folder::new();
            (self.make)(&folder, n);
            run(&folder, self.arguments, self.codes)
        });
        check(&format!("{:?} of {}", self.arguments, self.input), one, two);
    }

    /// Returns the name of the verb: two words for verbs of `dar`, and one word for others.
    fn verb(&self) -> String {
        let words = if self.arguments[0] == "dar" { 2 } else { 1 };
        self.arguments[..words].join(" ")
    }
}

// ------------------------------------------------------------------------------------------
// Packages
// ------------------------------------------------------------------------------------------

const ID: &str = "00000000-0000-0000-0000-000000000001";

/// The verbs that read a package `p` of any kind. Some also read `q`, a copy of `p`.
const READERS: &[&[&str]] = &[
    &["ls", "p", "--long"],
    &["ls", "p", "**/a*0*"],
    &["get", "p", ID],
    &["get", "p", "0000000x"],
    &["unpack", "p", "-C", "out"],
    &["unpack", "p", "-C", "out", "--dry-run", "--portable"],
    &["verify", "p"],
    &["inspect", "p", "--json"],
    &["inspect", "p", "--svg"],
    &["du", "p"],
    &["diff", "p", "q"],
    &["compact", "p", "-o", "out"],
    &["sign", "p", "--key", "key", "-o", "out"],
    &["publish", "p", "parts/head"],
    &["pull", "p", "out"],
    &["put", "p", "key.pub"],
    &["rm", "p", "**"],
    &["sync", "p", "in", "--delete"],
];

fn readers() -> Vec<Case> {
    let all = INPUTS.iter().flat_map(|input| READERS.iter().map(move |verb| (input, verb)));
    let cases = all.map(|((input, make, n), verb)| {
        // `unpack` writes many files, so the inputs are a quarter of the usual size.
        strange(verb, (input, n / 4), move |folder, n| {
            let package = make(n);
            folder.write("p", &package);
            folder.write("q", &package);
            folder.write("in/file", b"file");
            fs::create_dir(folder.at("parts")).expect("a new folder");
            done(folder, &["key", "new", "-o", "key"]);
        })
    });
    cases.collect()
}

/// Writes `n` files of different contents, 100 to a folder.
fn files(folder: &Folder, n: usize) {
    for number in 0..n {
        folder.write(&format!("in/{}/{number}", number / 100), format!("{number}").as_bytes());
    }
}

/// Packs `n` files.
fn packed(folder: &Folder, n: usize) {
    files(folder, n);
    done(folder, &["pack", "in", "-o", "p"]);
}

/// Packs one file.
fn small(folder: &Folder) {
    folder.write("one/a", b"a");
    done(folder, &["pack", "one", "-o", "p"]);
}

/// Publishes a package in parts, and then `n` updates of it. Each update archives the replaced
/// head.
fn versions(folder: &Folder, n: usize) {
    fs::create_dir(folder.at("parts")).expect("a new folder");
    small(folder);
    done(folder, &["publish", "p", "parts/head"]);
    for number in 0..n {
        folder.write("one/a", format!("{number}").as_bytes());
        done(folder, &["put", "parts/head", "one", "--archive"]);
    }
}

fn writers() -> Vec<Case> {
    vec![
        case(&["pack", "in", "-o", "out"], ("files", 300), files),
        case(&["pack", "in", "-o", "out"], ("equal files", 300), |folder, n| {
            (0..n).for_each(|number| folder.write(&format!("in/{number}"), &[7; 1000]));
        }),
        case(&["pack", "in", "-o", "out"], ("nested folders", 100), |folder, n| {
            folder.write(&format!("in/{}file", "a/".repeat(n)), b"a");
        }),
        case(&["pack", "in", "-o", "out"], ("ignored files", 300), |folder, n| {
            files(folder, n);
            let line = |number: usize| format!("/{}/{number}\n", number / 100);
            folder.write("in/.dactiignore", (1..n).map(line).collect::<String>().as_bytes());
        }),
        case(&["pack", "in", "--ids", "ids", "-o", "out"], ("chosen ids", 300), |folder, n| {
            files(folder, n);
            let line =
                |n: usize| format!("00000000-0000-0000-0000-{:012} {}/{n}\n", n + 1, n / 100);
            folder.write("ids", (0..n).map(line).collect::<String>().as_bytes());
        }),
        case(&["put", "p", "in"], ("new files", 300), |folder, n| {
            small(folder);
            files(folder, n);
        }),
        case(&["put", "p", "key=one/a"], ("one file, and a package", 300), |folder, n| {
            packed(folder, n);
            folder.write("one/a", b"new");
        }),
        case(&["put", "p", "in", "--plan", "plan"], ("new files", 300), |folder, n| {
            small(folder);
            files(folder, n);
        }),
        case(&["plan", "plan", "p"], ("a plan of puts", 300), planned),
        case(&["apply", "plan", "p"], ("a plan of puts", 300), planned),
        case(&["rm", "p", "**"], ("regions", 300), packed),
        case(&["rm", "p", "**"], ("fences that contradict the groups", 2_700), contradicted),
        case(&["rm", "p", "0/7"], ("one region of many", 300), packed),
        case(&["sync", "p", "in", "--delete"], ("changed files", 300), |folder, n| {
            packed(folder, n);
            (0..n).for_each(|n| folder.write(&format!("in/{}/{n}", n / 100), b"new"));
        }),
        case(&["publish", "p", "parts/head"], ("regions", 300), |folder, n| {
            packed(folder, n);
            fs::create_dir(folder.at("parts")).expect("a new folder");
        }),
        case(&["pull", "parts/head", "out"], ("versions", 12), versions),
        case(&["tag", "parts/head", "copy"], ("versions", 12), versions),
        case(&["log", "parts/head"], ("versions", 12), versions),
        case(&["gc", "parts/head", "--delete"], ("versions", 12), versions),
        case(&["site", "in", "-o", "out"], ("files", 300), files),
    ]
}

/// Builds a package whose fences contradict its groups: the entries of each group are reversed.
fn contradicted(folder: &Folder, n: usize) {
    let mut builder = dacti::PackageBuilder::new(dacti::BuildOptions::default());
    for n in 0..n {
        builder.add(format!("{n:08}"), n.to_le_bytes().to_vec()).expect("a good path");
    }
    let (mut bytes, _) = builder.build_to_vec().expect("it can be built");
    // With more than 2,550 regions, the index starts with eight groups in the head.
    let index = 65_536 - 8 - 8 * 6136;
    let count = u32::from_le_bytes(bytes[index + 4..index + 8].try_into().expect("four bytes"));
    for group in 0..count as usize {
        let at = index + 8 + 6136 * group;
        let len = usize::from(bytes[at + 12]);
        let entries = &mut bytes[at + 16..at + 16 + 24 * len];
        let reversed: Vec<u8> = entries.chunks(24).rev().flatten().copied().collect();
        entries.copy_from_slice(&reversed);
    }
    folder.write("p", &bytes);
}

/// Saves a plan that puts `n` regions.
fn planned(folder: &Folder, n: usize) {
    small(folder);
    files(folder, n);
    done(folder, &["put", "p", "in", "--plan", "plan"]);
}

// ------------------------------------------------------------------------------------------
// DAR
// ------------------------------------------------------------------------------------------

fn block(codec: u64, payload: &[u8], links: &[CidBytes]) -> Block {
    let data = if codec == dar::RAW { payload.to_vec() } else { dar::dag_cbor(payload, links) };
    Block { cid: dar::cid_v1(codec, dar::SHA2_256, &data), data, links: links.to_vec() }
}

fn leaf(number: usize) -> Block {
    block(dar::RAW, &number.to_be_bytes(), &[])
}

/// Returns a plan for an archive of these blocks. The last block is the root.
fn plan(blocks: Vec<Block>) -> Plan {
    let roots = vec![blocks.last().expect("there is one").cid.clone()];
    let store = blocks.into_iter().map(|block| (block.cid.clone(), block)).collect();
    Plan { store, roots, index: true, ..Plan::default() }
}

/// Returns nested blocks. Each has a link to a block that the archive lacks. The root links to all
/// nested blocks again.
fn nested(n: usize) -> Plan {
    let mut blocks: Vec<Block> = Vec::new();
    for number in 0..n {
        let inner = blocks.last().map(|block| block.cid.clone());
        let links: Vec<_> = inner.into_iter().chain([leaf(number).cid]).collect();
        blocks.push(block(dar::DAG_CBOR, b"", &links));
    }
    let links: Vec<_> = blocks.iter().rev().map(|block| block.cid.clone()).collect();
    blocks.push(block(dar::DAG_CBOR, b"root", &links));
    plan(blocks)
}

/// Returns blocks each of which is a root.
fn roots(n: usize) -> Plan {
    let blocks: Vec<Block> = (0..n).map(leaf).collect();
    let roots = blocks.iter().map(|block| block.cid.clone()).collect();
    Plan { roots, car_roots: None, ..plan(blocks) }
}

/// Returns a root that links to the same block `n` times.
fn repeated(n: usize) -> Plan {
    let leaf = leaf(7);
    let root = block(dar::DAG_CBOR, b"root", &vec![leaf.cid.clone(); n]);
    plan(vec![leaf, root])
}

/// An archive: its name, the function that makes its blocks, and its size.
type Archive = (&'static str, fn(usize) -> Plan, usize);

const ARCHIVES: &[Archive] =
    &[("nested blocks", nested, 2000), ("roots", roots, 2000), ("repeats", repeated, 2000)];

/// The verbs that read an archive `d` or a CAR `c`, which have the same blocks.
const DAR_READERS: &[&[&str]] = &[
    &["dar", "ls", "d", "--long"],
    &["dar", "roots", "d"],
    &["dar", "extract", "d", "-o", "out"],
    &["dar", "extract", "d", "--car", "-o", "out"],
    &["dar", "extract", "d", "--files", "-C", "out"],
    &["dar", "verify", "d"],
    &["dar", "index", "d", "-o", "out"],
    &["dar", "from-car", "c", "-o", "out"],
    &["dar", "to-car", "d", "-o", "out"],
    &["dar", "inspect", "d"],
    &["dar", "salvage", "d", "-o", "out"],
    &["dar", "salvage", "cut", "-o", "out"],
];

fn dar_readers() -> Vec<Case> {
    let all = ARCHIVES.iter().flat_map(|input| DAR_READERS.iter().map(move |verb| (input, verb)));
    let write = |folder: &Folder, plan: &Plan| {
        let bytes = dar::encode(plan).bytes;
        folder.write("d", &bytes);
        folder.write("cut", &bytes[..bytes.len() * 2 / 3]);
        let blocks = plan.store.values().map(|block| (&block.cid, &block.data));
        folder.write("c", &dar::car_v1(&plan.roots, blocks));
    };
    let cases = all.map(|((input, make, n), verb)| {
        strange(verb, (input, *n), move |folder, n| write(folder, &make(n)))
    });
    let get = &["dar", "get", "d", "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq"];
    let gets = ARCHIVES.iter().map(|(input, make, n)| {
        strange(get, (input, *n), move |folder, n| {
            write(folder, &Plan { index: false, ..make(n) });
        })
    });
    let created = [
        case(&["dar", "create", "in", "-o", "out"], ("files", 300), files),
        case(&["dar", "create", "in", "-o", "out"], ("nested folders", 100), |folder, n| {
            folder.write(&format!("in/{}file", "a/".repeat(n)), b"a");
        }),
    ];
    cases.chain(gets).chain(created).collect()
}

// ------------------------------------------------------------------------------------------
// Tests
// ------------------------------------------------------------------------------------------

#[test]
fn reading_a_package_costs_at_most_its_length() {
    readers().iter().for_each(Case::check);
}

#[test]
fn writing_costs_at_most_what_is_written() {
    writers().iter().for_each(Case::check);
}

#[test]
fn archives_cost_at_most_their_length() {
    dar_readers().iter().for_each(Case::check);
}

/// Returns the reads and writes of a server that answers `n` requests.
fn served(folder: &Folder, path: &str, n: usize) -> Spent {
    let server = Served::start(&folder.at(""), &[]);
    for _ in 0..n {
        let mut stream = TcpStream::connect(&server.address).expect("it listens");
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        stream.read_to_end(&mut Vec::new()).expect("it answers");
    }
    Spent::of(server.child.id())
}

#[test]
fn serving_costs_at_most_the_package_and_the_requests() {
    for (input, make, n) in INPUTS {
        let folder = Folder::new();
        folder.write("small", &make(n));
        folder.write("large", &make(2 * n));
        for page in ["-/", "-/00000001", "-/missing"] {
            let cost = |name, n| served(&folder, &format!("/{name}/{page}"), n);
            let what = format!("serve: {page} of {input}");
            check(&format!("{what}: requests"), cost("small", 4), cost("small", 8));
            check(&format!("{what}: package"), cost("small", 4), cost("large", 4));
        }
    }
}

/// Returns the verbs that a help text lists.
fn listed(arguments: &[&str]) -> Vec<String> {
    let (code, help, _) = Folder::new().run(arguments);
    assert_eq!(code, Some(0));
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let lines = lines.take_while(|line| !line.is_empty());
    let verbs = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    verbs.filter_map(|line| line.split_whitespace().next()).map(Into::into).collect()
}

#[test]
fn every_verb_has_a_case() {
    let mut verbs: BTreeSet<String> = listed(&["--help"]).into_iter().collect();
    verbs.extend(listed(&["dar", "--help"]).iter().map(|verb| format!("dar {verb}")));
    assert!(verbs.len() > 35, "{verbs:?}");
    // These verbs read no input, or a file of fixed length. `cdn-check` sends a fixed number of
    // requests.
    let without_input = ["completions", "man", "key", "help", "dar", "dar help", "cdn-check"];
    let cases = readers().into_iter().chain(writers()).chain(dar_readers());
    let covered = cases.map(|case| case.verb()).chain(["serve".into()]);
    let covered: BTreeSet<String> = covered.chain(without_input.map(Into::into)).collect();
    assert_eq!(verbs, covered);
}
