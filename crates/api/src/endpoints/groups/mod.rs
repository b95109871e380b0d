//! `/groups`: classes and courses, for administrators and for who teaches them.

pub mod create;
pub mod delete;
pub mod list;
pub mod members;
pub mod read;
pub mod refill;
pub mod update;

use auth::GroupWish;
use serde::Deserialize;
use utoipa::ToSchema;

/// What a group is to be; what isn't given stays, or is the usual of a new one.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupTermsBody {
    /// No other group's in any case.
    #[schema(min_length = 1, max_length = 60, example = "Colour 101")]
    name: Option<String>,
    /// Wells of each member from one refill to the next; 48 unless given. A new one counts from the next refill on.
    #[schema(minimum = 0, maximum = 1_000_000)]
    allowance: Option<i32>,
    /// Wells that its teachers may grant beside them; 96 unless given. A new one counts at once.
    #[schema(minimum = 0, maximum = 1_000_000)]
    reserve: Option<i32>,
    /// `never`, `weekly monday` (or another day), or `on` with up to 40 days: at the first moment of the day.
    #[schema(example = "weekly monday")]
    refill: Option<String>,
    /// Where its days begin, as the IANA calls it; that of the newest group unless given, else UTC.
    #[schema(example = "Europe/Zurich")]
    time_zone: Option<String>,
}

impl From<GroupTermsBody> for GroupWish {
    fn from(body: GroupTermsBody) -> Self {
        let GroupTermsBody { name, allowance, reserve, refill, time_zone } = body;
        Self { name, allowance, reserve, refill, time_zone }
    }
}
