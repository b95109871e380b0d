//! The arguments of `tincture group`.

use auth::GroupWish;
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  tincture group create 'Colour 101' --allowance 48 --reserve 96 --refill 'weekly monday' --time-zone Europe/Zurich
  tincture group add 'Colour 101' ada@example.org bob@example.org
  tincture group teacher 'Colour 101' prof@example.org
  tincture group quota 'Colour 101' --refill 'on 2027-02-15 2027-09-06'

A whole class comes in with `tincture user import`, whose sheet may name a group.")]
pub enum Group {
    /// Make a group: a class or a course
    Create {
        name: String,
        #[command(flatten)]
        terms: Terms,
    },
    /// List groups
    List,
    /// Show a group with its members and what they have left
    Show { name: String },
    /// Put people into a group; each has its whole allowance
    Add {
        name: String,
        /// Of people who have an account
        #[arg(required = true, value_name = "EMAIL")]
        emails: Vec<String>,
    },
    /// Have people teach a group: they see and steer what its members do, and grant of its reserve
    Teacher {
        name: String,
        /// Of people who have an account
        #[arg(required = true, value_name = "EMAIL")]
        emails: Vec<String>,
    },
    /// Take somebody out of a group; what they asked for goes on
    Remove { name: String, email: String },
    /// Change a group's allowance, reserve and calendar; what isn't given stays
    Quota {
        name: String,
        #[command(flatten)]
        terms: Terms,
    },
    /// Make each member's allowance and the reserve whole now; the calendar goes on
    Refill { name: String },
    /// List what people ask for beyond their quota
    Requests,
    /// Grant what somebody asks for
    Grant {
        /// As `tincture group requests` shows it
        id: String,
        /// So many instead, 1-960
        #[arg(long, value_name = "WELLS")]
        wells: Option<i32>,
    },
    /// Refuse what somebody asks for
    Refuse {
        /// As `tincture group requests` shows it
        id: String,
    },
    /// Remove a group; experiments stay
    Delete {
        name: String,
        /// Also with people in it: what is left of its allowance goes with it
        #[arg(long)]
        with_members: bool,
    },
}

#[derive(Args, Clone, Debug)]
pub struct Terms {
    /// Wells of each member from one refill to the next; a new one counts from the next refill on [a new group's: 48]
    #[arg(long, value_name = "WELLS")]
    allowance: Option<i32>,
    /// Wells that teachers may grant beside them; a new one counts at once [a new group's: 96]
    #[arg(long, value_name = "WELLS")]
    reserve: Option<i32>,
    /// `never`, `weekly monday` (or another day), or `on` with days, like 'on 2027-02-15 2027-09-06' [a new group's: weekly
    /// monday]
    #[arg(long, value_name = "CALENDAR")]
    refill: Option<String>,
    /// Where its days begin, like Europe/Zurich [a new group's: that of the newest, else UTC]
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,
}

impl Terms {
    pub fn wish(&self) -> GroupWish {
        let Self { allowance, reserve, refill, time_zone } = self.clone();
        GroupWish { name: None, allowance, reserve, refill, time_zone }
    }
}
