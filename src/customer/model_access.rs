//! Which models and fields of an integration can be read, and why the others cannot.

use serde::Deserialize;
use serde_json::Value;

/// Whether a model or a field can be read, in Kombo's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Kombo's own summary: whether the model or field has values.
    pub is_available: bool,
    /// `SUPPORTED`, `UNSUPPORTED` (the tool has no such data), `NOT_IMPLEMENTED` (Kombo does not read it), `UNKNOWN`, or a
    /// word that Kombo has added since.
    pub coverage_status: Option<String>,
    /// `ENABLED`, `DISABLED` or `OPTIONAL`: the setting of the scope configuration.
    pub scope_config_setting: Option<String>,
    /// Whether the customer has switched off what is `OPTIONAL`.
    pub opted_out_by_customer: bool,
}

/// One field of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldAccess {
    /// The field's name, as in a record.
    pub id: String,
    /// Whether the field can be read.
    pub access: Access,
}

/// One model of an integration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelAccess {
    /// The model's name, as in `data-changed`.
    pub id: String,
    /// Whether the model can be read.
    pub access: Access,
    /// The fields that Kombo lists of the model.
    pub fields: Vec<FieldAccess>,
}

/// Why a model or a field cannot be read. The first reason that applies: who changes that one meets the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WhyUnreadable {
    /// The connected tool has no such data.
    Unsupported,
    /// The tool has the data, and Kombo does not read it.
    NotImplemented,
    /// The scope configuration at Kombo switches it off.
    Disabled,
    /// The customer has switched it off.
    OptedOut,
    /// Kombo says that it is not available, and gives no reason.
    Unavailable,
    /// Kombo has named the model before, and does not name it any more.
    Unlisted,
}

impl WhyUnreadable {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::Unsupported,
        Self::NotImplemented,
        Self::Disabled,
        Self::OptedOut,
        Self::Unavailable,
        Self::Unlisted,
    ];

    /// Returns the reason's name in tables and output.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unsupported => "unsupported",
            Self::NotImplemented => "not_implemented",
            Self::Disabled => "disabled",
            Self::OptedOut => "opted_out",
            Self::Unavailable => "unavailable",
            Self::Unlisted => "unlisted",
        }
    }

    /// Returns the reason with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|why| why.as_str() == name)
    }

    /// Returns the reason as a sentence, with what changes it.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Unsupported => "the connected tool has no such data",
            Self::NotImplemented => "Kombo does not read it from this tool; ask Kombo for it",
            Self::Disabled => {
                "the scope configuration at Kombo switches it off; switch it on in Kombo's dashboard"
            }
            Self::OptedOut => {
                "the customer has switched it off; the customer can change that in the connection flow"
            }
            Self::Unavailable => "Kombo calls it unavailable and gives no reason; ask Kombo",
            Self::Unlisted => "Kombo does not name the model for this integration any more",
        }
    }
}

impl Access {
    /// Returns why it cannot be read. `None` when it can.
    #[must_use]
    pub fn why_unreadable(&self) -> Option<WhyUnreadable> {
        match self.coverage_status.as_deref() {
            Some("UNSUPPORTED") => return Some(WhyUnreadable::Unsupported),
            Some("NOT_IMPLEMENTED") => return Some(WhyUnreadable::NotImplemented),
            _ => {}
        }
        if self.scope_config_setting.as_deref() == Some("DISABLED") {
            return Some(WhyUnreadable::Disabled);
        }
        if self.opted_out_by_customer {
            return Some(WhyUnreadable::OptedOut);
        }
        (!self.is_available).then_some(WhyUnreadable::Unavailable)
    }
}

impl ModelAccess {
    /// Returns whether Kombo calls the model available, and neither the scope configuration nor the customer has switched
    /// it off.
    #[must_use]
    pub fn is_available(&self) -> bool {
        let Access {
            is_available,
            scope_config_setting,
            opted_out_by_customer,
            ..
        } = &self.access;
        *is_available
            && !opted_out_by_customer
            && scope_config_setting.as_deref() != Some("DISABLED")
    }

    /// Returns the names of the fields that cannot be read for this reason, in order.
    #[must_use]
    pub fn fields_that_are(&self, why: WhyUnreadable) -> Vec<String> {
        let fields = self.fields.iter();
        let unreadable = fields.filter(|field| field.access.why_unreadable() == Some(why));
        let mut names: Vec<String> = unreadable.map(|field| field.id.clone()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// The most models of one answer that are kept. Kombo has 55.
const MOST_MODELS: usize = 512;

/// The most fields of one model that are kept.
const MOST_FIELDS: usize = 1_024;

/// The most bytes of a name, and of one of Kombo's words.
const NAME_BYTES: usize = 128;

/// One model as Kombo writes it.
#[derive(Deserialize)]
struct ModelAnswer {
    id: String,
    is_available: bool,
    coverage_status: Option<String>,
    scope_config_setting: Option<String>,
    #[serde(default)]
    opted_out_by_customer: bool,
    /// Read one by one: a field in a form that this version does not know is no reason to refuse the answer.
    #[serde(default)]
    fields: Value,
}

/// A list of models, as Kombo writes it. Names that are no names are left out.
#[derive(Default)]
pub(crate) struct ReadModels(pub(crate) Vec<ModelAccess>);

impl<'de> Deserialize<'de> for ReadModels {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let answers = Vec::<ModelAnswer>::deserialize(deserializer)?;
        let answers = answers.into_iter().take(MOST_MODELS);
        Ok(Self(answers.filter_map(ModelAnswer::read).collect()))
    }
}

impl ModelAnswer {
    fn read(self) -> Option<ModelAccess> {
        let fields = self.fields.as_array().into_iter().flatten();
        let access = Access {
            is_available: self.is_available,
            coverage_status: self.coverage_status.filter(|text| is_name(text)),
            scope_config_setting: self.scope_config_setting.filter(|text| is_name(text)),
            opted_out_by_customer: self.opted_out_by_customer,
        };
        is_name(&self.id).then(|| ModelAccess {
            fields: fields.take(MOST_FIELDS).filter_map(field).collect(),
            id: self.id,
            access,
        })
    }
}

fn field(said: &Value) -> Option<FieldAccess> {
    let text = |name| {
        let text = said.get(name).and_then(Value::as_str);
        text.filter(|text| is_name(text)).map(str::to_owned)
    };
    let flag = |name| said.get(name).and_then(Value::as_bool);
    Some(FieldAccess {
        id: text("id")?,
        access: Access {
            is_available: flag("is_available").unwrap_or(true),
            coverage_status: text("coverage_status"),
            scope_config_setting: text("scope_config_setting"),
            opted_out_by_customer: flag("opted_out_by_customer").unwrap_or(false),
        },
    })
}

fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(available: bool, coverage: &str, scope: &str, opted_out: bool) -> Access {
        Access {
            is_available: available,
            coverage_status: Some(coverage.to_owned()),
            scope_config_setting: Some(scope.to_owned()),
            opted_out_by_customer: opted_out,
        }
    }

    #[test]
    fn the_first_obstacle_is_the_reason() {
        use WhyUnreadable as Why;
        for (access, why) in [
            (access(true, "SUPPORTED", "ENABLED", false), None),
            (access(true, "SUPPORTED", "OPTIONAL", false), None),
            (access(true, "UNKNOWN", "ENABLED", false), None),
            (
                access(false, "UNKNOWN", "ENABLED", false),
                Some(Why::Unavailable),
            ),
            (
                access(false, "LATER", "LATER", false),
                Some(Why::Unavailable),
            ),
            (
                access(false, "UNSUPPORTED", "DISABLED", true),
                Some(Why::Unsupported),
            ),
            (
                access(false, "NOT_IMPLEMENTED", "ENABLED", false),
                Some(Why::NotImplemented),
            ),
            (
                access(false, "SUPPORTED", "DISABLED", true),
                Some(Why::Disabled),
            ),
            (
                access(false, "SUPPORTED", "OPTIONAL", true),
                Some(Why::OptedOut),
            ),
        ] {
            assert_eq!(access.why_unreadable(), why, "{access:?}");
            assert_eq!(why.map(Why::as_str).and_then(Why::from_name), why);
        }
    }

    #[test]
    fn what_is_no_name_is_left_out() {
        let text = r#"[
            {"id": "hris_employees", "is_available": true, "coverage_status": "a b", "fields": [
                {"id": "ssn", "is_available": false, "scope_config_setting": "DISABLED"},
                {"id": "Jane Doe", "is_available": false}, "later",
                {"id": "age", "is_available": false, "coverage_status": "UNSUPPORTED"}
            ]},
            {"id": "", "is_available": true}
        ]"#;
        let ReadModels(models) = crate::json::from_str(text).expect("a list");
        let [model] = &models[..] else {
            panic!("one model")
        };
        assert_eq!(model.access.coverage_status, None);
        assert_eq!(model.fields_that_are(WhyUnreadable::Disabled), ["ssn"]);
        assert_eq!(model.fields_that_are(WhyUnreadable::Unsupported), ["age"]);
        assert_eq!(model.fields.len(), 2);
    }
}
