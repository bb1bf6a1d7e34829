//! JSON request bodies.

use std::{fmt, time::Duration};

use axum::{
    body::Body,
    extract::{FromRequest, Request},
    http::{HeaderMap, header},
};
use bytes::Bytes;
use doorward_app::Policy;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::{
    HttpState,
    fields::Fields,
    problem::{Code, Problem},
};

/// How long a body may take to arrive.
const DEADLINE: Duration = Duration::from_secs(10);

/// A request body: how large it may be, and how its members become domain values.
pub(crate) trait Read: Sized {
    /// The most octets that are read.
    const MAX_OCTETS: usize = 64 * 1024;

    /// Reads the members. `None` means that `fields` has noted a fault.
    fn read(fields: &mut Fields, policy: &Policy) -> Option<Self>;
}

/// Extracts a JSON body. Malformed JSON is refused with 400, well-formed JSON that does not fit with
/// 422 and everything that is wrong with it.
pub(crate) struct Payload<T>(pub T);

impl<T: Read> FromRequest<HttpState> for Payload<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, http: &HttpState) -> Result<Self, Problem> {
        read(request, http).await.map(|(body, _)| Self(body))
    }
}

/// Reads a JSON body, and gives its octets along.
pub(crate) async fn read<T: Read>(
    request: Request,
    http: &HttpState,
) -> Result<(T, Bytes), Problem> {
    check_content_type(request.headers())?;
    let octets = read_octets(request, T::MAX_OCTETS).await?;
    let mut fields = Fields::new(parse(&octets)?);
    let body = T::read(&mut fields, &http.ctx.policy);
    Ok((fields.finish(body)?, octets))
}

fn check_content_type(headers: &HeaderMap) -> Result<(), Problem> {
    let refuse = || Err(Problem::new(Code::UnsupportedMediaType));
    // Two readers might each believe another one of several.
    if headers.get_all(header::CONTENT_TYPE).iter().count() > 1 {
        return refuse();
    }
    if headers.get_all(header::CONTENT_ENCODING).iter().any(|encoding| encoding != "identity") {
        return refuse();
    }
    let Some(content_type) = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()) else {
        return refuse();
    };
    let mut parts = content_type.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default().to_ascii_lowercase();
    let is_json = media_type == "application/json"
        || (media_type.starts_with("application/") && media_type.ends_with("+json"));
    let is_utf8 = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            ["utf-8", "utf8"].contains(&&*value.trim().trim_matches('"').to_ascii_lowercase())
        }
        _ => true,
    });
    if is_json && is_utf8 { Ok(()) } else { refuse() }
}

async fn read_octets(request: Request<Body>, limit: usize) -> Result<Bytes, Problem> {
    let too_large = || {
        Problem::new(Code::PayloadTooLarge)
            .with_detail(format!("The request body may be at most {limit} octets."))
    };
    let declared = request.headers().get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let body = Limited::new(request.into_body(), limit);
    match tokio::time::timeout(DEADLINE, body.collect()).await {
        Err(_) => Err(Problem::new(Code::RequestTimeout)),
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        // The client broke the body off or framed it wrongly; it may not even hear the answer.
        Ok(Err(_)) => {
            Err(Problem::new(Code::BadRequest).with_detail("The request body could not be read."))
        }
    }
}

fn parse(octets: &[u8]) -> Result<Map<String, Value>, Problem> {
    match serde_json::from_slice::<Members>(octets) {
        Ok(Members(members)) => Ok(members),
        Err(error)
            if error.is_data()
                && serde_json::from_slice::<Value>(octets).is_ok_and(|v| !v.is_object()) =>
        {
            Err(Problem::invalid("", "invalid_type", "must be a JSON object"))
        }
        Err(error) => Err(Problem::new(Code::MalformedJson)
            .with_detail(format!("The body is not valid JSON: {error}."))),
    }
}

/// The members of an object, none of them repeated: what two readers of a message understand
/// differently is best refused (RFC 8259 §4).
struct Members(Map<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Members, A::Error> {
                let mut members = Map::new();
                while let Some((name, value)) = access.next_entry::<String, Value>()? {
                    if members.insert(name, value).is_some() {
                        return Err(de::Error::custom("a name is repeated"));
                    }
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_json_is_malformed_and_what_is_not_an_object_does_not_fit() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        let deep_member = format!("{{\"a\":{deep}}}");
        let malformed: [&[u8]; 14] = [
            b"",
            b"{",
            b"{]",
            b"{\"a\":1,}",
            b"{\"a\":1} x",
            b"{\"a\":1,\"a\":2}",
            b"{\"a\":NaN}",
            b"{\"a\":1e999}",
            b"{\"a\":\"\\ud800\"}",
            b"{\"a\":\"\xff\"}",
            b"\xef\xbb\xbf{}",
            b"{\x00}",
            deep.as_bytes(),
            deep_member.as_bytes(),
        ];
        for octets in malformed {
            let problem = parse(octets).unwrap_err();
            assert_eq!(
                problem.code(),
                Code::MalformedJson,
                "{:.40}",
                String::from_utf8_lossy(octets)
            );
        }
        for octets in [&b"[]"[..], b"7", b"null", b"\"text\""] {
            assert_eq!(parse(octets).unwrap_err().code(), Code::ValidationFailed);
        }
        assert_eq!(parse(b" {\"a\": null} ").unwrap().len(), 1);
    }

    #[test]
    fn only_plain_json_in_utf8_is_read() {
        let check = |content_type: Option<&str>, encoding: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = content_type {
                headers.insert(header::CONTENT_TYPE, value.parse().unwrap());
            }
            if let Some(value) = encoding {
                headers.insert(header::CONTENT_ENCODING, value.parse().unwrap());
            }
            check_content_type(&headers).is_ok()
        };
        assert!(check(Some("application/json"), None));
        assert!(check(Some("Application/JSON; charset=\"UTF-8\""), None));
        assert!(check(Some("application/merge-patch+json"), Some("identity")));
        assert!(!check(None, None));
        assert!(!check(Some("text/plain"), None));
        assert!(!check(Some("application/x-www-form-urlencoded"), None));
        assert!(!check(Some("application/json; charset=utf-16"), None));
        assert!(!check(Some("application/json"), Some("gzip")));
    }
}
