//! Tells the developer of an app why its logins take seconds.

use std::{
    sync::Once,
    time::{Duration, Instant},
};

use argon2::{Algorithm, Argon2, Params, Version};

/// A hundred and fiftieth of the work of a password: 0.2 ms, or 50 ms where it is not optimised.
const MEMORY_KIB: u32 = 256;
const SLOW: Duration = Duration::from_millis(5);
/// The quickest counts, as a busy machine makes any of them slow.
const TRIES: usize = 3;

static ONCE: Once = Once::new();

/// Warns once per process when password hashing is not optimised, as in a debug build of an app
/// whose Cargo.toml does not ask for it.
pub(crate) fn warn_if_unoptimised() {
    if cfg!(debug_assertions) {
        ONCE.call_once(|| {
            if (0..TRIES).all(|_| probe().is_some_and(|took| took > SLOW)) {
                tracing::warn!(
                    "a password takes seconds to hash in this debug build: write \
                     `argon2.opt-level = 3` and `blake2.opt-level = 3` under \
                     [profile.dev.package] in your Cargo.toml"
                );
            }
        });
    }
}

fn probe() -> Option<Duration> {
    let params = Params::new(MEMORY_KIB, 1, 1, None).ok()?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let start = Instant::now();
    let hashed = argon2.hash_password_into(b"a password", b"a salt of a probe", &mut [0; 32]);
    hashed.ok().map(|()| start.elapsed())
}
