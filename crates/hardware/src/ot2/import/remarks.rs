//! What there is to say of a protocol's commands: each thing once, with the first command that gave rise to it.

use std::collections::HashMap;

/// The most different remarks of one kind.
pub const MOST_REMARKS: usize = 200;
/// Characters of what a protocol says that a remark repeats.
const LONGEST_WORD: usize = 60;

/// Something about one command or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// Which command of the protocol, from 1. Nothing where it is about the whole.
    pub command: Option<usize>,
    /// The line of the Python file, where the analysis has it.
    pub line: Option<u32>,
    /// For how many commands it is true.
    pub times: usize,
    pub text: String,
}

/// Where in a protocol one is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct At {
    pub command: Option<usize>,
    pub line: Option<u32>,
}

/// Remarks as they come.
#[derive(Debug, Default)]
pub(super) struct Remarks {
    by_text: HashMap<String, usize>,
    all: Vec<Remark>,
    untold: usize,
}

impl Remarks {
    pub fn add(&mut self, at: At, text: impl Into<String>) {
        let text = text.into();
        if let Some(remark) = self.by_text.get(&text).and_then(|index| self.all.get_mut(*index)) {
            remark.times += 1;
            return;
        }
        if self.all.len() == MOST_REMARKS {
            self.untold += 1;
            return;
        }
        self.by_text.insert(text.clone(), self.all.len());
        self.all.push(Remark { command: at.command, line: at.line, times: 1, text });
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// In the order of the commands; what is about the whole comes last.
    pub fn told(mut self) -> Vec<Remark> {
        self.all.sort_by_key(|remark| remark.command.unwrap_or(usize::MAX));
        if self.untold > 0 {
            let text = format!("and {} more like these", self.untold);
            self.all.push(Remark { command: None, line: None, times: 1, text });
        }
        self.all
    }
}

/// A word of a protocol, fit to be shown.
pub(super) fn shown(word: &str) -> String {
    word.chars().filter(|c| !c.is_control()).take(LONGEST_WORD).collect()
}
