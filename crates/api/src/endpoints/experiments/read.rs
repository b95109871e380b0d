//! `GET /experiments/{id}`

use crate::{
    answers::{Answers, Holds, Question, as_json},
    body,
};
use axum::{
    body::Bytes,
    extract::{Path, State},
    response::Response,
};
use domain::ExperimentId;
use request::{Problem, ProblemDocument, Reader};
use views::ExperimentView;

/// Read an experiment
///
/// With its wells, their results so far, and how far it is.
#[utoipa::path(get, path = "/experiments/{id}", tag = "experiments",
    operation_id = "experiments_read", params(("id" = String, Path)), responses(
    (status = 200, body = ExperimentView),
    (status = 404, body = ProblemDocument, description = "There is none, or it is somebody else's", content_type = "application/problem+json"),
))]
pub async fn read(
    State(answers): State<Answers>,
    Reader { state, identity }: Reader,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id: ExperimentId = body::id(&id, "experiment")?;
    let question = Question::Experiment { id, reader: identity.role() };
    if let Some((Some(owner), answer)) = answers.get(&question, state.store.changes())
        && state.lab.may_see(&identity.user, owner).await?
    {
        return Ok(as_json(answer));
    }
    let detail = super::seen_by(&state, &identity, id).await?;
    let (owner, is_over) = (detail.experiment.user_id, detail.experiment.status.is_final());
    let view = super::view(&state, detail, identity.role()).await?;
    // What is said of doubtful wells changes with what is made again for them.
    let stays = is_over && view.doubts.is_none();
    let text = Bytes::from(serde_json::to_vec(&view).map_err(|error| Problem::internal(&error))?);
    if stays {
        answers.keep(question, Some(owner), text.clone(), Holds::ForEver);
    }
    Ok(as_json(text))
}
