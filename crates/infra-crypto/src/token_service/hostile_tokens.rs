//! Tokens that must be refused: forged, confused, malformed, and those of others.
//!
//! Each case differs from a good token in one respect, and most are signed with the real key, so
//! that nothing but the respect in question can be the reason for the refusal.

use aws_lc_rs::hmac;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use doorward_domain::{SigningAlgorithm, signing_key::PublicKeyParameters};
use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::{
    tests::{ALGORITHMS, NOW, claims, plan, service, sign, without_keys},
    *,
};

fn encode(octets: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

fn kid(service: &TokenService) -> String {
    service.keys_public(NOW)[0].kid.clone()
}

fn alg_of(service: &TokenService) -> &'static str {
    service.keys_public(NOW)[0].algorithm.as_str()
}

fn good_header(service: &TokenService) -> String {
    let alg = alg_of(service);
    format!(r#"{{"typ":"at+jwt","alg":"{alg}","kid":"{}"}}"#, kid(service))
}

/// Good claims, with `replacement` in place of the member `name`; an empty one leaves it out.
fn payload_with(name: &str, replacement: &str) -> String {
    let id = "00000000-0000-0000-0000-000000000001";
    let good = [
        ("iss", r#""iss":"https://accounts.example.com""#.to_owned()),
        ("aud", r#""aud":"doorward""#.to_owned()),
        ("sub", format!(r#""sub":"{id}""#)),
        ("sid", format!(r#""sid":"{id}""#)),
        ("jti", format!(r#""jti":"{id}""#)),
        ("iat", r#""iat":1767225600"#.to_owned()),
        ("exp", r#""exp":1767226500"#.to_owned()),
        ("roles", r#""roles":["user"]"#.to_owned()),
        ("auth_time", r#""auth_time":1767225600"#.to_owned()),
        ("amr", r#""amr":["pwd"]"#.to_owned()),
    ];
    let mut members: Vec<String> =
        good.into_iter().filter(|(member, _)| *member != name).map(|(_, text)| text).collect();
    if !replacement.is_empty() {
        members.push(replacement.to_owned());
    }
    format!("{{{}}}", members.join(","))
}

fn good_payload() -> String {
    payload_with("", "")
}

/// Signs any parts with the real key.
fn forge_parts(service: &TokenService, header: &str, payload: &str) -> String {
    let signed = format!("{header}.{payload}");
    let keyring = service.keyring();
    let signature = keyring.find(&kid(service), NOW).unwrap().sign(signed.as_bytes()).unwrap();
    format!("{signed}.{signature}")
}

fn forge(service: &TokenService, header: &str, payload: &str) -> String {
    forge_parts(service, &encode(header), &encode(payload))
}

fn verdict(service: &TokenService, token: &str) -> Result<AccessClaims, TokenError> {
    service.access_verify(token, NOW)
}

#[track_caller]
fn assert_refused(service: &TokenService, token: &str) {
    let verdict = verdict(service, token);
    assert!(verdict.is_err(), "{} was accepted", &token[..token.len().min(500)]);
}

/// Signed with the real key, the payload must be refused for what it says.
#[track_caller]
fn assert_payload_refused(service: &TokenService, payload: &str) {
    let token = forge(service, &good_header(service), payload);
    assert!(verdict(service, &token).is_err(), "{payload} was accepted");
}

#[track_caller]
fn assert_header_refused(service: &TokenService, header: &str) {
    let token = forge(service, header, &good_payload());
    assert!(verdict(service, &token).is_err(), "{header} was accepted");
}

/// Without this the refusals below would mean nothing.
#[test]
fn the_untouched_forgery_is_accepted() {
    for service in ALGORITHMS.map(service) {
        let token = forge(&service, &good_header(&service), &good_payload());
        assert!(verdict(&service, &token).is_ok());
    }
}

#[test]
fn unsigned_tokens() {
    for service in ALGORITHMS.map(service) {
        for alg in ["none", "None", "NONE", "nOnE", "", " "] {
            let header = format!(r#"{{"typ":"at+jwt","alg":"{alg}","kid":"{}"}}"#, kid(&service));
            let signed = format!("{}.{}", encode(&header), encode(good_payload()));
            assert_refused(&service, &signed);
            assert_refused(&service, &format!("{signed}."));
            assert_refused(&service, &format!("{signed}.AA"));
            assert_header_refused(&service, &header);
        }
        let good = sign(&service, &claims());
        assert_refused(&service, &good[..=good.rfind('.').unwrap()]);
        assert_refused(&service, &good[..good.rfind('.').unwrap()]);
    }
}

/// The public key as octets, in all forms in which a careless verifier may hold it.
fn forms_of_the_public_key(service: &TokenService) -> Vec<Vec<u8>> {
    let bare = |text: &String| URL_SAFE_NO_PAD.decode(text).unwrap();
    let (raw, der, jwk) = match &service.keys_public(NOW)[0].parameters {
        PublicKeyParameters::Ed25519 { x } => (
            bare(x),
            [&b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00"[..], &bare(x)].concat(),
            format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#),
        ),
        PublicKeyParameters::P256 { x, y } => {
            let point = [&[4][..], &bare(x), &bare(y)].concat();
            let prefix =
                b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\
                \xce\x3d\x03\x01\x07\x03\x42\x00";
            let der = [&prefix[..], &point].concat();
            (point, der, format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#))
        }
        PublicKeyParameters::Rsa { n, e } => {
            let prefix =
                b"\x30\x82\x01\x22\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\
                \x00\x03\x82\x01\x0f\x00\x30\x82\x01\x0a\x02\x82\x01\x01\x00";
            let der = [&prefix[..], &bare(n), b"\x02\x03", &bare(e)].concat();
            (bare(n), der, format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#))
        }
    };
    let lines: Vec<String> = STANDARD
        .encode(&der)
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----", lines.join("\n"));
    let pem_crlf = pem.replace('\n', "\r\n");
    let pem_newline = format!("{pem}\n");
    vec![
        raw.clone(),
        encode(raw).into_bytes(),
        der,
        pem.into_bytes(),
        pem_newline.into_bytes(),
        pem_crlf.into_bytes(),
        jwk.into_bytes(),
        kid(service).into_bytes(),
        Vec::new(),
    ]
}

#[test]
fn tokens_with_a_mac_under_the_public_key() {
    for service in ALGORITHMS.map(service) {
        for key in forms_of_the_public_key(&service) {
            for (alg, mac) in [
                ("HS256", hmac::HMAC_SHA256),
                ("HS384", hmac::HMAC_SHA384),
                ("HS512", hmac::HMAC_SHA512),
                (alg_of(&service), hmac::HMAC_SHA256),
            ] {
                let header =
                    format!(r#"{{"typ":"at+jwt","alg":"{alg}","kid":"{}"}}"#, kid(&service));
                let signed = format!("{}.{}", encode(header), encode(good_payload()));
                let tag = hmac::sign(&hmac::Key::new(mac, &key), signed.as_bytes());
                assert_refused(&service, &format!("{signed}.{}", encode(tag.as_ref())));
            }
        }
    }
}

#[test]
fn another_algorithm_than_that_of_the_key() {
    for service in ALGORITHMS.map(service) {
        for alg in [
            r#""EdDSA""#,
            r#""ES256""#,
            r#""RS256""#,
            r#""PS256""#,
            r#""RS512""#,
            r#""ES384""#,
            r#""ES256K""#,
            r#""Ed25519""#,
            r#""HS256""#,
            r#""eddsa""#,
            r#""es256""#,
            r#""rs256""#,
            "256",
            "null",
            "true",
            r#"["EdDSA","ES256","RS256"]"#,
            "{}",
        ] {
            if alg.trim_matches('"') == alg_of(&service) {
                continue;
            }
            let header = format!(r#"{{"typ":"at+jwt","alg":{alg},"kid":"{}"}}"#, kid(&service));
            assert_header_refused(&service, &header);
        }
        assert_header_refused(
            &service,
            &format!(r#"{{"typ":"at+jwt","kid":"{}"}}"#, kid(&service)),
        );
    }
}

#[test]
fn key_ids_that_are_none_of_ours() {
    let service = service(SigningAlgorithm::EdDsa);
    let ours = kid(&service);
    for kid in [
        r#""""#.to_owned(),
        r#""unknown""#.to_owned(),
        r#""../../../../dev/null""#.to_owned(),
        r#""/dev/null""#.to_owned(),
        r#""' OR '1'='1""#.to_owned(),
        r#""x' UNION SELECT 'key' --""#.to_owned(),
        r#""\u0000""#.to_owned(),
        format!(r#""{ours}\u0000""#),
        format!(r#"" {ours}""#),
        format!(r#""{}""#, ours.to_uppercase()),
        format!(r#""{}""#, &ours[1..]),
        format!(r#"["{ours}"]"#),
        format!(r#"{{"kid":"{ours}"}}"#),
        r#""https://evil.example/key""#.to_owned(),
        format!(r#""{}""#, "k".repeat(5_000)),
        format!(r#""{}""#, "k".repeat(1_000_000)),
        "0".to_owned(),
        "-1".to_owned(),
        "1e400".to_owned(),
        "null".to_owned(),
    ] {
        assert_header_refused(
            &service,
            &format!(r#"{{"typ":"at+jwt","alg":"EdDSA","kid":{kid}}}"#),
        );
    }
    assert_header_refused(&service, r#"{"typ":"at+jwt","alg":"EdDSA"}"#);
    let unknown =
        forge(&service, r#"{"typ":"at+jwt","alg":"EdDSA","kid":"unknown"}"#, &good_payload());
    assert_eq!(verdict(&service, &unknown), Err(TokenError::UnknownKey));
}

#[test]
fn headers_that_want_to_be_followed_or_understood() {
    for service in ALGORITHMS.map(service) {
        let start = good_header(&service).trim_end_matches('}').to_owned();
        for member in [
            r#""jku":"https://evil.example/jwks.json""#,
            r#""x5u":"https://evil.example/cert.pem""#,
            r#""jwk":{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
            r#""x5c":["MIIB"]"#,
            r#""x5t":"AAAA""#,
            r#""x5t#S256":"AAAA""#,
            r#""crit":["exp"]"#,
            r#""crit":["unknown"],"unknown":true"#,
            r#""crit":[]"#,
            r#""b64":false"#,
            r#""b64":false,"crit":["b64"]"#,
            r#""b64":true"#,
            r#""zip":"DEF""#,
            r#""enc":"A256GCM""#,
            r#""cty":"JWT""#,
            r#""url":"https://evil.example/""#,
            r#""nonce":"x""#,
            r#""":"""#,
        ] {
            assert_header_refused(&service, &format!("{start},{member}}}"));
        }
    }
}

#[test]
fn members_that_occur_twice() {
    let service = service(SigningAlgorithm::EdDsa);
    let start = good_header(&service).trim_end_matches('}').to_owned();
    for member in [
        r#""alg":"EdDSA""#.to_owned(),
        r#""alg":"none""#.to_owned(),
        r#""\u0061lg":"none""#.to_owned(),
        r#""typ":"at+jwt""#.to_owned(),
        format!(r#""kid":"{}""#, kid(&service)),
    ] {
        assert_header_refused(&service, &format!("{start},{member}}}"));
    }
    for member in [
        r#""iss":"https://accounts.example.com""#,
        r#""aud":"doorward""#,
        r#""sub":"00000000-0000-0000-0000-000000000001""#,
        r#""\u0073ub":"00000000-0000-0000-0000-000000000009""#,
        r#""sid":"00000000-0000-0000-0000-000000000001""#,
        r#""jti":"00000000-0000-0000-0000-000000000001""#,
        r#""iat":1767225600"#,
        r#""exp":1767226500"#,
        r#""exp":9999999999"#,
        r#""nbf":1767225600,"nbf":1767225600"#,
        r#""roles":["admin"]"#,
        r#""auth_time":1767225600"#,
        r#""amr":["pwd"]"#,
    ] {
        assert_payload_refused(&service, &payload_with("", member));
    }
}

#[test]
fn times_that_are_no_integers_or_out_of_bounds() {
    let service = service(SigningAlgorithm::EdDsa);
    for name in ["exp", "iat", "nbf", "auth_time"] {
        for value in [
            r#""1767225600""#,
            r#""1767225600000""#,
            r#""""#,
            r#""2026-01-01T00:00:00Z""#,
            "1767225600.0",
            "1767225600.5",
            "1.7672256e9",
            "1e400",
            "-1e400",
            "1e18446744073709551616",
            "NaN",
            "Infinity",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551615",
            "18446744073709551616",
            "-9223372036854775808",
            "253402300800",
            "true",
            "[1767225600]",
            r#"{"seconds":1767225600}"#,
            "01767225600",
            "0x6955b900",
        ] {
            assert_payload_refused(&service, &payload_with(name, &format!(r#""{name}":{value}"#)));
        }
    }
    for name in ["exp", "iat", "auth_time"] {
        assert_payload_refused(&service, &payload_with(name, ""));
        assert_payload_refused(&service, &payload_with(name, &format!(r#""{name}":null"#)));
    }
}

#[test]
fn times_that_are_over_or_have_not_come() {
    let service = service(SigningAlgorithm::EdDsa);
    for (name, value, expected) in [
        ("exp", "1767225600", TokenError::Expired),
        ("exp", "1767225599", TokenError::Expired),
        ("exp", "0", TokenError::Expired),
        ("exp", "-1", TokenError::Expired),
        ("iat", "1767225606", TokenError::NotYetValid),
        ("iat", "1767226499", TokenError::NotYetValid),
        ("nbf", "1767225606", TokenError::NotYetValid),
        ("nbf", "253402300799", TokenError::NotYetValid),
    ] {
        let payload = payload_with(name, &format!(r#""{name}":{value}"#));
        let token = forge(&service, &good_header(&service), &payload);
        assert_eq!(verdict(&service, &token), Err(expected), "{name} {value}");
    }
    // Neither of the two times makes up for the other.
    let payload = payload_with("iat", r#""iat":1767225606,"nbf":1767225600"#);
    let token = forge(&service, &good_header(&service), &payload);
    assert_eq!(verdict(&service, &token), Err(TokenError::NotYetValid));
}

#[test]
fn tokens_for_or_from_somebody_else() {
    let service = service(SigningAlgorithm::EdDsa);
    for (name, ours) in [("aud", "doorward"), ("iss", "https://accounts.example.com")] {
        for value in [
            r#""somebody-else""#.to_owned(),
            r#""""#.to_owned(),
            format!(r#""{ours}/""#),
            format!(r#"" {ours}""#),
            format!(r#""{}""#, ours.to_uppercase()),
            format!(r#"["{ours}"]"#),
            format!(r#"["{ours}","somebody-else"]"#),
            "[]".to_owned(),
            format!(r#"{{"{ours}":true}}"#),
            "null".to_owned(),
            "1".to_owned(),
        ] {
            assert_payload_refused(&service, &payload_with(name, &format!(r#""{name}":{value}"#)));
        }
        assert_payload_refused(&service, &payload_with(name, ""));
        let other = payload_with(name, &format!(r#""{name}":"somebody-else""#));
        let token = forge(&service, &good_header(&service), &other);
        assert_eq!(verdict(&service, &token), Err(TokenError::WrongUse));
    }
}

#[test]
fn claims_that_are_missing_or_of_the_wrong_kind() {
    let service = service(SigningAlgorithm::EdDsa);
    for name in ["sub", "sid", "jti"] {
        assert_payload_refused(&service, &payload_with(name, ""));
        for value in [r#""""#, r#""admin""#, "1", "null", "[]", "{}", r#""\u0000""#, r#""0000""#] {
            assert_payload_refused(&service, &payload_with(name, &format!(r#""{name}":{value}"#)));
        }
    }
    for name in ["roles", "amr"] {
        assert_payload_refused(&service, &payload_with(name, ""));
        for value in [r#""admin""#, "1", "null", "{}", "[1]", "[null]", r#"[["admin"]]"#] {
            assert_payload_refused(&service, &payload_with(name, &format!(r#""{name}":{value}"#)));
        }
    }
    for role in [r#"["Admin"]"#, r#"[""]"#, r#"["a b"]"#, r#"["a\u0000"]"#] {
        assert_payload_refused(&service, &payload_with("roles", &format!(r#""roles":{role}"#)));
    }
    let deep = format!("{}{}", "[".repeat(3_000), "]".repeat(3_000));
    for payload in [
        "",
        "null",
        "true",
        "1",
        r#""text""#,
        "[]",
        "{}",
        "{",
        &deep,
        &format!("{} x", good_payload()),
        &format!(" {}", good_payload()),
        &format!("\u{feff}{}", good_payload()),
        &format!("{}{}", good_payload(), good_payload()),
        // serde takes an array for the members in order, unless it is kept from it.
        r#"["https://accounts.example.com","doorward","00000000-0000-0000-0000-000000000001",
           "00000000-0000-0000-0000-000000000001","00000000-0000-0000-0000-000000000001",
           1767225600,1767226500,null,["admin"],1767225600,["pwd"]]"#,
    ] {
        assert_payload_refused(&service, payload);
    }
    let not_utf8 = encode([&b"{\"iss\":\""[..], &[0xff], b"\"}"].concat());
    assert_refused(&service, &forge_parts(&service, &encode(good_header(&service)), &not_utf8));
}

/// RFC 7519 §4 demands it, and updates that are rolled out instance by instance need it.
#[test]
fn unknown_claims_are_ignored() {
    let service = service(SigningAlgorithm::EdDsa);
    let payload = payload_with("", r#""scope":"everything","is_admin":true"#);
    let token = forge(&service, &good_header(&service), &payload);
    assert_eq!(verdict(&service, &token).unwrap().roles.len(), 1);
}

#[test]
fn tokens_of_another_type() {
    let service = service(SigningAlgorithm::EdDsa);
    for typ in [
        r#""typ":"JWT","#,
        r#""typ":"jwt","#,
        r#""typ":"application/at+jwt","#,
        r#""typ":"AT+JWT","#,
        r#""typ":"at+jwt ","#,
        r#""typ":"id_token+jwt","#,
        r#""typ":"logout+jwt","#,
        r#""typ":"","#,
        r#""typ":null,"#,
        r#""typ":["at+jwt"],"#,
        "",
    ] {
        let header = format!(r#"{{{typ}"alg":"EdDSA","kid":"{}"}}"#, kid(&service));
        assert_header_refused(&service, &header);
    }
    let refresh = service.refresh_sign(claims().session_id, Generation::FIRST);
    assert_refused(&service, refresh.expose_secret());
    let header = good_header(&service);
    let other_order = format!(r#"["at+jwt","EdDSA","{}"]"#, kid(&service));
    for header in [&other_order, "", "null", "{}", "[]", &format!(" {header}")] {
        assert_header_refused(&service, header);
    }
}

#[test]
fn other_forms_and_sizes() {
    let service = service(SigningAlgorithm::EdDsa);
    let good = sign(&service, &claims());
    let parts: Vec<&str> = good.split('.').collect();
    let [header, payload, signature] = parts[..] else { unreachable!() };
    for token in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        "...".to_owned(),
        "....".to_owned(),
        good.repeat(2),
        format!("{good}."),
        format!(".{good}"),
        format!("{good}.{signature}"),
        format!("{header}..{signature}"),
        format!(".{payload}.{signature}"),
        format!("{header}.{header}.{payload}.{payload}.{signature}"),
        format!("{header}.{payload}.{}", encode("")),
        format!("{payload}.{header}.{signature}"),
        format!("Bearer {good}"),
        format!("{good}\n"),
        format!("{good}\0"),
        format!("\u{feff}{good}"),
        good.replace('.', ","),
        good.replace('.', "%2E"),
        format!(r#"{{"protected":"{header}","payload":"{payload}","signature":"{signature}"}}"#),
        format!(
            r#"{{"payload":"{payload}","signatures":[{{"protected":"{header}","signature":"{signature}"}}]}}"#
        ),
        "a".repeat(10_000_000),
        ".".repeat(10_000_000),
        format!("{header}.{payload}.{}", "A".repeat(10_000_000)),
        "🦀".repeat(1_000),
    ] {
        assert_refused(&service, &token);
    }
    // A token within a token is not unpacked.
    assert_refused(&service, &forge_parts(&service, header, &encode(&good)));
    // Just too long, though the signature is right.
    let padding = format!(r#""padding":"{}""#, "x".repeat(8_000));
    assert_payload_refused(&service, &payload_with("", &padding));
}

#[test]
fn base64_that_is_not_canonical() {
    for service in ALGORITHMS.map(service) {
        let good = forge(&service, &good_header(&service), &good_payload());
        let parts: Vec<&str> = good.split('.').collect();
        for part in 0..3 {
            let text = parts[part];
            let (start, last) = text.split_at(text.len() - 1);
            let mut variants = vec![
                format!("{text}="),
                format!("{text}=="),
                format!("{text}%3D"),
                format!("{text} "),
                format!("{text}\n"),
                format!(" {text}"),
                format!("{}\n{}", &text[..8], &text[8..]),
                format!("{text}A"),
                format!("{text}AA"),
                format!("{start}\0"),
                format!("{start}ä"),
                start.to_owned(),
            ];
            if text.contains(['-', '_']) {
                variants.push(text.replace('-', "+").replace('_', "/"));
            }
            // The bits after the end, which a lax decoder ignores.
            if !text.len().is_multiple_of(4) {
                let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
                let value = alphabet.find(last).unwrap();
                let spare = if text.len() % 4 == 2 { 16 } else { 4 };
                assert_eq!(value % spare, 0);
                variants.extend(
                    (1..spare)
                        .map(|bits| format!("{start}{}", &alphabet[value + bits..=value + bits])),
                );
            }
            for variant in variants {
                let mut changed = parts.clone();
                changed[part] = &variant;
                assert_refused(&service, &changed.join("."));
                // Signed as it stands, so that only the form can be the reason.
                if part < 2 {
                    assert_refused(&service, &forge_parts(&service, changed[0], changed[1]));
                }
            }
        }
    }
}

/// Replaces the signature of a good token.
fn with_signature(good: &str, signature: impl AsRef<[u8]>) -> String {
    format!("{}.{}", &good[..good.rfind('.').unwrap()], encode(signature))
}

fn signature_of(good: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(&good[good.rfind('.').unwrap() + 1..]).unwrap()
}

#[test]
fn degenerate_ecdsa_signatures() {
    let service = service(SigningAlgorithm::Es256);
    let good = sign(&service, &claims());
    let signature = signature_of(&good);
    let (r, s) = signature.split_at(32);
    let order: [u8; 32] = *b"\xff\xff\xff\xff\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\
        \xbc\xe6\xfa\xad\xa7\x17\x9e\x84\xf3\xb9\xca\xc2\xfc\x63\x25\x51";
    let zero = [0; 32];
    let one = {
        let mut one = [0; 32];
        one[31] = 1;
        one
    };
    for (r, s) in [
        (&zero[..], &zero[..]),
        (&zero, s),
        (r, &zero),
        (&zero, &one),
        (&one, &zero),
        (&one, &one),
        (&order, &order),
        (&order, s),
        (r, &order),
        (&zero, &order),
        (&order, &zero),
        (&[0xff; 32], &[0xff; 32]),
        (s, r),
        (&[], &[]),
    ] {
        assert_refused(&service, &with_signature(&good, [r, s].concat()));
    }
    assert_refused(&service, &with_signature(&good, &signature[..63]));
    assert_refused(&service, &with_signature(&good, [&signature[..], &[0]].concat()));
    assert_refused(&service, &with_signature(&good, [&[0][..], r, &[0], s].concat()));
    // The same numbers in ASN.1, which JWS does not use.
    let integer = |n: &[u8]| [&[2, 33, 0][..], n].concat();
    let der = [&[0x30, 70][..], &integer(r), &integer(s)].concat();
    assert_refused(&service, &with_signature(&good, der));
}

#[test]
fn degenerate_ed25519_signatures() {
    let service = service(SigningAlgorithm::EdDsa);
    let good = sign(&service, &claims());
    let signature = signature_of(&good);
    // S + L verifies like S unless S is checked to be canonical (RFC 8032 §5.1.7).
    let order = *b"\xed\xd3\xf5\x5c\x1a\x63\x12\x58\xd6\x9c\xf7\xa2\xde\xf9\xde\x14\
        \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10";
    let mut malleable = signature.clone();
    let mut carry = 0;
    for (octet, add) in malleable[32..].iter_mut().zip(order) {
        let sum = u16::from(*octet) + u16::from(add) + carry;
        *octet = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    assert_eq!(carry, 0);
    assert_refused(&service, &with_signature(&good, &malleable));

    let identity = {
        let mut point = [0; 32];
        point[0] = 1;
        point
    };
    let small_order = *b"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f\
        \x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a";
    let (r, s) = signature.split_at(32);
    for (r, s) in [
        (&[0; 32][..], &[0; 32][..]),
        (&identity, &[0; 32]),
        (&small_order, &[0; 32]),
        (&identity, s),
        (&small_order, s),
        (r, &[0; 32]),
        (r, &order),
        (&[0xff; 32], &[0xff; 32]),
        (s, r),
        (&[], &[]),
    ] {
        assert_refused(&service, &with_signature(&good, [r, s].concat()));
    }
    assert_refused(&service, &with_signature(&good, &signature[..63]));
    assert_refused(&service, &with_signature(&good, [&signature[..], &[0]].concat()));
}

#[test]
fn degenerate_rsa_signatures() {
    let service = service(SigningAlgorithm::Rs256);
    let good = sign(&service, &claims());
    let signature = signature_of(&good);
    let one = {
        let mut one = vec![0; 256];
        one[255] = 1;
        one
    };
    for signature in [
        vec![0; 256],
        vec![0xff; 256],
        one,
        Vec::new(),
        vec![0],
        signature[1..].to_vec(),
        signature[..255].to_vec(),
        [&[0][..], &signature].concat(),
        [&signature[..], &[0]].concat(),
    ] {
        assert_refused(&service, &with_signature(&good, signature));
    }
}

#[test]
fn tokens_of_another_installation() {
    for algorithm in [SigningAlgorithm::EdDsa, SigningAlgorithm::Es256] {
        let ours = service(algorithm);
        let theirs = without_keys("another secret");
        theirs.keys_adopt(&[theirs.key_generate(plan(algorithm, 1, NOW)).unwrap()]).unwrap();
        let token = sign(&theirs, &claims());
        assert!(verdict(&theirs, &token).is_ok());
        assert_eq!(verdict(&ours, &token), Err(TokenError::UnknownKey));
        // Even when it claims to be signed with our key.
        let posing = forge(&theirs, &good_header(&ours), &good_payload());
        assert_eq!(verdict(&ours, &posing), Err(TokenError::Signature));
    }
}

#[test]
fn parts_of_two_good_tokens() {
    for service in ALGORITHMS.map(service) {
        let mine = sign(&service, &claims());
        let admin = AccessClaims { roles: Vec::new(), ..claims() };
        let other = sign(&service, &admin);
        let (mine, other): (Vec<_>, Vec<_>) =
            (mine.split('.').collect(), other.split('.').collect());
        assert_refused(&service, &[mine[0], other[1], mine[2]].join("."));
        assert_refused(&service, &[mine[0], mine[1], other[2]].join("."));
    }
}

proptest! {
    #[test]
    fn any_changed_octet_of_an_access_token(which in 0..3_usize, at: prop::sample::Index, with in 0_u8..128) {
        let service = service(ALGORITHMS[which]);
        let good = sign(&service, &claims());
        let mut bad = good.clone().into_bytes();
        let at = at.index(bad.len());
        bad[at] = with;
        let bad = String::from_utf8(bad).unwrap();
        prop_assume!(bad != good);
        prop_assert!(verdict(&service, &bad).is_err());
    }

    #[test]
    fn any_removed_or_added_octet_of_an_access_token(at: prop::sample::Index, with in 0_u8..128) {
        let service = service(SigningAlgorithm::EdDsa);
        let good = sign(&service, &claims());
        let at = at.index(good.len());
        let removed = format!("{}{}", &good[..at], &good[at + 1..]);
        prop_assert!(verdict(&service, &removed).is_err());
        let added = format!("{}{}{}", &good[..at], char::from(with), &good[at..]);
        prop_assert!(verdict(&service, &added).is_err());
        prop_assert!(verdict(&service, &good[..at]).is_err());
    }

    #[test]
    fn no_text_is_an_access_token(text in ".{0,200}", parts in "[A-Za-z0-9_-]{0,60}\\.[A-Za-z0-9_-]{0,60}\\.[A-Za-z0-9_-]{0,90}") {
        let service = service(SigningAlgorithm::EdDsa);
        prop_assert!(verdict(&service, &text).is_err());
        prop_assert!(verdict(&service, &parts).is_err());
    }

    /// The parser sees any octets before the signature is checked, the header's at least.
    #[test]
    fn no_octets_in_the_parts_are_an_access_token(header: Vec<u8>, payload: Vec<u8>, json in "\\{[\"a-z:,0-9+{}\\[\\]]{0,80}\\}") {
        let service = service(SigningAlgorithm::EdDsa);
        let good = encode(good_header(&service));
        prop_assert!(verdict(&service, &forge_parts(&service, &encode(header), &encode(&payload))).is_err());
        prop_assert!(verdict(&service, &forge_parts(&service, &good, &encode(&payload))).is_err());
        prop_assert!(verdict(&service, &forge_parts(&service, &good, &encode(&json))).is_err());
        prop_assert!(verdict(&service, &forge_parts(&service, &encode(&json), &encode(good_payload()))).is_err());
    }
}
