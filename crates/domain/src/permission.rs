//! Who may do what: one table, by which API, pages and command line decide, and which docs/people.md shows.

use crate::{Role, UnknownName, experiment::named_states};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

named_states! {
    /// What an API token may be good for.
    Scope {
        /// Looks at what its owner sees.
        Read = "read",
        /// Asks for experiments and steers them.
        Experiments = "experiments",
        /// Runs the lab as an operator does: everybody's experiments, robots and decks.
        Operate = "operate",
    }
}

impl Scope {
    /// For whoever chooses.
    pub const fn says(self) -> &'static str {
        match self {
            Self::Read => "look at experiments, results, robots and the queue",
            Self::Experiments => "ask for experiments, and pause, resume, cancel and retry them",
            Self::Operate => "run the lab: everybody’s experiments, robots and decks",
        }
    }

    /// Whether a token of somebody in this role could do anything with it.
    pub const fn is_for(self, role: Role) -> bool {
        match self {
            Self::Read | Self::Experiments => true,
            Self::Operate => role.runs_the_lab(),
        }
    }
}

/// One scope or more.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// Nothing where there is none.
    pub fn of(scopes: impl IntoIterator<Item = Scope>) -> Option<Self> {
        let bits = scopes.into_iter().fold(0, |bits, scope| bits | bit(scope));
        (bits != 0).then_some(Self(bits))
    }

    pub const fn has(self, scope: Scope) -> bool {
        self.0 & bit(scope) != 0
    }

    /// From least to most.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.iter().copied().filter(move |scope| self.has(*scope))
    }

    /// What somebody in this role is to a token: never more than they are, never an administrator, and no operator either
    /// unless it is for that.
    pub const fn within(self, role: Role) -> Role {
        let most = if self.has(Scope::Operate) { Role::Operator } else { Role::Researcher };
        if role.is_at_least(most) { most } else { role }
    }
}

const fn bit(scope: Scope) -> u8 {
    1 << scope as u8
}

/// With spaces between, as OAuth writes them (RFC 6749, 3.3).
impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{scope}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({self})")
    }
}

impl FromStr for Scopes {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let scopes = text.split_whitespace().map(str::parse).collect::<Result<Vec<Scope>, _>>()?;
        Self::of(scopes).ok_or(UnknownName { what: "Scope", name: String::new() })
    }
}

/// Something that not everybody may do, or not with every token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    SeeOneself,
    SeeLab,
    SeeExperiments,
    AskForExperiments,
    SteerExperiments,
    /// Groups, their members and their waiting requests.
    SeeGroups,
    GrantQuota,
    AskForQuota,
    Prioritise,
    Operate,
    /// Add, change, rename and remove robots; what stands on their decks.
    SetUpRobots,
    TakeDataHome,
    ChangePassword,
    /// Say again, in a session, who they are.
    ProveOneself,
    ManageFactors,
    ManageTokens,
    MakeTokens,
    SeeDisplay,
    SeeMonitoring,
    Administer,
}

/// Who has a permission.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// What is permitted.
    pub what: &'static str,
    /// To whom: this role and those above it.
    pub least: Role,
    /// Whether a teacher has it for what is their group's members'.
    pub group: bool,
    /// The same where it is about what is somebody else's; nothing where what it is about is nobody's, or nobody may.
    pub others: Option<Role>,
    /// The scope that a token needs. Without one it takes somebody who signed in.
    pub scope: Option<Scope>,
}

const fn rule(what: &'static str, least: Role, others: Option<Role>, scope: Option<Scope>) -> Rule {
    Rule { what, least, group: false, others, scope }
}

impl Rule {
    /// Teachers have it for their groups, too.
    const fn and_for_teachers(self) -> Self {
        Self { group: true, ..self }
    }
}

impl Permission {
    pub const ALL: &'static [Self] = &[
        Self::SeeOneself,
        Self::SeeLab,
        Self::SeeExperiments,
        Self::AskForExperiments,
        Self::SteerExperiments,
        Self::SeeGroups,
        Self::GrantQuota,
        Self::AskForQuota,
        Self::Prioritise,
        Self::Operate,
        Self::SetUpRobots,
        Self::TakeDataHome,
        Self::ChangePassword,
        Self::ProveOneself,
        Self::ManageFactors,
        Self::ManageTokens,
        Self::MakeTokens,
        Self::SeeDisplay,
        Self::SeeMonitoring,
        Self::Administer,
    ];

    /// The table.
    pub const fn rule(self) -> Rule {
        use Role::{Admin, Operator, Student};
        match self {
            Self::SeeOneself => rule("see their account", Student, None, Some(Scope::Read)),
            Self::SeeLab => rule("see robots, what is on their decks, and the queue", Student, None, Some(Scope::Read)),
            Self::SeeExperiments => rule(
                "see experiments, results, events, the journal and raw records",
                Student,
                Some(Operator),
                Some(Scope::Read),
            )
            .and_for_teachers(),
            Self::AskForExperiments => {
                rule("ask for experiments, and retry them", Student, Some(Operator), Some(Scope::Experiments))
                    .and_for_teachers()
            }
            Self::SteerExperiments => {
                rule("pause, resume and cancel experiments", Student, Some(Operator), Some(Scope::Experiments))
                    .and_for_teachers()
            }
            Self::SeeGroups => rule(
                "see groups that they teach: who is in them, what is left, who asks for more",
                Student,
                Some(Admin),
                Some(Scope::Read),
            ),
            Self::GrantQuota => rule(
                "grant or refuse, of the reserve of groups that they teach, what members ask for",
                Student,
                Some(Admin),
                None,
            ),
            Self::AskForQuota => rule("ask for more quota", Student, None, None),
            Self::Prioritise => rule("give an experiment a priority", Operator, None, Some(Scope::Operate)),
            Self::Operate => {
                rule("hold robots, answer them, tend decks; the robots’ pages", Operator, None, Some(Scope::Operate))
            }
            Self::SetUpRobots => rule(
                "add, change, rename and remove robots: where they are, and what stands on their decks",
                Admin,
                None,
                None,
            ),
            Self::TakeDataHome => rule("download all that is stored of them", Student, Some(Admin), None),
            Self::ChangePassword => rule("change their password", Student, None, None),
            Self::ProveOneself => rule("prove anew who they are", Student, None, None),
            Self::ManageFactors => rule("set up and remove their second factors", Student, None, None),
            Self::ManageTokens => rule("see and end sign-ins, list and revoke API tokens", Student, Some(Admin), None),
            Self::MakeTokens => rule("make API tokens", Student, None, None),
            Self::SeeDisplay => rule(
                "see what a wall display shows: everybody’s experiments, nobody’s name",
                Operator,
                None,
                Some(Scope::Operate),
            ),
            Self::SeeMonitoring => {
                rule("see the monitoring that stands behind this lab’s proxy", Operator, None, Some(Scope::Operate))
            }
            Self::Administer => rule(
                "make, change and erase accounts, roles, groups and quota; read the activity log",
                Admin,
                None,
                None,
            ),
        }
    }

    /// Whether a change with it asks for a proof of the last minutes of who one is. What keeps people and robots safe never
    /// asks: holding and stopping robots, cancelling, revoking a token that somebody has found.
    pub const fn is_grave(self) -> bool {
        match self {
            Self::ManageFactors | Self::MakeTokens | Self::GrantQuota | Self::SetUpRobots | Self::Administer => true,
            Self::SeeOneself
            | Self::SeeLab
            | Self::SeeExperiments
            | Self::AskForExperiments
            | Self::SteerExperiments
            | Self::SeeGroups
            | Self::AskForQuota
            | Self::Prioritise
            | Self::Operate
            | Self::TakeDataHome
            // Asks for the present password itself.
            | Self::ChangePassword
            | Self::ProveOneself
            | Self::ManageTokens
            | Self::SeeDisplay
            | Self::SeeMonitoring => false,
        }
    }

    /// Whether it is left to somebody whose role needs a second factor and who hasn't shown one: what leads to one, and
    /// nothing else.
    pub const fn leads_to_second_factor(self) -> bool {
        matches!(self, Self::ProveOneself | Self::ManageFactors)
    }

    /// Like `an operator or an administrator`.
    pub const fn for_whom(self) -> &'static str {
        match self.rule().least {
            Role::Student => "a signed-in person",
            Role::Researcher => "a researcher, an operator or an administrator",
            Role::Operator => "an operator or an administrator",
            Role::Admin => "an administrator",
        }
    }

    /// Whether somebody in this role has it at all.
    pub const fn is_given_to(self, role: Role) -> bool {
        role.is_at_least(self.rule().least)
    }

    /// Whether they have it for what is somebody else's too.
    pub const fn reaches_others(self, role: Role) -> bool {
        match self.rule().others {
            Some(least) => role.is_at_least(least),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fmt::Write, fs, path::Path};

    /// The table of docs/people.md.
    fn table() -> String {
        let mut table = String::from(
            "| to … | their own, or the lab's | their group's | others' | with an API token | a change asks anew who it is |\n|---|---|---|---|---|---|\n",
        );
        for permission in Permission::ALL {
            let Rule { what, least, group, others, scope } = permission.rule();
            let (others, scope) = (others.map_or("–", who), scope.map_or("never", Scope::as_str));
            let anew = if permission.is_grave() { "yes" } else { "–" };
            let group = if group { "teachers" } else { "–" };
            let _ = writeln!(table, "| {what} | {} | {group} | {others} | {scope} | {anew} |", who(least));
        }
        table
    }

    const fn who(least: Role) -> &'static str {
        match least {
            Role::Student => "everybody",
            Role::Researcher => "researchers, operators, administrators",
            Role::Operator => "operators, administrators",
            Role::Admin => "administrators",
        }
    }

    #[test]
    fn the_documents_table_is_this_one() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/people.md");
        let text = fs::read_to_string(file).expect("the document");
        assert!(text.contains(&table()), "put this into docs/people.md:\n\n{}", table());
    }

    /// A token is never asked who shows it.
    #[test]
    fn no_token_does_what_is_grave() {
        for permission in Permission::ALL.iter().filter(|permission| permission.is_grave()) {
            assert!(permission.rule().scope.is_none(), "{permission:?}");
        }
    }

    #[test]
    fn a_token_is_never_more_than_its_owner_and_never_an_administrator() {
        let all = |scopes: &[Scope]| Scopes::of(scopes.iter().copied()).expect("some");
        for &role in Role::ALL {
            for scopes in [all(&[Scope::Read]), all(&[Scope::Read, Scope::Experiments]), all(Scope::ALL)] {
                let within = scopes.within(role);
                assert!(role.is_at_least(within) && !within.administers(), "{role} {scopes} → {within}");
                assert!(scopes.has(Scope::Operate) || !within.runs_the_lab(), "{role} {scopes} → {within}");
            }
        }
        assert_eq!(all(&[Scope::Operate]).within(Role::Admin), Role::Operator);
    }

    #[test]
    fn whoever_has_it_for_others_has_it_for_themselves() {
        for permission in Permission::ALL {
            let Rule { least, others, .. } = permission.rule();
            assert!(others.is_none_or(|others| others.is_at_least(least)), "{permission:?}");
        }
    }

    #[test]
    fn scopes_read_back_and_no_scope_is_none() {
        let both: Scopes = "experiments read".parse().expect("two");
        assert_eq!((both.to_string().as_str(), both.to_string().parse()), ("read experiments", Ok(both)));
        assert!("".parse::<Scopes>().is_err() && "read admin".parse::<Scopes>().is_err());
        assert_eq!(Scopes::of([]), None);
    }
}
