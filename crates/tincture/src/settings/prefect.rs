//! Of the Prefect server: what is set, and what makes no sense.

use super::{Engine, Settings};
use anyhow::{Context, bail};
use prefect::{Config, Credential};

/// Of a pool's name, as long as a robot's.
const LONGEST_POOL: usize = 60;

impl Settings {
    /// The Prefect server that experiments are told to; nothing with the embedded engine.
    ///
    /// # Errors
    /// Says which setting is missing or can't be.
    pub fn prefect(&self) -> anyhow::Result<Option<Config>> {
        if self.workflow_engine == Engine::Embedded {
            return Ok(None);
        }
        let Some(url) = &self.prefect_url else {
            bail!(
                "workflow_engine is prefect, but prefect_url isn't set: the address of its API, http://127.0.0.1:4200/api"
            );
        };
        let base = prefect::base(url).context("prefect_url can't be used")?;
        let credential = match (&self.prefect_api_key, &self.prefect_auth) {
            (Some(_), Some(_)) => bail!(
                "prefect_api_key and prefect_auth are both set: Prefect Cloud has the first, a server of one's own the second"
            ),
            (Some(key), None) => Credential::ApiKey(key.clone()),
            (None, Some(word)) if !word.expose().contains(':') => bail!("prefect_auth must be user:password"),
            (None, Some(word)) => Credential::Basic(word.clone()),
            (None, None) => Credential::None,
        };
        let pool = self.prefect_pool.trim();
        let is_name = (1..=LONGEST_POOL).contains(&pool.len())
            && pool.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if !is_name {
            bail!("prefect_pool is '{pool}', it must be 1 to {LONGEST_POOL} of a-z, A-Z, 0-9, - and _");
        }
        let people = self.prefect_people.as_deref().unwrap_or_default();
        Ok(Some(Config {
            base,
            credential,
            pool: pool.to_owned(),
            people: people.split_whitespace().map(str::to_lowercase).collect(),
            site: self.site(),
        }))
    }
}

pub fn check(settings: &Settings) -> anyhow::Result<()> {
    settings.prefect().map(drop)
}

#[cfg(test)]
mod tests {
    use crate::settings::{Flag, load};

    #[test]
    fn settings_of_prefect_that_make_no_sense_are_refused_without_a_secret() {
        let engine = ("workflow_engine", "prefect");
        let url = ("prefect_url", "http://127.0.0.1:4200/api");
        for (flags, says) in [
            (&[engine, url, ("prefect_people", "ada@example.org")][..], ""),
            (&[engine], "prefect_url isn't set"),
            (&[engine, ("prefect_url", "http://me:s3cret@prefect/api")], "without a password"),
            (&[engine, url, ("prefect_auth", "s3cret")], "user:password"),
            (&[engine, url, ("prefect_auth", "me:s3cret"), ("prefect_api_key", "pnu_s3cret")], "both set"),
            (&[engine, url, ("prefect_pool", "my pool")], "prefect_pool"),
            (&[("workflow_engine", "airflow")], "workflow_engine"),
        ] {
            let flags: Vec<Flag> = flags.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
            let said = load(None, &flags).err().map(|error| format!("{error:#}")).unwrap_or_default();
            assert!(said.contains(says) && said.is_empty() == says.is_empty(), "{flags:?}: {said}");
            assert!(!said.contains("s3cret"), "{said}");
        }
        let shown = load(None, &[("prefect_api_key", "pnu_s3cret".to_owned())]).expect("settings");
        assert!(!format!("{:?} {:?}", shown.settings, shown.lines).contains("s3cret"));
    }
}
