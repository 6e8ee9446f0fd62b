//! Claims about sessions that apply to any server with these routes:
//! `POST /login` with a name, `GET /checklogin`, `DELETE /logout`. Each runs against handstamp on
//! both databases, and against peers by `benches/conformance`; docs/security.md is the table.

mod clients;
mod cookie;
mod cross_site;
mod input;
mod peers;
mod responses;
mod sessions;
mod subject;
mod table;
mod tampering;

/// Turns each `async fn name(subject: Subject)` into a test for each database, and a row for
/// the peers.
macro_rules! rows {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let subject = super::Subject::handstamp($crate::helpers::Kind::Sqlite).await;
                super::$name(subject).await;
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                let subject = super::Subject::handstamp($crate::helpers::Kind::Postgres).await;
                super::$name(subject).await;
            })+
        }
        pub const ROWS: &[$crate::conformance::subject::Row] = &[
            $(($crate::conformance::subject::row_name(module_path!(), stringify!($name)),
               |subject| Box::pin($name(subject)))),+
        ];
    };
}
use rows;
