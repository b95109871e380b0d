//! The API's description of itself: OpenAPI 3.1, made from the endpoints, and the page to try them on.

use crate::ApiState;
use crate::endpoints;
use axum::{
    Router,
    body::Bytes,
    http::{HeaderName, header},
    routing::get,
};
use domain::EventKind;
use request::PROBLEM_JSON;
use std::collections::BTreeMap;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        ContentBuilder, HeaderBuilder, Object, Ref, RefOr, Response, ResponseBuilder, Type,
        path::{Operation, Parameter, ParameterIn},
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::{Config, SwaggerUi};

/// Stands in a description for the kinds of events.
const KINDS: &str = "{kinds}";
const DOCUMENT: &str = "/api/v1/openapi.json";

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tincture",
        description = "A self-driving colour lab: sign in, ask for dye mixtures, follow the robot, take the colours home.\n\n\
            Every error is a problem document (RFC 9457) whose `type` leads to a help page. Times are UTC (RFC 3339), \
            volumes µL, wavelengths nm. Lists are paged by cursor.\n\n\
            Where the lab reads from a replica of its database, the answer to a change carries `Tincture-Position`, and a \
            cookie of the same: send either back to see that change at once, whichever server you ask.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    servers((url = "/", description = "this server")),
    security(("token" = [])),
    modifiers(&Bearer),
    tags(
        (name = "auth", description = "Signing in and out"),
        (name = "account", description = "The signed-in person"),
        (name = "experiments", description = "Asking for wells and following them"),
        (name = "results", description = "What was measured"),
        (name = "lab", description = "Robots, what is on their decks, and the queue"),
        (name = "groups", description = "Classes and courses, their teachers, and quota that is asked for"),
        (name = "administration", description = "Accounts, roles, quota, the activity log"),
    )
)]
struct Description;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.description = Some(
            "An access token (a JWT, of `/auth/login`) an API token (`tct_…`, of `/tokens`) or a service's (`tcs_…`)."
                .to_owned(),
        );
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// The described endpoints with their description.
pub(crate) fn described() -> (axum::Router<ApiState>, utoipa::openapi::OpenApi) {
    use endpoints::{
        activity, auth, commands, display, experiments, groups, invitations, me, protocols, queue, quota_requests,
        registrations, robots, service_tokens, sessions, tokens, users,
    };
    let v1 = OpenApiRouter::new()
        .routes(routes!(auth::login::login))
        .routes(routes!(auth::refresh::refresh))
        .routes(routes!(auth::logout::logout))
        .routes(routes!(auth::second_factor::second_factor))
        .routes(routes!(auth::passkey::passkey))
        .routes(routes!(auth::passkey_options::options))
        .routes(routes!(auth::proof::proof))
        .routes(routes!(me::factors::factors))
        .routes(routes!(me::totp::offer::offer, me::totp::remove::remove))
        .routes(routes!(me::totp::confirm::confirm))
        .routes(routes!(me::recovery_codes::renew))
        .routes(routes!(me::passkeys::create::create))
        .routes(routes!(me::passkeys::options::options))
        .routes(routes!(me::passkeys::remove::remove))
        .routes(routes!(auth::forgot::forgot))
        .routes(routes!(auth::register::register))
        .routes(routes!(auth::link::link))
        .routes(routes!(me::read::read))
        .routes(routes!(me::export::export))
        .routes(routes!(tokens::create::create, tokens::list::list))
        .routes(routes!(tokens::revoke::revoke))
        .routes(routes!(sessions::list::list))
        .routes(routes!(sessions::end::end))
        .routes(routes!(sessions::end_others::end_others))
        .routes(routes!(experiments::create::create, experiments::list::list))
        .routes(routes!(experiments::read::read))
        .routes(routes!(experiments::retry::retry))
        .routes(routes!(experiments::events::events))
        .routes(routes!(experiments::operations::operations))
        .routes(routes!(experiments::documents::documents))
        .routes(routes!(experiments::results::results))
        .routes(routes!(experiments::results_csv::results_csv))
        .routes(routes!(experiments::protocol::python))
        .routes(routes!(experiments::protocol::json))
        .routes(routes!(experiments::download::download))
        .routes(routes!(protocols::import::import))
        .routes(routes!(robots::setup::create, robots::list::list))
        .routes(routes!(robots::read::read, robots::setup::update, robots::setup::remove))
        .routes(routes!(robots::setup::setup))
        .routes(routes!(robots::check::check))
        .routes(routes!(robots::deck::deck))
        .routes(routes!(queue::list::list))
        .routes(routes!(users::create::create, users::list::list))
        .routes(routes!(users::bulk::bulk))
        .routes(routes!(users::import::import))
        .routes(routes!(users::update::update))
        .routes(routes!(users::link::link))
        .routes(routes!(users::sign_out::sign_out))
        .routes(routes!(users::export::export))
        .routes(routes!(users::erase::erase))
        .routes(routes!(users::factors::reset))
        .routes(routes!(activity::list::list))
        .routes(routes!(activity::export::export))
        .routes(routes!(activity::anchor::anchor))
        .routes(routes!(service_tokens::create::create, service_tokens::list::list))
        .routes(routes!(service_tokens::revoke::revoke))
        .routes(routes!(display::read::read))
        .routes(routes!(groups::create::create, groups::list::list))
        .routes(routes!(groups::read::read, groups::update::update, groups::delete::delete))
        .routes(routes!(groups::refill::refill))
        .routes(routes!(groups::members::add::add, groups::members::list::list))
        .routes(routes!(groups::members::remove::remove))
        .routes(routes!(quota_requests::list::list))
        .routes(routes!(quota_requests::grant::grant))
        .routes(routes!(quota_requests::refuse::refuse))
        .routes(routes!(me::quota::read::read))
        .routes(routes!(me::quota::ask::ask))
        .routes(routes!(users::quota::quota))
        .routes(routes!(invitations::create::create, invitations::list::list))
        .routes(routes!(invitations::revoke::revoke))
        .routes(routes!(registrations::list::list))
        .routes(routes!(registrations::approve::approve))
        .routes(routes!(registrations::refuse::refuse));
    let v1 = commands::routes().fold(v1, OpenApiRouter::routes);
    let (router, mut document) =
        OpenApiRouter::with_openapi(Description::openapi()).nest("/api/v1", v1).split_for_parts();
    promise_problems(&mut document);
    tell_kinds(&mut document);
    (router, document)
}

/// The problems that follow from what an endpoint takes, beside those that it names itself. Each status stands there by
/// itself, so that one which nobody thought of is a difference between the document and the server.
fn promise_problems(document: &mut utoipa::openapi::OpenApi) {
    for item in document.paths.paths.values_mut() {
        for operation in [&mut item.post, &mut item.patch, &mut item.delete]
            .into_iter()
            .flatten()
            .filter(|operation| is_for_people(operation))
        {
            promise(operation, &OF_CHANGES);
        }
        for operation in [&mut item.get, &mut item.post, &mut item.patch, &mut item.delete].into_iter().flatten() {
            let promised = promised(operation);
            promise(operation, &promised);
            tell_headers(&mut operation.responses.responses);
        }
    }
}

/// A status and why it is answered.
type Promise = (&'static str, &'static str);

const OF_ALL: [Promise; 2] = [
    ("500", "A fault of the server's own; its log says more"),
    ("503", "No database answers, or not in time: try again"),
];
const OF_CHANGES: [Promise; 2] = [
    (
        "403",
        "An API token that isn't for this, a proof that is too old, or sent with a cookie by the page of another site",
    ),
    ("429", "More at once than one person may ask for; see RateLimit and Retry-After"),
];
const OF_BODIES: [Promise; 4] = [
    ("400", "No JSON"),
    ("413", "More than 1 MiB"),
    ("415", "Not said to be JSON"),
    ("422", "Something to change, pointed at"),
];

fn promised(operation: &Operation) -> Vec<Promise> {
    let mut promised = OF_ALL.to_vec();
    if is_for_people(operation) {
        promised.push(("401", "Not signed in, or no longer"));
        promised.push((
            "403",
            "An API token that isn't for this, or a session without the second factor that the role needs",
        ));
    }
    if operation.request_body.is_some() {
        promised.extend(OF_BODIES);
    }
    if takes(operation, &ParameterIn::Query) || takes(operation, &ParameterIn::Header) {
        promised.push(("422", "A parameter that can't be"));
    }
    promised
}

/// Whether one must be signed in: only what needs no signing in says something of its own about it.
fn is_for_people(operation: &Operation) -> bool {
    operation.security.is_none()
}

fn takes(operation: &Operation, place: &ParameterIn) -> bool {
    let is_there = |given: &RefOr<Parameter>| matches!(given, RefOr::T(parameter) if parameter.parameter_in == *place);
    operation.parameters.iter().flatten().any(is_there)
}

/// What an operation says itself stays.
fn promise(operation: &mut Operation, promised: &[Promise]) {
    for (status, description) in promised {
        let responses = &mut operation.responses.responses;
        responses.entry((*status).to_owned()).or_insert_with(|| RefOr::T(problem(description)));
    }
}

fn problem(description: &str) -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new().description(description).content(PROBLEM_JSON, content).build()
}

/// What a client reads beside the problem.
fn tell_headers(responses: &mut BTreeMap<String, RefOr<Response>>) {
    let header = |kind: Type, description: &str| {
        HeaderBuilder::new().schema(Some(Object::with_type(kind))).description(Some(description)).build()
    };
    for (status, response) in responses {
        let RefOr::T(response) = response else { continue };
        let (name, header) = match status.as_str() {
            "401" => ("WWW-Authenticate", header(Type::String, "How to sign in (RFC 6750)")),
            "429" | "503" => ("Retry-After", header(Type::Integer, "Seconds after which to try again, where known")),
            _ => continue,
        };
        response.headers.insert(name.to_owned(), RefOr::T(header));
    }
}

/// Puts the one list of event kinds where a description asks for it.
fn tell_kinds(document: &mut utoipa::openapi::OpenApi) {
    let kinds: Vec<_> = EventKind::ALL.iter().map(|kind| format!("- `{kind}`: {}", kind.says())).collect();
    let operations = document.paths.paths.values_mut().flat_map(|item| &mut item.get);
    for description in operations.flat_map(|operation| &mut operation.description) {
        *description = description.replace(KINDS, &kinds.join("\n"));
    }
}

/// The OpenAPI document, for `tincture openapi`.
pub fn document() -> utoipa::openapi::OpenApi {
    described().1
}

/// The document itself, kept as what is sent: as a tree it would take ten times the memory.
pub(crate) fn served<S: Clone + Send + Sync + 'static>(document: &utoipa::openapi::OpenApi) -> Router<S> {
    let text = Bytes::from(serde_json::to_vec(document).expect("a document of texts"));
    let head: [(HeaderName, &str); 1] = [(header::CONTENT_TYPE, "application/json")];
    Router::new().route(DOCUMENT, get(async move || (head, text)))
}

/// The interactive documentation, all of it from this binary.
pub(crate) fn ui() -> SwaggerUi {
    // "none" keeps the page from asking a validator on the internet about our document.
    // A token lives as long as the page: what lies in local storage stays there on a shared computer.
    let config = Config::new([DOCUMENT]).validator_url("none").persist_authorization(false).try_it_out_enabled(true);
    SwaggerUi::new("/docs").config(config)
}
