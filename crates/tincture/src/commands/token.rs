//! `tincture token`: API tokens of people and services, for whoever has the database at hand.

use super::person;
use crate::{cli::Token, database, settings::Settings};
use anyhow::{Context, bail};
use auth::{AuthError, Service, ServiceTokenWish, TokenWish};
use chrono::{DateTime, Utc};
use domain::{ApiTokenId, ServiceTokenId};
use std::io::{self, Write};
use store::{ApiToken, ServiceToken, Store};

pub async fn run(settings: &Settings, command: &Token) -> anyhow::Result<()> {
    let store = database::open(settings).await?;
    let auth = Service::new(store.clone()).await?.with_longest_token_days(settings.token_days);
    let done = carry_out(&store, &auth, command).await;
    // Which tells the processes that serve.
    store.close().await?;
    done
}

async fn carry_out(store: &Store, auth: &Service, command: &Token) -> anyhow::Result<()> {
    match command {
        Token::Create { service: Some(service), name, days, .. } => {
            let wish = ServiceTokenWish { service: *service, name: name.clone(), days: *days };
            let (token, secret) = auth.create_service_token(wish, None, None).await?;
            writeln!(io::stdout(), "{}", secret.expose())?;
            let until = day(token.expires_at);
            writeln!(io::stderr(), "A token of nobody's, for {service}, until {until}. It is shown this once.")?;
            Ok(())
        }
        Token::Create { email, name, scopes, days, service: None } => {
            let email = email.as_deref().unwrap_or_default();
            let owner = person::find(store, email).await?;
            if owner.disabled_at.is_some() {
                bail!("{} is disabled: `tincture user enable {}` first", owner.email, owner.email);
            }
            let wish = TokenWish { name: name.clone(), scopes: scopes.clone(), days: *days };
            let (token, secret) = auth.create_api_token(&owner, wish, None, None).await?;
            // Alone on standard output, for scripts.
            writeln!(io::stdout(), "{}", secret.expose())?;
            let (scopes, until) = (token.scopes, day(token.expires_at));
            writeln!(io::stderr(), "A token of {} for: {scopes}, until {until}. It is shown this once.", owner.email)?;
            Ok(())
        }
        Token::List { email: None, .. } => list_services(&auth.service_tokens().await?, Utc::now()),
        Token::List { email: Some(email), .. } => {
            let owner = person::find(store, email).await?;
            list(&auth.api_tokens(owner.id).await?, Utc::now())
        }
        Token::Revoke { id } => {
            let id: ApiTokenId = id
                .parse()
                .ok()
                .with_context(|| format!("'{id}' is no token's id; `tincture token list EMAIL` shows them"))?;
            revoke(auth, id).await
        }
    }
}

/// A person's, or a service's: an id is of one of them.
async fn revoke(auth: &Service, id: ApiTokenId) -> anyhow::Result<()> {
    match auth.revoke_api_token(id, None, None).await {
        Ok(token) => writeln!(io::stdout(), "The token \"{}\" is revoked.", token.name)?,
        Err(AuthError::NoSuchToken) => {
            auth.revoke_service_token(ServiceTokenId::from(id.as_uuid()), None, None).await?;
            writeln!(io::stdout(), "The service's token is revoked.")?;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

fn list_services(tokens: &[ServiceToken], now: DateTime<Utc>) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for token in tokens {
        let (used, ends) = (used(token.last_used_at), ends(token.expires_at, now));
        writeln!(out, "{}  {:<30} {:<25} {used}, {ends}", token.id, token.name, token.service.as_str())?;
    }
    Ok(())
}

fn used(last: Option<DateTime<Utc>>) -> String {
    last.map_or_else(|| "never used".to_owned(), |at| format!("last used {}", day(at)))
}

fn ends(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    format!("{} {}", if at <= now { "ran out" } else { "runs out" }, day(at))
}

fn day(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d").to_string()
}

fn list(tokens: &[ApiToken], now: DateTime<Utc>) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for token in tokens {
        let (used, ends) = (used(token.last_used_at), ends(token.expires_at, now));
        writeln!(out, "{}  {:<30} {:<25} {used}, {ends}", token.id, token.name, token.scopes.to_string())?;
    }
    Ok(())
}
