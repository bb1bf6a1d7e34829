use std::time::{Duration, Instant};

use argon2::Params;
use doorward_domain::ForeignHashError;
use proptest::{prelude::*, sample::Index};

use super::{
    ForeignHash,
    vectors::{LONG, PLAIN, UNICODE, VECTORS},
};
use crate::argon2_memory::Argon2Memory;

fn read(text: &str) -> Result<ForeignHash, ForeignHashError> {
    ForeignHash::read(text, &Params::default())
}

fn matches(text: &str, password: &str) -> bool {
    let hash = read(text).unwrap_or_else(|refusal| panic!("{text} {refusal}"));
    hash.matches(password.as_bytes(), &mut Argon2Memory::new()).unwrap()
}

fn vectors() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    VECTORS.iter().flat_map(|(maker, hashes)| {
        hashes.iter().map(|(password, text)| (*maker, *password, *text))
    })
}

/// Another character of every form's Base64 in the place of one in the digest.
fn flipped(text: &str) -> String {
    let (before, rest) = text.split_at(text.len() - 20);
    let replacement = if rest.starts_with('a') { 'b' } else { 'a' };
    format!("{before}{replacement}{}", &rest[1..])
}

#[test]
fn hashes_of_other_implementations_match_the_right_password_only() {
    for (maker, password, text) in vectors() {
        assert!(matches(text, password), "{maker}: {text}");
        assert!(!matches(text, &format!("x{password}")), "{maker}: {text}");
        assert!(!matches(&flipped(text), password), "{maker}: {text}");
    }
}

/// Every beginning of a hash, except where only its maker could know how long its digest was.
#[test]
fn what_is_cut_off_is_refused() {
    for (maker, _, text) in vectors() {
        let has_any_length = text.contains("$argon2") || text.starts_with("$scrypt$");
        let least = text.rfind('$').map_or(0, |before| before + 1 + 22);
        let least_of_digest = if has_any_length { least } else { text.len() };
        for end in (0..least_of_digest).filter(|end| text.is_char_boundary(*end)) {
            assert!(read(&text[..end]).is_err(), "{maker}: {}", &text[..end]);
        }
        let one_more = (!has_any_length).then_some("A");
        for end in ["$", "=", "\n", " ", "\0", "ß", "$x"].into_iter().chain(one_more) {
            assert!(read(&format!("{text}{end}")).is_err(), "{maker}: {text}{end}");
        }
        assert!(read(&format!(" {text}")).is_err(), "{maker}: {text}");
    }
}

#[test]
fn bcrypt_cuts_passwords_and_bcrypt_over_sha256_does_not() {
    let other_end = format!("{}{}", &LONG[..72], "another end");
    let one_octet_less = &LONG[..71];
    let of_long = |form: &str| {
        let found =
            vectors().filter(|(_, password, text)| *password == LONG && text.contains(form));
        let found: Vec<&str> = found.map(|(_, _, text)| text).collect();
        assert!(!found.is_empty(), "{form}");
        found
    };
    for form in ["$2a$05$", "$2b$05$", "$2y$05$"] {
        for text in of_long(form).into_iter().filter(|text| text.starts_with(form)) {
            assert!(matches(text, &other_end), "{text}");
            assert!(!matches(text, one_octet_less), "{text}");
        }
    }
    for form in ["bcrypt_sha256$", "$bcrypt-sha256$v=2,", "$bcrypt-sha256$2b,"] {
        for text in of_long(form) {
            assert!(!matches(text, &other_end), "{text}");
        }
    }
}

/// The variants differ in faults that no maker of the last ten years has.
#[test]
fn the_variants_of_bcrypt_are_computed_alike() {
    let (.., text) = vectors()
        .find(|(_, password, text)| *password == UNICODE && text.starts_with("$2b$"))
        .unwrap();
    for variant in ["$2a$", "$2y$"] {
        assert!(matches(&text.replace("$2b$", variant), UNICODE), "{variant}");
    }
}

#[test]
fn what_is_not_taken_over_is_called_by_its_name() {
    let refused = [
        ("", "must not be empty"),
        (&"x".repeat(513), "at most 512 octets"),
        ("correct horse battery staple", "no hash in a known form"),
        ("$", "no hash in a known form"),
        ("$$$", "no hash in a known form"),
        ("sqoIP.NxSxxws", "no hash in a known form"),
        ("$2x$05$dpXFcHZWJd/UO.O2e9mIB.mL7Tm2b2m9G8eQzygN9YtTzPLRAMUtm", "before 2011"),
        ("$argon2d$v=19$m=256,t=2,p=2$hlCqlfL+3xvDeA/hvNf6Pw$lh+XKS42CiyonS1F5zrZAg", "Argon2d"),
        (
            "argon2$argon2d$v=19$m=256,t=2,p=2$hlCqlfL+3xvDeA/hvNf6Pw$lh+XKS42CiyonS1F5zrZAg",
            "Argon2d",
        ),
        ("$pbkdf2$131000$KiWE8F6rtbZWas15T0kpxQ$7najWWIFwLE5xJ9oJkXWNRgL4Hs", "PBKDF2 with SHA-1"),
        ("pbkdf2_sha1$1000$saltsaltsalt$MNEV9u2pN6dwoHiByKLtK5AJwGc=", "PBKDF2 with SHA-1"),
        ("$p5k2$1ffb8$6_3_n3MuxXhvLeWccw6BEA==$H2k8VZUDgftzhJPshdDIoqh3xT4=", "PBKDF2 with SHA-1"),
        ("$1$ukBpmE9o$cNhUyOG6Gp3gL0vEUV3xr/", "MD5-crypt"),
        ("$apr1$OPDpF7uZ$Hgdf7uUMlDk.urICacRR40", "Apache's MD5-crypt"),
        ("$md5,rounds=34000$Qhb44fKh$$PXUZikVSQE3mk/asrG6Rc/", "Sun's MD5-crypt"),
        ("md5$saltsaltsalt$9247adf1f220d37ef2796c74166af8fd", "salted MD5"),
        ("$sha1$480000$yRS0Vu/y$45uFbk/43B7G7gXNDwkFGz0f575R", "SHA1-crypt"),
        ("crypt$TJ$TJvujX9ZMMdX6", "DES crypt"),
        ("$3$$1b9d5effd34ac283c8efe2eacaea8bbc", "Windows NT"),
        ("$P$HZPW6rfCJXLhVZS5yq9/ZGxO1yOW5P1", "phpass"),
        (
            "$5$rounds=535000$7TG/xt.Bxq8drdzt$xaoEOh/PCZFefvmfbOcU79fxTEmMNpLp0qnaHDOtbm4",
            "SHA-256-crypt",
        ),
        ("$6$9yGFTEKzJU1cvgGM$IINJEa9mUM1WoEO8ThR4FA", "SHA-512-crypt"),
        ("$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7", "yescrypt"),
        ("$scram$100000$sFbK.Z9TSslZC4EQ$sha-1=uhjfTbzTGZ8lUXNT2RMhEhcDZDI", "SCRAM"),
        ("{SSHA}j8KeNfm58PWSrD1Q5PWF66cN2Z6Ucq71", "LDAP"),
        ("pbkdf2:sha256:1000000$x$9247adf1f220d37ef2796c74166af8fd", "Werkzeug"),
        ("!ljwnNkIKpN3xtJlZbb9InSaM9JR9mEzWb8TBwcT1", "cannot be used"),
        ("9cc2ae8a1ba7a93da39b46fc1019c481", "unsalted hash, probably MD5"),
        ("abf7aad6438836dbe526aa231abde2d0eef74d42", "unsalted hash, probably SHA-1"),
    ];
    assert_refused(&refused);
}

#[test]
fn what_is_broken_is_told() {
    let end = "$c29tZXNhbHRzb21lc2FsdA$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    let salt_and_digest = "$saltsaltsaltsaltsaltse$bn0.yE8QZp/svaY9PjCjXf7XkPipITC";
    let refused = [
        // Argon2.
        (&*format!("$argon2id$v=18$m=32,t=2,p=1{end}"), "version"),
        (&format!("$argon2id$v=19$m=32,t=2{end}"), "not m, t and p"),
        (&format!("$argon2id$v=19$m=32,t=2,p=1,keyid=c29tZQ{end}"), "a key"),
        (&format!("$argon2id$v=19$m=32,t=2,p=1,data=c29tZQ{end}"), "a key"),
        (&format!("$argon2id$v=19$m=32,t=2,p=5{end}"), "memory"),
        ("$argon2id$v=19$m=32,t=2,p=1$c29tZXNhbHQ$c2hvcnRkaWdlc3Q", "digest has 11 octets"),
        ("$argon2id$v=19$m=32,t=2,p=1$c2FsdA$nf65EOgLrQMR/uIPnA4rEsF5h7T", "salt"),
        ("argon2$x", "Argon2"),
        // bcrypt.
        ("$2b$5$3QbAuc7cM/LO42G3Ekaih.2mJuu5sHzPG/n77ucjOGS9V6wVGLgCG", "two digits"),
        ("$2b$+5$3QbAuc7cM/LO42G3Ekaih.2mJuu5sHzPG/n77ucjOGS9V6wVGLgCG", "no number"),
        ("$2b$03$3QbAuc7cM/LO42G3Ekaih.2mJuu5sHzPG/n77ucjOGS9V6wVGLgCG", "below 4"),
        ("$2b$05$3QbAuc7cM/LO42G3Ekaih.2mJuu5sHzPG/n77ucjOGS9V6wVGLgC", "31 characters"),
        ("$2b$05$3QbAuc7cM/LO42G3Ekaih.2mJuu5sHzPG/n77ucjOGS9V6wVGLg!G", "bcrypt's Base64"),
        // The last character of the salt has bits that belong to no octet.
        ("$2b$05$3QbAuc7cM/LO42G3Ekaihz2mJuu5sHzPG/n77ucjOGS9V6wVGLgCG", "bcrypt's Base64"),
        ("$2b$05$3QbAuc7", "within its salt"),
        ("bcrypt$2b$05$3QbAuc7cM/LO42G3Ekaih.2mJuu5sHzPG/n77ucjOGS9V6wVGLgCG", "fields"),
        ("bcrypt$$2x$05$3QbAuc7cM/LO42G3Ekaih.2mJuu5sHzPG/n77ucjOGS9V6wVGLgCG", "variant"),
        (&format!("$bcrypt-sha256$v=3,t=2b,r=5{salt_and_digest}"), "variant"),
        (&format!("$bcrypt-sha256$v=2,t=2b{salt_and_digest}"), "parameters"),
        (&format!("$bcrypt-sha256$2x,5{salt_and_digest}"), "variant"),
        // PBKDF2.
        ("pbkdf2_sha256$1000$$9u81Rz+/OGUU2YN9bbWMQNML+2b0iLuXmx2AlqzKZe4=", "no salt"),
        ("pbkdf2_sha256$0$salt$9u81Rz+/OGUU2YN9bbWMQNML+2b0iLuXmx2AlqzKZe4=", "no iterations"),
        ("pbkdf2_sha256$-1$salt$9u81Rz+/OGUU2YN9bbWMQNML+2b0iLuXmx2AlqzKZe4=", "no number"),
        ("pbkdf2_sha256$1000$salt$9u81Rz+/OGUU2YN9bbWMQNML+2b0iLuXmx2AlqzKZe4", "Base64"),
        ("pbkdf2_sha256$1000$salt$9u81Rz+/OGUU2YN9bbWMQNML", "18 octets, not 32"),
        ("pbkdf2_sha256$1000$salt", "2 fields"),
        ("$pbkdf2-sha256$1000$c2FsdA$9u81Rz.", "Base64"),
        (
            "$pbkdf2-sha256$i=1000,l=33$E3zNThK4yC1OPupKK3QzGA$1GQdjzT902pZqGLkS4KOX5pY6uJOAH7Y1E3whUcxYAY",
            "length",
        ),
        (
            "$pbkdf2-sha256$l=32,i=1000$E3zNThK4yC1OPupKK3QzGA$1GQdjzT902pZqGLkS4KOX5pY6uJOAH7Y1E3whUcxYAY",
            "not i, l",
        ),
        // scrypt.
        (&format!("$scrypt$ln=0,r=8,p=1{end}"), "too small"),
        (&format!("$scrypt$ln=4,r=0,p=1{end}"), "too small"),
        (&format!("$scrypt$ln=4,r=8,p=0{end}"), "too small"),
        (&format!("$scrypt$r=8,ln=4,p=1{end}"), "not ln, r, p"),
        ("scrypt$1000$salt$8$5$f1DRkEgI678kRBM1zm7wIuXLatRTA4nBkoS/fCxuhy8=", "power of two"),
        ("scrypt$1024$salt$8$5$f1DRkEgI678kRBM1zm7wIuXLatRTA4nBkoS/fCxuhy8=", "32 octets, not 64"),
        ("$7$66..../...!salt$ghUaMdHjVJg3OxBvj.VeoTnbRJDFQpxQkLPE8wKhKoA", "digits"),
        ("$7$66..../....$ghUaMdHjVJg3OxBvj.VeoTnbRJDFQpxQkLPE8wKhKoA", "no salt"),
        ("$7$66...$ghUaMdHjVJg3OxBvj.VeoTnbRJDFQpxQkLPE8wKhKoA", "within its parameters"),
        ("$7$ßßßßßß$ghUaMdHjVJg3OxBvj.VeoTnbRJDFQpxQkLPE8wKhKoA", "within its parameters"),
    ];
    assert_refused(&refused);
}

/// Costs at a limit are read, and nothing above.
#[test]
fn costs_have_limits() {
    let end = "$c29tZXNhbHRzb21lc2FsdA$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    let bcrypt = "$3QbAuc7cM/LO42G3Ekaih.2mJuu5sHzPG/n77ucjOGS9V6wVGLgCG";
    let sha512 = "$c2FsdA$iOi.CoriP56gD7cu9uBmkhDXqC5sWIH9dsh0SEH3CySwcBCvZE2BoUo6.XCXBo.855TXkigKN0I8JpBuujHArQ";
    let django = "$salt$9u81Rz+/OGUU2YN9bbWMQNML+2b0iLuXmx2AlqzKZe4=";
    let crypt = "salt$ghUaMdHjVJg3OxBvj.VeoTnbRJDFQpxQkLPE8wKhKoA";
    let two_blocks =
        "$c29tZXNhbHQ$4gCbmNZn81YsW1T28qtxc4gCbmNZn81YsW1T28qtxc4gCbmNZn81YsW1T28qtxcA";
    for text in [
        format!("$argon2id$v=19$m=131072,t=8,p=4{end}"),
        format!("$argon2id$v=19$m=32,t=32768,p=4{end}"),
        format!("$2b$14{bcrypt}"),
        format!("pbkdf2_sha256$2000000{django}"),
        format!("$pbkdf2-sha512$2000000{sha512}"),
        format!("$pbkdf2-sha256$i=1000000{two_blocks}"),
        format!("$scrypt$ln=17,r=8,p=4{end}"),
        format!("$scrypt$ln=20,r=1,p=4{end}"),
        format!("$scrypt$ln=6,r=8,p=8192{end}"),
    ] {
        assert!(read(&text).is_ok(), "{text}: {:?}", read(&text).err());
    }
    let costly = "costs too much";
    assert_refused(&[
        (&*format!("$argon2id$v=19$m=131073,t=1,p=4{end}"), costly),
        (&format!("$argon2id$v=19$m=131072,t=9,p=4{end}"), costly),
        (&format!("$argon2id$v=19$m=4294967295,t=4294967295,p=16777215{end}"), costly),
        (&format!("$2b$15{bcrypt}"), costly),
        (&format!("$2b$99{bcrypt}"), costly),
        (&format!("bcrypt$$2b$15{bcrypt}"), costly),
        (&format!("pbkdf2_sha256$2000001{django}"), costly),
        (&format!("pbkdf2_sha256$4294967295{django}"), costly),
        (&format!("$pbkdf2-sha512$2000001{sha512}"), costly),
        (&format!("$pbkdf2-sha256$i=1000001{two_blocks}"), costly),
        (&format!("$scrypt$ln=18,r=8,p=1{end}"), costly),
        (&format!("$scrypt$ln=17,r=8,p=5{end}"), costly),
        (&format!("$scrypt$ln=4,r=8,p=8193{end}"), costly),
        (&format!("$scrypt$ln=63,r=8,p=1{end}"), costly),
        (&format!("$scrypt$ln=64,r=8,p=1{end}"), costly),
        (&format!("$scrypt$ln=4294967295,r=4294967295,p=4294967295{end}"), costly),
        (&format!("$7$zzzzzzzzzzz{crypt}"), costly),
        (
            "scrypt$2147483648$salt$8$1$f1DRkEgI678kRBM1zm7wIuXLatRTA4nBkoS/fCxuhy8dGysHQjAz8WW1hy5N0ZsHUdz0xIraerIPZJP503/qqA==",
            costly,
        ),
    ]);
}

/// Each text is refused, the message has these words, and it shows nothing of a salt or a digest.
fn assert_refused(refused: &[(&str, &str)]) {
    for (text, words) in refused {
        let Err(refusal) = read(text) else { panic!("{text} is read") };
        let message = refusal.to_string();
        assert!(message.contains(words), "{text}: {message}");
        for part in text.split('$').filter(|part| part.len() > 12 && !part.contains('=')) {
            assert!(!message.contains(part), "{text}: {message}");
        }
    }
}

/// One change of a vector: other characters in the place of some.
fn changed() -> impl Strategy<Value = (&'static str, String)> {
    let all: Vec<_> = vectors().filter(|(.., text)| is_cheap(text)).collect();
    (any::<Index>(), any::<Index>(), 0..3_usize, "[$=,.0-9a-zA-Z]{0,2}|\\PC").prop_map(
        move |(vector, at, removed, put)| {
            let (_, password, text) = *vector.get(&all);
            let text: Vec<char> = text.chars().collect();
            let at = at.index(text.len());
            let after = (at + removed).min(text.len());
            let changed =
                text[..at].iter().copied().chain(put.chars()).chain(text[after..].iter().copied());
            (password, changed.collect())
        },
    )
}

/// Whether a digit more in a parameter keeps the test quick.
fn is_cheap(text: &str) -> bool {
    !["1500000", "1000000", "$12$", "m=65536", "m=102400", "16384", "ln=1", "$7$C"]
        .iter()
        .any(|costly| text.contains(costly))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_text_at_all_is_read_or_refused(text in "\\PC{0,80}|[$=,./+0-9a-z]{0,80}") {
        let _ = read(&text);
    }

    #[test]
    fn any_body_of_a_known_form_is_read_or_refused(
        form in prop::sample::select(vec![
            "$argon2id$", "$argon2i$v=19$", "$2b$", "$bcrypt-sha256$", "$pbkdf2-sha256$", "$scrypt$",
            "$7$", "argon2$", "bcrypt$", "bcrypt_sha256$$2b$", "pbkdf2_sha256$", "scrypt$",
        ]),
        body in "[$=,./+0-9a-zA-Z]{0,100}|\\PC{0,40}",
    ) {
        let _ = read(&format!("{form}{body}"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// A whole second is far more than a check may take when dependencies are optimised.
    #[test]
    fn a_changed_hash_is_refused_or_checked_soon((password, text) in changed()) {
        if let Ok(hash) = read(&text) {
            let start = Instant::now();
            prop_assert!(hash.matches(password.as_bytes(), &mut Argon2Memory::new()).is_ok());
            prop_assert!(start.elapsed() < Duration::from_secs(20), "{text}");
        }
    }
}

/// An import reads 20,000 lines a second.
#[test]
fn reading_computes_nothing() {
    let (.., costliest) = vectors().find(|(.., text)| text.contains("$1500000$")).unwrap();
    assert!(matches(costliest, PLAIN));
    let start = Instant::now();
    for _ in 0..10_000 {
        assert!(read(costliest).is_ok());
    }
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}
