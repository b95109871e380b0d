//! The pages: server-rendered HTML that works without JavaScript and becomes live with it.
//!
//! One page a file in `pages/`, its template beside it in `templates/`. The pages call what the API calls
//! ([`workflow::Lab`], [`store::Store`], [`auth::Service`]), so a rule holds whichever way a request comes.
//! Nothing is fetched from another host, and the content security policy forbids it.

mod assets;
mod chart;
mod chrome;
mod confirm;
mod error;
mod failure;
mod fields;
mod onward;
mod optics;
mod pages;
mod plate;
mod qr;
mod security;
mod sentences;
mod session;
mod when;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::{from_fn, from_fn_with_state},
    routing::{MethodRouter, get},
};
use pages::{
    account, audit, documents, experiment, experiment_import, experiment_new, experiments, groups, joining, landing,
    robots, second_factor, second_step, services, sign_in, sign_out, single_sign_on, users,
};
use request::AppState;
use tower_http::{catch_panic::CatchPanicLayer, compression::CompressionLayer};

/// The largest form: a full plate of many dyes and a pasted sheet are far below.
const LARGEST_FORM: usize = 256 * 1024;

/// The pages, and the list of their routes for whoever has to know them all.
macro_rules! pages {
    ($($path:literal: $($method:ident $handler:path),+;)+) => {
        /// Method and path of every route here but the assets'.
        pub const ROUTES: &[(&str, &str)] = &[$($((stringify!($method), $path)),+),+];

        fn pages() -> Router<AppState> {
            Router::new()$(.route($path, MethodRouter::new()$(.$method($handler))+))+
        }
    };
}

pages! {
    "/": get landing::show;
    "/sign-in": get sign_in::show, post sign_in::submit;
    "/sign-in/second": get second_step::show, post second_step::submit;
    "/sign-in/passkey": post second_step::by_passkey;
    "/sign-out": post sign_out::submit;
    "/auth/oidc/start": get single_sign_on::start;
    "/auth/oidc/callback": get single_sign_on::finish;
    "/auth/oidc/logout": post single_sign_on::logged_out_there;
    "/auth/oidc/signed-out": get single_sign_on::signed_out;
    "/auth/onward": get onward::show;
    "/forgot": get joining::show_forgot, post joining::forgot;
    "/register": get joining::show_register, post joining::register;
    "/link/{secret}": get joining::show_link, post joining::use_link;
    "/experiments": get experiments::show;
    "/experiments/new": get experiment_new::show, post experiment_new::submit;
    "/experiments/import": get experiment_import::show, post experiment_import::submit;
    "/experiments/{id}": get experiment::show;
    "/experiments/{id}/documents": get documents::show;
    "/experiments/{id}/retry": post experiment::retry;
    "/experiments/{id}/{control}": post experiment::control;
    "/robots": get robots::show;
    "/robots/{name}": get robots::show_one;
    "/robots/new": get robots::show_new, post robots::create;
    "/robots/{name}/deck": post robots::deck;
    "/robots/{name}/check": post robots::check;
    "/robots/{name}/setup": get robots::show_setup, post robots::change;
    "/robots/{name}/remove": post robots::remove;
    "/robots/{name}/{command}": post robots::command;
    "/lab/{command}": post robots::command_all;
    "/users": get users::show, post users::create;
    "/audit": get audit::show;
    "/groups": get groups::show, post groups::create;
    "/groups/{id}": get groups::show_one, post groups::update;
    "/groups/{id}/members": post groups::add;
    "/groups/{id}/members/{user}/remove": post groups::remove;
    "/groups/{id}/{act}": post groups::act;
    "/quota-requests/{id}/{act}": post groups::decide;
    "/services": get services::show, post services::make;
    "/services/{id}/revoke": post services::revoke;
    "/users/bulk": post users::bulk;
    "/users/import": get users::show_import, post users::submit_import;
    "/users/invitations": get users::show_invitations, post users::invite;
    "/users/invitations/{id}/revoke": post users::revoke_invitation;
    "/users/registrations/{id}/{act}": post users::decide;
    "/users/{id}": get users::show_one, post users::update;
    "/users/{id}/{act}": post users::act;
    "/account": get account::show;
    "/account/password": post account::change_password;
    "/account/sessions/others": post account::end_others;
    "/account/sessions/{id}/revoke": post account::revoke_session;
    "/account/reuse": post account::see_reuse;
    "/account/quota": post groups::ask;
    "/account/tokens": post account::make_token;
    "/account/tokens/{id}/revoke": post account::revoke_token;
    "/account/second-factor": get second_factor::show, post second_factor::confirmed;
    "/account/second-factor/app": post second_factor::offer_app;
    "/account/second-factor/app/confirm": post second_factor::confirm_app;
    "/account/second-factor/app/remove": post second_factor::remove_app;
    "/account/second-factor/codes": post second_factor::renew_codes;
    "/account/second-factor/passkeys": post second_factor::make_passkey;
    "/account/second-factor/passkeys/{id}/remove": post second_factor::remove_passkey;
}

/// Serves every page, and a designed "not found" for every path that neither this nor the API knows.
pub fn router(state: AppState) -> Router {
    let pages = pages()
        .fallback(failure::nothing_here)
        .method_not_allowed_fallback(failure::wrong_method)
        .layer(from_fn_with_state(state.clone(), confirm::grave_acts))
        .layer(from_fn_with_state(state.clone(), session::one_a_browser))
        .layer(DefaultBodyLimit::max(LARGEST_FORM))
        .layer(from_fn(security::own_pages_only))
        .layer(from_fn(failure::in_time))
        .layer(CatchPanicLayer::custom(failure::panicked))
        .layer(from_fn_with_state(state.clone(), failure::designed))
        .layer(from_fn_with_state(state.clone(), request::tell_position));
    Router::new()
        .route("/assets/{edition}/{name}", get(assets::serve))
        .merge(pages)
        .layer(from_fn(request::page_headers))
        .layer(CompressionLayer::new())
        .layer(from_fn(request::observe))
        .with_state(state)
}
