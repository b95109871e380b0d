//! Answers about experiments that have ended, which are the same for ever: kept, so that nobody is asked for them again.

use auth::Identity;
use axum::{
    body::Bytes,
    http::header,
    response::{IntoResponse, Response},
};
use domain::{ExperimentId, Role, UserId};
use hashlink::LinkedHashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// All kept answers together, in bytes.
const MOST: usize = 8 << 20;
/// A longer one isn't kept: it would push out too many others.
const LONGEST: usize = MOST / 16;

/// Who an answer is for: what is said of a fault depends on the reader's role.
type Question = (ExperimentId, Role);

#[derive(Debug)]
struct Answer {
    owner: UserId,
    body: Bytes,
}

#[derive(Debug, Default)]
struct Kept {
    answers: LinkedHashMap<Question, Answer>,
    size: usize,
}

/// The newest such answers. Cheap to clone; clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Finished(Arc<Mutex<Kept>>);

impl Finished {
    /// The answer, if it is kept and this person may have it.
    pub fn answer(&self, id: ExperimentId, reader: &Identity) -> Option<Response> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = kept.answers.to_back(&(id, reader.role()))?;
        reader.may_see(answer.owner).then(|| as_json(answer.body.clone()))
    }

    pub fn keep(&self, id: ExperimentId, reader: Role, owner: UserId, body: Bytes) {
        if body.len() > LONGEST {
            return;
        }
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.size += body.len();
        if let Some(before) = kept.answers.insert((id, reader), Answer { owner, body }) {
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

    #[test]
    fn the_oldest_go_when_it_is_full_and_the_longest_never_come() {
        let (finished, owner) = (Finished::default(), UserId::new());
        let ids: Vec<_> = (0..40).map(|_| ExperimentId::new()).collect();
        for id in &ids {
            finished.keep(*id, Role::Student, owner, Bytes::from(vec![b'1'; LONGEST]));
        }
        finished.keep(ExperimentId::new(), Role::Student, owner, Bytes::from(vec![b'1'; LONGEST + 1]));
        let kept = finished.0.lock().expect("kept");
        assert_eq!((kept.size, kept.answers.len()), (MOST, 16));
        assert_eq!(kept.answers.keys().map(|(id, _)| *id).collect::<Vec<_>>(), ids[24..]);
    }
}
