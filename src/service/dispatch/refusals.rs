//! What is said about candidates that are refused or dropped.

use std::time::Duration;

use crate::ids::IntegrationId;
use crate::time::Moment;

/// The most webhooks of one period that are reported one by one, each with its integration. The others are counted. The
/// log takes 20 lines of one kind in 10 s.
const TOLD: u32 = 10;

/// A period, after which the number of webhooks that were only counted is reported.
const PERIOD: Duration = Duration::from_secs(10);

/// Why a candidate is no longer asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::service) enum WhyDropped {
    /// Kombo finds no such integration.
    NotFound,
    /// Kombo gave no usable answer for days.
    Expired,
    /// Kombo names a category that this version does not know.
    UnknownCategory,
}

impl WhyDropped {
    /// Returns the name for logs and metrics.
    pub(in crate::service) fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Expired => "expired",
            Self::UnknownCategory => "unknown_category",
        }
    }
}

/// Webhooks that were answered 503, because there are too many candidates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::service) enum Refused {
    /// One webhook, which named this integration.
    One(IntegrationId),
    /// As many more as one line each would be too many for.
    More(u64),
}

/// The refused webhooks of a period.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    began: Moment,
    told: u32,
    untold: u64,
}

impl Refusals {
    /// Counts a refused webhook, and returns what has to be reported.
    pub(super) fn refuse(&mut self, id: &IntegrationId, now: Moment) -> Vec<Refused> {
        let mut reports: Vec<_> = self.period_is_over(now).into_iter().collect();
        if self.told < TOLD {
            self.told += 1;
            reports.push(Refused::One(id.clone()));
        } else {
            self.untold += 1;
        }
        reports
    }

    /// Begins the next period if the last one is over. Returns the number of webhooks that were not reported in it.
    pub(super) fn period_is_over(&mut self, now: Moment) -> Option<Refused> {
        if (self.began..self.began + PERIOD).contains(&now) {
            return None;
        }
        let untold = self.untold;
        *self = Self {
            began: now,
            ..Self::default()
        };
        (untold > 0).then_some(Refused::More(untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_some_lines_and_then_a_number() {
        let mut refusals = Refusals::default();
        let id = IntegrationId::new("tool:a").expect("an id");
        let noon = Moment::from_millis(1_700_000_000_000);
        let told: Vec<_> = (0..1_000)
            .flat_map(|_| refusals.refuse(&id, noon))
            .collect();
        assert_eq!(told, vec![Refused::One(id.clone()); 10]);
        assert_eq!(refusals.period_is_over(noon + PERIOD / 2), None);
        let more = Some(Refused::More(990));
        assert_eq!(refusals.period_is_over(noon + PERIOD), more);
        assert_eq!(refusals.period_is_over(noon + PERIOD * 2), None);
        assert_eq!(refusals.refuse(&id, noon + PERIOD * 2).len(), 1);
        // The clock is set back.
        assert_eq!(refusals.refuse(&id, noon), [Refused::One(id)]);
    }
}
