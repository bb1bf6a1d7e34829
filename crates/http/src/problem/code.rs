use axum::http::StatusCode;
use serde::{Serialize, Serializer};

/// The kinds of problems. Clients switch on [`as_str`](Code::as_str), which never changes.
macro_rules! codes {
    ($($variant:ident $code:literal $status:ident $title:literal $explanation:literal)+) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $explanation] $variant,)+
        }

        impl Code {
            /// All of them, as the documentation page lists them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// What clients switch on.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status),+ }
            }

            /// A few words for people; the same for every occurrence (RFC 9457 §3.1.3).
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }

            /// What it means and what to do.
            #[must_use]
            pub const fn explanation(self) -> &'static str {
                match self { $(Self::$variant => $explanation),+ }
            }
        }
    };
}

codes! {
    BadRequest "bad_request" BAD_REQUEST "The request is malformed"
        "The request cannot be understood. Check how it is put together."
    MalformedJson "malformed_json" BAD_REQUEST "The body is not valid JSON"
        "The body must be one JSON object in UTF-8, without repeated names."
    InvalidIdempotencyKey "invalid_idempotency_key" BAD_REQUEST "The idempotency key is not valid"
        "The header Idempotency-Key must be 1 to 255 visible ASCII characters, bare or as a string in quotation marks, and be there once."
    AuthenticationRequired "authentication_required" UNAUTHORIZED "Sign in first"
        "Send an access token in the header Authorization: Bearer."
    InvalidToken "invalid_token" UNAUTHORIZED "The token is not valid"
        "An access token is malformed, expired or revoked: refresh it, or sign in again. A token or code from a mail is wrong, expired or used: ask for another mail."
    InvalidCredentials "invalid_credentials" UNAUTHORIZED "Address or password is wrong"
        "There is no account with this address and password."
    InvalidRefreshToken "invalid_refresh_token" UNAUTHORIZED "The refresh token is not valid"
        "The refresh token is malformed, expired or revoked. Sign in again."
    RefreshTokenReused "refresh_token_reused" UNAUTHORIZED "The refresh token was used before"
        "A refresh token works once. It was used before, so it may have been stolen: its session is revoked. Sign in again."
    AccountDisabled "account_disabled" FORBIDDEN "The account is disabled"
        "An operator has disabled this account."
    EmailNotVerified "email_not_verified" FORBIDDEN "The address is not verified"
        "Verify the address first: with the mail that was sent at sign-up, or with another one."
    WrongPassword "wrong_password" FORBIDDEN "The password is wrong"
        "The present password does not match."
    Forbidden "forbidden" FORBIDDEN "Not allowed"
        "Your present roles do not permit this."
    NotFound "not_found" NOT_FOUND "There is nothing here"
        "The address is wrong, or what it named is gone or not yours."
    MethodNotAllowed "method_not_allowed" METHOD_NOT_ALLOWED "The method does not fit"
        "This address exists but does not answer this method; the header Allow lists those it does."
    RequestTimeout "request_timeout" REQUEST_TIMEOUT "The body came too slowly"
        "The request body did not arrive in time."
    EmailTaken "email_taken" CONFLICT "The address is taken"
        "There is an account with this e-mail address already."
    LastAdmin "last_admin" CONFLICT "Somebody must stay administrator"
        "This is the last active administrator. Make somebody else one first."
    RoleBuiltIn "role_built_in" CONFLICT "The role is built in"
        "The roles admin and user belong to Doorward: they can be neither changed nor deleted."
    JobNotRetryable "job_not_retryable" CONFLICT "The job cannot be tried again"
        "Only a job that is dead, or waits for its next attempt, can be tried again."
    IdempotencyKeyInUse "idempotency_key_in_use" CONFLICT "The request is being carried out"
        "A request with this Idempotency-Key is under way. Send it again after Retry-After, to be answered as it will be."
    PayloadTooLarge "payload_too_large" PAYLOAD_TOO_LARGE "The body is too large"
        "The request body is larger than this address accepts."
    UriTooLong "uri_too_long" URI_TOO_LONG "The address is too long"
        "The request target is longer than the server accepts."
    UnsupportedMediaType "unsupported_media_type" UNSUPPORTED_MEDIA_TYPE "The content type does not fit"
        "Send the body as application/json in UTF-8, without Content-Encoding."
    ValidationFailed "validation_failed" UNPROCESSABLE_ENTITY "Some fields are not valid"
        "The member errors lists everything that is wrong."
    IdempotencyKeyReused "idempotency_key_reused" UNPROCESSABLE_ENTITY "The idempotency key was used before"
        "This Idempotency-Key belongs to a request with another payload. Give each request a key of its own."
    RateLimited "rate_limited" TOO_MANY_REQUESTS "Too many requests"
        "This client has sent too many requests. Wait as long as Retry-After says."
    TooManyAttempts "too_many_attempts" TOO_MANY_REQUESTS "Too many wrong passwords or codes"
        "There were so many wrong passwords or codes that the next one has to wait as long as Retry-After says. This one was not looked at."
    HeadersTooLarge "headers_too_large" REQUEST_HEADER_FIELDS_TOO_LARGE "The headers are too large"
        "The request's headers are larger, or more, than the server accepts."
    InternalError "internal_error" INTERNAL_SERVER_ERROR "Something went wrong"
        "The server failed. It has noted why; please report the request id."
    NotImplemented "not_implemented" NOT_IMPLEMENTED "The server does not know this method"
        "The request asks for something that the server does not implement."
    Overloaded "overloaded" SERVICE_UNAVAILABLE "Too much to do"
        "The server has more to do than it can. Try again as Retry-After says."
    Unavailable "unavailable" SERVICE_UNAVAILABLE "Not available right now"
        "Something the server needs is not available. Try again as Retry-After says."
    VersionNotSupported "http_version_not_supported" HTTP_VERSION_NOT_SUPPORTED "The HTTP version is not supported"
        "Use HTTP/1.1."
}

/// As [`as_str`](Code::as_str).
impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Code {
    /// The code of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == name)
    }

    /// Where this kind of problem is explained.
    pub(crate) fn type_uri(self, public_url: &str) -> String {
        format!("{public_url}/docs/problems#{}", self.as_str())
    }

    /// The code for a bare status.
    pub(crate) fn for_status(status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED => Self::AuthenticationRequired,
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::REQUEST_TIMEOUT => Self::RequestTimeout,
            StatusCode::PAYLOAD_TOO_LARGE => Self::PayloadTooLarge,
            StatusCode::URI_TOO_LONG => Self::UriTooLong,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::UnsupportedMediaType,
            StatusCode::UNPROCESSABLE_ENTITY => Self::ValidationFailed,
            StatusCode::TOO_MANY_REQUESTS => Self::RateLimited,
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Self::HeadersTooLarge,
            StatusCode::NOT_IMPLEMENTED => Self::NotImplemented,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => Self::Unavailable,
            StatusCode::HTTP_VERSION_NOT_SUPPORTED => Self::VersionNotSupported,
            status if status.is_client_error() => Self::BadRequest,
            _ => Self::InternalError,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_distinct_errors_with_words() {
        let names: HashSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(code.status().is_client_error() || code.status().is_server_error());
            assert!(code.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
            assert!(!code.title().ends_with('.') && code.explanation().ends_with('.'));
        }
    }

    #[test]
    fn a_bare_status_keeps_its_number_where_there_is_a_code_for_it() {
        for code in Code::ALL {
            assert_eq!(
                Code::for_status(code.status()).status(),
                match code.status() {
                    // A bare 403 or 409 says nothing; Doorward itself never sends one.
                    StatusCode::FORBIDDEN | StatusCode::CONFLICT => StatusCode::BAD_REQUEST,
                    status => status,
                }
            );
        }
    }
}
