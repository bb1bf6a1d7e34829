//! Key pairs that sign access tokens.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    error::Unspecified,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
        RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use doorward_domain::{SigningAlgorithm, signing_key::PublicKeyParameters};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    errors::Error as JwtError,
    jwk::{
        AlgorithmParameters, CommonParameters, EllipticCurve, EllipticCurveKeyParameters,
        EllipticCurveKeyType, Jwk, OctetKeyPairParameters, OctetKeyPairType, RSAKeyParameters,
        RSAKeyType, ThumbprintHash,
    },
};
use secrecy::zeroize::Zeroizing;

/// A key pair, ready to sign. Reading one takes much longer than signing with it, RSA above all.
pub(crate) enum KeyPair {
    EdDsa(Ed25519KeyPair),
    Es256(EcdsaKeyPair),
    Rs256(RsaKeyPair),
}

/// The library did what it never does with sound arguments, or a private key is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unusable;

impl From<Unspecified> for Unusable {
    fn from(_: Unspecified) -> Self {
        Self
    }
}

impl KeyPair {
    pub(crate) fn generate(algorithm: SigningAlgorithm) -> Result<Self, Unusable> {
        Ok(match algorithm {
            SigningAlgorithm::EdDsa => Self::EdDsa(Ed25519KeyPair::generate()?),
            SigningAlgorithm::Es256 => {
                Self::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?)
            }
            SigningAlgorithm::Rs256 => Self::Rs256(RsaKeyPair::generate(KeySize::Rsa2048)?),
        })
    }

    /// Reads a private key in PKCS#8 (RFC 5958).
    pub(crate) fn from_pkcs8(algorithm: SigningAlgorithm, der: &[u8]) -> Result<Self, Unusable> {
        match algorithm {
            SigningAlgorithm::EdDsa => Ed25519KeyPair::from_pkcs8(der).map(Self::EdDsa),
            SigningAlgorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map(Self::Es256)
            }
            SigningAlgorithm::Rs256 => RsaKeyPair::from_pkcs8(der).map(Self::Rs256),
        }
        .map_err(|_| Unusable)
    }

    /// Writes the private key in PKCS#8 version 1.
    pub(crate) fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, Unusable> {
        let octets = match self {
            Self::EdDsa(pair) => pair.to_pkcs8v1()?.as_ref().to_vec(),
            Self::Es256(pair) => pair.to_pkcs8v1()?.as_ref().to_vec(),
            Self::Rs256(pair) => AsDer::<Pkcs8V1Der>::as_der(pair)?.as_ref().to_vec(),
        };
        Ok(Zeroizing::new(octets))
    }

    /// Signs, in the form that JWS wants (RFC 7515 §3.1, RFC 7518 §3, RFC 8037 §3.1).
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unusable> {
        let random = SystemRandom::new();
        Ok(match self {
            Self::EdDsa(pair) => pair.try_sign(message)?.as_ref().to_vec(),
            Self::Es256(pair) => pair.sign(&random, message)?.as_ref().to_vec(),
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)?;
                signature
            }
        })
    }

    pub(crate) fn public(&self) -> Result<PublicKeyParameters, Unusable> {
        let text = |octets: &[u8]| URL_SAFE_NO_PAD.encode(octets);
        Ok(match self {
            Self::EdDsa(pair) => {
                PublicKeyParameters::Ed25519 { x: text(pair.public_key().as_ref()) }
            }
            Self::Es256(pair) => {
                // An uncompressed point (SEC 1 §2.3.3): 4, x and y.
                let point = pair.public_key().as_ref();
                let Some((4, coordinates)) = point.split_first() else {
                    return Err(Unusable);
                };
                let (x, y) = coordinates.split_at(coordinates.len() / 2);
                PublicKeyParameters::P256 { x: text(x), y: text(y) }
            }
            Self::Rs256(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                PublicKeyParameters::Rsa { n: text(&public.n), e: text(&public.e) }
            }
        })
    }
}

/// The thumbprint of a public key (RFC 7638) with SHA-256.
pub(crate) fn thumbprint(public: &PublicKeyParameters) -> Result<String, JwtError> {
    let algorithm = match public.clone() {
        PublicKeyParameters::Ed25519 { x } => {
            AlgorithmParameters::OctetKeyPair(OctetKeyPairParameters {
                key_type: OctetKeyPairType::OctetKeyPair,
                curve: EllipticCurve::Ed25519,
                x,
            })
        }
        PublicKeyParameters::P256 { x, y } => {
            AlgorithmParameters::EllipticCurve(EllipticCurveKeyParameters {
                key_type: EllipticCurveKeyType::EC,
                curve: EllipticCurve::P256,
                x,
                y,
            })
        }
        PublicKeyParameters::Rsa { n, e } => {
            AlgorithmParameters::RSA(RSAKeyParameters { key_type: RSAKeyType::RSA, n, e })
        }
    };
    Jwk { common: CommonParameters::default(), algorithm }.thumbprint(ThumbprintHash::SHA256)
}

/// The public key as the verifying library wants it.
pub(crate) fn verifying_key(public: &PublicKeyParameters) -> Result<DecodingKey, JwtError> {
    match public {
        PublicKeyParameters::Ed25519 { x } => DecodingKey::from_ed_components(x),
        PublicKeyParameters::P256 { x, y } => DecodingKey::from_ec_components(x, y),
        PublicKeyParameters::Rsa { n, e } => DecodingKey::from_rsa_components(n, e),
    }
}

/// The one algorithm that a key verifies.
pub(crate) const fn jose_algorithm(algorithm: SigningAlgorithm) -> Algorithm {
    match algorithm {
        SigningAlgorithm::EdDsa => Algorithm::EdDSA,
        SigningAlgorithm::Es256 => Algorithm::ES256,
        SigningAlgorithm::Rs256 => Algorithm::RS256,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 7638 §3.1 and RFC 8037 appendix A.3.
    #[test]
    fn thumbprints_are_those_of_the_standards() {
        let rsa = PublicKeyParameters::Rsa {
            n: "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_\
                BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_\
                FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4\
                vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
                .to_owned(),
            e: "AQAB".to_owned(),
        };
        assert_eq!(thumbprint(&rsa).unwrap(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
        let ed25519 = PublicKeyParameters::Ed25519 {
            x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".to_owned(),
        };
        assert_eq!(thumbprint(&ed25519).unwrap(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let ed25519 = KeyPair::generate(SigningAlgorithm::EdDsa).unwrap().to_pkcs8().unwrap();
        for algorithm in [SigningAlgorithm::EdDsa, SigningAlgorithm::Es256, SigningAlgorithm::Rs256]
        {
            for der in [&b""[..], b"junk", &[0x30; 100], &ed25519[..20]] {
                assert!(KeyPair::from_pkcs8(algorithm, der).is_err());
            }
        }
        assert!(KeyPair::from_pkcs8(SigningAlgorithm::Es256, &ed25519).is_err());
        assert!(KeyPair::from_pkcs8(SigningAlgorithm::Rs256, &ed25519).is_err());
    }
}
