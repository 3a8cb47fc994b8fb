//! `dacti put`, `rm`, `plan` and `apply` with real packages.

use dacti_tests::program::program;
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

struct Scratch(TempDir);

#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ended {
    #[track_caller]
    fn ok(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    #[track_caller]
    fn failed(self, code: i32) -> String {
        assert_eq!((self.code, &*self.out), (Some(code), ""), "{self:?}");
        self.err
    }
}

impl Scratch {
    /// Packs the files `in/a.txt`, `in/b.txt` and `in/sub/c.txt`.
    fn new(pack: &[&str]) -> Self {
        let scratch = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(scratch.at("in/sub")).unwrap();
        for (path, content) in [("a.txt", "one\n"), ("b.txt", "two\n"), ("sub/c.txt", "three\n")] {
            fs::write(scratch.at("in").join(path), content).unwrap();
        }
        scratch
            .run(
                [&["pack", "in", "-o", "p", "--slice", "4KiB", "--encoding", "none"], pack]
                    .concat(),
            )
            .ok();
        scratch
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(program());
        command.args(arguments).current_dir(self.0.path());
        command
    }

    fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Ended {
        self.run_with(arguments, "")
    }

    fn run_with<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
        input: &str,
    ) -> Ended {
        let mut command = self.command(arguments);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Some verbs close their standard input without reading it. Then this write fails.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(output.stdout), text(output.stderr));
        assert!(!err.contains("panicked"), "{err}");
        Ended { code: output.status.code(), out, err }
    }

    #[track_caller]
    fn holds(&self, expected: &[(&str, &str)]) {
        let listed = self.run(["ls", "p"]).ok();
        let names: Vec<_> = expected.iter().map(|(name, _)| *name).collect();
        assert_eq!(listed.lines().collect::<Vec<_>>(), names);
        for (name, content) in expected {
            assert_eq!(self.run(["get", "p", name]).ok(), *content, "{name}");
        }
    }
}

fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap()
}

#[test]
fn files_directories_and_standard_input_are_put_and_regions_removed() {
    let scratch = Scratch::new(&[]);
    fs::create_dir(scratch.at("more")).unwrap();
    fs::write(scratch.at("more/d.txt"), "four\n").unwrap();
    let put = ["put", "p", "b.txt=more/d.txt", "docs=more", "typed=-", "more"];
    assert_eq!(scratch.run_with(put, "by hand").ok(), "");
    scratch.holds(&[
        ("a.txt", "one\n"),
        ("b.txt", "four\n"),
        ("d.txt", "four\n"),
        ("docs/d.txt", "four\n"),
        ("sub/c.txt", "three\n"),
        ("typed", "by hand"),
    ]);
    let ended = scratch.run(["rm", "p", "typed", "d.txt", "sub/*"]);
    assert!(ended.err.contains("p: 3 removed, "), "{ended:?}");
    scratch.holds(&[("a.txt", "one\n"), ("b.txt", "four\n"), ("docs/d.txt", "four\n")]);
    scratch.run(["verify", "p"]).ok();
    // A region that was removed can be put again under the same name.
    scratch.run(["put", "p", "in"]).ok();
    scratch.holds(&[
        ("a.txt", "one\n"),
        ("b.txt", "two\n"),
        ("docs/d.txt", "four\n"),
        ("sub/c.txt", "three\n"),
    ]);
}

#[test]
fn what_is_the_same_is_said_and_changes_nothing() {
    let scratch = Scratch::new(&[]);
    let before = read(&scratch.at("p"));
    let ended = scratch.run(["put", "p", "in"]);
    let expected = "dacti: p: nothing to change: all 3 regions have this content already \
                    (--force puts them again)\n";
    assert_eq!((ended.code, &*ended.err), (Some(0), expected));
    assert_eq!(scratch.run(["put", "p", "in", "--quiet"]).err, "");
    assert!(read(&scratch.at("p")) == before);
    scratch.run(["put", "p", "in", "--force"]).ok();
    assert!(read(&scratch.at("p")).len() > before.len());
}

#[test]
fn a_dry_run_says_what_would_be_done_and_does_not_do_it() {
    let scratch = Scratch::new(&[]);
    let before = read(&scratch.at("p"));
    let text = scratch.run_with(["put", "p", "a.txt=-", "new.txt=in/b.txt", "--dry-run"], "1").ok();
    snapshot("update_dry_run_of_put", &text);
    let text = scratch.run(["rm", "p", "a.txt", "--dry-run"]).ok();
    snapshot("update_dry_run_of_rm", &text);
    let json = scratch.run_with(["put", "p", "a.txt=-", "--dry-run", "--json"], "1").ok();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["applied"], &json["replaced"]), (&false.into(), &1.into()));
    assert_eq!(json["plans"][0]["strategy"], "delta");
    assert_eq!(json["plans"][0]["slices_dirtied"], 1);
    assert!(read(&scratch.at("p")) == before);
}

#[test]
fn a_saved_plan_is_shown_and_carried_out_step_by_step() {
    let scratch = Scratch::new(&[]);
    let before = read(&scratch.at("p"));
    scratch.run_with(["put", "p", "a.txt=-", "--plan", "up"], "1").ok();
    assert!(read(&scratch.at("p")) == before);
    assert!(scratch.run(["plan", "up", "p"]).ok().contains("p: none of 7 steps is done"));
    let error = scratch.run(["apply", "up", "p", "--step", "4"]).failed(1);
    assert_eq!(error, "dacti: error: p: step 4 is out of order: the next step is 1\n");
    scratch.run(["apply", "up", "p", "--step", "2"]).ok();
    assert!(
        scratch.run(["plan", "up", "p"]).ok().contains("p: 2 of 7 steps are done, step 3 is next")
    );
    let error = scratch.run(["apply", "up", "p"]).failed(1);
    assert!(error.contains("was started before, and step 3 is next: resume it"), "{error}");
    let json = scratch.run(["apply", "up", "p", "--resume", "--json"]).ok();
    assert_eq!(json, "{\"steps\":7,\"done\":7,\"begun\":false}\n");
    assert_eq!(scratch.run(["get", "p", "a.txt"]).ok(), "1");
    let after = read(&scratch.at("p"));
    // Applying the plan again changes nothing. Applying it to a copy of the old file makes the same
    // new file.
    scratch.run(["apply", "up", "p"]).ok();
    fs::write(scratch.at("q"), before).unwrap();
    scratch.run(["apply", "up", "q"]).ok();
    assert!(read(&scratch.at("p")) == after && read(&scratch.at("q")) == after);
}

#[test]
fn a_signed_package_needs_its_key_or_the_wish_for_none() {
    let scratch = Scratch(tempfile::tempdir().unwrap());
    fs::write(scratch.at("a.txt"), "one").unwrap();
    for name in ["key", "other"] {
        scratch.run(["key", "new", "-o", name]).ok();
    }
    scratch.run(["pack", "a.txt", "-o", "p", "--sign", "key"]).ok();
    let public = if scratch.at("key.pub").exists() { "key.pub" } else { "key" };
    let error = scratch.run_with(["put", "p", "a.txt=-"], "two").failed(1);
    assert!(error.contains("the package is signed: give its key"), "{error}");
    let error = scratch.run_with(["put", "p", "a.txt=-", "--sign", "other"], "two").failed(1);
    assert!(error.contains("the key is for the package"), "{error}");
    scratch.run_with(["put", "p", "a.txt=-", "--sign", "key"], "two").ok();
    assert_eq!(scratch.run(["get", "p", "a.txt", "--key", public]).ok(), "two");
    scratch.run_with(["put", "p", "b.txt=-", "--unsigned"], "three").ok();
    assert_eq!(scratch.run(["get", "p", "b.txt"]).ok(), "three");
    assert_eq!(scratch.run(["get", "p", "b.txt", "--key", public]).code, Some(1));
    let plain = Scratch::new(&[]);
    fs::copy(scratch.at("key"), plain.at("key")).unwrap();
    let error = plain.run_with(["put", "p", "a.txt=-", "--sign", "key"], "2").failed(1);
    assert!(error.contains("the package is not signed"), "{error}");
}

#[test]
fn what_cannot_be_is_said_with_the_way_out() {
    let scratch = Scratch::new(&[]);
    let compact = Scratch::new(&["--layout", "compact"]);
    let mut messages = String::new();
    let mut told = |ended: Ended| messages += &format!("{:?} {}", ended.code, ended.err);
    told(compact.run(["put", "p", "a.txt=in/b.txt"]));
    told(compact.run(["rm", "p", "a.txt"]));
    told(scratch.run(["put", "p", "/a.txt=in/b.txt"]));
    told(scratch.run(["put", "p", "-"]));
    told(scratch.run(["put", "p", "a.txt=missing"]));
    told(scratch.run(["put", "p", "a.txt=in/b.txt", "in"]));
    told(scratch.run(["rm", "p", "missing"]));
    told(scratch.run(["rm", "p", "*.md"]));
    told(scratch.run(["rm", "p", "16665c3c-6a55-4f8a-b0af-910ac2f7e414"]));
    told(scratch.run(["put", "missing", "a.txt=in/b.txt"]));
    told(scratch.run(["put", "in", "a.txt=in/b.txt"]));
    fs::write(scratch.at("no.plan"), "[]").unwrap();
    told(scratch.run(["apply", "no.plan", "p"]));
    fs::write(scratch.at("no.plan"), "{}").unwrap();
    told(scratch.run(["plan", "no.plan"]));
    snapshot("update_messages", &messages);
}

#[test]
fn a_second_writer_is_told_to_wait() {
    // spec: R-CDN-16
    let scratch = Scratch::new(&[]);
    // Starts a run that takes the lock of the package and then waits for its input.
    let start = || {
        let mut first = scratch.command(["put", "p", "a.txt=-"]);
        first.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let mut first = start();
    let error = loop {
        let ended = scratch.run(["put", "p", "b.txt=in/a.txt", "--force"]);
        // If the first run does not hold the lock yet, this run succeeds, and the test tries again.
        if ended.code != Some(0) {
            break ended.err;
        }
        // The run in the loop may have held the lock when the first run started. Then the first run
        // was refused, and the test starts it again.
        if first.try_wait().unwrap().is_some() {
            first = start();
        }
    };
    let mut input = first.stdin.take().unwrap();
    assert!(error.contains("\"p\" is being updated by another writer: wait until"), "{error}");
    assert_eq!(scratch.run(["get", "p", "a.txt"]).ok(), "one\n", "readers are not kept out");
    input.write_all(b"last").unwrap();
    drop(input);
    assert!(first.wait().unwrap().success());
    assert_eq!(scratch.run(["get", "p", "a.txt"]).ok(), "last");
    // The system releases the lock of a killed process.
    let mut killed = scratch.command(["put", "p", "a.txt=-"]);
    let mut killed = killed.stdin(Stdio::piped()).spawn().unwrap();
    killed.kill().unwrap();
    killed.wait().unwrap();
    scratch.run(["put", "p", "b.txt=in/b.txt", "--force"]).ok();
}

#[test]
fn a_full_disk_is_found_before_anything_is_written() {
    // Mounts a file system of 1 MiB. Only this process and its children see the mount.
    let mounts = |folder: &Path, script: &str| {
        let mount = format!("mount -t tmpfs -o size=1M none '{}' && {script}", folder.display());
        Command::new("unshare").args(["-rm", "sh", "-c", &mount]).output()
    };
    let scratch = Scratch::new(&[]);
    let disk = scratch.at("disk");
    fs::create_dir(&disk).unwrap();
    if !mounts(&disk, "true").is_ok_and(|output| output.status.success()) {
        // The test ends here if it may not mount a file system, because it then cannot fill a disk.
        // `update_crash` also tests writes that fail.
        return;
    }
    // The disk has no room for these random bytes, even with an encoding.
    let mut random = 1_u64;
    let bytes = std::iter::repeat_with(|| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 56) as u8
    });
    let bytes: Vec<u8> = bytes.take(2 << 20).collect();
    fs::write(scratch.at("large"), bytes).unwrap();
    let (root, program) = (scratch.0.path().display().to_string(), program().display().to_string());
    let script = format!(
        "cp '{root}/p' '{root}/disk/p' && for n in 1 2 3; do '{program}' put '{root}/disk/p' \
         x='{root}/large'; echo code $?; done; stat -c 'len %s' '{root}/disk/p'; \
         cmp '{root}/p' '{root}/disk/p' && '{program}' put '{root}/disk/p' y='{root}/in/a.txt' \
         && '{program}' get '{root}/disk/p' y"
    );
    let output = mounts(&disk, &script).unwrap();
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let len = fs::metadata(scratch.at("p")).unwrap().len();
    assert_eq!(out, format!("code 1\ncode 1\ncode 1\nlen {len}\none\n"), "{err}");
    assert_eq!(
        err.matches("nothing was written, and the package is as it was").count(),
        3,
        "{err}"
    );
}

#[test]
fn the_modification_time_leads_by_one_second_for_each_update_in_quick_succession() {
    // spec: R-CDN-16
    let scratch = Scratch::new(&[]);
    let seconds =
        |time: std::time::SystemTime| time.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let modified = || seconds(fs::metadata(scratch.at("p")).unwrap().modified().unwrap());
    let clock = || seconds(std::time::SystemTime::now());
    let mut last = modified();
    for n in 0..6 {
        let before = clock();
        let ended = scratch.run_with(["put", "p", "x=-"], &n.to_string());
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let now = clock();
        let found = modified();
        assert!(found > last, "each head has a second of its own");
        assert!(found <= (now + 1).max(last + 1), "{found} after {last}, at {now}");
        // Each update sets the modification time of the file to a new second, so the time can get
        // ahead of the clock. The program prints a message only in the run in which it first gets
        // ahead by more than a second.
        let says = ended.err.contains("in the future");
        assert!(!says || (found > before + 1 && last <= now + 1), "{ended:?}");
        assert!(says || found <= now + 2 || last > before, "{ended:?}");
        last = found;
    }
    // Here, the time of the file is already far ahead of the clock before the run. So the run
    // prints no message.
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(1000);
    let file = fs::File::options().write(true).open(scratch.at("p")).unwrap();
    file.set_modified(later).unwrap();
    let ended = scratch.run_with(["put", "p", "x=-"], "later");
    assert!(ended.code == Some(0) && !ended.err.contains("in the future"), "{ended:?}");
    assert_eq!(modified(), seconds(later) + 1);
    // If the new time is not ahead of the clock, the run prints no message.
    file.set_modified(later - std::time::Duration::from_secs(9999)).unwrap();
    let ended = scratch.run_with(["put", "p", "x=-"], "now");
    assert!(ended.code == Some(0) && !ended.err.contains("in the future"), "{ended:?}");
}

#[test]
fn another_writer_is_waited_for_on_demand() {
    let scratch = Scratch::new(&[]);
    // Starts a process that holds the lock until its standard input ends.
    let mut holder = Command::new("flock")
        .args(["p", "sh", "-c", "echo held; cat"])
        .current_dir(scratch.0.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut held = [0; 5];
    std::io::Read::read_exact(holder.stdout.as_mut().unwrap(), &mut held).unwrap();
    let err = scratch.run(["put", "p", "x=in/a.txt"]).failed(1);
    assert!(
        err.contains("another writer") && err.ends_with("; with --wait, this command waits\n"),
        "{err}"
    );
    let mut waiting = scratch.command(["put", "p", "x=in/a.txt", "--wait"]);
    let mut waiting = waiting.stderr(Stdio::piped()).spawn().unwrap();
    let mut line = [0; 39];
    std::io::Read::read_exact(waiting.stderr.as_mut().unwrap(), &mut line).unwrap();
    assert_eq!(String::from_utf8_lossy(&line), "dacti: waiting for another writer of p\n");
    assert!(waiting.try_wait().unwrap().is_none(), "it waits");
    drop(holder.stdin.take());
    assert!(holder.wait().unwrap().success());
    assert!(waiting.wait().unwrap().success());
    assert_eq!(scratch.run(["get", "p", "x"]).ok(), "one\n");
}

#[cfg(unix)]
#[test]
fn the_owner_of_a_file_is_named_and_the_way_out() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;
    let scratch = Scratch::new(&[]);
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    if !is_root {
        // Only root may run the program as another user.
        return;
    }
    let mode = |path: &str, mode: u32| {
        fs::set_permissions(scratch.at(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    let put = || {
        let mut command = scratch.command(["put", "p", "x=in/a.txt"]);
        let output = command.uid(65_534).gid(65_534).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    mode(".", 0o777);
    let before = fs::read(scratch.at("p")).unwrap();
    for (bits, told) in [
        (0o644, "an update writes to it: run this as the user with the id 0, or as a user"),
        (0o666, "only its owner can set its time: run this as the user with the id 0, or update a"),
    ] {
        mode("p", bits);
        let err = put();
        assert!(err.contains("belongs to the user with the id 0") && err.contains(told), "{err}");
        assert_eq!(fs::read(scratch.at("p")).unwrap(), before);
    }
}
