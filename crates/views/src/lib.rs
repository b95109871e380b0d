//! What people and programs are shown of the lab's records, and to whom: made here once, for the API and the pages.
//!
//! The API sends these as they are; the pages put words and drawings around them, and say some parts by themselves, which
//! the API sends as one sentence: those aren't serialized. Who may see an experiment at all is asked
//! of `Lab`; what a reader is told of what they may see (names of people, other people's experiments) is settled here.

mod activity;
mod acts;
mod api_token;
mod csv;
mod doubts;
mod experiment;
mod fault;
mod forgotten;
mod group;
mod handling;
mod import;
mod plan;
mod result;
mod robot;
mod service_token;
mod session;
mod setup;
mod user;
mod waiting;
mod well;

pub use activity::{ActivityExport, ActivityFormat, ActivityView, people};
pub use acts::{Commands, Controls, Retry};
pub use api_token::{ApiTokenView, ScopeName};
pub use csv::csv_field;
pub use doubts::DoubtsView;
pub use experiment::{ExperimentLine, ExperimentStatusName, ExperimentView, ProgressView, Tally, charged};
pub use fault::FaultView;
pub use forgotten::forgotten;
pub use group::{
    DecidedRequestView, GroupLineView, GroupView, MemberView, QuotaCauseName, QuotaChangeView, QuotaOfGroup,
    QuotaRequestView, QuotaView, StandingName,
};
pub use handling::{BlowOutName, HandlingBody, HandlingView, MixingBody, TipPolicyName};
pub use import::{ImportView, ImportedWell, RemarkView};
pub use plan::{PipetteUseView, PlanView, TravelView};
pub use result::{ResultSchema, measured_colour, result};
pub use robot::{Attention, InventoryView, LimitsView, RobotStatus, RobotView, VialView};
pub use service_token::{DisplayLine, ServiceName, ServiceTokenView};
pub use session::SessionView;
pub use setup::{SetupTextError, deck_text, read_deck, setup_text};
pub use user::{RoleName, UserView};
pub use waiting::{HinderedView, WaitingView};
pub use well::{WellStatusName, WellView};
