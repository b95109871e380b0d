//! `tincture config`: what is in force and where it comes from, as a file that could be used again.

use crate::settings::Line;
use std::io::{self, Write};

pub fn run(lines: &[Line]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for line in lines {
        let meaning = line.key.meaning;
        match &line.value {
            Some(value) => {
                let setting = format!("{} = {value}", line.key.name);
                writeln!(out, "{setting:<46} # {} · {meaning}", line.origin)?;
            }
            None => writeln!(out, "{:<46} # {} · {meaning}", format!("# {} =", line.key.name), line.origin)?,
        }
    }
    Ok(())
}
