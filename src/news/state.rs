//! What the news' handlers share.

use std::sync::Arc;

use super::meter::Meter;
use crate::{
    clock::Timestamp,
    config::Config,
    db::Db,
    gate::{AddressLimit, Gate},
};

/// The news on the gate's database. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct News(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    gate: Gate,
    meter: Option<Meter>,
}

impl News {
    pub fn new(gate: &Gate, config: &Config) -> Self {
        let per_address = config.free_reads_per_address;
        let per_address = per_address.map(|limit| AddressLimit::new(gate, "post", limit));
        let meter = config.free_reads.map(|limit| Meter {
            limit,
            window: config.free_reads_window,
            per_address,
        });
        Self(Arc::new(Parts {
            gate: gate.clone(),
            meter,
        }))
    }

    pub fn db(&self) -> &Db {
        self.0.gate.db()
    }

    pub fn now(&self) -> Timestamp {
        self.0.gate.now()
    }

    /// None where reading is free.
    pub fn meter(&self) -> Option<&Meter> {
        self.0.meter.as_ref()
    }
}
