//! What a browser is told of a session that it has bound.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Devices;
use crate::auth::cookie::SessionCookie;

/// What a browser keeps of a session: which cookie it has to have, and where it gets a new one.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeviceSessionInstructions)]
pub(crate) struct Instructions {
    #[schema(value_type = String, example = "019a9c3e-7b1c-7d52-9c3f-0d5b8a1e4f60")]
    session_identifier: Uuid,
    /// Relative to this address.
    #[schema(example = "refresh")]
    refresh_url: &'static str,
    scope: Scope,
    credentials: [Credential; 1],
    /// Hosts of other origins whose pages may call.
    allowed_refresh_initiators: Vec<String>,
}

/// Tells a browser to forget that a session is bound: its requests go on without a proof.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeviceSessionForgotten)]
pub(crate) struct Forgotten {
    #[schema(value_type = String, example = "019a9c3e-7b1c-7d52-9c3f-0d5b8a1e4f60")]
    session_identifier: Uuid,
    /// False.
    r#continue: bool,
}

impl Forgotten {
    pub(super) fn new(session: Uuid) -> Self {
        Self {
            session_identifier: session,
            r#continue: false,
        }
    }
}

/// The origin of this address alone.
#[derive(Debug, Serialize, ToSchema)]
struct Scope {
    include_site: bool,
}

#[derive(Debug, Serialize, ToSchema)]
struct Credential {
    #[schema(example = "cookie")]
    r#type: &'static str,
    #[schema(example = "__Host-session-proof")]
    name: &'static str,
    #[schema(example = "Path=/; Secure; HttpOnly; SameSite=Lax")]
    attributes: &'static str,
}

impl Instructions {
    pub(super) fn new(session: Uuid, cookie: &SessionCookie, devices: &Devices) -> Self {
        Self {
            session_identifier: session,
            refresh_url: "refresh",
            scope: Scope {
                include_site: false,
            },
            credentials: [Credential {
                r#type: "cookie",
                name: cookie.proof_name(),
                attributes: cookie.attributes(),
            }],
            allowed_refresh_initiators: devices.initiators.clone(),
        }
    }
}
