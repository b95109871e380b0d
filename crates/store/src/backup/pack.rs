//! Files of a backup: private, compressed, hashed, on the disk before they have a name.

use super::{
    SCRATCH,
    error::{BackupError, Result, is_full},
    manifest::Manifest,
};
use data_encoding::HEXLOWER;
use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use sha2::{Digest, Sha256};
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, BufReader, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// Read and written at once.
const PIECE: usize = 256 * 1024;

/// What came of packing a file.
#[derive(Debug)]
pub(super) struct Packed {
    pub plain_size: u64,
    pub packed_size: u64,
    pub plain_sha256: String,
    pub packed_sha256: String,
}

/// A directory without a name yet. It is removed with all that is in it unless it gets one.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// In `parent`, which is there.
    pub fn directory(parent: &Path) -> Result<Self> {
        // SQLite would take a relative name that begins with `file:` for something else.
        let parent = fs::canonicalize(parent).map_err(|error| BackupError::at(parent, error))?;
        let path = parent.join(format!("{SCRATCH}{}", uuid::Uuid::now_v7().simple()));
        DirBuilder::new().mode(0o700).create(&path).map_err(|error| BackupError::at(&parent, error))?;
        Ok(Self { path })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it the name, or one like it where that is taken, once all that is in it is on the disk.
    pub fn become_named(self, parent: &Path, name: &str) -> Result<String> {
        sync_directory(&self.path)?;
        let mut free = name.to_owned();
        for number in 2.. {
            // A directory takes another's place only if that is empty, and a backup never is.
            match fs::rename(&self.path, parent.join(&free)) {
                Ok(()) => break,
                Err(error) if parent.join(&free).exists() && number < 100 => {
                    tracing::debug!(%error, "the name is taken");
                    free = format!("{name}-{number}");
                }
                Err(error) => return Err(BackupError::at(parent, error)),
            }
        }
        sync_directory(parent)?;
        Ok(free)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Gone already once it has its name.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Compresses a file into a new one that only its owner may read, and waits until that is on the disk.
pub(super) fn pack(plain: &Path, to: &Path) -> Result<Packed> {
    let failed = |error| BackupError::at(to.parent().unwrap_or(to), error);
    let mut source = Hashing::of(File::open(plain)?);
    let mut packer = GzEncoder::new(Hashing::of(new_private(to).map_err(failed)?), Compression::default());
    copy(&mut source, &mut packer).map_err(failed)?;
    let target = packer.finish().map_err(failed)?;
    target.inner.sync_all().map_err(failed)?;
    let ((plain_size, plain_sha256), (packed_size, packed_sha256)) = (source.told(), target.told());
    Ok(Packed { plain_size, packed_size, plain_sha256, packed_sha256 })
}

/// Turns a packed file into a plain one, and waits until that is on the disk.
///
/// # Errors
/// `Damaged` where either isn't what the manifest says. No more is ever written than that says.
pub(super) fn unpack(packed: &Path, to: &Path, manifest: &Manifest) -> Result<()> {
    let unreadable = |error: io::Error| BackupError::damaged(format!("{} can't be read ({error})", packed.display()));
    check_packed(File::open(packed).map_err(unreadable)?, manifest).map_err(|error| match error {
        BackupError::Io(error) => unreadable(error),
        other => other,
    })?;
    let source = MultiGzDecoder::new(BufReader::with_capacity(PIECE, File::open(packed).map_err(unreadable)?));
    let failed = |error| BackupError::at(to.parent().unwrap_or(to), error);
    let mut target = Hashing::of(new_private(to).map_err(failed)?);
    copy(&mut source.take(manifest.plain_size.saturating_add(1)), &mut target).map_err(|error| {
        if is_full(&error) { failed(error) } else { BackupError::damaged(format!("it can't be unpacked ({error})")) }
    })?;
    target.inner.sync_all().map_err(failed)?;
    let (size, sha256) = target.told();
    if size != manifest.plain_size || sha256 != manifest.plain_sha256 {
        return Err(BackupError::damaged("what is packed in it isn't what its manifest says"));
    }
    Ok(())
}

fn check_packed(file: File, manifest: &Manifest) -> Result<()> {
    let mut source = Hashing::of(file);
    copy(&mut source, &mut io::sink())?;
    let (size, sha256) = source.told();
    if size != manifest.packed_size {
        let wanted = manifest.packed_size;
        return Err(BackupError::damaged(format!("it has {size} bytes where its manifest says {wanted}")));
    }
    if sha256 != manifest.packed_sha256 {
        return Err(BackupError::damaged("its checksum isn't the one in its manifest"));
    }
    Ok(())
}

fn copy(source: &mut impl Read, target: &mut impl Write) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        match source.read(&mut piece) {
            Ok(0) => return target.flush(),
            Ok(read) => target.write_all(&piece[..read])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Hashes what passes through it.
struct Hashing<T> {
    inner: T,
    hash: Sha256,
    size: u64,
}

impl<T> Hashing<T> {
    fn of(inner: T) -> Self {
        Self { inner, hash: Sha256::new(), size: 0 }
    }

    fn note(&mut self, piece: &[u8]) {
        self.hash.update(piece);
        self.size += piece.len() as u64;
    }

    fn told(self) -> (u64, String) {
        (self.size, HEXLOWER.encode(&self.hash.finalize()))
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(piece)?;
        self.note(&piece[..read]);
        Ok(read)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(piece)?;
        self.note(&piece[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Password hashes and signing keys will be in it.
pub(super) fn new_private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Replaces what is there.
pub(super) fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Makes a directory that only its owner may read, where there is none.
pub(super) fn make_directory(path: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| BackupError::at(path, error))
}

/// Waits until the names in it are on the disk.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
