//! A share of the request budget for questions that strangers can cause.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::time::Moment;

/// One request of this many may be such a question.
const ONE_OF: u128 = 10;

/// The shortest span over which the questions are counted.
const SPAN: Duration = Duration::from_mins(1);

/// The budget that counts where there is no rate limit.
const UNLIMITED: (NonZeroU32, Duration) = (NonZeroU32::new(6_000).expect("not zero"), SPAN);

/// Lets at most a tenth of the request budget through: one question in any span at least, and never more than the tenth
/// in any span. A span is a minute, or the window of the budget if that is longer.
#[derive(Debug)]
pub struct Share {
    most: usize,
    span: Duration,
    /// When each question of the last span was asked, the earliest first.
    asked: VecDeque<Moment>,
}

impl Share {
    /// Returns the share of a budget of so many requests per window; `None` without a rate limit.
    #[must_use]
    pub fn of(budget: Option<(NonZeroU32, Duration)>) -> Self {
        let (requests, window) = budget.unwrap_or(UNLIMITED);
        let window = window.max(Duration::from_millis(1));
        let span = SPAN.max(window);
        let in_span = u128::from(requests.get()) * span.as_millis() / window.as_millis();
        Self {
            most: usize::try_from(in_span / ONE_OF)
                .unwrap_or(usize::MAX)
                .max(1),
            span,
            asked: VecDeque::new(),
        }
    }

    /// Takes over another budget. Questions of the last span still count.
    pub fn resize(&mut self, budget: Option<(NonZeroU32, Duration)>) {
        let asked = std::mem::take(&mut self.asked);
        *self = Self {
            asked,
            ..Self::of(budget)
        };
    }

    /// Counts a question, and returns whether it may be asked now.
    pub fn take(&mut self, now: Moment) -> bool {
        let span = self.span;
        // An instant in the future comes from a clock that was replaced.
        for at in &mut self.asked {
            *at = now.min(*at);
        }
        self.asked.retain(|at| now.since(*at) < span);
        if self.asked.len() >= self.most {
            return false;
        }
        self.asked.push_back(now);
        true
    }

    /// Returns when the next question may be asked, if the share is used up.
    #[must_use]
    pub fn free_at(&self) -> Option<Moment> {
        let first = self.asked.front().filter(|_| self.asked.len() >= self.most);
        first.map(|at| *at + self.span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(requests: u32, window: Duration) -> Option<(NonZeroU32, Duration)> {
        NonZeroU32::new(requests).map(|requests| (requests, window))
    }

    fn taken(share: &mut Share, now: Moment) -> usize {
        (0..10_000).take_while(|_| share.take(now)).count()
    }

    #[test]
    fn a_tenth_of_the_budget_is_let_through_in_any_span_and_one_question_at_least() {
        let minute = Duration::from_mins(1);
        for (budget, most, span) in [
            (budget(300, minute), 30, minute),
            (budget(5, Duration::from_secs(1)), 30, minute),
            (budget(3, minute), 1, minute),
            (
                budget(10, Duration::from_hours(1)),
                1,
                Duration::from_hours(1),
            ),
            (budget(1, Duration::ZERO), 6_000, minute),
            (None, 600, minute),
        ] {
            let mut share = Share::of(budget);
            let mut now = Moment::from_millis(1_700_000_000_000);
            assert_eq!(share.free_at(), None);
            assert_eq!(taken(&mut share, now), most, "{budget:?}");
            assert_eq!(share.free_at(), Some(now + span));
            let later = now + span;
            let moment = Duration::from_millis(1);
            assert_eq!(taken(&mut share, later - moment), 0, "{budget:?}");
            now = later;
            assert_eq!(taken(&mut share, now), most, "{budget:?}");
        }
    }

    #[test]
    fn a_clock_that_is_set_back_and_a_smaller_budget_stop_nothing_for_longer_than_a_span() {
        let minute = Duration::from_mins(1);
        let mut share = Share::of(budget(300, minute));
        let noon = Moment::from_millis(1_700_000_000_000);
        taken(&mut share, noon);
        let back = noon - Duration::from_hours(1);
        assert!(!share.take(back));
        assert_eq!(taken(&mut share, back + minute), 30);
        taken(&mut share, noon);
        share.resize(budget(100, minute));
        assert!(!share.take(noon));
        assert_eq!(taken(&mut share, noon + minute), 10);
    }
}
