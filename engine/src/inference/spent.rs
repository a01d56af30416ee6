//! What each user had computed by language models within the last day.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long it counts.
const DAY: Duration = Duration::from_secs(86_400);

/// Tokens by user, as this process granted them.
#[derive(Debug, Default)]
pub(super) struct Spent {
    grants: Mutex<HashMap<String, VecDeque<(Instant, u64)>>>,
}

impl Spent {
    /// Grants `tokens` to a user who may have `limit` of them a day; tells how many of that are gone where it cannot.
    pub fn grant(&self, user: &str, tokens: u64, limit: u64, now: Instant) -> Result<(), u64> {
        let mut grants = self.grants.lock().unwrap_or_else(PoisonError::into_inner);
        let of_user = grants.entry(user.to_string()).or_default();
        while let Some((at, _)) = of_user.front()
            && now.saturating_duration_since(*at) >= DAY
        {
            of_user.pop_front();
        }
        let gone: u64 = of_user.iter().map(|(_, tokens)| tokens).sum();
        if gone.saturating_add(tokens) > limit {
            return Err(gone);
        }
        if tokens > 0 {
            of_user.push_back((now, tokens));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_so_many_tokens_a_day_and_others_have_theirs() {
        let spent = Spent::default();
        let start = Instant::now();
        let grant = |user: &str, tokens: u64, hours: u64| {
            let now = start + Duration::from_secs(hours * 3_600);
            spent.grant(user, tokens, 100, now)
        };
        assert_eq!(grant("ada", 60, 0), Ok(()));
        assert_eq!(grant("ada", 41, 1), Err(60));
        assert_eq!(grant("ada", 40, 2), Ok(()));
        assert_eq!(grant("ada", 0, 2), Ok(()));
        assert_eq!(grant("ben", 100, 3), Ok(()));
        assert_eq!(grant("ada", 60, 23), Err(100));
        assert_eq!(grant("ada", 60, 24), Ok(()));
        assert_eq!(grant("ada", 1, 25), Err(100));
        assert_eq!(grant("ada", 1, 26), Ok(()));
        assert_eq!(grant("ben", 101, 99), Err(0));
    }
}
