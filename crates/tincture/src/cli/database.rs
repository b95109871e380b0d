//! `tincture database`: what an administrator of PostgreSQL does once.

use clap::{Args, Subcommand};
use store::{RoleName, Roles};

#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  tincture database roles | psql -v ON_ERROR_STOP=1 \"host=db dbname=tincture user=postgres\"
  tincture database roles --apply        as the role of TINCTURE_DATABASE_URL, which must be allowed to make roles

Then give each a password (`\\password tincture_app` in psql). Run `tincture migrate` as tincture_owner, everything else as
tincture_app, and let what watches the database be tincture_monitor. Run this again after each `tincture migrate`.")]
pub enum Database {
    /// Print the SQL that makes three roles with just the rights that each needs: owner, application, monitor
    Roles(RoleNames),
}

#[derive(Args, Debug)]
pub struct RoleNames {
    /// Makes and changes tables; for `tincture migrate`
    #[arg(long, value_name = "ROLE", default_value = "tincture_owner", value_parser = RoleName::new)]
    pub owner: RoleName,
    /// Reads and writes their rows; for `serve`, `worker` and everything else
    #[arg(long, value_name = "ROLE", default_value = "tincture_app", value_parser = RoleName::new)]
    pub application: RoleName,
    /// Reads figures and what is public, and nothing of anybody; for whatever watches the database
    #[arg(long, value_name = "ROLE", default_value = "tincture_monitor", value_parser = RoleName::new)]
    pub monitor: RoleName,
    /// Run it on the database of TINCTURE_DATABASE_URL instead of printing it
    #[arg(long)]
    pub apply: bool,
}

impl RoleNames {
    pub fn roles(&self) -> Roles {
        Roles { owner: self.owner.clone(), application: self.application.clone(), monitor: self.monitor.clone() }
    }
}
