//! In whose name a command is done.

use crate::cli::By;
use anyhow::{Context, bail};
use domain::Permission;
use store::{Store, User};

const PAGE: u32 = 200;

/// The account with this address.
pub async fn find(store: &Store, email: &str) -> anyhow::Result<User> {
    let user = store.user_by_email(email.trim()).await?;
    user.with_context(|| format!("there is no account {email}; `tincture user list` shows them"))
}

/// The account that `--as` names, else the first administrator.
pub async fn acting(store: &Store, by: &By) -> anyhow::Result<User> {
    match &by.email {
        Some(email) => find(store, email).await,
        None => first_admin(store).await,
    }
}

/// The same, of somebody who may run the lab.
pub async fn running_the_lab(store: &Store, by: &By) -> anyhow::Result<User> {
    let user = acting(store, by).await?;
    if !Permission::Operate.is_given_to(user.role) {
        bail!("{} is {}: this needs {}", user.email, user.role, Permission::Operate.for_whom());
    }
    Ok(user)
}

/// The same, of somebody who may set robots up.
pub async fn administering(store: &Store, by: &By) -> anyhow::Result<User> {
    let user = acting(store, by).await?;
    if !Permission::SetUpRobots.is_given_to(user.role) {
        bail!("{} is {}: this needs {}", user.email, user.role, Permission::SetUpRobots.for_whom());
    }
    Ok(user)
}

async fn first_admin(store: &Store) -> anyhow::Result<User> {
    let mut after = None;
    loop {
        let page = store.users(after, PAGE).await?;
        if let Some(admin) = page.data.into_iter().find(|user| user.role.administers()) {
            return Ok(admin);
        }
        if page.next.is_none() {
            bail!("there is no administrator yet: start the lab once, or `tincture user create EMAIL --role admin`");
        }
        after = page.next;
    }
}
