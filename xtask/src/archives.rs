//! `bench archives`: packs folders with the program and with other archivers. Compares lengths,
//! times and memory. Each run is a whole process, and runs that are compared take turns.

use crate::debian::need;
use crate::metadata::Metadata;
use crate::page::{Begun, Page};
use crate::run::{Context, Outcome, Result, output, run};
use crate::tiles;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// The programs that are compared, each with its Debian package.
const PROGRAMS: &[(&str, &str)] = &[
    ("/usr/bin/7zz", "7zip"),
    ("/usr/bin/mksquashfs", "squashfs-tools"),
    ("/usr/bin/tar", "tar"),
    ("/usr/bin/time", "time"),
    ("/usr/bin/zimwriterfs", "zim-tools"),
    ("/usr/bin/zip", "zip"),
    ("/usr/bin/zstd", "zstd"),
];
const PAGE: Page<'_> = Page { path: "docs/performance.md", verb: "bench archives" };

/// The name of each folder that is packed, and its description in the tables.
const DOCUMENTATION: (&str, &str) = ("doc", "the documentation");
const SMALL: (&str, &str) = ("small", "20,000 files of 4 KiB");
const TILES: (&str, &str) = ("tiles", "synthetic vector tiles");

/// Commands that pack a folder into the file `out`. `D` stands for the program, and `F` for the
/// folder.
const PACKERS: &[&str] = &[
    "tar -cf out F",
    "D -q pack F -o out --encoding none",
    "D -q pack F -o out --dictionary none --no-share",
    "D -q pack F -o out --dictionary none",
    "D -q pack F -o out --no-share",
    "D -q pack F -o out",
    "zip -q -r -9 out F",
    "7zz a -bso0 -bsp0 -t7z out F",
    "mksquashfs F out -comp zstd -quiet -no-progress",
    "zimwriterfs -j -w index.html -I zim.png -l eng -t t -d d -c c -p p zim out",
    "tar -c F | zstd -q -19 -T0 -o out",
];

/// Pairs of commands that take turns: a name, a command of our program, and a command of another
/// program. They read the files that `PREPARED` made, and write into the empty folder `new`.
const PAIRS: &[(&str, &str, &str)] = &[
    (
        "pack 20,000 files of 4 KiB, not encoded",
        "D -q pack small -o new/o --encoding none",
        "tar -cf new/o small",
    ),
    (
        "pack the documentation, not encoded",
        "D -q pack doc -o new/o --encoding none",
        "tar -cf new/o doc",
    ),
    ("unpack 20,000 files of 4 KiB", "D -q unpack small.pack -C new", "tar -xf small.tar -C new"),
    ("unpack the documentation", "D -q unpack doc.pack -C new", "tar -xf doc.tar -C new"),
    (
        "unpack the documentation, compressed",
        "D -q unpack doc.brotli -C new",
        "tar --zstd -xf doc.tar.zst -C new",
    ),
    ("list the documentation", "D ls doc.brotli", "unsquashfs -l doc.squashfs"),
];

/// The commands that make the files of `PAIRS`.
const PREPARED: &[&str] = &[
    "tar -cf small.tar small",
    "tar -cf doc.tar doc",
    "tar --zstd -cf doc.tar.zst doc",
    "D -q pack small -o small.pack --encoding none",
    "D -q pack doc -o doc.pack --encoding none",
    "D -q pack doc -o doc.brotli",
    "mksquashfs doc doc.squashfs -comp zstd -quiet -no-progress",
];

/// Measures in a new folder of `--dir`, which should be memory-backed storage. `--rounds` is the
/// number of turns of each pair. With `--write`, writes the tables into the page.
pub fn archives(context: &Context, args: &[String]) -> Result<Outcome> {
    let Options { dir, rounds, write } = Options::of(args)?;
    if let skipped @ Outcome::Skipped(_) = need(PROGRAMS)? {
        return Ok(skipped);
    }
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let documentation = Path::new(sysroot.trim()).join("share/doc/rust/html");
    if !documentation.is_dir() {
        return Ok(Outcome::Skipped("run `rustup component add rust-docs`".into()));
    }
    let begun = Begun::now(context)?;
    run(&mut context.cargo(["build", "--release", "-p", "dacti-cli"]))?;
    let program = Metadata::load(context)?.target_directory.join("release/dacti");
    let scratch = tempfile::tempdir_in(&dir).map_err(|error| format!("{dir}: {error}"))?;
    let world = World { dir: scratch.path().to_path_buf(), program };
    run(Command::new("cp").arg("-r").arg(documentation).arg(world.dir.join(DOCUMENTATION.0)))?;
    world.write_small()?;
    let tiles = world.dir.join(TILES.0);
    tiles::write(&tiles).map_err(|error| format!("{}: {error}", tiles.display()))?;
    let found = format!("{}\n{}", world.lengths()?, world.pairs(rounds)?);
    print!("{found}");
    if write {
        PAGE.write(context, &begun, &format!(" --rounds {rounds}"), &found)?;
    }
    Ok(Outcome::Done)
}

struct Options {
    dir: String,
    rounds: usize,
    write: bool,
}

impl Options {
    fn of(args: &[String]) -> Result<Self> {
        let mut options = Self { dir: "/dev/shm".into(), rounds: 7, write: false };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("`{arg}` takes a value"));
            match arg.as_str() {
                "--dir" => options.dir.clone_from(value()?),
                "--rounds" => {
                    let rounds = value()?.parse().ok().filter(|rounds| *rounds > 0);
                    options.rounds = rounds.ok_or("`--rounds` takes a number from 1 on")?;
                }
                "--write" => options.write = true,
                other => return Err(format!("does not take `{other}`").into()),
            }
        }
        Ok(options)
    }
}

/// The measurements of a command line. The memory is that of its largest process.
#[derive(Clone, Copy)]
struct Measured {
    seconds: f64,
    processor_seconds: f64,
    memory_kib: u64,
}

/// The folder in which everything runs.
struct World {
    dir: PathBuf,
    program: PathBuf,
}

impl World {
    /// Writes the small files, in 100 folders. The files are texts, and no two files are equal.
    fn write_small(&self) -> Result {
        for file in 0..20_000_u32 {
            let folder = self.dir.join(SMALL.0).join(format!("{:02}", file % 100));
            let lines = (0..128).map(|line| format!("{file:015x} {line:015x}\n"));
            let written = fs::create_dir_all(&folder)
                .and_then(|()| fs::write(folder.join(file.to_string()), lines.collect::<String>()));
            written.map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        Ok(())
    }

    /// Runs a command line in the folder and measures it.
    fn measure(&self, line: &str) -> Result<Measured> {
        let words = line.replace("D ", &format!("'{}' ", self.program.display()));
        let times = self.dir.join("times");
        let begun = Instant::now();
        let status = Command::new("/usr/bin/time")
            .current_dir(&self.dir)
            .args(["-q", "-f", "%U %S %M", "-o"])
            .arg(&times)
            .args(["bash", "-o", "pipefail", "-c", &words])
            .stdout(Stdio::null())
            .status()
            .map_err(|error| format!("cannot start `time`: {error}"))?;
        let seconds = begun.elapsed().as_secs_f64();
        if !status.success() {
            return Err(format!("`{line}` failed: {status}").into());
        }
        let text = fs::read_to_string(&times).map_err(|error| format!("`time`: {error}"))?;
        let numbers: Vec<f64> = text.split(' ').filter_map(|n| n.trim().parse().ok()).collect();
        let [user, system, memory] = numbers[..] else {
            return Err(format!("`time` printed {text:?}").into());
        };
        Ok(Measured { seconds, processor_seconds: user + system, memory_kib: memory as u64 })
    }

    /// Packs each folder by each packer, once. Returns a table for each folder.
    fn lengths(&self) -> Result<String> {
        let mut table = String::new();
        for (folder, name) in [DOCUMENTATION, SMALL, TILES] {
            let (files, bytes) = count(&self.dir.join(folder))?;
            let _ = writeln!(
                table,
                "{name}: {} files, {} bytes\n\n| command | bytes | seconds | processor seconds | \
                 peak memory |\n| --- | ---: | ---: | ---: | ---: |",
                grouped(files),
                grouped(bytes)
            );
            for packer in PACKERS {
                if packer.contains("zimwriterfs") && !self.prepare_zim(folder)? {
                    continue;
                }
                let found = self.measure(&packer.replace('F', folder))?;
                // `zip` and `7zz` append an extension to the name.
                let out = ["out", "out.zip", "out.7z"].map(|name| self.dir.join(name));
                let out = out.iter().find(|out| out.exists()).ok_or("a packer wrote no file")?;
                let len = fs::metadata(out).map_err(|error| error.to_string())?.len();
                fs::remove_file(out).map_err(|error| error.to_string())?;
                let command = packer.replace('D', "dacti").replace('F', "FOLDER");
                let command = command.replace(" zim out", " FOLDER out").replace('|', "\\|");
                let row = format!(
                    "| `{command}` | {} | {:.1} | {:.1} | {} MiB |",
                    grouped(len),
                    found.seconds,
                    found.processor_seconds,
                    found.memory_kib.div_ceil(1024)
                );
                eprintln!("{row}");
                let _ = writeln!(table, "{row}");
            }
            table.push('\n');
        }
        Ok(table)
    }

    /// Makes the folder `zim` for `zimwriterfs`: a copy of `folder`, and the picture that a ZIM
    /// file needs. `zimwriterfs` fails at a page that redirects to a section of another page, so
    /// the pages of the copy do not redirect. Returns false if `folder` has no first page, which a
    /// ZIM file needs, too.
    fn prepare_zim(&self, folder: &str) -> Result<bool> {
        if !self.dir.join(folder).join("index.html").exists() {
            return Ok(false);
        }
        let zim = self.dir.join("zim");
        run(Command::new("cp").args(["-r", "--link"]).arg(self.dir.join(folder)).arg(&zim))?;
        without_redirects(&zim)
            .and_then(|()| fs::write(zim.join("zim.png"), ZIM_PICTURE))
            .map_err(|error| format!("{}: {error}", zim.display()))?;
        Ok(true)
    }

    /// Runs all pairs, and returns a table of the ratios.
    fn pairs(&self, rounds: usize) -> Result<String> {
        for line in PREPARED {
            self.measure(line)?;
        }
        let mut table = format!(
            "Medians of {rounds} rounds in turn; in parentheses the smallest and the largest \
             ratio.\n\n| what | dacti | other | time | processor time |\n\
             | --- | ---: | ---: | ---: | ---: |\n"
        );
        for (what, ours, theirs) in PAIRS {
            let (mut own, mut other) = (Vec::new(), Vec::new());
            for round in 0..rounds {
                // The commands of a pair take turns in being the first of a round.
                for turn in [round % 2, (round + 1) % 2] {
                    self.renew()?;
                    match turn {
                        0 => own.push(self.measure(ours)?),
                        _ => other.push(self.measure(theirs)?),
                    }
                }
            }
            let ratios = |of: fn(&Measured) -> f64, least: f64| {
                let pairs = own.iter().zip(&other).map(|(own, other)| (of(own), of(other)));
                if pairs.clone().any(|(_, other)| other < least) {
                    return "-".to_owned();
                }
                spread(pairs.map(|(own, other)| own / other).collect())
            };
            let median = |all: &[Measured]| middle(all.iter().map(|one| one.seconds).collect());
            let theirs = theirs.split_whitespace().next().unwrap_or_default();
            let _ = writeln!(
                table,
                "| {what}, beside `{theirs}` | {:.3} s | {:.3} s | {} | {} |",
                median(&own),
                median(&other),
                ratios(|one| one.seconds, 0.0),
                // `time` counts the processor time in steps of 10 ms.
                ratios(|one| one.processor_seconds, 0.1)
            );
        }
        Ok(table)
    }

    /// Makes the folder `new` empty.
    fn renew(&self) -> Result {
        let new = self.dir.join("new");
        let removed = if new.exists() { fs::remove_dir_all(&new) } else { Ok(()) };
        let made = removed.and_then(|()| fs::create_dir(&new));
        made.map_err(|error| format!("{}: {error}", new.display()).into())
    }
}

/// A picture of 48 times 48 pixels. Each ZIM file needs one.
const ZIM_PICTURE: &[u8] = include_bytes!("../zim.png");

/// Replaces each page under a folder that redirects to another page by a page that does not
/// redirect.
fn without_redirects(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            without_redirects(&path)?;
        } else if path.extension().is_some_and(|extension| extension == "html") {
            let Ok(page) = String::from_utf8(fs::read(&path)?) else { continue };
            let still = page.replace("http-equiv=\"refresh\"", "name=\"refresh\"");
            if still != page {
                // The file is a hard link to a file of the measured folder, so the link is removed
                // before the new page is written.
                fs::remove_file(&path)?;
                fs::write(&path, still)?;
            }
        }
    }
    Ok(())
}

/// Returns the number of files under a folder, and the number of their bytes.
fn count(folder: &Path) -> Result<(u64, u64)> {
    let (mut files, mut bytes, mut left) = (0, 0, vec![folder.to_path_buf()]);
    while let Some(folder) = left.pop() {
        let failed = |error| format!("{}: {error}", folder.display());
        for entry in fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let found = entry.metadata().map_err(failed)?;
            if found.is_dir() {
                left.push(entry.path());
            } else {
                files += 1;
                bytes += found.len();
            }
        }
    }
    Ok((files, bytes))
}

/// Returns a number with commas between groups of three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns the median.
fn middle(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Returns the median, the minimum and the maximum.
fn spread(numbers: Vec<f64>) -> String {
    let (least, most) = numbers
        .iter()
        .fold((f64::INFINITY, 0.0_f64), |(least, most), n| (least.min(*n), most.max(*n)));
    format!("{:.2} ({least:.2} to {most:.2})", middle(numbers))
}

#[cfg(test)]
mod tests {
    use super::{grouped, middle, spread};

    #[test]
    fn numbers_are_written_for_people() {
        for (number, expected) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (65_536_000, "65,536,000")]
        {
            assert_eq!(grouped(number), expected);
        }
        assert_eq!(middle(vec![3.0, 1.0, 2.0]).to_bits(), 2.0_f64.to_bits());
        assert_eq!(spread(vec![1.0, 2.0, 1.5]), "1.50 (1.00 to 2.00)");
    }
}
