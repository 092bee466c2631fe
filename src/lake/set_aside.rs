//! Where many share one piece of work and one of them fails: that one is set aside and named, the others go on.
//!
//! This is the one home of that rule. Whoever commits, folds or reads for many hands each member's result to
//! [`Members::add`], goes on with [`Members::going`], and names every one of [`Members::aside`] with its error and cure.
//! What was set aside stays as it was: an error never counts as "empty" or "new".

use crate::lake::LakeError;

/// A member that was set aside, and why.
#[derive(Clone, Debug)]
pub struct SetAside<M> {
    /// Which one.
    pub member: M,
    /// Why: the error names the table or the file, and has a cure.
    pub error: LakeError,
}

/// The members of a piece of work: those that go on, and those that were set aside.
#[derive(Clone, Debug)]
#[must_use = "what was set aside has to be named"]
pub struct Members<T, M> {
    /// What came of those that go on.
    pub going: Vec<T>,
    /// Those that were set aside.
    pub aside: Vec<SetAside<M>>,
}

impl<T, M> Members<T, M> {
    /// Takes in what came of one member.
    pub fn add(&mut self, member: M, result: Result<T, LakeError>) {
        match result {
            Ok(done) => self.going.push(done),
            Err(error) => self.aside.push(SetAside { member, error }),
        }
    }
}

impl<T, M> Default for Members<T, M> {
    fn default() -> Self {
        Self {
            going: Vec::new(),
            aside: Vec::new(),
        }
    }
}

/// Sets all aside for the same reason.
pub(super) fn all_aside<M>(
    members: impl IntoIterator<Item = M>,
    error: &LakeError,
) -> impl Iterator<Item = SetAside<M>> {
    members.into_iter().map(|member| SetAside {
        member,
        error: error.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_fails_is_set_aside_and_the_others_go_on() {
        let mut members: Members<u32, &str> = Members::default();
        for (name, result) in [("a", Ok(1)), ("b", Err(LakeError::Torn)), ("c", Ok(3))] {
            members.add(name, result);
        }
        assert_eq!(members.going, [1, 3]);
        let [aside] = &members.aside[..] else {
            panic!("one is set aside: {members:?}");
        };
        assert_eq!(aside.member, "b");
        assert!(matches!(aside.error, LakeError::Torn));
    }
}
