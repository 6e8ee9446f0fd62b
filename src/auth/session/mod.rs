//! Sessions.

pub(crate) mod activity;
pub(crate) mod cache;
mod endings;
pub(crate) mod live;
pub(crate) mod reader;
pub(crate) mod record;
mod resigning;
pub(crate) mod store;
pub(crate) mod timeouts;
