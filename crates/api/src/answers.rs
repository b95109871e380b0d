//! Answers that are given again without asking the database: about experiments that have ended, which are the same for
//! ever, and lists of a moment ago (`docs/decisions/0011-acceptance.md`).

use axum::{
    body::Bytes,
    http::header,
    response::{IntoResponse, Response},
};
use domain::{ExperimentId, Role, UserId};
use hashlink::LinkedHashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::{Moment, Position};

/// All kept answers together, in bytes.
const MOST: usize = 8 << 20;
/// A longer one isn't kept: it would push out too many others.
const LONGEST: usize = MOST / 16;

/// What was asked, and by whom as far as the answer depends on it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Question {
    /// What is said of a fault depends on the reader's role. Who may read it is to be asked first.
    Experiment { id: ExperimentId, reader: Role },
    /// Of one person's, or all.
    List {
        of: Option<UserId>,
        after: Option<ExperimentId>,
        limit: u32,
        reader: Role,
        /// What the reader knows of: who knows of more gets no older answer.
        seen: Position,
    },
}

/// How long an answer holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Holds {
    ForEver,
    /// Until something changes, as of this moment.
    Awhile(Moment),
}

impl Holds {
    fn still(self, changes: u64) -> bool {
        match self {
            Self::ForEver => true,
            Self::Awhile(read) => read.holds(changes),
        }
    }
}

#[derive(Debug)]
struct Answer {
    owner: Option<UserId>,
    body: Bytes,
    holds: Holds,
}

#[derive(Debug, Default)]
struct Kept {
    answers: LinkedHashMap<Question, Answer>,
    size: usize,
}

/// The answers that were asked for last. Cheap to clone; clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers(Arc<Mutex<Kept>>);

impl Answers {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer with whose it is, if it is kept and still holds when this process has made so many changes.
    pub fn get(&self, question: &Question, changes: u64) -> Option<(Option<UserId>, Bytes)> {
        let mut kept = self.lock();
        let answer = kept.answers.to_back(question)?;
        answer.holds.still(changes).then(|| (answer.owner, answer.body.clone()))
    }

    /// `owner` is whose experiment it is about.
    pub fn keep(&self, question: Question, owner: Option<UserId>, body: Bytes, holds: Holds) {
        if body.len() > LONGEST {
            return;
        }
        let mut kept = self.lock();
        kept.size += body.len();
        if let Some(before) = kept.answers.insert(question, Answer { owner, body, holds }) {
            kept.size -= before.body.len();
        }
        while kept.size > MOST {
            let Some((_, oldest)) = kept.answers.pop_front() else { return };
            kept.size -= oldest.body.len();
        }
    }
}

pub(crate) fn as_json(body: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question() -> Question {
        Question::Experiment { id: ExperimentId::new(), reader: Role::Student }
    }

    #[test]
    fn the_oldest_go_when_it_is_full_and_the_longest_never_come() {
        let (answers, long) = (Answers::default(), Bytes::from(vec![b'1'; LONGEST]));
        let questions: Vec<_> = (0..40).map(|_| question()).collect();
        for question in &questions {
            answers.keep(question.clone(), None, long.clone(), Holds::ForEver);
        }
        answers.keep(question(), None, Bytes::from(vec![b'1'; LONGEST + 1]), Holds::ForEver);
        let kept = answers.lock();
        assert_eq!(kept.size, MOST);
        assert_eq!(kept.answers.keys().cloned().collect::<Vec<_>>(), questions[24..]);
    }

    #[tokio::test]
    async fn a_list_holds_until_something_changes_or_another_process_may_have_changed_it() {
        let (answers, question) = (Answers::default(), question());
        answers.keep(question.clone(), None, Bytes::from_static(b"[]"), Holds::Awhile(Moment::after(7)));
        assert!(answers.get(&question, 7).is_some());
        assert!(answers.get(&question, 8).is_none());
        tokio::time::sleep(store::UNSEEN).await;
        assert!(answers.get(&question, 7).is_none());
    }
}
