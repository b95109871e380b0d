//! The life of an experiment and of its wells, and which steps of it are lawful.

use serde::{Deserialize, Serialize};

macro_rules! named_states {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// As stored and as shown in the API.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::UnknownName;
            fn from_str(text: &str) -> Result<Self, $crate::UnknownName> {
                Self::ALL.iter().copied().find(|state| state.as_str() == text)
                    .ok_or_else(|| $crate::UnknownName { what: stringify!($name), name: text.chars().take(40).collect() })
            }
        }
    };
}
pub(crate) use named_states;

/// A stored or given name that is none of those known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{name}' is no {what}")]
pub struct UnknownName {
    pub what: &'static str,
    pub name: String,
}

named_states! {
    /// Where an experiment stands.
    ExperimentStatus {
        /// Accepted and charged; waits for a robot.
        Queued = "queued",
        /// A robot works on it.
        Running = "running",
        /// Held by a person or by a question to the operator.
        Paused = "paused",
        Completed = "completed",
        Failed = "failed",
        Cancelled = "cancelled",
    }
}

impl ExperimentStatus {
    /// Nothing changes any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    /// Whether an experiment may go from here to there.
    pub const fn may_become(self, next: Self) -> bool {
        use ExperimentStatus::{Cancelled, Completed, Failed, Paused, Queued, Running};
        matches!(
            (self, next),
            (Queued, Running | Paused | Failed | Cancelled)
                | (Running, Paused | Completed | Failed | Cancelled | Queued)
                | (Paused, Queued | Running | Failed | Cancelled)
        )
    }
}

named_states! {
    /// What a person has asked of an experiment that a worker holds; the worker answers between two operations.
    Control {
        Pause = "pause",
        Resume = "resume",
        Cancel = "cancel",
    }
}

/// What comes of a [`Control`] that is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granted {
    /// No worker holds the experiment: it becomes this at once.
    Becomes(ExperimentStatus),
    /// A worker has it in hand and finds the wish between two operations.
    Asked,
    /// The wish to pause is taken back before the worker acts on it.
    TakenBack,
}

impl Control {
    /// How the activity log calls it.
    pub const fn activity(self) -> &'static str {
        match self {
            Self::Pause => "experiment_paused",
            Self::Resume => "experiment_resumed",
            Self::Cancel => "experiment_cancelled",
        }
    }

    /// What comes of this wish at an experiment that stands so and of which `asked` is wished already; nothing where it
    /// is refused. A wish to cancel can't be taken back.
    pub const fn granted(self, status: ExperimentStatus, asked: Option<Self>) -> Option<Granted> {
        use ExperimentStatus::{Cancelled, Paused, Queued, Running};
        match (self, status, asked) {
            (Self::Pause, Queued, _) => Some(Granted::Becomes(Paused)),
            (Self::Resume, Paused, _) => Some(Granted::Becomes(Queued)),
            (Self::Cancel, Queued | Paused, _) => Some(Granted::Becomes(Cancelled)),
            (Self::Cancel, Running, _) | (Self::Pause, Running, None | Some(Self::Pause)) => Some(Granted::Asked),
            (Self::Resume, Running, Some(Self::Pause)) => Some(Granted::TakenBack),
            _ => None,
        }
    }
}

named_states! {
    /// Where one well of an experiment stands.
    WellStatus {
        Pending = "pending",
        /// At least one dye is being or has been dispensed.
        Dispensing = "dispensing",
        /// Every dye is in.
        Mixed = "mixed",
        Measured = "measured",
        Failed = "failed",
        /// What is in it can't be known; never read, never used again.
        Quarantined = "quarantined",
        Cancelled = "cancelled",
    }
}

impl WellStatus {
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Measured | Self::Failed | Self::Quarantined | Self::Cancelled)
    }

    pub const fn may_become(self, next: Self) -> bool {
        use WellStatus::{Cancelled, Dispensing, Failed, Measured, Mixed, Pending, Quarantined};
        matches!(
            (self, next),
            (Pending, Dispensing)
                | (Dispensing, Mixed)
                | (Mixed, Measured)
                | (Pending | Dispensing | Mixed, Failed | Quarantined | Cancelled)
        )
    }

    /// Whether a well that ends so is paid for. Only a measured well is; every other end returns its quota.
    pub const fn is_charged(self) -> bool {
        matches!(self, Self::Measured)
    }
}

named_states! {
    /// What a person may do, from least to most.
    Role {
        Student = "student",
        Researcher = "researcher",
        Operator = "operator",
        Admin = "admin",
    }
}

impl Role {
    pub const fn is_at_least(self, least: Self) -> bool {
        self as u8 >= least as u8
    }

    /// Sees and steers everybody's experiments and the robots.
    pub const fn runs_the_lab(self) -> bool {
        matches!(self, Self::Operator | Self::Admin)
    }

    /// Hands out accounts, roles and quota.
    pub const fn administers(self) -> bool {
        matches!(self, Self::Admin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_a_final_state() {
        for &from in ExperimentStatus::ALL {
            for &to in ExperimentStatus::ALL {
                assert!(!(from.is_final() && from.may_become(to)), "{from} → {to}");
                assert!(from != to || !from.may_become(to));
            }
        }
        for &from in WellStatus::ALL {
            for &to in WellStatus::ALL {
                assert!(!(from.is_final() && from.may_become(to)), "{from} → {to}");
            }
        }
    }

    #[test]
    fn what_is_granted_is_a_lawful_step_or_a_wish_for_who_has_it_in_hand() {
        for &status in ExperimentStatus::ALL {
            for asked in [None, Some(Control::Pause), Some(Control::Cancel)] {
                for &control in Control::ALL {
                    match control.granted(status, asked) {
                        Some(Granted::Becomes(next)) => {
                            assert!(status.may_become(next), "{control}: {status} → {next}")
                        }
                        Some(Granted::Asked | Granted::TakenBack) => assert_eq!(status, ExperimentStatus::Running),
                        None => assert!(control != Control::Cancel || status.is_final(), "{status} can be cancelled"),
                    }
                }
            }
        }
        let on_cancelling = |control: Control| control.granted(ExperimentStatus::Running, Some(Control::Cancel));
        assert_eq!([Control::Pause, Control::Resume].map(on_cancelling), [None, None], "it can't be taken back");
    }

    #[test]
    fn every_name_reads_back() {
        for &state in WellStatus::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert!("done".parse::<ExperimentStatus>().is_err());
    }
}
