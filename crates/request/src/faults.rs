//! The help pages of all faults, from `docs/faults/*.md`, built into the binary.

use domain::FaultCode;
use pulldown_cmark::{Event, Options, Parser, html};

macro_rules! pages {
    ($($variant:ident = $name:literal),+ $(,)?) => {
        /// The Markdown of a fault's help page. A fault without a page doesn't compile.
        pub const fn markdown(code: FaultCode) -> &'static str {
            match code {
                $(FaultCode::$variant =>
                    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/faults/", $name, ".md"))),+
            }
        }
    };
}

pages! {
    InvalidRequest = "invalid-request",
    BodyTooLarge = "body-too-large",
    NotFound = "not-found",
    MethodNotAllowed = "method-not-allowed",
    InvalidRecipe = "invalid-recipe",
    TooManyWells = "too-many-wells",
    QuotaExhausted = "quota-exhausted",
    QueueFull = "queue-full",
    SignInFailed = "sign-in-failed",
    SecondFactorNeeded = "second-factor-needed",
    SecondFactorMissing = "second-factor-missing",
    FreshProofNeeded = "fresh-proof-needed",
    NotSignedIn = "not-signed-in",
    TokenExpired = "token-expired",
    NotAllowed = "not-allowed",
    EmailTaken = "email-taken",
    IdempotencyConflict = "idempotency-conflict",
    IllegalTransition = "illegal-transition",
    TooManyRequests = "too-many-requests",
    Unavailable = "unavailable",
    Internal = "internal",
    RobotUnreachable = "robot-unreachable",
    RobotBooting = "robot-booting",
    RobotRestarted = "robot-restarted",
    RobotTaken = "robot-taken",
    RobotBusy = "robot-busy",
    CommandFailed = "command-failed",
    CommandTimedOut = "command-timed-out",
    CommandInDoubt = "command-in-doubt",
    DeckMismatch = "deck-mismatch",
    SensorUnreachable = "sensor-unreachable",
    SensorSilent = "sensor-silent",
    SensorSaturated = "sensor-saturated",
    SensorDark = "sensor-dark",
    SensorError = "sensor-error",
    PlateFull = "plate-full",
    PlateUsed = "plate-used",
    PlateDoubtful = "plate-doubtful",
    DyeShort = "dye-short",
    WasteFull = "waste-full",
    TipsShort = "tips-short",
    LeaseLost = "lease-lost",
    TooManyFailures = "too-many-failures",
    ExperimentParked = "experiment-parked",
    RobotMistaken = "robot-mistaken",
    DeckUnknown = "deck-unknown",
    EmergencyStop = "emergency-stop",
}

/// A fault's title: the first heading of its page.
pub fn title(code: FaultCode) -> &'static str {
    markdown(code).lines().find_map(|line| line.strip_prefix("# ")).map_or(code.as_str(), str::trim)
}

/// A fault's page as HTML, without a frame.
pub fn html(code: FaultCode) -> String {
    // The pages are ours, but a tag in one would be a mistake, so it is shown instead of obeyed.
    let events = Parser::new_ext(markdown(code), Options::empty()).map(|event| match event {
        Event::Html(raw) | Event::InlineHtml(raw) => Event::Text(raw),
        other => other,
    });
    let mut text = String::new();
    html::push_html(&mut text, events);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_says_what_why_what_was_done_and_what_to_do() {
        for &code in FaultCode::ALL {
            let page = markdown(code);
            assert!(page.starts_with("# "), "{code} opens with its title");
            let sections: Vec<_> = page.lines().filter(|line| line.starts_with("## ")).collect();
            assert_eq!(
                sections,
                ["## What happened", "## Why", "## What Tincture did", "## What to do"],
                "the sections of docs/faults/{code}.md"
            );
            for section in page.split("\n## ").skip(1) {
                let words = section.lines().skip(1).flat_map(str::split_whitespace).count();
                assert!(words >= 5, "{code}: an empty section: {section}");
            }
        }
    }

    #[test]
    fn titles_tell_faults_apart() {
        let titles: std::collections::HashSet<_> = FaultCode::ALL.iter().map(|&code| title(code)).collect();
        assert_eq!(titles.len(), FaultCode::ALL.len());
    }

    #[test]
    fn each_file_in_the_folder_is_some_faults_page() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/faults");
        for entry in std::fs::read_dir(folder).expect("the folder") {
            let name = entry.expect("an entry").file_name().to_string_lossy().into_owned();
            let code = name.strip_suffix(".md").expect("only pages");
            assert!(code.parse::<FaultCode>().is_ok(), "{name} belongs to no fault");
        }
    }

    #[test]
    fn pages_become_html() {
        let page = html(FaultCode::QuotaExhausted);
        assert!(page.contains("<h1>") && page.contains("<h2>What to do</h2>"), "{page}");
    }
}
