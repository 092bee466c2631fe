//! The service.
mod dispatch;

mod hints;

mod slots;
