//! Who this robot is, as a real one's serial number tells: made once, kept beside the ledger, and never changed after.

use super::error::WorldError;
use std::{fs, io, path::Path};
use uuid::Uuid;

const FILE_NAME: &str = "identity";
/// What no real robot's serial number begins with.
const PREFIX: &str = "OT2VIRT-";

/// Another robot each time.
pub(super) fn fresh() -> String {
    format!("{PREFIX}{}", Uuid::new_v4().simple().to_string().to_uppercase())
}

/// The robot whose deck `directory` keeps, made now if it keeps none yet. The caller holds the directory's ledger.
pub(super) fn kept(directory: &Path) -> Result<String, WorldError> {
    let path = directory.join(FILE_NAME);
    let failed = |doing| {
        let path = path.clone();
        move |source| WorldError::Storage { path, doing, source }
    };
    match fs::read_to_string(&path) {
        Ok(text) => Some(text.trim().to_owned())
            .filter(|text| is_identity(text))
            .ok_or_else(|| WorldError::NoIdentity { path: path.clone() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let identity = fresh();
            // Whole or not at all: half an identity would be another robot's.
            let draft = directory.join(format!("{FILE_NAME}.new"));
            fs::write(&draft, format!("{identity}\n")).map_err(failed("written"))?;
            fs::rename(&draft, &path).map_err(failed("written"))?;
            Ok(identity)
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(WorldError::NoIdentity { path }),
        Err(error) => Err(failed("read")(error)),
    }
}

fn is_identity(text: &str) -> bool {
    let number = text.strip_prefix(PREFIX).unwrap_or_default();
    number.len() == 32 && number.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_lowercase())
}
