//! `GET /experiments`

use crate::{
    answers::{Answers, Holds, Question, as_json},
    body::{self, Paging, Parameters},
    views::PageView,
};
use auth::Identity;
use axum::{body::Bytes, extract::State, response::Response};
use domain::{ExperimentId, FaultCode, Permission};
use request::{AppState, Problem, ProblemDocument, Reader};
use serde::Deserialize;
use store::{ExperimentSummary, Moment, Page};
use utoipa::{IntoParams, ToSchema};
use views::{ExperimentLine, WaitingView};

/// Whose experiments.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Whose {
    /// `mine` (the default), `group` with `group_id` for its teachers, or `all` for operators and administrators.
    #[param(value_type = ScopeName, required = false, inline)]
    scope: Option<String>,
    /// With `scope=group`: the group whose members' are listed, at most 50 on a page.
    #[param(value_type = Option<uuid::Uuid>, required = false)]
    group_id: Option<String>,
}

/// The values of `scope`.
#[derive(Clone, Copy, Debug, ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "describes a parameter to OpenAPI that is read by hand, for its own problem")]
pub enum ScopeName {
    Mine,
    Group,
    All,
}

/// List experiments
///
/// Newest first. Follow `next_cursor` until it is null.
#[utoipa::path(get, path = "/experiments", tag = "experiments",
    operation_id = "experiments_list", params(Paging, Whose), responses(
    (status = 200, body = PageView<ExperimentLine>),
    (status = 403, body = ProblemDocument, description = "Everybody's, for neither operator nor administrator", content_type = "application/problem+json"),
    (status = 404, body = ProblemDocument, description = "There is no such group, or the caller doesn't teach it", content_type = "application/problem+json"),
    (status = 422, body = ProblemDocument, description = "A limit or cursor that can't be", content_type = "application/problem+json"),
))]
pub async fn list(
    State(answers): State<Answers>,
    Reader { state, identity }: Reader,
    Parameters(paging): Parameters<Paging>,
    Parameters(whose): Parameters<Whose>,
) -> Result<Response, Problem> {
    if whose.group_id.is_some() && whose.scope.as_deref() != Some("group") {
        return Err(Problem::bad_parameter("group_id", "say scope=group with it"));
    }
    let user = match whose.scope.as_deref() {
        None | Some("mine") => Some(identity.user_id()),
        Some("all") if Permission::SeeExperiments.reaches_others(identity.role()) => None,
        Some("all") => {
            return Err(Problem::new(
                FaultCode::NotAllowed,
                "only operators and administrators list everybody's experiments",
            ));
        }
        Some("group") => return of_group(&state, &identity, whose.group_id.as_deref(), &paging).await,
        Some(_) => return Err(Problem::bad_parameter("scope", "use mine, group or all")),
    };
    let (after, limit) = (paging.after()?, paging.limit()?);
    let question = Question::List { of: user, after, limit, reader: identity.role(), seen: state.seen };
    let changes = state.store.changes();
    let holds = Holds::Awhile(Moment::after(changes));
    if let Some((_, answer)) = answers.get(&question, changes) {
        return Ok(as_json(answer));
    }
    let page = state.store.experiments(user, after, limit).await?;
    let text = shown(&state, &identity, page).await?;
    answers.keep(question, user, text.clone(), holds);
    Ok(as_json(text))
}

async fn of_group(
    state: &AppState,
    identity: &Identity,
    id: Option<&str>,
    paging: &Paging,
) -> Result<Response, Problem> {
    let id = id.ok_or_else(|| Problem::bad_parameter("group_id", "say which group's"))?;
    let group = state.auth.group(Some(identity), body::id(id, "group")?).await?;
    let page = state.store.experiments_of_group(group.id, paging.after()?, paging.limit()?).await?;
    Ok(as_json(shown(state, identity, page).await?))
}

async fn shown(
    state: &AppState,
    identity: &Identity,
    page: Page<ExperimentSummary, ExperimentId>,
) -> Result<Bytes, Problem> {
    let waiting = state.lab.waiting(page.data.iter().map(|summary| &summary.experiment)).await?;
    let mut waiting = waiting.into_iter().map(|waiting| Some(WaitingView::of(&waiting?, identity.role())));
    let page = PageView::of(page, |summary| ExperimentLine::of(summary, waiting.next().flatten()));
    Ok(Bytes::from(serde_json::to_vec(&page).map_err(|error| Problem::internal(&error))?))
}
