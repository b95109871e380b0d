//! A MongoDB-compatible server of one's own, for tests here and above: a real process on a free port, over a directory that
//! is gone when it is dropped.
//!
//! It is `secantusd-py` of the Python environment that `scripts/test.sh` makes (`tests/mongodb/requirements.txt`), or the program
//! that `TINCTURE_TEST_MONGODB` names. Without it a test fails and says so.

use free_port::free_port;
use mongodb::{
    Client,
    bson::{self, Document, doc},
    options::{ClientOptions, ReadConcern},
};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    env,
    fs::File,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Names the program.
pub const SERVER_VARIABLE: &str = "TINCTURE_TEST_MONGODB";
const START_LIMIT: Duration = Duration::from_secs(60);
/// The database that [`Server::url`] names.
const DATABASE: &str = "lab";

/// A server; killed when dropped.
#[derive(Debug)]
pub struct Server {
    directory: TempDir,
    port: u16,
    arguments: Vec<String>,
    /// Of whoever looks into it, as connection string options.
    access: Access,
    child: Option<Child>,
}

/// How it is reached.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Before the host, like `user:password@`.
    pub user: String,
    /// More options, like `&tls=true`.
    pub options: String,
}

impl Server {
    /// # Panics
    /// When the program isn't there, or doesn't get ready.
    pub async fn start() -> Self {
        Self::start_with(&["--enable-test-commands"], Access::default()).await
    }

    /// The same with other arguments, and another way to reach it.
    pub async fn start_with(arguments: &[&str], access: Access) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self::start_in(directory, arguments, access).await
    }

    /// The same over a directory that may hold what it needs, and data.
    pub async fn start_in(directory: TempDir, arguments: &[&str], access: Access) -> Self {
        let port = free_port();
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let mut server = Self { directory, port, arguments, access, child: None };
        server.start_again().await;
        server
    }

    /// Names it and a database, as a lab's `documents_url` does.
    pub fn url(&self) -> String {
        self.url_at(&format!("127.0.0.1:{}", self.port))
    }

    /// The same through something that stands in front of it.
    pub fn url_at(&self, hosts: &str) -> String {
        let Access { user, options } = &self.access;
        format!("mongodb://{user}{hosts}/{DATABASE}?serverSelectionTimeoutMS=2000{options}")
    }

    pub const fn port(&self) -> u16 {
        self.port
    }

    pub fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// With the data that it had.
    pub async fn start_again(&mut self) {
        let log = File::options().create(true).append(true).open(self.directory.path().join("log"));
        let log = log.expect("a log");
        let mut command = Command::new(program());
        command.args(["--host", "127.0.0.1", "--port", &self.port.to_string(), "--storage-path"]);
        command.arg(self.directory.path().join("data")).args(&self.arguments).current_dir(self.directory.path());
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("the log")).stderr(log);
        self.child = Some(command.spawn().expect("the document server can be started"));
        let until = Instant::now() + START_LIMIT;
        while let Err(error) = self.ping().await {
            assert!(Instant::now() < until, "the document server doesn't get ready: {error} {}", self.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    async fn ping(&self) -> Result<(), mongodb::error::Error> {
        self.client().await?.database("admin").run_command(doc! { "ping": 1 }).await.map(drop)
    }

    /// As `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Leaves it standing where it is.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("it runs");
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id")).expect("a process id");
        kill_process(pid, signal).expect("it can be signalled");
    }

    /// A connection that goes past whatever stands in front of it.
    ///
    /// # Errors
    /// What the driver says.
    pub async fn client(&self) -> Result<Client, mongodb::error::Error> {
        let mut options = ClientOptions::parse(self.url()).await?;
        options.direct_connection = Some(true);
        Client::with_options(options)
    }

    /// What the server does at its next commands: `data` and `mode` of `configureFailPoint`'s `failCommand`.
    pub async fn fail(&self, mode: impl Into<bson::Bson>, data: Document) {
        let client = self.client().await.expect("a client");
        let command = doc! { "configureFailPoint": "failCommand", "mode": mode.into(), "data": data };
        client.database("admin").run_command(command).await.expect("a fail point");
    }

    /// Everything in a collection.
    pub async fn documents(&self, collection: &str) -> Vec<Document> {
        use futures::TryStreamExt;
        let client = self.client().await.expect("a client");
        let collection = client.database(DATABASE).collection::<Document>(collection);
        let find = collection.find(doc! {}).read_concern(ReadConcern::local()).await;
        find.expect("an answer").try_collect().await.expect("documents")
    }

    /// The collections by name, each with what was said when it was made, as JSON.
    pub async fn collections(&self) -> std::collections::BTreeMap<String, String> {
        let lab = self.client().await.expect("a client").database(DATABASE);
        let answer = lab.run_command(doc! { "listCollections": 1 }).await.expect("collections");
        let batch = answer.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
        let batch = batch.expect("a batch").iter().filter_map(bson::Bson::as_document);
        batch.map(|found| (found.get_str("name").expect("a name").to_owned(), found.to_string())).collect()
    }

    /// Ended and started with other arguments over the same data.
    pub async fn restart_with(mut self, arguments: &[&str], access: Access) -> Self {
        self.signal(Signal::TERM);
        let _ = self.child.take().expect("it runs").wait();
        self.arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        self.access = access;
        self.start_again().await;
        self
    }

    /// The ids in a collection, as often as they are there, in order.
    pub async fn ids(&self, collection: &str) -> Vec<uuid::Uuid> {
        let mut ids: Vec<_> = self.documents(collection).await.iter().filter_map(crate::shape::id).collect();
        ids.sort();
        ids
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn program() -> PathBuf {
    if let Some(program) = env::var_os(SERVER_VARIABLE) {
        return program.into();
    }
    let target = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let program = target.unwrap_or_else(|| root.join("target")).join("mongodb-venv/bin/secantusd-py");
    assert!(
        program.is_file(),
        "there is no document server to test against at {}: run scripts/test.sh once, or make it with `python3 -m venv \
         target/mongodb-venv && target/mongodb-venv/bin/pip install -r tests/mongodb/requirements.txt`",
        program.display()
    );
    program
}
