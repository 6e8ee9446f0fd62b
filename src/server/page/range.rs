//! `Range` headers by RFC 9110, 14.2: what cannot be parsed is ignored.

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, Method, header},
};
use http_range_header::{
    EndPosition, RangeUnsatisfiableError, StartPosition, SyntacticallyCorrectRange,
    parse_range_header,
};

/// The part of a file that a `Range` requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heeded {
    /// None that is served: the response is the whole file.
    Nothing,
    /// Bytes from a position on.
    Place,
    /// The last bytes, of which there may be fewer.
    Suffix,
}

/// Removes a `Range` that the server ignores; returns whether the one left requests the last bytes.
pub(super) fn keep_if_good(request: &mut Request) -> bool {
    // An `If-Range` may name the file as it was before: one of two parts of other files.
    let is_plain =
        request.method() == Method::GET && !request.headers().contains_key(header::IF_RANGE);
    let mut ranges = request.headers().get_all(header::RANGE).iter();
    let heeded = match (ranges.next(), ranges.next()) {
        (Some(range), None) if is_plain => heeded(range),
        _ => Heeded::Nothing,
    };
    if heeded == Heeded::Nothing {
        request.headers_mut().remove(header::RANGE);
    }
    heeded == Heeded::Suffix
}

/// The same request for the whole file.
pub(super) fn whole(request: &Request) -> Request {
    let mut whole = Request::new(Body::empty());
    *whole.method_mut() = request.method().clone();
    *whole.uri_mut() = request.uri().clone();
    *whole.headers_mut() = request.headers().clone();
    whole.headers_mut().remove(header::RANGE);
    whole
}

fn heeded(range: &HeaderValue) -> Heeded {
    let parsed = range.to_str().map(parse_range_header);
    match parsed
        .as_ref()
        .map(|parsed| parsed.as_ref().map(|parsed| parsed.ranges.as_slice()))
    {
        Ok(Ok([range])) if is_reversed(range) => Heeded::Nothing,
        Ok(Ok([range])) => match range.start {
            StartPosition::Index(_) => Heeded::Place,
            StartPosition::FromLast(_) => Heeded::Suffix,
        },
        // The last no bytes: well-formed, and never there.
        Ok(Err(RangeUnsatisfiableError::ZeroSuffix)) => Heeded::Place,
        _ => Heeded::Nothing,
    }
}

fn is_reversed(range: &SyntacticallyCorrectRange) -> bool {
    match (range.start, range.end) {
        (StartPosition::Index(start), EndPosition::Index(end)) => end < start,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_told_from_other_texts() {
        for (text, expected) in [
            ("bytes=0-4", Heeded::Place),
            ("bytes=5-", Heeded::Place),
            ("bytes=999-", Heeded::Place),
            ("bytes=-5", Heeded::Suffix),
            ("bytes=-0", Heeded::Place),
            ("bytes=5-2", Heeded::Nothing),
            ("bytes=0-1,3-4", Heeded::Nothing),
            ("bytes=", Heeded::Nothing),
            ("bytes=a-b", Heeded::Nothing),
            ("bytes=-", Heeded::Nothing),
            ("items=0-4", Heeded::Nothing),
            ("nonsense", Heeded::Nothing),
            ("", Heeded::Nothing),
        ] {
            assert_eq!(heeded(&HeaderValue::from_static(text)), expected, "{text}");
        }
    }
}
