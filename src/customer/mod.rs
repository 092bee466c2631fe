//! What Kombo says of a customer beside rows: its name, what can be read of it, and what is wrong with its connection.
//!
//! Why: an analyst joins the rows of the lake to their own customers, and asks why a column is null. Kombo answers both
//! in `GET /integrations/{id}`.
//!
//! How the parts join: `end_user` is the name of the customer and the caller's own id of it, `model_access` says which
//! models and fields can be read, and `customer_info` is both for one integration. `issue` is what a webhook says. `plain_text` bounds every text.
//!
//! What may never happen: something about a person is kept. Kombo names the person who connected the tool; that part
//! is not read at all. No `Debug` shows a text of Kombo.
//!
//! Who owns the truth: Kombo. What the lake holds is Kombo's last answer.

mod customer_info;
mod end_user;
mod issue;
mod model_access;
mod plain_text;

pub use customer_info::CustomerInfo;
pub use end_user::EndUser;
pub use issue::Issue;
pub(crate) use model_access::ReadModels;
pub use model_access::{Access, FieldAccess, ModelAccess, WhyUnreadable};
