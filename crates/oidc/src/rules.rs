//! What a provider's claims come to: a role and a quota.

use crate::OidcError;
use domain::Role;
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
    /// Claim and value; nothing for everybody.
    of: Option<(String, String)>,
    role: Role,
    quota: i32,
}

/// The most wells that a quota may count.
const MOST_QUOTA: i32 = 1_000_000;

impl Rules {
    /// What claims come to.
    pub(crate) fn grant(&self, claims: &Map<String, Value>) -> Option<(Role, i32)> {
        let fits = |rule: &&Rule| match &rule.of {
            None => true,
            Some((claim, value)) => find(claims, claim).is_some_and(|found| has(found, value)),
        };
        self.0.iter().find(fits).map(|rule| (rule.role, rule.quota))
    }

    /// Whether a claim that they are about isn't among these.
    pub(crate) fn misses(&self, claims: &Map<String, Value>) -> bool {
        self.0.iter().filter_map(|rule| rule.of.as_ref()).any(|(claim, _)| find(claims, claim).is_none())
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
        let (of, comes_to) = text.rsplit_once('=')?;
        let (role, quota) = comes_to.trim().split_once(char::is_whitespace)?;
        let quota = quota.trim().parse().ok().filter(|quota| (0..=MOST_QUOTA).contains(quota))?;
        let of = match of.trim() {
            "*" => None,
            of => {
                let (claim, value) = of.split_once(char::is_whitespace)?;
                Some((claim.to_owned(), value.trim().to_owned()))
            }
        };
        Some(Rule { of, role: role.parse().ok()?, quota })
    };
    read().ok_or_else(|| {
        OidcError::Setting(format!(
            "oidc_roles has '{}', which is no rule: write CLAIM VALUE = ROLE WELLS, like `groups staff = operator 480`, or `* = student 96` for everybody",
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
