//! Every way in which a request or a device can fail a person, each with a code and a help page
//! (`docs/faults/<code>.md`), so that an error always leads to what to do.

use crate::experiment::named_states;
use serde::{Deserialize, Serialize};
use std::fmt;

named_states! {
    /// A fault's code: the last part of a problem document's `type` and the name of its help page.
    FaultCode {
        // Requests
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
        // Devices
        RobotUnreachable = "robot-unreachable",
        RobotBooting = "robot-booting",
        RobotRestarted = "robot-restarted",
        RobotTaken = "robot-taken",
        RobotBusy = "robot-busy",
        RobotMistaken = "robot-mistaken",
        CommandFailed = "command-failed",
        CommandTimedOut = "command-timed-out",
        CommandInDoubt = "command-in-doubt",
        DeckMismatch = "deck-mismatch",
        DeckUnknown = "deck-unknown",
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
        EmergencyStop = "emergency-stop",
    }
}

impl FaultCode {
    /// The path of its help page on the lab's own server.
    pub fn help_path(self) -> String {
        format!("/docs/faults/{self}")
    }
}

/// A fault as a person meets it: what happened, why, what was done about it and what to do next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    pub code: FaultCode,
    /// One plain sentence.
    pub what: String,
    /// The cause as far as it is known.
    pub cause: String,
    /// What Tincture has done already.
    pub done: String,
    /// What to do next.
    pub next: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}; {})", self.what, self.cause, self.code)
    }
}
