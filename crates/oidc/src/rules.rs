//! What a provider's claims come to: a role and a quota, and groups of the lab.

use crate::OidcError;
use domain::{Placement, Role, Standing};
use serde_json::{Map, Value};
use std::str::FromStr;

/// Rules in order: the first that fits counts, and who fits none isn't let in.
///
/// Written `groups lab-admins = admin 960; groups staff = operator 480; * = student 96`: a claim, a space, the value that it
/// must have or have among others, and what it comes to. A claim within a claim is written with a point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    whose: Whose,
    role: Role,
    quota: i32,
}

/// Claim and value; nothing for everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Whose(Option<(String, String)>);

/// Rules that put people into groups of the lab: of those about one group the first that fits counts, and who fits none isn't
/// to be in it.
///
/// Written `groups chem-101 = member of Colour 101; groups chem-staff = teacher of Colour 101`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupRules(Vec<GroupRule>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct GroupRule {
    whose: Whose,
    group: String,
    standing: Standing,
}

/// The most wells that a quota may count.
const MOST_QUOTA: i32 = 1_000_000;

impl Rules {
    /// What claims come to.
    pub(crate) fn grant(&self, claims: &Map<String, Value>) -> Option<(Role, i32)> {
        self.0.iter().find(|rule| rule.whose.has(claims)).map(|rule| (rule.role, rule.quota))
    }

    /// Whether a claim that they are about isn't among these.
    pub(crate) fn misses(&self, claims: &Map<String, Value>) -> bool {
        self.0.iter().any(|rule| rule.whose.misses(claims))
    }
}

impl GroupRules {
    /// What claims come to, for each group that a rule is about.
    pub(crate) fn placements(&self, claims: &Map<String, Value>) -> Vec<Placement> {
        let mut placements: Vec<Placement> = Vec::new();
        for rule in &self.0 {
            let standing = rule.whose.has(claims).then_some(rule.standing);
            match placements.iter_mut().find(|placement| is_same(&placement.group, &rule.group)) {
                Some(placement) => placement.standing = placement.standing.or(standing),
                None => placements.push(Placement { group: rule.group.clone(), standing }),
            }
        }
        placements
    }

    /// Whether a claim that they are about isn't among these.
    pub(crate) fn misses(&self, claims: &Map<String, Value>) -> bool {
        self.0.iter().any(|rule| rule.whose.misses(claims))
    }

    /// The groups that they are about.
    pub fn groups(&self) -> Vec<String> {
        self.placements(&Map::new()).into_iter().map(|placement| placement.group).collect()
    }
}

/// Names of groups differ by more than capitals.
fn is_same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

impl Whose {
    fn has(&self, claims: &Map<String, Value>) -> bool {
        self.0.as_ref().is_none_or(|(claim, value)| find(claims, claim).is_some_and(|found| has(found, value)))
    }

    fn misses(&self, claims: &Map<String, Value>) -> bool {
        self.0.as_ref().is_some_and(|(claim, _)| find(claims, claim).is_none())
    }

    /// `*`, or a claim, a space and the value.
    fn read(text: &str) -> Option<Self> {
        match text.trim() {
            "*" => Some(Self(None)),
            of => {
                let (claim, value) = of.split_once(char::is_whitespace)?;
                Some(Self(Some((claim.to_owned(), value.trim().to_owned()))))
            }
        }
    }
}

fn find<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    if let Some(found) = claims.get(name) {
        return Some(found);
    }
    let mut parts = name.split('.');
    let first = claims.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(part))
}

fn has(found: &Value, wanted: &str) -> bool {
    match found {
        Value::String(text) => text == wanted,
        Value::Bool(_) | Value::Number(_) => wanted.parse::<Value>().is_ok_and(|wanted| wanted == *found),
        Value::Array(all) => all.iter().any(|one| !one.is_array() && has(one, wanted)),
        Value::Null | Value::Object(_) => false,
    }
}

impl FromStr for Rules {
    type Err = OidcError;

    fn from_str(text: &str) -> Result<Self, OidcError> {
        let rules =
            text.split(';').filter(|rule| !rule.trim().is_empty()).map(read_rule).collect::<Result<Vec<_>, _>>()?;
        if rules.is_empty() {
            return Err(OidcError::Setting("oidc_roles must have a rule, like `* = student 96`".to_owned()));
        }
        Ok(Self(rules))
    }
}

fn read_rule(text: &str) -> Result<Rule, OidcError> {
    let read = || {
        let (whose, comes_to) = text.rsplit_once('=')?;
        let (role, quota) = comes_to.trim().split_once(char::is_whitespace)?;
        let quota = quota.trim().parse().ok().filter(|quota| (0..=MOST_QUOTA).contains(quota))?;
        Some(Rule { whose: Whose::read(whose)?, role: role.parse().ok()?, quota })
    };
    read().ok_or_else(|| {
        OidcError::Setting(format!(
            "oidc_roles has '{}', which is no rule: write CLAIM VALUE = ROLE WELLS, like `groups staff = operator 480`, or `* = student 96` for everybody",
            text.trim()
        ))
    })
}

impl FromStr for GroupRules {
    type Err = OidcError;

    /// An empty text has no rules.
    fn from_str(text: &str) -> Result<Self, OidcError> {
        let rules = text.split(';').filter(|rule| !rule.trim().is_empty()).map(read_group_rule);
        Ok(Self(rules.collect::<Result<_, _>>()?))
    }
}

fn read_group_rule(text: &str) -> Result<GroupRule, OidcError> {
    let read = || {
        let (whose, place) = text.rsplit_once('=')?;
        let (standing, group) = place.trim().split_once(" of ")?;
        let group = group.trim();
        let standing = standing.trim().parse().ok()?;
        (!group.is_empty()).then_some(GroupRule { whose: Whose::read(whose)?, group: group.to_owned(), standing })
    };
    read().ok_or_else(|| {
        OidcError::Setting(format!(
            "oidc_groups has '{}', which is no rule: write CLAIM VALUE = member of GROUP, like `groups chem-101 = member of Colour 101`, or teacher of GROUP; a group's name with = or ; in it can't be written",
            text.trim()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_rule_that_fits_counts() {
        let rules: Rules = "groups cn=Lab Admins,ou=x = admin 960; realm.roles staff=operator 480 ;level 2 = researcher 0; urn:a:b yes = student 1;"
            .parse()
            .expect("rules");
        let grant = |claims: Value| rules.grant(claims.as_object().expect("an object"));
        assert_eq!(grant(json!({ "groups": ["x", "cn=Lab Admins,ou=x"], "level": 2 })), Some((Role::Admin, 960)));
        assert_eq!(grant(json!({ "groups": "cn=Lab Admins,ou=x" })), Some((Role::Admin, 960)));
        assert_eq!(grant(json!({ "realm": { "roles": ["staff"] } })), Some((Role::Operator, 480)));
        assert_eq!(grant(json!({ "realm.roles": "staff" })), Some((Role::Operator, 480)));
        assert_eq!(grant(json!({ "level": 2 })), Some((Role::Researcher, 0)));
        assert_eq!(grant(json!({ "urn:a:b": "yes" })), Some((Role::Student, 1)));
        for nobody in [
            json!({}),
            json!({ "groups": [["cn=Lab Admins,ou=x"]] }),
            json!({ "groups": null }),
            json!({ "groups": "cn=lab admins,ou=x" }),
        ] {
            assert_eq!(grant(nobody.clone()), None, "{nobody}");
        }
        assert!(rules.misses(json!({ "groups": [] }).as_object().expect("an object")));
        assert_eq!("* = student 96".parse::<Rules>().expect("rules").grant(&Map::new()), Some((Role::Student, 96)));
    }

    #[test]
    fn of_the_rules_about_a_group_the_first_that_fits_counts() {
        let rules: GroupRules = "groups staff = teacher of Colour 101; groups cn=a,ou=b = member of colour 101;
            * = member of Everybody of the lab; level 2=member of Dyes"
            .parse()
            .expect("rules");
        let placed = |claims: Value| {
            let placements = rules.placements(claims.as_object().expect("an object"));
            assert_eq!(placements.iter().map(|of| of.group.clone()).collect::<Vec<_>>(), rules.groups());
            placements.into_iter().map(|placement| placement.standing).collect::<Vec<_>>()
        };
        assert_eq!(rules.groups(), ["Colour 101", "Everybody of the lab", "Dyes"]);
        let (member, teacher) = (Some(Standing::Member), Some(Standing::Teacher));
        assert_eq!(placed(json!({ "groups": ["cn=a,ou=b", "staff"] })), [teacher, member, None]);
        assert_eq!(placed(json!({ "groups": ["cn=a,ou=b"], "level": 2 })), [member, member, member]);
        assert_eq!(placed(json!({})), [None, member, None]);
        assert!(rules.misses(json!({ "groups": [] }).as_object().expect("an object")));
        assert_eq!(" ; ".parse::<GroupRules>().expect("none"), GroupRules::default());
        for bad in
            ["groups a = Colour", "groups a = boss of Colour", "groups = member of C", "groups a = member of ", "x"]
        {
            let said = bad.parse::<GroupRules>().expect_err("no rule").to_string();
            assert!(said.contains("CLAIM VALUE = member of GROUP"), "{said}");
        }
    }

    #[test]
    fn what_is_no_rule_is_said() {
        for bad in [
            "",
            ";",
            "groups staff operator 480",
            "groups = operator 480",
            "* = boss 1",
            "* = student",
            "* = student -1",
            "* = student 2000000",
        ] {
            assert!(bad.parse::<Rules>().is_err(), "{bad}");
        }
        let said = "* = student 96; groups x = king 1".parse::<Rules>().expect_err("no role").to_string();
        assert!(said.contains("groups x = king 1") && said.contains("CLAIM VALUE = ROLE WELLS"), "{said}");
    }
}
