//! pgbouncer in transaction mode, for tests: few connections, lent to many for one transaction each.

use super::cluster::{self, Cluster};
use std::{
    fs,
    net::TcpStream,
    path::Path,
    process::{Child, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// Longer than its start takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A pooler before a server, with two connections to it.
#[derive(Debug)]
pub struct Bouncer {
    server: Cluster,
    program: Child,
    port: u16,
}

impl Bouncer {
    /// Before this server, for these roles.
    ///
    /// # Panics
    /// When pgbouncer isn't installed or doesn't start.
    pub fn before(server: Cluster, roles: &[&str]) -> Self {
        let (port, home) = (free_port::free_port(), server.directory());
        let to = server.port().expect("a port");
        let users = home.join("users.txt");
        let list: String = roles.iter().map(|role| format!("\"{role}\" \"\"\n")).collect();
        fs::write(&users, list).expect("written");
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={to}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = trust\nauth_file = {}\npool_mode = transaction\ndefault_pool_size = 2\n\
             max_client_conn = 200\n",
            users.display()
        );
        let file = home.join("pgbouncer.ini");
        fs::write(&file, settings).expect("written");
        let mut program = cluster::command(Path::new("/usr/sbin/pgbouncer"));
        let program = program.arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let program = program.spawn().expect("pgbouncer (Debian's package of this name)");
        let bouncer = Self { server, program, port };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "pgbouncer doesn't listen");
            sleep(Duration::from_millis(20));
        }
        bouncer
    }

    /// The URL of the database `postgres` by the pooler.
    pub fn url(&self, role: &str) -> String {
        format!("postgres://{role}@127.0.0.1:{}/postgres", self.port)
    }

    /// What is behind it.
    pub const fn server(&self) -> &Cluster {
        &self.server
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
