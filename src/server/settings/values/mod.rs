//! What the text of one setting means, where more than a line says it.

mod api_prefix;
mod origin;
mod page_csp;
mod rate_limit;
mod trusted_proxies;

pub use self::trusted_proxies::is_too_wide;
pub(super) use self::{
    api_prefix::api_prefix,
    origin::origin,
    page_csp::{DEFAULT_PAGE_CSP, page_csp},
    rate_limit::rate_limit,
    trusted_proxies::trusted_proxy,
};
