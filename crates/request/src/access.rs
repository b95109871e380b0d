//! Which permission each route takes: the one place that is asked, for API and pages alike, before a handler hears of a
//! request.
//!
//! A route that isn't here lets nobody in who is signed in, so that none can be forgotten. That something is somebody's own
//! is decided where it is looked up (`Lab::experiment`, `auth::Service::revoke_api_token`).

use crate::{changes::is_safe, observe::known};
use auth::{Forbidden, Identity};
use axum::{extract::MatchedPath, http::request::Parts};
use chrono::Utc;
use domain::Permission;

/// What a route takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nobody need be signed in.
    Open,
    Needs(Permission),
}

use Access::{Needs, Open};
use Permission::{
    Administer, AskForExperiments, AskForQuota, ChangePassword, GrantQuota, MakeTokens, ManageFactors, ManageTokens,
    Operate, ProveOneself, SeeDisplay, SeeExperiments, SeeGroups, SeeLab, SeeMonitoring, SeeOneself, SetUpRobots,
    SteerExperiments, TakeDataHome,
};

/// Method, template of the path, what it takes. `GET` stands for `HEAD` too.
pub const ROUTES: &[(&str, &str, Access)] = &[
    // ---- the API
    ("POST", "/api/v1/auth/login", Open),
    ("POST", "/api/v1/auth/refresh", Open),
    ("POST", "/api/v1/auth/logout", Open),
    ("POST", "/api/v1/auth/second-factor", Open),
    ("POST", "/api/v1/auth/passkey", Open),
    ("POST", "/api/v1/auth/passkey/options", Open),
    ("POST", "/api/v1/auth/proof", Needs(ProveOneself)),
    ("GET", "/api/v1/me/factors", Needs(ManageFactors)),
    ("POST", "/api/v1/me/totp", Needs(ManageFactors)),
    ("DELETE", "/api/v1/me/totp", Needs(ManageFactors)),
    ("POST", "/api/v1/me/totp/confirm", Needs(ManageFactors)),
    ("POST", "/api/v1/me/recovery-codes", Needs(ManageFactors)),
    ("POST", "/api/v1/me/passkeys", Needs(ManageFactors)),
    ("POST", "/api/v1/me/passkeys/options", Needs(ManageFactors)),
    ("DELETE", "/api/v1/me/passkeys/{id}", Needs(ManageFactors)),
    ("DELETE", "/api/v1/users/{id}/factors", Needs(Administer)),
    ("POST", "/api/v1/auth/forgot", Open),
    ("POST", "/api/v1/auth/register", Open),
    ("POST", "/api/v1/auth/link", Open),
    ("GET", "/api/v1/me", Needs(SeeOneself)),
    ("GET", "/api/v1/me/export", Needs(TakeDataHome)),
    ("GET", "/api/v1/tokens", Needs(ManageTokens)),
    ("POST", "/api/v1/tokens", Needs(MakeTokens)),
    ("DELETE", "/api/v1/tokens/{id}", Needs(ManageTokens)),
    ("GET", "/api/v1/sessions", Needs(ManageTokens)),
    ("POST", "/api/v1/sessions/end-others", Needs(ManageTokens)),
    ("DELETE", "/api/v1/sessions/{id}", Needs(ManageTokens)),
    ("GET", "/api/v1/experiments", Needs(SeeExperiments)),
    ("POST", "/api/v1/experiments", Needs(AskForExperiments)),
    ("GET", "/api/v1/experiments/{id}", Needs(SeeExperiments)),
    ("GET", "/api/v1/experiments/{id}/events", Needs(SeeExperiments)),
    ("GET", "/api/v1/experiments/{id}/operations", Needs(SeeExperiments)),
    ("GET", "/api/v1/experiments/{id}/documents", Needs(SeeExperiments)),
    ("GET", "/api/v1/experiments/{id}/results", Needs(SeeExperiments)),
    ("GET", "/api/v1/experiments/{id}/results.csv", Needs(SeeExperiments)),
    ("GET", "/api/v1/experiments/{id}/protocol.py", Needs(SeeExperiments)),
    ("GET", "/api/v1/experiments/{id}/protocol.json", Needs(SeeExperiments)),
    ("POST", "/api/v1/protocols/import", Needs(AskForExperiments)),
    ("GET", "/api/v1/experiments/{id}/download.json", Needs(SeeExperiments)),
    ("POST", "/api/v1/experiments/{id}/retry", Needs(AskForExperiments)),
    ("POST", "/api/v1/experiments/{id}/pause", Needs(SteerExperiments)),
    ("POST", "/api/v1/experiments/{id}/resume", Needs(SteerExperiments)),
    ("POST", "/api/v1/experiments/{id}/cancel", Needs(SteerExperiments)),
    ("GET", "/api/v1/groups", Needs(SeeGroups)),
    ("POST", "/api/v1/groups", Needs(Administer)),
    ("GET", "/api/v1/groups/{id}", Needs(SeeGroups)),
    ("PATCH", "/api/v1/groups/{id}", Needs(Administer)),
    ("DELETE", "/api/v1/groups/{id}", Needs(Administer)),
    ("POST", "/api/v1/groups/{id}/refill", Needs(Administer)),
    ("GET", "/api/v1/groups/{id}/members", Needs(SeeGroups)),
    ("POST", "/api/v1/groups/{id}/members", Needs(Administer)),
    ("DELETE", "/api/v1/groups/{id}/members/{user}", Needs(Administer)),
    ("GET", "/api/v1/quota-requests", Needs(SeeGroups)),
    ("POST", "/api/v1/quota-requests/{id}/grant", Needs(GrantQuota)),
    ("POST", "/api/v1/quota-requests/{id}/refuse", Needs(GrantQuota)),
    ("GET", "/api/v1/me/quota", Needs(SeeOneself)),
    ("POST", "/api/v1/me/quota/request", Needs(AskForQuota)),
    ("GET", "/api/v1/users/{id}/quota", Needs(Administer)),
    ("GET", "/api/v1/queue", Needs(SeeLab)),
    ("GET", "/api/v1/robots", Needs(SeeLab)),
    ("GET", "/api/v1/robots/{id}", Needs(SeeLab)),
    ("POST", "/api/v1/robots", Needs(SetUpRobots)),
    ("PATCH", "/api/v1/robots/{id}", Needs(SetUpRobots)),
    ("DELETE", "/api/v1/robots/{id}", Needs(SetUpRobots)),
    ("GET", "/api/v1/robots/{id}/setup", Needs(SetUpRobots)),
    ("POST", "/api/v1/robots/{id}/check", Needs(Operate)),
    ("POST", "/api/v1/robots/{id}/deck", Needs(Operate)),
    ("POST", "/api/v1/robots/{id}/pause", Needs(Operate)),
    ("POST", "/api/v1/robots/{id}/resume", Needs(Operate)),
    ("POST", "/api/v1/robots/{id}/drain", Needs(Operate)),
    ("POST", "/api/v1/robots/{id}/stop", Needs(Operate)),
    ("POST", "/api/v1/lab/pause", Needs(Operate)),
    ("POST", "/api/v1/lab/resume", Needs(Operate)),
    ("POST", "/api/v1/lab/drain", Needs(Operate)),
    ("POST", "/api/v1/lab/stop", Needs(Operate)),
    ("GET", "/api/v1/users", Needs(Administer)),
    ("POST", "/api/v1/users", Needs(Administer)),
    ("POST", "/api/v1/users/bulk", Needs(Administer)),
    ("POST", "/api/v1/users/import", Needs(Administer)),
    ("PATCH", "/api/v1/users/{id}", Needs(Administer)),
    ("POST", "/api/v1/users/{id}/link", Needs(Administer)),
    ("POST", "/api/v1/users/{id}/sign-out", Needs(Administer)),
    ("GET", "/api/v1/users/{id}/export", Needs(Administer)),
    ("POST", "/api/v1/users/{id}/erase", Needs(Administer)),
    ("GET", "/api/v1/invitations", Needs(Administer)),
    ("POST", "/api/v1/invitations", Needs(Administer)),
    ("DELETE", "/api/v1/invitations/{id}", Needs(Administer)),
    ("GET", "/api/v1/registrations", Needs(Administer)),
    ("POST", "/api/v1/registrations/{id}/approve", Needs(Administer)),
    ("DELETE", "/api/v1/registrations/{id}", Needs(Administer)),
    ("GET", "/api/v1/activity", Needs(Administer)),
    ("GET", "/api/v1/activity/export", Needs(Administer)),
    ("GET", "/api/v1/activity/anchor", Needs(Administer)),
    ("GET", "/api/v1/service-tokens", Needs(Administer)),
    ("POST", "/api/v1/service-tokens", Needs(Administer)),
    ("DELETE", "/api/v1/service-tokens/{id}", Needs(Administer)),
    ("GET", "/api/v1/display", Needs(SeeDisplay)),
    ("GET", "/auth/verify", Needs(SeeMonitoring)),
    // ---- the pages
    ("GET", "/", Open),
    ("GET", "/sign-in", Open),
    ("POST", "/sign-in", Open),
    ("GET", "/sign-in/second", Open),
    ("POST", "/sign-in/second", Open),
    ("POST", "/sign-in/passkey", Open),
    ("POST", "/sign-out", Open),
    ("GET", "/auth/oidc/start", Open),
    ("GET", "/auth/oidc/callback", Open),
    ("POST", "/auth/oidc/logout", Open),
    ("GET", "/auth/oidc/signed-out", Open),
    ("GET", "/auth/onward", Open),
    ("GET", "/forgot", Open),
    ("POST", "/forgot", Open),
    ("GET", "/register", Open),
    ("POST", "/register", Open),
    ("GET", "/link/{secret}", Open),
    ("POST", "/link/{secret}", Open),
    ("GET", "/assets/{edition}/{name}", Open),
    ("GET", "/experiments", Needs(SeeExperiments)),
    ("GET", "/experiments/new", Needs(AskForExperiments)),
    ("POST", "/experiments/new", Needs(AskForExperiments)),
    ("GET", "/experiments/import", Needs(AskForExperiments)),
    ("POST", "/experiments/import", Needs(AskForExperiments)),
    ("GET", "/experiments/{id}", Needs(SeeExperiments)),
    ("GET", "/experiments/{id}/documents", Needs(SeeExperiments)),
    ("POST", "/experiments/{id}/retry", Needs(AskForExperiments)),
    ("POST", "/experiments/{id}/{control}", Needs(SteerExperiments)),
    ("GET", "/robots", Needs(Operate)),
    ("GET", "/robots/{name}", Needs(Operate)),
    ("POST", "/robots/{name}/deck", Needs(Operate)),
    ("POST", "/robots/{name}/check", Needs(Operate)),
    ("GET", "/robots/new", Needs(SetUpRobots)),
    ("POST", "/robots/new", Needs(SetUpRobots)),
    ("GET", "/robots/{name}/setup", Needs(SetUpRobots)),
    ("POST", "/robots/{name}/setup", Needs(SetUpRobots)),
    ("POST", "/robots/{name}/remove", Needs(SetUpRobots)),
    ("POST", "/robots/{name}/{command}", Needs(Operate)),
    ("POST", "/lab/{command}", Needs(Operate)),
    ("GET", "/users", Needs(Administer)),
    ("POST", "/users", Needs(Administer)),
    ("POST", "/users/bulk", Needs(Administer)),
    ("GET", "/users/import", Needs(Administer)),
    ("POST", "/users/import", Needs(Administer)),
    ("GET", "/users/invitations", Needs(Administer)),
    ("POST", "/users/invitations", Needs(Administer)),
    ("POST", "/users/invitations/{id}/revoke", Needs(Administer)),
    ("POST", "/users/registrations/{id}/{act}", Needs(Administer)),
    ("GET", "/users/{id}", Needs(Administer)),
    ("POST", "/users/{id}", Needs(Administer)),
    ("POST", "/users/{id}/{act}", Needs(Administer)),
    ("GET", "/groups", Needs(SeeGroups)),
    ("POST", "/groups", Needs(Administer)),
    ("GET", "/groups/{id}", Needs(SeeGroups)),
    ("POST", "/groups/{id}", Needs(Administer)),
    ("POST", "/groups/{id}/members", Needs(Administer)),
    ("POST", "/groups/{id}/members/{user}/remove", Needs(Administer)),
    ("POST", "/groups/{id}/{act}", Needs(Administer)),
    ("POST", "/quota-requests/{id}/{act}", Needs(GrantQuota)),
    ("POST", "/account/quota", Needs(AskForQuota)),
    ("GET", "/audit", Needs(Administer)),
    ("GET", "/services", Needs(Administer)),
    ("POST", "/services", Needs(Administer)),
    ("POST", "/services/{id}/revoke", Needs(Administer)),
    ("GET", "/account", Needs(SeeOneself)),
    ("POST", "/account/password", Needs(ChangePassword)),
    ("POST", "/account/tokens", Needs(MakeTokens)),
    ("POST", "/account/tokens/{id}/revoke", Needs(ManageTokens)),
    ("POST", "/account/sessions/others", Needs(ManageTokens)),
    ("POST", "/account/sessions/{id}/revoke", Needs(ManageTokens)),
    ("POST", "/account/reuse", Needs(ManageTokens)),
    ("GET", "/account/second-factor", Needs(ManageFactors)),
    ("POST", "/account/second-factor", Needs(ManageFactors)),
    ("POST", "/account/second-factor/app", Needs(ManageFactors)),
    ("POST", "/account/second-factor/app/confirm", Needs(ManageFactors)),
    ("POST", "/account/second-factor/app/remove", Needs(ManageFactors)),
    ("POST", "/account/second-factor/codes", Needs(ManageFactors)),
    ("POST", "/account/second-factor/passkeys", Needs(ManageFactors)),
    ("POST", "/account/second-factor/passkeys/{id}/remove", Needs(ManageFactors)),
];

/// What this route takes; nothing where nobody has said.
pub fn access(method: &str, route: &str) -> Option<Access> {
    let method = if method == "HEAD" { "GET" } else { method };
    ROUTES.iter().find(|(of, path, _)| *path == route && *of == method).map(|(.., access)| *access)
}

/// Why a request is refused whatever it is about.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// A mistake of ours: [`ROUTES`] doesn't have it.
    #[error("nobody has said who may ask for this")]
    NoRule,
}

/// Whether whoever this is may ask for the route that a request came to, and has shown enough for it
/// ([`Permission::is_grave`]).
///
/// # Errors
/// Why not.
pub fn allow(parts: &Parts, identity: &Identity) -> Result<(), Refusal> {
    let route = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
    match access(parts.method.as_str(), route) {
        Some(Needs(permission)) => {
            identity.check(permission)?;
            Ok(identity.check_proof(permission, !is_safe(&parts.method), Utc::now())?)
        }
        Some(Open) => Ok(()),
        None => {
            tracing::error!(method = known(&parts.method), route, "no rule says who may ask for this");
            Err(Refusal::NoRule)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_route_has_one_rule() {
        let routes: HashSet<_> = ROUTES.iter().map(|(method, path, _)| (method, path)).collect();
        assert_eq!(routes.len(), ROUTES.len());
        assert_eq!(access("HEAD", "/account"), Some(Needs(SeeOneself)));
        assert_eq!(access("PUT", "/account"), None);
    }
}
