//! Passkeys: the caller's own, and what is proved with them.

pub(in crate::auth::routes) mod own;
pub(in crate::auth::routes) mod proofs;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// What `PublicKeyCredential.parseCreationOptionsFromJSON` or `parseRequestOptionsFromJSON` takes.
#[derive(Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = Object)]
pub(in crate::auth::routes) struct PublicKeyOptions(Value);
