//! `tincture token`: API tokens of people, for whoever has the database at hand.

use super::person;
use crate::{cli::Token, database, settings::Settings};
use anyhow::{Context, bail};
use auth::{Service, TokenWish};
use chrono::{DateTime, Utc};
use domain::ApiTokenId;
use std::io::{self, Write};
use store::{ApiToken, Store};

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
        Token::Create { email, name, scopes, days } => {
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
        Token::List { email } => {
            let owner = person::find(store, email).await?;
            list(&auth.api_tokens(owner.id).await?, Utc::now())
        }
        Token::Revoke { id } => {
            let id: ApiTokenId = id
                .parse()
                .ok()
                .with_context(|| format!("'{id}' is no token's id; `tincture token list EMAIL` shows them"))?;
            let token = auth.revoke_api_token(id, None, None).await?;
            writeln!(io::stdout(), "The token \"{}\" is revoked.", token.name)?;
            Ok(())
        }
    }
}

fn day(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d").to_string()
}

fn list(tokens: &[ApiToken], now: DateTime<Utc>) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for token in tokens {
        let used = token.last_used_at.map_or_else(|| "never used".to_owned(), |at| format!("last used {}", day(at)));
        let ends = if token.expires_at <= now { "ran out" } else { "runs out" };
        writeln!(
            out,
            "{}  {:<30} {:<25} {used}, {ends} {}",
            token.id,
            token.name,
            token.scopes.to_string(),
            day(token.expires_at)
        )?;
    }
    Ok(())
}
