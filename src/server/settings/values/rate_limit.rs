//! Rate limits as they are written in settings: `10/15m`.

use std::time::Duration;

use crate::auth::RateLimit;

/// A month; a longer one is a mistake in the unit.
const MAX_WINDOW: Duration = Duration::from_secs(31 * 24 * 60 * 60);

/// Reads `10/15m`, or `unlimited` as none; the error says what would be right.
pub(crate) fn rate_limit(text: &str) -> Result<Option<RateLimit>, String> {
    if text == "unlimited" {
        return Ok(None);
    }
    let limit = text.split_once('/').and_then(|(count, window)| {
        let count = count.trim().parse().ok()?;
        let window = humantime::parse_duration(window.trim()).ok()?;
        (count > 0 && !window.is_zero() && window <= MAX_WINDOW)
            .then(|| RateLimit::new(count, window))
    });
    limit.map(Some).ok_or_else(|| {
        format!("must be a count in a time, such as 10/15m, or unlimited (it is {text:?})")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_in_a_time_or_unlimited() {
        let limit = RateLimit::new(10, Duration::from_secs(15 * 60));
        assert_eq!(rate_limit("10/15m"), Ok(Some(limit)));
        assert_eq!(rate_limit("10 / 15m"), Ok(Some(limit)));
        assert_eq!(rate_limit("unlimited"), Ok(None));
        for text in [
            "10", "10/", "/15m", "0/15m", "10/0s", "-1/1m", "10/15", "10/1y", "off",
        ] {
            assert!(rate_limit(text).is_err(), "{text}");
        }
    }
}
