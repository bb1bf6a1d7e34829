//! What somebody presents who got a mail: its token, or its code with the address that it went to.

use std::convert::Infallible;

use doorward_app::{Policy, proof::Presented};
use doorward_domain::Email;
use secrecy::SecretString;
use utoipa::ToSchema;

use crate::{
    fields::{FieldFault, Fields},
    payload::Read,
};

/// The tag of these operations in the document.
pub(super) const TAG: &str = "mail";

impl FieldFault for Infallible {
    fn code(&self) -> &'static str {
        match *self {}
    }
}

#[derive(Debug, thiserror::Error)]
#[error("must be the eight digits of the mail")]
struct CodeFault;

impl FieldFault for CodeFault {
    fn code(&self) -> &'static str {
        "invalid_format"
    }
}

/// Reads a token: any string will do, and whether it is one, the use case finds out.
pub(super) fn token(fields: &mut Fields) -> Option<SecretString> {
    fields.required("token", |text| Ok::<_, Infallible>(text.into()))
}

/// Reads a token, or an address and a code, but not both.
pub(super) fn presented(fields: &mut Fields) -> Option<Presented> {
    if !fields.has("email") && !fields.has("code") {
        return token(fields).map(Presented::Token);
    }
    let email = fields.required("email", Email::parse);
    let code = fields.required("code", |text| {
        let is_code = text.len() == 8 && text.bytes().all(|digit| digit.is_ascii_digit());
        if is_code { Ok(SecretString::from(text)) } else { Err(CodeFault) }
    });
    Some(Presented::Code { email: email?, code: code? })
}

/// The token of a mail, or its code with the address that it went to.
#[derive(ToSchema)]
#[schema(as = Proof)]
#[serde(untagged)]
#[expect(dead_code, reason = "it is the schema of what `presented` reads")]
enum ProofSchema {
    Token {
        /// From the link in the mail; works once.
        #[schema(value_type = String, format = "password", example = "dwp_AZt22qh7d0uAAAAAAAAAAexample-mac-example-mac-example-mac-exam")]
        token: String,
    },
    Code {
        /// The address that the mail went to.
        #[schema(format = "idn-email", max_length = 254, example = "ada@example.com")]
        email: String,
        /// The eight digits in the mail. It works for ten minutes, and can be tried five times.
        #[schema(pattern = "^[0-9]{8}$", example = "01234567")]
        code: String,
    },
}

/// A body that is nothing but a proof.
pub(crate) struct ProofBody(pub Presented);

impl utoipa::PartialSchema for ProofBody {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        ProofSchema::schema()
    }
}

impl ToSchema for ProofBody {
    fn name() -> std::borrow::Cow<'static, str> {
        ProofSchema::name()
    }
}

impl Read for ProofBody {
    const MAX_OCTETS: usize = 16 * 1024;

    fn read(fields: &mut Fields, _: &Policy) -> Option<Self> {
        presented(fields).map(Self)
    }
}

/// An address that a mail is wanted for.
#[derive(ToSchema)]
#[schema(as = MailRequest)]
pub(crate) struct AddressBody {
    /// Whatever its form: the mail goes to the address as its owner wrote it.
    #[schema(value_type = String, format = "idn-email", max_length = 254, example = "ada@example.com")]
    pub email: Email,
}

impl Read for AddressBody {
    const MAX_OCTETS: usize = 16 * 1024;

    fn read(fields: &mut Fields, _: &Policy) -> Option<Self> {
        Some(Self { email: fields.required("email", Email::parse)? })
    }
}
