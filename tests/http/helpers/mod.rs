mod attempts;
mod authenticators;
mod browser;
mod chromium;
mod clock;
mod database;
mod events;
mod mail;
mod process;
mod proxy;
mod server;

pub use attempts::{LONG_ENOUGH, TOO_SOON, guess, sign_up_number, wait};
pub use authenticators::{
    Authenticator, AuthenticatorApp, Bound, DEVICE_BOUND, Device, ORIGIN, Offer, STEP, TwoSteps,
    challenge, encode, recovery_codes, refresh, register, set_proof,
};
pub use browser::{Answer, Browser, client_builder};
pub use chromium::Chromium;
pub use clock::MovableClock;
pub use database::{Database, Kind};
pub use events::{EventStream, UNTIL_THERE_IS_ROOM};
pub use mail::{MailServer, PUBLIC_URL, Postfix};
pub use process::{Process, Workplace, failed, succeeded};
pub use proxy::{Proxy, ProxyKind};
pub use server::{Server, find_user};

/// A strong enough password, for users whose password does not matter.
pub const PASSWORD: &str = "plain tea at dawn";

/// Turns each `async fn name(kind: Kind)` into a test for each database.
macro_rules! on_both_databases {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name($crate::helpers::Kind::Sqlite).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                super::$name($crate::helpers::Kind::Postgres).await;
            })+
        }
    };
}
pub(crate) use on_both_databases;
