//! Tells the developer of an app why its logins take seconds.

use std::{
    sync::Once,
    time::{Duration, Instant},
};

use argon2::{Algorithm, Argon2, Params, Version};

/// A hundred and fiftieth of the work of a password: about 0.4 ms, or 4 ms and more where it is not
/// optimised.
const MEMORY_KIB: u32 = 256;
const SLOW: Duration = Duration::from_millis(2);
/// The quickest counts, as a busy machine makes any of them slow.
const TRIES: usize = 3;
const WARNING: &str = "a password takes a second or more to hash in this debug build: write \
     `argon2.opt-level = 3` and `blake2.opt-level = 3` under [profile.dev.package] in your Cargo.toml";

static ONCE: Once = Once::new();

/// Warns once per process when password hashing is not optimised, as in a debug build of an app
/// whose Cargo.toml does not ask for it.
pub(crate) fn warn_if_unoptimised() {
    if cfg!(debug_assertions) {
        ONCE.call_once(|| {
            if is_slow(probe) {
                warn();
            }
        });
    }
}

/// Whether every try of `probe` takes too long for optimised code.
fn is_slow(mut probe: impl FnMut() -> Option<Duration>) -> bool {
    (0..TRIES).all(|_| probe().is_some_and(|took| took > SLOW))
}

/// Hashes with little memory, and returns how long it took.
fn probe() -> Option<Duration> {
    let params = Params::new(MEMORY_KIB, 1, 1, None).ok()?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let start = Instant::now();
    let hashed = argon2.hash_password_into(b"a password", b"a salt of a probe", &mut [0; 32]);
    hashed.ok().map(|()| start.elapsed())
}

/// Logs the warning, or prints it in an app that has no logs yet.
#[expect(
    clippy::print_stderr,
    reason = "nobody would see it where no subscriber listens"
)]
fn warn() {
    if tracing::dispatcher::has_been_set() {
        tracing::warn!("{WARNING}");
    } else {
        eprintln!("handstamp: {WARNING}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether tries that take so many milliseconds, none for one that fails, count as slow.
    fn is_slow_with(tries: [Option<u64>; TRIES]) -> bool {
        let mut tries = tries.into_iter();
        is_slow(|| tries.next().flatten().map(Duration::from_millis))
    }

    #[test]
    fn only_a_probe_that_is_slow_each_time_is_warned_about() {
        assert!(is_slow_with([Some(9), Some(50), Some(3)]));
        assert!(!is_slow_with([Some(50), Some(0), Some(50)]));
        assert!(!is_slow_with([Some(2), Some(50), Some(50)]));
        assert!(!is_slow_with([Some(50), Some(50), None]));
    }

    #[test]
    fn a_probe_takes_time() {
        assert!(probe().is_some_and(|took| took > Duration::ZERO));
    }

    /// What a subscriber is told.
    #[cfg(feature = "server")]
    #[test]
    fn the_warning_has_the_lines_to_write() {
        use std::{
            io::{self, Write},
            sync::{Arc, Mutex, PoisonError},
        };

        #[derive(Clone, Default)]
        struct Log(Arc<Mutex<Vec<u8>>>);

        impl Write for Log {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                log.write(bytes)
            }

            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }

        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, warn);
        let bytes = log.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let text = String::from_utf8_lossy(&bytes);
        for part in [
            " WARN ",
            "`argon2.opt-level = 3`",
            "`blake2.opt-level = 3`",
            "[profile.dev.package]",
        ] {
            assert!(text.contains(part), "{text}");
        }
    }
}
