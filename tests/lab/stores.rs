//! Publishes packages to stores of other projects: moto for S3, and azurite for Azure.

use dacti_tests::http::ask;
use dacti_tests::lab::{Server, Tool, free_port, missing};
use dacti_tests::program::program;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The account and the key that azurite has by default. Both are public.
const ACCOUNT: &str = "devstoreaccount1";
const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A folder, and the settings with which the program reaches a store.
struct Client {
    dir: TempDir,
    settings: Vec<(&'static str, String)>,
}

impl Client {
    fn new(settings: Vec<(&'static str, String)>) -> Self {
        let client = Self { dir: tempfile::tempdir().unwrap(), settings };
        fs::create_dir(client.at("in")).unwrap();
        for n in 0..300 {
            fs::write(client.at("in").join(n.to_string()), format!("content of {n}")).unwrap();
        }
        client.ok(&["pack", "in", "-o", "one"]);
        client
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(program());
        // Runs the program with only these variables, as a CI job would.
        command.env_clear().envs(self.settings.iter().map(|(name, value)| (name, value)));
        let output = command.args(arguments).current_dir(self.dir.path()).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {err}");
        String::from_utf8_lossy(&output.stdout).into_owned() + &err
    }

    /// Publishes a package, and then updates, removes, synchronises, tags, rolls back, collects and
    /// pulls.
    fn publishes(&self, url: &str) {
        assert!(self.ok(&["publish", "one", url]).contains("published"));
        assert!(self.ok(&["publish", "one", url]).contains("has this package already"));
        fs::write(self.at("new"), "new content").unwrap();
        assert!(self.ok(&["put", url, "7=new", "--archive"]).contains("1 replaced"));
        assert_eq!(self.ok(&["get", url, "7"]), "new content");
        assert!(self.ok(&["rm", url, "8"]).contains("1 removed"));
        assert_eq!(self.ok(&["ls", url]).lines().count(), 299);
        self.ok(&["tag", url, "v3"]);
        self.ok(&["sync", url, "in", "--delete"]);
        assert_eq!(self.ok(&["get", url, "7"]), "content of 7");
        self.ok(&["tag", url, url.rsplit('/').next().unwrap(), "--at", "1"]);
        assert!(self.ok(&["log", url]).lines().count() >= 2);
        self.ok(&["gc", url]);
        self.ok(&["pull", url, "copy"]);
        self.ok(&["verify", "copy"]);
        assert_eq!(self.ok(&["ls", "copy"]), self.ok(&["ls", "one"]));
        self.ok(&["publish", "one", &format!("{url}-whole"), "--form", "whole"]);
        self.ok(&["compact", url]);
        self.ok(&["verify", url]);
    }
}

/// Starts moto with an empty bucket of the name `bucket`. Its output goes to `dir`. Returns the
/// server, and the settings with which the program reaches it.
pub(super) fn moto(dir: &Path) -> (Server, [(&'static str, String); 5]) {
    let (mut moto, address) = (Tool::MOTO.command().unwrap(), free_port().unwrap());
    moto.args(["-H", "127.0.0.1", "-p", &address.port().to_string()]);
    let server = Server::start(moto, dir, address).unwrap();
    let address = server.address().to_string();
    let created = ask(&address, "PUT", "/bucket", "Content-Length: 0\r\n").unwrap();
    assert_eq!(created.status, 200, "{created:?}");
    let settings = [
        ("AWS_ENDPOINT", format!("http://{address}")),
        ("AWS_ALLOW_HTTP", "true".into()),
        ("AWS_REGION", "us-east-1".into()),
        ("AWS_ACCESS_KEY_ID", "key".into()),
        ("AWS_SECRET_ACCESS_KEY", "secret".into()),
    ];
    (server, settings)
}

#[test]
fn moto_takes_packages() {
    if missing(&[Tool::MOTO]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (_server, settings) = moto(dir.path());
    let client = Client::new(settings.into());
    client.publishes("s3://bucket/folder/p.dacti-pack");
}

/// Returns the path of azurite. npm downloads azurite when it is first needed.
fn azurite() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("azurite");
    let program = folder.join("node_modules/azurite/dist/src/blob/main.js");
    if !program.is_file() {
        fs::create_dir_all(&folder).unwrap();
        let mut npm = Tool::NPM.command().unwrap();
        npm.args(["install", "--no-audit", "--no-fund", "azurite@3.37.0"]).current_dir(&folder);
        let output = npm.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    program
}

#[test]
fn azurite_takes_packages() {
    if missing(&[Tool::NODE, Tool::NPM]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (mut node, address) = (Tool::NODE.command().unwrap(), free_port().unwrap());
    node.arg(azurite()).args(["--blobHost", "127.0.0.1", "--blobPort"]);
    node.arg(address.port().to_string()).args(["--skipApiVersionCheck", "--silent"]);
    node.args(["--disableProductStyleUrl", "--location"]).arg(dir.path());
    let server = Server::start(node, dir.path(), address).unwrap();
    let endpoint = format!("http://{}/{ACCOUNT}", server.address());
    let mut script = Tool::NODE.command().unwrap();
    script.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("lab/npm/azure_container.mjs"));
    let output = script.args([&*endpoint, ACCOUNT, KEY, "bucket"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let client = Client::new(vec![
        ("AZURE_STORAGE_ENDPOINT", endpoint),
        ("AZURE_ALLOW_HTTP", "true".into()),
        ("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT.into()),
        ("AZURE_STORAGE_ACCOUNT_KEY", KEY.into()),
    ]);
    client.publishes("az://bucket/folder/p.dacti-pack");
}
