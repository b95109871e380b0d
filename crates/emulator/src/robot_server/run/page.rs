//! Stretches of a run's lists.

/// A stretch of a run's list.
#[derive(Debug)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub cursor: usize,
    pub total: usize,
}

impl<T> Page<T> {
    /// `length` of `all` from `cursor`, as the real server takes them: with Python's `all[cursor:cursor + length]`, whose
    /// end counts from the list's when it is negative.
    pub fn of<A>(all: &[A], cursor: i64, length: i64, tell: impl Fn(&A) -> T) -> Self {
        let (cursor, total) = clamp(cursor, all.len());
        let whole = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let end = whole(cursor).saturating_add(length);
        let end = if end < 0 { end.saturating_add(whole(total)) } else { end };
        let end = usize::try_from(end.max(0)).unwrap_or(usize::MAX).min(total);
        Self { items: all.get(cursor..end).unwrap_or_default().iter().map(tell).collect(), cursor, total }
    }
}

/// A cursor within a list of `total`.
pub fn clamp(cursor: i64, total: usize) -> (usize, usize) {
    let last = i64::try_from(total).unwrap_or(i64::MAX) - 1;
    (usize::try_from(cursor.min(last)).unwrap_or(0), total)
}
