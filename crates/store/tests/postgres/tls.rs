//! A server that shows a certificate of a lab's own CA.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Command};
use store::{
    Options, Store, StoreError, Tls, TlsMode,
    testing::cluster::{self, Cluster},
};
use tempfile::TempDir;

/// A CA, another one that nobody asked, and a server with a certificate of the first, for `localhost`.
pub struct Certified {
    directory: TempDir,
    server: Cluster,
}

impl Certified {
    pub fn start() -> Self {
        let directory = tempfile::Builder::new().tempdir_in("/tmp").expect("a temporary directory");
        let at = |name: &str| directory.path().join(name).display().to_string();
        for ca in ["ca", "another"] {
            let (key, certificate) = (at(&format!("{ca}.key")), at(&format!("{ca}.pem")));
            openssl(
                &["req", "-x509", "-subj", &format!("/CN={ca}"), "-days", "2"],
                &["-keyout", &key, "-out", &certificate],
            );
        }
        openssl(&["req", "-subj", "/CN=localhost"], &["-keyout", &at("server.key"), "-out", &at("server.csr")]);
        fs::write(at("names"), "subjectAltName=DNS:localhost").expect("written");
        let signed = ["x509", "-req", "-in", &at("server.csr"), "-CA", &at("ca.pem"), "-CAkey", &at("ca.key")];
        let more = ["-CAcreateserial", "-days", "2", "-extfile", &at("names"), "-out", &at("server.pem")];
        run(Command::new("openssl").args(signed).args(more));
        fs::set_permissions(at("server.key"), fs::Permissions::from_mode(0o600)).expect("its owner's alone");
        for path in ["", "server.key", "server.pem"] {
            cluster::give(&directory.path().join(path));
        }
        let (certificate, key) = (at("server.pem"), at("server.key"));
        let server = Cluster::start_on_a_port(&[
            "ssl=on",
            &format!("ssl_cert_file={certificate}"),
            &format!("ssl_key_file={key}"),
        ]);
        Self { directory, server }
    }

    pub fn url(&self, host: &str) -> String {
        self.server.url("postgres").replace("127.0.0.1", host)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    async fn open(&self, host: &str, mode: Option<TlsMode>, ca: Option<&str>) -> Result<String, String> {
        let options = Options { tls: Tls { mode, ca: ca.map(|ca| self.file(ca)) }, ..Options::default() };
        let store = match Store::connect(&self.url(host), options).await {
            Ok(store) => store,
            Err(StoreError::Unreachable(why)) => return Err(why),
            Err(other) => panic!("{other:?}"),
        };
        let how = "SELECT COALESCE(version, 'in the clear') AS text FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        Ok(store.read_text(how.to_owned()).await)
    }
}

/// With a new key.
fn openssl(what: &[&str], files: &[&str]) {
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
    run(Command::new("openssl").args(what).args(key).args(files));
}

fn run(command: &mut Command) {
    let said = command.output().expect("the program `openssl` (Debian's package of this name)");
    assert!(said.status.success(), "{command:?}: {}", String::from_utf8_lossy(&said.stderr));
}

#[tokio::test]
async fn only_the_right_server_with_the_right_name_is_spoken_to() {
    let certified = Certified::start();
    let open = async |host, mode, ca| certified.open(host, mode, ca).await;
    assert_eq!(open("localhost", None, Some("ca.pem")).await.as_deref(), Ok("TLSv1.3"), "a CA is asked");
    let forged = open("localhost", None, Some("another.pem")).await.expect_err("another CA's");
    assert!(forged.contains("UnknownIssuer") && forged.contains("set database_ca to"), "{forged}");
    let untrusted = open("localhost", Some(TlsMode::VerifyFull), None).await.expect_err("nobody's that we know");
    assert!(untrusted.contains("set database_ca to"), "{untrusted}");
    let misnamed = open("127.0.0.1", Some(TlsMode::VerifyFull), Some("ca.pem")).await.expect_err("not its name");
    assert!(misnamed.contains("localhost") && misnamed.contains("use a host name"), "{misnamed}");
    let any_name = open("127.0.0.1", Some(TlsMode::VerifyCa), Some("ca.pem")).await;
    assert_eq!(any_name.as_deref(), Ok("TLSv1.3"), "of this CA");
    let forged = open("127.0.0.1", Some(TlsMode::VerifyCa), Some("another.pem")).await.expect_err("another CA's");
    assert!(forged.contains("UnknownIssuer"), "{forged}");
    let no_certificate = open("localhost", None, Some("server.key")).await.expect_err("no certificate in it");
    assert!(no_certificate.contains("database_ca"), "{no_certificate}");
    let missing = open("localhost", None, Some("nothing.pem")).await.expect_err("no such file");
    assert!(missing.contains("database_ca"), "{missing}");
    assert_eq!(open("127.0.0.1", None, None).await.as_deref(), Ok("TLSv1.3"), "as PostgreSQL's own clients do");
    assert_eq!(open("127.0.0.1", Some(TlsMode::Disable), None).await.as_deref(), Ok("in the clear"));
}

#[tokio::test]
async fn a_server_without_a_certificate_is_refused_where_one_is_asked_for() {
    let server = Cluster::start_on_a_port(&[]);
    let options = Options { tls: Tls { mode: Some(TlsMode::Require), ca: None }, ..Options::default() };
    let error = Store::connect(&server.url("postgres"), options).await.expect_err("it can't").to_string();
    assert!(error.contains("doesn't") || error.contains("turn it on (ssl = on"), "{error}");
}
