//! Programs that are nobody's: what each kind of them may do, which is nothing but what it is for.

use crate::{Permission, experiment::named_states};
use serde::{Deserialize, Serialize};

named_states! {
    /// What a program is for. A worker is none of these: it asks nothing over HTTP.
    ServiceKind {
        /// Reads the figures, and sees the monitoring behind the lab's proxy.
        Monitoring = "monitoring",
        /// Shows on a wall what the lab does.
        Display = "display",
    }
}

impl ServiceKind {
    /// All that it may do.
    pub const fn permissions(self) -> &'static [Permission] {
        match self {
            Self::Monitoring => &[Permission::SeeMonitoring],
            Self::Display => &[Permission::SeeLab, Permission::SeeDisplay],
        }
    }

    pub fn has(self, permission: Permission) -> bool {
        self.permissions().contains(&permission)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fmt::Write, fs, path::Path};

    #[test]
    fn the_documents_table_is_this_one() {
        let mut table = String::from("| service | may |\n|---|---|\n");
        for service in ServiceKind::ALL {
            let may: Vec<_> = service.permissions().iter().map(|permission| permission.rule().what).collect();
            let _ = writeln!(table, "| {service} | {} |", may.join("; "));
        }
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/people.md");
        let text = fs::read_to_string(file).expect("the document");
        assert!(text.contains(&table), "put this into docs/people.md:\n\n{table}");
    }
}
