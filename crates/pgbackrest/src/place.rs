//! Where the database is on this host, by pgBackRest's own configuration, whose it is, and whether anybody uses it.

use crate::error::{Error, Result};
use std::{
    env, fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Where pgBackRest looks when nothing else is said.
const USUAL_FILES: [&str; 2] = ["/etc/pgbackrest/pgbackrest.conf", "/etc/pgbackrest.conf"];
const MORE_FILES: &str = "/etc/pgbackrest/conf.d";
/// No configuration is longer.
const MOST_BYTES: u64 = 1 << 20;

/// A PostgreSQL's data directory on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place(PathBuf);

impl Place {
    pub const fn at(directory: PathBuf) -> Self {
        Self(directory)
    }

    /// That of the stanza. Nothing where its database is on another host, as on a repository's own.
    ///
    /// # Errors
    /// The configuration can't be read, or names none.
    pub fn of(stanza: &str, configuration: Option<&Path>) -> Result<Option<Self>> {
        if let Some(directory) = env::var_os("PGBACKREST_PG1_PATH") {
            return Ok(Some(Self(directory.into())));
        }
        let files = match configuration {
            Some(file) => vec![file.to_owned()],
            None => usual_files(),
        };
        let texts = files.iter().map(|file| read(file)).collect::<Result<Vec<_>>>()?;
        let said = |option: &str| texts.iter().find_map(|text| setting(text, stanza, option));
        if said("pg1-host").is_some() {
            return Ok(None);
        }
        let directory = said("pg1-path").ok_or_else(|| Error::Place {
            place: files.first().cloned().unwrap_or_else(|| PathBuf::from(USUAL_FILES[0])),
            why: format!(
                "there is no pg1-path of the stanza {stanza} there: `tincture backup configure` prints what has to be put \
                 where on the database's host"
            ),
        })?;
        Ok(Some(Self(directory.into())))
    }

    pub fn directory(&self) -> &Path {
        &self.0
    }

    /// Whether it is ours: what another account makes there or in the repository the server couldn't use.
    ///
    /// # Errors
    /// It isn't, or isn't there.
    pub fn check_account(&self) -> Result<()> {
        match self.owner() {
            Ok(owner) if owner == rustix::process::geteuid().as_raw() => Ok(()),
            Ok(owner) => Err(self.wrong(format!(
                "it is the account {owner}'s, which PostgreSQL runs as: run this as that account, as in `sudo -u postgres tincture backup …`"
            ))),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(self.wrong(
                "this account mayn't look at it: run this as the one that PostgreSQL runs as, as in `sudo -u postgres tincture \
                 backup …`"
                    .to_owned(),
            )),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(self.wrong("PostgreSQL's data isn't here: run this on the database's host".to_owned()))
            }
            Err(error) => Err(self.wrong(error.to_string())),
        }
    }

    /// The same of a directory that may be gone.
    ///
    /// # Errors
    /// It is there and isn't ours.
    pub fn check_account_if_there(&self) -> Result<()> {
        if matches!(self.owner(), Err(error) if error.kind() == io::ErrorKind::NotFound) {
            return Ok(());
        }
        self.check_account()
    }

    fn owner(&self) -> io::Result<u32> {
        let directory = fs::metadata(&self.0)?;
        // Its parent may be everybody's to enter while it isn't.
        fs::read_dir(&self.0).map(|_| directory.uid())
    }

    fn wrong(&self, why: String) -> Error {
        Error::Place { place: self.0.clone(), why }
    }

    /// Whether the server is a standby, whose primary is another.
    pub fn is_standby(&self) -> bool {
        self.0.join("standby.signal").exists()
    }

    /// Whether there is nothing that a restore would replace.
    ///
    /// # Errors
    /// It can't be read.
    pub fn is_empty(&self) -> Result<bool> {
        match fs::read_dir(&self.0) {
            Ok(mut entries) => Ok(entries.next().is_none()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(self.wrong(error.to_string())),
        }
    }

    /// That no server uses it.
    ///
    /// # Errors
    /// `Running`; `MayRun` where nobody can tell.
    pub fn check_unused(&self) -> Result<()> {
        if let Some(process) = self.used_by() {
            return Err(Error::Running { place: self.0.clone(), how: format!("process {process}") });
        }
        match fs::exists(self.0.join("postmaster.pid")) {
            Ok(false) => Ok(()),
            Ok(true) => Err(Error::MayRun { place: self.0.clone() }),
            Err(error) => Err(self.wrong(error.to_string())),
        }
    }

    /// A server and each of its processes stand in its data directory, also where its postmaster was killed and has left
    /// them behind.
    fn used_by(&self) -> Option<u32> {
        let place = fs::canonicalize(&self.0).ok()?;
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let mut processes = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        processes.find(|process| fs::read_link(format!("/proc/{process}/cwd")).is_ok_and(|stands| stands == place))
    }
}

fn usual_files() -> Vec<PathBuf> {
    let first = USUAL_FILES.iter().map(PathBuf::from).find(|file| file.exists());
    let mut more: Vec<_> = fs::read_dir(MORE_FILES).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    more.retain(|file| file.extension().is_some_and(|extension| extension == "conf"));
    more.sort();
    first.into_iter().chain(more).collect()
}

fn read(file: &Path) -> Result<String> {
    let wrong = |why: String| Error::Place { place: file.to_owned(), why };
    let size = fs::metadata(file).map_err(|error| wrong(unreadable(&error)))?.len();
    if size > MOST_BYTES {
        return Err(wrong(format!("it has {size} bytes, which no configuration of pgBackRest has")));
    }
    fs::read_to_string(file).map_err(|error| wrong(unreadable(&error)))
}

fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "there is no such configuration of pgBackRest: `tincture backup configure` prints what has \
                                    to be put there, on the database's host"
                .to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            "this account mayn't read pgBackRest's configuration: run this as the one that PostgreSQL \
                                            runs as, as in `sudo -u postgres tincture backup …`"
                .to_owned()
        }
        _ => error.to_string(),
    }
}

/// The value of an option in a stanza's section, or in that of all.
fn setting<'a>(text: &'a str, stanza: &str, option: &str) -> Option<&'a str> {
    let mut section = "";
    let (mut own, mut of_all) = (None, None);
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name;
        } else if let Some((name, value)) = line.split_once('=')
            && name.trim() == option
            && !value.trim().is_empty()
        {
            match section {
                "global" => of_all = Some(value.trim()),
                section if section == stanza => own = Some(value.trim()),
                _ => {}
            }
        }
    }
    own.or(of_all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_stanza_s_own_option_counts() {
        let text = "[global]\nrepo1-path=/repo\npg1-path = /of/all\n# pg1-path=/old\n[other]\npg1-path=/other\n\n[lab]\npg1-path=/lab \n";
        assert_eq!(setting(text, "lab", "pg1-path"), Some("/lab"));
        assert_eq!(setting(text, "third", "pg1-path"), Some("/of/all"));
        assert_eq!(setting(text, "lab", "pg1-host"), None);
    }

    #[test]
    fn a_configuration_without_the_database_says_what_to_do() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("pgbackrest.conf");
        let error = Place::of("lab", Some(&file)).expect_err("no file").to_string();
        assert!(error.contains("tincture backup configure"), "{error}");
        fs::write(&file, "[global]\nrepo1-path=/repo\n").expect("written");
        let error = Place::of("lab", Some(&file)).expect_err("no database").to_string();
        assert!(error.contains("no pg1-path of the stanza lab"), "{error}");
        fs::write(&file, "[lab]\npg1-host=db\npg1-path=/data\n").expect("written");
        assert_eq!(Place::of("lab", Some(&file)).expect("read"), None, "it is elsewhere");
        fs::write(&file, "[lab]\npg1-path=/data\n").expect("written");
        assert_eq!(Place::of("lab", Some(&file)).expect("read"), Some(Place::at("/data".into())));
    }

    #[test]
    fn whoever_stands_in_it_uses_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let place = Place::at(directory.path().to_owned());
        place.check_unused().expect("nobody is there");
        assert!(place.is_empty().expect("readable"));
        let mut process = Command::new("sleep").arg("600").current_dir(directory.path()).spawn().expect("sleep");
        let error = place.check_unused().expect_err("in use").to_string();
        assert!(error.contains(&format!("process {}", process.id())), "{error}");
        process.kill().expect("killed");
        process.wait().expect("reaped");
        place.check_unused().expect("nobody is there any more");
        fs::write(directory.path().join("postmaster.pid"), "1\n").expect("written");
        let error = place.check_unused().expect_err("it may be in use").to_string();
        assert!(error.contains("postmaster.pid"), "{error}");
        assert!(!place.is_empty().expect("readable"));
    }
}
