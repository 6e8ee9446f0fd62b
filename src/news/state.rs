//! The state that the news' handlers share.

use std::sync::Arc;

use super::{meter::Meter, settings::Settings};
use crate::{auth::Auth, clock::Timestamp, db::Db};

/// The news on the auth's database. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct News(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    auth: Auth,
    meter: Option<Meter>,
}

impl News {
    pub fn new(auth: &Auth, settings: &Settings) -> Self {
        let per_address = settings.free_reads_per_address;
        let per_address = per_address.map(|limit| auth.address_limit("post", limit));
        let meter = settings.free_reads.map(|limit| Meter {
            limit,
            window: settings.free_reads_window,
            per_address,
        });
        Self(Arc::new(Parts {
            auth: auth.clone(),
            meter,
        }))
    }

    pub fn db(&self) -> &Db {
        self.0.auth.db()
    }

    pub fn now(&self) -> Timestamp {
        self.0.auth.now()
    }

    /// None where reading is free.
    pub fn meter(&self) -> Option<&Meter> {
        self.0.meter.as_ref()
    }
}
