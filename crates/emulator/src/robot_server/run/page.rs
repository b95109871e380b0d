//! Stretches of a run's lists.

/// A stretch of a run's list.
#[derive(Debug)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub cursor: usize,
    pub total: usize,
}

/// A cursor within a list of `total`.
pub fn clamp(cursor: i64, total: usize) -> (usize, usize) {
    let last = i64::try_from(total).unwrap_or(i64::MAX) - 1;
    (usize::try_from(cursor.min(last)).unwrap_or(0), total)
}
