//! API and pages together over one database: what `up` and `serve` share.

use crate::{
    database,
    housekeeping::{self, Schedule},
    http, sealing,
    settings::{Every, PasswordUse, Settings},
};
use anyhow::Context;
use api::ApiState;
use auth::{FIRST_ADMIN_EMAIL, HANDED_LINK_LIFE, OneTimePassword, Password, Passwords, SESSION_LIFE, link_address};
use axum::Router;
use mail::Mailer;
use oidc::RelyingParty;
use request::{AppState, Changes, SingleSignOn};
use std::sync::Arc;
use store::Store;
use tasks::Tasks;
use tokio::net::TcpListener;
use workflow::Lab;

/// The schema of the first release whose cookies have other names where browsers come encrypted. A month after a lab came to it
/// this may go.
const COOKIES_RENAMED: &str = "0027_sign_in";

#[derive(Debug)]
pub struct App {
    state: AppState,
    api: ApiState,
    rotate_keys: Every,
    backups: Option<Schedule>,
    router: Router,
    tasks: Tasks,
    limits: http::Limits,
    mailer: Mailer,
    prefect: Option<prefect::Config>,
    /// Only when the first administrator has just been made without a given password.
    pub way_in: Option<WayIn>,
}

/// How the first administrator comes in: either will do.
#[derive(Debug)]
pub struct WayIn {
    pub password: OneTimePassword,
    /// A one-time link by which they choose their own.
    pub link: String,
}

/// Makes the first administrator if nobody is there yet, and puts the routes together. `settings.listen` is where it is served.
pub async fn build(settings: &Settings, store: Store, tasks: Tasks) -> anyhow::Result<App> {
    telemetry::install_metrics()?;
    let documents = database::documents(settings, &store)?;
    let auth = async || auth::Service::new(store.clone()).await.context("sign-in can't be set up");
    let auth = database::patiently(auth).await?;
    let required = settings.second_factor_required.clone().map(|roles| roles.0).unwrap_or_default();
    let auth = auth.with_relying_party(settings.relying_party()).with_second_factor_required(required);
    let auth = auth.with_longest_token_days(settings.token_days).with_passwords(match settings.passwords {
        PasswordUse::Everybody => Passwords::Everybody,
        PasswordUse::Administrators => Passwords::Administrators,
    });
    let provider = settings.provider()?.map(RelyingParty::new).transpose()?.map(SingleSignOn::new);
    if let Some(provider) = &provider {
        database::patiently(async || miss_groups(&store, provider.party.config()).await).await?;
    }
    let auth = auth.with_account_policy(settings.account_policy())?;
    let site = settings.site();
    let mailer = settings.mailer(site.clone())?;
    let prefect = settings.prefect()?;
    let limits = settings.limits()?;
    // Last of all that may fail: nobody would ever be shown the password.
    let given = settings.admin_password.as_ref().map(|password| Password::from(password.expose()));
    let made = auth.ensure_first_admin(given).await;
    let way_in = match made.context("the first administrator can't be made")? {
        Some(password) => Some(WayIn { password, link: first_link(&store, &auth, &site).await? }),
        None => None,
    };
    let lab = Lab::new(store.clone()).reaching(Arc::new(settings.network()));
    let state = AppState::new(store, auth, lab).with_documents(documents).with_site(site);
    let state =
        state.with_changes(Changes::per_minute(settings.changes_per_minute)).with_retention(settings.retention());
    let state = state.with_onward(settings.onward());
    let state = match provider {
        Some(provider) => state.with_single_sign_on(provider),
        None => state,
    };
    let upgraded = database::patiently(async || Ok(state.store.upgraded_to(COOKIES_RENAMED).await?)).await?;
    let state = state.with_plain_cookies_until(upgraded.map(|at| at + SESSION_LIFE));
    let state = if settings.behind_proxy { state.behind_proxy() } else { state };
    let pages = web::router(state.clone());
    let api = ApiState::new(state.clone()).with_scrape_tokens(settings.scrape_tokens()).with_tasks(tasks.clone());
    let router = api::router(api.clone()).merge(pages);
    let backups = Schedule::of(settings);
    Ok(App { state, api, rotate_keys: settings.rotate_keys, backups, router, tasks, limits, mailer, prefect, way_in })
}

/// Says of which groups there are none that a rule puts people into.
async fn miss_groups(store: &Store, provider: &oidc::Config) -> anyhow::Result<()> {
    let named = provider.group_rules.groups();
    let known = store.groups_by_name(&named).await.context("oidc_groups can't be held against the lab's groups")?;
    for group in named.iter().filter(|group| !known.contains_key(&group.to_lowercase())) {
        tracing::warn!(
            group,
            "oidc_groups puts people into a group that the lab doesn't have: make it, or mend the rule"
        );
    }
    Ok(())
}

async fn first_link(store: &Store, auth: &auth::Service, site: &str) -> anyhow::Result<String> {
    let user = store.user_by_email(FIRST_ADMIN_EMAIL).await?.context("the first administrator is gone")?;
    let (secret, _) = auth.create_password_link(user.id, HANDED_LINK_LIFE, None, None).await?;
    Ok(link_address(site, &secret))
}

impl App {
    /// Serves until its tasks are told to stop. Live streams are ended then: they would never end by themselves.
    pub async fn serve(self, listener: TcpListener) {
        let (state, api, shutdown) = (self.state, self.api, self.tasks.stop().clone());
        let close_streams = async {
            shutdown.cancelled().await;
            api.close_streams()
        };
        housekeeping::purge_daily(state.store.clone(), state.retention, &self.tasks);
        housekeeping::refill_groups(state.store.clone(), &self.tasks);
        state.documents.relay(state.retention.documents, &self.tasks);
        mail::relay(self.mailer, state.store.clone(), state.auth.clone(), &self.tasks);
        sealing::run(state.store.clone(), &self.tasks);
        if let Some(config) = self.prefect {
            prefect::run(config, state.lab.clone(), state.store.clone(), &self.tasks);
        }
        if let Every::Period(age) = self.rotate_keys {
            housekeeping::rotate_keys(state.auth.keys().clone(), age, &self.tasks);
        }
        if let Some(schedule) = self.backups {
            schedule.run(state.store.clone(), &self.tasks);
        }
        let served = http::serve(listener, self.router, self.limits, shutdown.clone());
        tokio::join!(served, close_streams, self.tasks.ended());
        if let Err(error) = state.auth.settle().await {
            tracing::warn!(%error, "failed sign-ins of the last minute aren't in the activity log");
        }
        sealing::finish(&state.store).await;
    }
}
