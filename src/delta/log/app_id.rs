//! The identifiers of application transactions, each kept once for all tables of the process.
//!
//! A lake has ten thousands of tables, and each log names the same applications again. So a state holds numbers, and
//! the texts stand here. An `appId` is cut after its second part: `kombo/a/seen` belongs to the application `kombo/a`
//! and has the name `seen`. An `appId` without a third part is an application without a name.
//!
//! Texts are never removed: a transaction cannot be removed from a log either.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock, RwLockReadGuard};

/// Names that are kept, at most. Another program may use a new name for each transaction. Such an `appId` is then kept
/// as an application of its own.
pub(super) const MOST_NAMES: u16 = 1 << 11;

static TEXTS: LazyLock<RwLock<Texts>> = LazyLock::new(RwLock::default);

/// An `appId` as two numbers. The numbers hold in this process only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct AppId {
    /// The number of the application.
    pub(super) app: u32,
    /// The number of the name, below [`MOST_NAMES`]. 0 stands for no name.
    pub(super) name: u16,
}

/// All texts, by number and by text.
#[derive(Default)]
struct Texts {
    apps: Numbered,
    names: Numbered,
}

#[derive(Default)]
struct Numbered {
    by_number: Vec<Arc<str>>,
    by_text: HashMap<Arc<str>, u32>,
}

impl AppId {
    /// Returns the numbers of an `appId`. `None` when no log that this process has read names the application.
    pub(super) fn known(app_id: &str) -> Option<Self> {
        texts().find(app_id)
    }

    /// Returns the numbers of an `appId`. Keeps its text when it is new.
    pub(super) fn keep(app_id: &str) -> Self {
        if let Some(known) = Self::known(app_id) {
            return known;
        }
        let mut texts = TEXTS.write().unwrap_or_else(PoisonError::into_inner);
        texts.keep(app_id)
    }

    /// Returns the text of the identifier.
    pub(super) fn text(self) -> String {
        let texts = texts();
        let app = &texts.apps.by_number[self.app as usize];
        match self.name {
            0 => app.to_string(),
            name => format!("{app}/{}", texts.names.by_number[usize::from(name) - 1]),
        }
    }

    /// Returns the text of an application.
    pub(super) fn application(app: u32) -> Arc<str> {
        Arc::clone(&texts().apps.by_number[app as usize])
    }
}

/// A text is added completely, so a panic elsewhere leaves the texts intact.
fn texts() -> RwLockReadGuard<'static, Texts> {
    TEXTS.read().unwrap_or_else(PoisonError::into_inner)
}

impl Texts {
    fn find(&self, app_id: &str) -> Option<AppId> {
        if let Some((app, name)) = cut(app_id)
            && let Some(name) = self.names.by_text.get(name)
        {
            let app = *self.apps.by_text.get(app)?;
            return Some(AppId::new(app, *name + 1));
        }
        let app = *self.apps.by_text.get(app_id)?;
        Some(AppId::new(app, 0))
    }

    fn keep(&mut self, app_id: &str) -> AppId {
        let Some((app, name)) = cut(app_id) else {
            return AppId::new(self.apps.keep(app_id), 0);
        };
        let has_room = self.names.by_number.len() + 1 < usize::from(MOST_NAMES);
        if has_room || self.names.by_text.contains_key(name) {
            let name = self.names.keep(name) + 1;
            return AppId::new(self.apps.keep(app), name);
        }
        AppId::new(self.apps.keep(app_id), 0)
    }
}

impl AppId {
    fn new(app: u32, name: u32) -> Self {
        let name = u16::try_from(name).expect("names are limited");
        Self { app, name }
    }
}

impl Numbered {
    fn keep(&mut self, text: &str) -> u32 {
        if let Some(number) = self.by_text.get(text) {
            return *number;
        }
        let number = u32::try_from(self.by_number.len()).expect("memory ends before the numbers");
        let text: Arc<str> = text.into();
        self.by_number.push(Arc::clone(&text));
        self.by_text.insert(text, number);
        number
    }
}

/// Cuts an `appId` into its first two parts and the rest.
fn cut(app_id: &str) -> Option<(&str, &str)> {
    let (first, rest) = app_id.split_once('/')?;
    let (second, name) = rest.split_once('/')?;
    Some((&app_id[..first.len() + 1 + second.len()], name))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_text_comes_back_as_it_was(app_id in "[ab/]{0,8}") {
            let kept = AppId::keep(&app_id);
            prop_assert_eq!(kept.text(), app_id.clone());
            prop_assert_eq!(AppId::known(&app_id), Some(kept));
        }
    }

    #[test]
    fn names_of_one_application_share_its_text_and_others_are_unknown() {
        let [seen, delta] = ["seen", "delta"].map(|name| AppId::keep(&format!("test/one/{name}")));
        assert_eq!(seen.app, delta.app);
        assert_ne!(seen.name, delta.name);
        assert_eq!(&*AppId::application(seen.app), "test/one");
        assert_eq!(AppId::known("test/two/seen"), None);
        let whole = AppId::keep("test/one");
        assert_eq!((whole.app, whole.name), (seen.app, 0));
    }

    #[test]
    fn an_application_with_endless_names_is_kept_without_them() {
        let mut texts = Texts::default();
        let named = |number: usize| format!("other/program/{number}");
        let last = usize::from(MOST_NAMES) + 9;
        let kept: Vec<AppId> = (0..last).map(|number| texts.keep(&named(number))).collect();
        assert_eq!(texts.names.by_number.len() + 1, usize::from(MOST_NAMES));
        for (number, kept) in kept.iter().enumerate() {
            assert_eq!(texts.find(&named(number)), Some(*kept), "{number}");
        }
        assert_eq!(kept[last - 1].name, 0);
        let again = texts.keep("other/one/0");
        assert_eq!(again.name, kept[0].name, "a known name is used on");
    }
}
