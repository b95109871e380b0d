//! `/me/quota`: where the signed-in person's quota comes from, and more of it.

pub mod ask;
pub mod read;

use domain::UserId;
use request::{AppState, Problem};
use views::QuotaView;

/// Changes of a quota that are told.
const TOLD: u32 = 50;

/// Somebody's quota with its history.
pub(in crate::endpoints) async fn quota_of(state: &AppState, user: UserId) -> Result<QuotaView, Problem> {
    let parts = state.store.quota_parts(user).await?;
    let (open, decided) = (state.store.open_quota_request(user).await?, state.store.last_decided_request(user).await?);
    Ok(QuotaView::of(parts, open, decided, state.store.quota_changes(user, TOLD).await?))
}
