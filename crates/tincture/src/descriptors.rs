//! Open files: as many as the system allows, and some kept back for what must go on when clients take all others.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// For lanes, the embedded database, the virtual lab, logs.
const KEPT_BACK: usize = 256;
/// Fewer connections than this are no server.
const FEWEST: usize = 16;

/// Raises this process's limit to what the system lets it have.
pub fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    let raised = Rlimit { current: limit.maximum, ..limit };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(limit = ?limit.current, %error, "the limit on open files can't be raised");
    }
}

/// As many connections as wanted, or as the limit leaves beside what is kept back.
pub fn connections(wanted: usize, database_connections: u32) -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    let limit = limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let most = room(limit, database_connections as usize);
    if wanted > most {
        tracing::warn!(
            "only {limit} files may be open, so at most {most} connections are taken and not {wanted}: \
             raise it with `ulimit -n` or LimitNOFILE="
        );
    }
    wanted.min(most)
}

fn room(limit: usize, database_connections: usize) -> usize {
    limit.saturating_sub(KEPT_BACK).saturating_sub(database_connections).max(FEWEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_is_always_kept_back() {
        assert_eq!(room(1_024, 10), 758);
        assert_eq!(room(100, 10), FEWEST, "a server all the same");
        assert!(room(usize::MAX, 10) > 1_000_000);
    }
}
