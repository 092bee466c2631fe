//! Sets aside the members of a shared piece of work that fail, and lets the others go on.
//!
//! This rule has its only home here. A caller that commits, folds or reads for many members passes each member's
//! result to [`Members::add`]. The caller continues with [`Members::going`], and reports every member of
//! [`Members::aside`] with its error and cure. A member that was set aside stays unchanged: an error never counts as
//! "empty" or "new".

use crate::lake::LakeError;

/// A member that was set aside, and why.
#[derive(Clone, Debug)]
pub struct SetAside<M> {
    /// The member.
    pub member: M,
    /// Why. The error names the table or the file, and has a cure.
    pub error: LakeError,
}

/// The members of a shared piece of work: those that go on, and those that were set aside.
#[derive(Clone, Debug)]
#[must_use = "members that were set aside have to be reported"]
pub struct Members<T, M> {
    /// The results of the members that go on.
    pub going: Vec<T>,
    /// The members that were set aside.
    pub aside: Vec<SetAside<M>>,
}

impl<T, M> Members<T, M> {
    /// Adds the result of one member.
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

/// Sets all members aside for the same reason.
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
