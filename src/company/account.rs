//! What the API says of an integration itself: its state, its models and its field catalogue.

use serde_json::{Value, json};

use super::blueprint::{DAY, Listing};
use super::hash::{below, choose, mix, salt};
use super::identity::{find, id, loose_id};
use super::integration::Integration;
use super::refusal::Refusal;
use super::request::ListQuery;
use super::words;
use crate::catalog::FieldKind;
use crate::customer::{Access, EndUser, FieldAccess, ModelAccess};
use crate::time::Moment;

/// The parts of the answer to `GET /integrations/{id}` that the program reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Slug of the connected tool.
    pub tool: String,
    /// Category in upper case.
    pub category: String,
    /// `ACTIVE`, `INVALID` or `INACTIVE`.
    pub status: &'static str,
    /// `COMPLETED`, `INCOMPLETE` or `FINAL_SYNC_PENDING`.
    pub setup_status: &'static str,
    /// The models, each with whether it and its fields can be read.
    pub read_models: Vec<ModelAccess>,
    /// Who the customer is.
    pub end_user: EndUser,
}

/// What happened to an integration as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Created,
    StateChanged,
    Deleted,
}

/// Describes an integration.
pub(super) fn describe(integration: &Integration) -> Description {
    // The first refusal of the complete integration decides its state.
    let state = |by_code: [(&str, &'static str); 2], usual| {
        let whole = |wanted: &str| {
            let mut all = integration.refusals.iter();
            all.any(|(of, refusal)| of.is_none() && refusal.code == Some(wanted))
        };
        let found = by_code.into_iter().find(|(code, _)| whole(code));
        found.map_or(usual, |(_, state)| state)
    };
    Description {
        tool: integration.id.tool().to_owned(),
        category: integration.category().as_str().to_uppercase(),
        status: state(
            [
                ("INTEGRATION.INACTIVE", "INACTIVE"),
                ("INTEGRATION.AUTHENTICATION_INVALID", "INVALID"),
            ],
            "ACTIVE",
        ),
        setup_status: state(
            [
                ("INTEGRATION.SETUP_INCOMPLETE", "INCOMPLETE"),
                ("INTEGRATION.SETUP_SYNC_PENDING", "FINAL_SYNC_PENDING"),
            ],
            "COMPLETED",
        ),
        read_models: read_models(integration),
        end_user: {
            let (name, origin) = (organization(integration), origin_id(integration));
            EndUser::new(Some(&name), Some(&origin))
        },
    }
}

/// Returns the models of all endpoints, each once.
fn read_models(integration: &Integration) -> Vec<ModelAccess> {
    let listings = &integration.customer.blueprint.listings;
    let mut read_models: Vec<ModelAccess> = Vec::new();
    for listing in listings {
        for (nth, model) in listing.endpoint.models.iter().enumerate() {
            // The first model of an endpoint is the one whose records the endpoint shows.
            let (off, fields) = match nth {
                0 => (off(integration, listing), fields_of(listing)),
                _ => (None, Vec::new()),
            };
            let at = read_models.iter().position(|known| known.id == model.name);
            let at = at.unwrap_or_else(|| {
                read_models.push(ModelAccess {
                    id: model.name.clone(),
                    access: supported(),
                    fields: Vec::new(),
                });
                read_models.len() - 1
            });
            let known = &mut read_models[at];
            if let Some(off) = off {
                known.access = off;
            }
            if known.fields.is_empty() {
                known.fields = fields;
            }
        }
    }
    read_models
}

/// Returns the access of a model that the customer switched off, or whose endpoint the API refuses.
fn off(integration: &Integration, listing: &Listing) -> Option<Access> {
    let refused = |wanted: &str| {
        let mut all = integration.refusals.iter();
        all.any(|(of, refusal)| {
            of.as_ref() == Some(listing.endpoint.name()) && refusal.code == Some(wanted)
        })
    };
    let usual = Access {
        is_available: false,
        ..supported()
    };
    if refused("INTEGRATION.MODEL_NOT_AVAILABLE") {
        return Some(Access {
            coverage_status: Some("UNSUPPORTED".to_owned()),
            ..usual
        });
    }
    let history = &integration.customer.history;
    let is_disabled =
        history.off_since(listing.model).is_some() || refused("INTEGRATION.MODEL_DISABLED");
    is_disabled.then(|| Access {
        scope_config_setting: Some("DISABLED".to_owned()),
        ..usual
    })
}

fn supported() -> Access {
    Access {
        is_available: true,
        coverage_status: Some("SUPPORTED".to_owned()),
        scope_config_setting: Some("ENABLED".to_owned()),
        opted_out_by_customer: false,
    }
}

/// Returns the fields of an endpoint's records, without those that every record has.
fn fields_of(listing: &Listing) -> Vec<FieldAccess> {
    let every = ["id", "remote_id", "changed_at", "remote_deleted_at"];
    let own = listing.endpoint.fields.iter();
    let own = own.filter(|field| !every.contains(&&*field.name));
    own.map(|field| FieldAccess {
        id: field.name.clone(),
        access: supported(),
    })
    .collect()
}

/// Returns the body of the answer to `GET /integrations/{id}`.
pub(super) fn details(integration: &Integration) -> String {
    let described = describe(integration);
    let tool = &described.tool;
    let models = described.read_models.iter().map(|model| {
        let name = &*model.id;
        let fields = model.fields.iter();
        let fields: Vec<Value> = fields.map(|one| said(&one.id, &one.access)).collect();
        let mut said = said(name, &model.access);
        said["label"] = name.split_once('_').map_or(name, |(_, label)| label).into();
        said["fields"] = fields.into();
        said
    });
    let models: Vec<Value> = models.collect();
    let seed = salt(integration.id.as_str());
    success(&json!({
        "id": integration.id.as_str(),
        "tool": {
            "id": tool, "label": tool, "internal_label": null,
            "logo_url": format!("https://assets.example.com/{tool}/logo.svg"),
            "icon_url": format!("https://assets.example.com/{tool}/icon.svg"),
        },
        "category": described.category,
        "status": described.status,
        "setup_status": described.setup_status,
        "end_user": end_user(integration),
        "scope_config": {"id": loose_id(seed), "name": null},
        "data_expired_at": null,
        "created_at": (integration.customer.start - 40 * DAY).to_string(),
        "beta": false,
        "read_models": models,
        "write_actions": [],
    }))
}

fn said(id: &str, access: &Access) -> Value {
    json!({
        "id": id,
        "is_available": access.is_available,
        "coverage_status": access.coverage_status,
        "scope_config_setting": access.scope_config_setting,
        "opted_out_by_customer": access.opted_out_by_customer,
    })
}

/// Returns the `data` of a webhook about an integration.
pub(super) fn event(integration: &Integration, event: Event, now: Moment) -> Value {
    let described = describe(integration);
    let mut data = match event {
        Event::StateChanged => json!({
            "integration_id": integration.id.as_str(),
            "integration_tool": described.tool,
            "integration_category": described.category,
            "qa_status": if described.setup_status == "COMPLETED" { "PASSED" } else { "PENDING" },
            "setup_status": described.setup_status,
            "state": described.status,
            "updated_at": now.to_string(),
        }),
        Event::Created | Event::Deleted => json!({
            "id": integration.id.as_str(),
            "tool": described.tool,
            "category": described.category,
        }),
    };
    data["end_user"] = end_user(integration);
    if event == Event::Deleted {
        data["deleted_at"] = now.to_string().into();
    }
    data
}

fn end_user(integration: &Integration) -> Value {
    json!({
        "organization_name": organization(integration),
        "creator_email": null,
        "origin_id": origin_id(integration),
    })
}

fn organization(integration: &Integration) -> String {
    unescaped(choose(words::COMPANIES, salt(integration.id.as_str())))
}

fn origin_id(integration: &Integration) -> String {
    format!("tenant-{}", below(10_000, salt(integration.id.as_str())))
}

/// Returns the body of the answer to `GET /check-api-key`.
pub(super) fn key(seed: u64) -> String {
    success(&json!({
        "environment_id": environment_id(seed),
        "customer_id": loose_id(mix(seed, salt("customer"))),
    }))
}

/// Returns the environment that the key belongs to.
pub(super) fn environment_id(seed: u64) -> String {
    loose_id(mix(seed, salt("environment")))
}

/// Returns a page of `GET /integrations/{id}/integration-fields`, or of `/custom-fields`.
pub(super) fn fields(
    integration: &Integration,
    custom: bool,
    query: &ListQuery,
) -> Result<String, Refusal> {
    let most = if custom { 250 } else { 2000 };
    let size = query.page_size.unwrap_or(100);
    if !(1..=most).contains(&size) {
        return Err(Refusal::input_invalid("page_size is out of range."));
    }
    let all = catalogue(integration, custom);
    let space = mix(salt(integration.id.as_str()), u64::from(custom));
    let start = match &query.cursor {
        None => 0,
        Some(cursor) => find(cursor, space, all.len() as u64)
            .ok_or_else(|| Refusal::input_invalid("The cursor is not valid."))?,
    };
    let start = usize::try_from(start).expect("below the length of a list");
    let size = usize::try_from(size).expect("at most 2000");
    let end = all.len().min(start + size);
    let next = (end < all.len()).then(|| id(space, end as u64));
    Ok(success(&json!({"next": next, "results": all[start..end]})))
}

fn catalogue(integration: &Integration, custom: bool) -> Vec<Value> {
    let listings = integration.customer.blueprint.listings.iter();
    let with_fields = listings.filter(|listing| {
        let mut fields = listing.endpoint.fields.iter();
        fields.any(|f| f.name == "custom_fields" && f.kind == FieldKind::Json)
    });
    let mut all = Vec::new();
    for model in with_fields.filter_map(|listing| listing.endpoint.models.first()) {
        for (nth, name) in words::KEYS.iter().enumerate() {
            let roll = mix(salt(&model.name), nth as u64);
            let kind = if nth % 2 == 0 { "CUSTOM" } else { "DEFAULT" };
            let field = json!({"id": loose_id(roll), "key": name, "type": kind, "label": null});
            all.push(if custom {
                json!({
                    "id": loose_id(mix(roll, 1)), "key": format!("{name}_{nth}"), "model": model.name,
                    "label": name, "description": null,
                    "integration_field": if nth % 3 == 0 { Value::Null } else { field },
                })
            } else {
                json!({
                    "id": loose_id(roll), "key": name, "type": kind, "label": null, "model": model.name,
                    "is_passthrough_enabled": nth % 2 == 0, "is_writable": false,
                })
            });
        }
    }
    all
}

fn success(data: &Value) -> String {
    json!({"status": "success", "data": data}).to_string()
}

/// Returns a text without JSON escapes. The word lists are escaped already, and `json!` would escape them again.
fn unescaped(text: &str) -> String {
    text.replace("\\\"", "\"")
}
