//! Memory that is no longer used goes back to the system at once (docs/decisions/0039-memory.md).

use rustix::thread::disable_transparent_huge_pages;
use std::{env, os::unix::process::CommandExt, process::Command};

/// How long, in ms, the allocator keeps what was freed before it gives it back. It reads it when it starts, and only from here.
const PURGE_DELAY: &str = "MIMALLOC_PURGE_DELAY";

/// Has memory come in pages of 4 KiB, and not of 2 MiB: of those most parts were never used, but counted. It saves 13 MB of a
/// process at rest and 30 MB of a busy one.
pub fn in_small_pages() {
    // A kernel that knows no others has nothing to be told.
    let _ = disable_transparent_huge_pages(true);
}

/// Begins this program once more, in the same process, with an allocator that gives back at once what is freed; unless its
/// environment says already how long it is to be kept.
pub fn give_back_at_once() {
    if env::var_os(PURGE_DELAY).is_some() {
        return;
    }
    let Ok(program) = env::current_exe() else { return };
    let mut arguments = env::args_os();
    let mut again = Command::new(program);
    again.env(PURGE_DELAY, "0");
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    // Where that can't be done it comes back, and memory is kept a while longer.
    let _ = again.args(arguments).exec();
}
