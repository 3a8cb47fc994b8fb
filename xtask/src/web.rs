//! `web`: builds the reader for browsers, and the npm package around it.

use crate::debian::{install_under_ci, need};
use crate::embed;
use crate::metadata::Metadata;
use crate::run::{Context, Outcome, Result, judge, output, run, succeeds};
use crate::test::of_workspace;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "wasm32-unknown-unknown";
/// Debian's Rust compiler. Debian also has a package with the sources of its standard library.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
/// The folder of the JavaScript sources. They are copied into the npm package.
const SOURCES: &str = "crates/dacti-web/js";
/// The subfolders of `SOURCES` that are also copied into the npm package.
const FOLDERS: &[&str] = &["inspector", "worker"];
const NPM_SOURCES: &str = "crates/dacti-web/npm";
/// The folder in which the npm package is assembled.
pub const NPM: &str = "target/web/npm";
/// The WebAssembly modules, and the features of `dacti-web` with which each is built.
const MODULES: &[(&str, &str)] = &[
    ("dacti.wasm", "reader"),
    ("codec.wasm", "codec"),
    // The module for tools that inspect packages.
    ("inspect.wasm", "map,codec"),
];
/// A panic can only be a fault of our code, so it ends the module without a message. Formats of
/// `Debug` are not needed, because nothing prints them.
const SMALL_FLAGS: &str =
    "-Zunstable-options -Cpanic=immediate-abort -Zlocation-detail=none -Zfmt-debug=shallow";
const LICENCES: &[&str] = &["LICENSE-APACHE", "LICENSE-MIT"];

/// The programs that the check starts, each with its Debian package.
const PROGRAMS: &[(&str, &str)] =
    &[("/usr/bin/chromium", "chromium"), ("/usr/bin/node", "nodejs"), ("/usr/bin/npm", "npm")];

/// The maximum sums of bytes after Brotli: for the files that a page loads before its first region,
/// and for all files of the reader. The goals are 60,000 and 200,000 bytes; docs/guide/browser.md
/// explains why the limits are higher.
const FIRST_LEN_MAX: u64 = 242_000;
const READER_LEN_MAX: u64 = 315_000;
/// The files that a page loads first. A page loads `codec.wasm` only if a region needs this module.
const FIRST: &[&str] = &["dacti.js", "engine.js", "error.js", "media.js", "dacti.wasm"];
const LATER: &[&str] = &["codec.wasm"];

pub fn web(context: &Context, args: &[String]) -> Result<Outcome> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        [] => build(context),
        ["--check"] => check(context),
        ["--demo"] => demo(context),
        ["--embed"] => embed_it(context),
        _ => {
            let args = args.join(" ");
            Err(format!("takes `--check`, `--demo` or `--embed`, not `{args}`").into())
        }
    }
}

/// Builds the npm package, and runs its tests in Node, Deno and Chromium.
fn check(context: &Context) -> Result<Outcome> {
    if let skipped @ Outcome::Skipped(_) = need(PROGRAMS)? {
        return Ok(skipped);
    }
    if let skipped @ Outcome::Skipped(_) = build(context)? {
        return Ok(skipped);
    }
    check_sizes(&context.root.join(NPM))?;
    embed::check(context, &context.root.join(NPM))?;
    // Deno comes as an npm package.
    let deno = context.root.join("tests/web");
    run(Command::new("npm").current_dir(deno).args(["ci", "--silent", "--no-fund"]))?;
    let mut tests = of_workspace(context);
    run(tests.args(["--test", "web", "--", "--nocapture", "--test-threads", "2"]))?;
    Ok(Outcome::Done)
}

/// Builds the npm package, and packs the files that `dacti` embeds.
fn embed_it(context: &Context) -> Result<Outcome> {
    if let skipped @ Outcome::Skipped(_) = build(context)? {
        return Ok(skipped);
    }
    embed::embed(context, &context.root.join(NPM))?;
    Ok(Outcome::Done)
}

/// Prints the length of each file after Brotli. Fails if a sum exceeds its maximum.
fn check_sizes(npm: &Path) -> Result {
    let mut sums = [0_u64; 2];
    for (files, sum) in [FIRST, LATER].into_iter().zip(&mut sums) {
        for name in files {
            let len = brotli_len(&npm.join(name))?;
            *sum += len;
            eprintln!("web: {name} {len} bytes after Brotli");
        }
    }
    let [first, later] = sums;
    let all = first + later;
    eprintln!("web: {first} bytes before the first region, {all} in all");
    let mut findings = Vec::new();
    for (what, len, max) in [("first", first, FIRST_LEN_MAX), ("all", all, READER_LEN_MAX)] {
        if len > max {
            findings.push(format!("{what} files: {len} bytes after Brotli, the limit is {max}"));
        }
    }
    judge("sizes exceed their limits", &findings)
}

/// Returns the length of a file after Brotli at the highest quality, which hosts use for stored
/// files.
fn brotli_len(path: &Path) -> Result<u64> {
    const SCRIPT: &str = "const { constants, brotliCompressSync } = require('zlib'); \
        const params = { [constants.BROTLI_PARAM_LGWIN]: 22 }; \
        const bytes = require('fs').readFileSync(process.argv[1]); \
        console.log(brotliCompressSync(bytes, { params }).length)";
    let said = output(Command::new("node").args(["-e", SCRIPT]).arg(path))?;
    said.trim().parse().map_err(|_| format!("node: no number: {said}").into())
}

/// Serves a folder with a page. The page reads a package of this project's documents.
fn demo(context: &Context) -> Result<Outcome> {
    if let skipped @ Outcome::Skipped(_) = build(context)? {
        return Ok(skipped);
    }
    let folder = context.root.join("target/web/demo");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("dacti")).map_err(|error| format!("the demo: {error}"))?;
    copy_files(&context.root.join(NPM), &folder.join("dacti"))?;
    copy_files(&context.root.join("crates/dacti-web/demo"), &folder)?;
    let program =
        |verb: &str| context.cargo(["run", "--quiet", "--release", "-p", "dacti-cli", "--", verb]);
    let package = folder.join("docs.dacti-pack");
    run(program("pack").arg(context.root.join("docs")).arg("-o").arg(&package))?;
    run(program("serve").arg(&folder))?;
    Ok(Outcome::Done)
}

/// Builds the npm package.
fn build(context: &Context) -> Result<Outcome> {
    let Some(toolchain) = Toolchain::find()? else {
        return Ok(Outcome::Skipped(
            "no compiler for WebAssembly: `rustup target add wasm32-unknown-unknown`, or on \
             Debian, as root, `apt-get install rustc-web rust-web-src`"
                .into(),
        ));
    };
    let has_optimizer = || succeeds(Command::new("wasm-opt").arg("--version"));
    if !has_optimizer() {
        install_under_ci(&["binaryen"])?;
    }
    if !has_optimizer() {
        return Ok(Outcome::Skipped("no wasm-opt: on Debian, `apt-get install binaryen`".into()));
    }
    let npm = context.root.join(NPM);
    let _ = fs::remove_dir_all(&npm);
    fs::create_dir_all(&npm).map_err(|error| format!("{}: {error}", npm.display()))?;
    for (name, features) in MODULES {
        optimize(&toolchain.module(context, features)?, &npm.join(name))?;
    }
    copy_files(&context.root.join(SOURCES), &npm)?;
    for folder in FOLDERS {
        copy_files(&context.root.join(SOURCES).join(folder), &npm.join(folder))?;
    }
    copy_files(&context.root.join(NPM_SOURCES), &npm)?;
    for licence in LICENCES {
        copy(&context.root.join(licence), &npm.join(licence))?;
    }
    write_inline(&npm)?;
    eprintln!("web: {}", npm.display());
    Ok(Outcome::Done)
}

/// How a compiler gets its standard library for WebAssembly.
enum Toolchain {
    /// The target is installed, with its standard library.
    Installed,
    /// Debian's compiler builds the standard library from its sources. It uses the linker of the
    /// toolchain in use.
    Debian { linker: PathBuf },
}

impl Toolchain {
    fn find() -> Result<Option<Self>> {
        let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?;
        let rustlib = Path::new(sysroot.trim()).join("lib/rustlib");
        if rustlib.join(TARGET).exists() {
            return Ok(Some(Self::Installed));
        }
        let sources = Path::new("/usr/lib/rustlib/src/rust/library/std/Cargo.toml");
        if !Path::new(DEBIAN_RUSTC).exists() || !sources.exists() {
            install_under_ci(&["rustc-web", "rust-web-src"])?;
        }
        if !Path::new(DEBIAN_RUSTC).exists() || !sources.exists() {
            return Ok(None);
        }
        let host = output(Command::new("rustc").arg("-vV"))?;
        let host = host.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
        Ok(Some(Self::Debian { linker: rustlib.join(host).join("bin/rust-lld") }))
    }

    /// Builds a module, and returns the path of its file.
    fn module(&self, context: &Context, features: &str) -> Result<PathBuf> {
        let mut command = context.cargo(["build", "--release", "--lib", "-p", "dacti-web"]);
        command.args(["--target", TARGET, "--no-default-features", "--features", features]);
        // Pages load this module, so every crate in it is built for size.
        for setting in small(&context.root)? {
            command.args(["--config", &setting]);
        }
        command.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "z");
        command.env("CARGO_PROFILE_RELEASE_PANIC", "abort");
        if let Self::Debian { linker } = self {
            command.arg("-Zbuild-std=std,panic_abort");
            command.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
            command.env("RUSTFLAGS", SMALL_FLAGS);
            command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        run(&mut command)?;
        let target = Metadata::load(context)?.target_directory;
        Ok(target.join(TARGET).join("release/dacti_web.wasm"))
    }
}

/// Returns settings for size for those crates that the release profile optimises for speed.
fn small(root: &Path) -> Result<Vec<String>> {
    let manifest = fs::read_to_string(root.join("Cargo.toml"));
    let manifest = manifest.map_err(|error| format!("Cargo.toml: {error}"))?;
    let exceptions = manifest.lines().filter_map(|line| {
        let name = line.strip_prefix("[profile.release.package.")?.strip_suffix(']')?;
        Some(format!("profile.release.package.{name}.opt-level=\"z\""))
    });
    Ok(exceptions.collect())
}

/// Makes a module smaller with a tool that optimises WebAssembly.
fn optimize(from: &Path, to: &Path) -> Result {
    let features = [
        "--enable-bulk-memory",
        "--enable-mutable-globals",
        "--enable-nontrapping-float-to-int",
        "--enable-reference-types",
        "--enable-sign-ext",
        "--enable-multivalue",
    ];
    let mut command = Command::new("wasm-opt");
    command.args(features).args(["-Oz", "--strip-producers", "--strip-debug", "-o"]).arg(to);
    run(command.arg(from))
}

/// Copies the files of a folder, but not its subfolders.
fn copy_files(from: &Path, to: &Path) -> Result {
    fs::create_dir_all(to).map_err(|error| format!("{}: {error}", to.display()))?;
    let entries = fs::read_dir(from).map_err(|error| format!("{}: {error}", from.display()))?;
    for entry in entries {
        let path = entry.map_err(|error| format!("{}: {error}", from.display()))?.path();
        if let Some(name) = path.file_name().filter(|_| path.is_file()) {
            copy(&path, &to.join(name))?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result {
    fs::copy(from, to).map_err(|error| format!("{}: {error}", from.display()))?;
    Ok(())
}

/// Writes `inline.js`, an entry of the npm package that contains the modules of the reader.
fn write_inline(npm: &Path) -> Result {
    let text_of = |name: &str| {
        let path = npm.join(name);
        fs::read(&path).map(|bytes| base64(&bytes)).map_err(|e| format!("{}: {e}", path.display()))
    };
    let text = format!(
        "// The entry with the modules inside, for systems that load one file only.\n\n\
         import {{ defaults }} from \"./engine.js\";\n\n\
         const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));\n\
         defaults.load = async () => bytes(\"{}\");\n\
         defaults.loadTools = async () => bytes(\"{}\");\n\n\
         export * from \"./dacti.js\";\n",
        text_of("dacti.wasm")?,
        text_of("codec.wasm")?,
    );
    let to = npm.join("inline.js");
    fs::write(&to, text).map_err(|error| format!("{}: {error}", to.display()).into())
}

/// Encodes bytes as base64 (RFC 4648).
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len() / 3 * 4 + 4);
    for three in bytes.chunks(3) {
        let word = three.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
        let word = word << (8 * (3 - three.len()));
        for digit in 0..4 {
            let shown = digit <= three.len();
            let place = (word >> (18 - 6 * digit)) as usize & 63;
            text.push(if shown { char::from(DIGITS[place]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn bytes_are_written_as_rfc_4648_shows() {
        let pairs = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (bytes, text) in pairs {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
