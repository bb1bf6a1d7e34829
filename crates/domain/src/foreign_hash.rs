//! Password hashes that other systems made, and that come with imported accounts.

/// What to do about a hash that is not taken over.
const ADVICE: &str = "leave it out, and the person has to choose a new password";

/// Why a password hash is not taken over. The messages follow the name of the field: "`password_hash`
/// must not be empty". They say what to do, and never show the hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForeignHashError {
    #[error("must not be empty; leave it out for an account without a password")]
    Empty,
    #[error("must be at most {max} octets, no known form is longer; {ADVICE}")]
    TooLong { max: usize },
    /// Perhaps it is the password itself.
    #[error(
        "is no hash in a known form: PHC (argon2id, argon2i, scrypt, pbkdf2-sha256, pbkdf2-sha512), \
         modular crypt (bcrypt as $2a$, $2b$, $2y$; scrypt as $7$), or as passlib or Django write \
         these; {ADVICE}"
    )]
    Unknown,
    /// The form is known, and none of its hashes is taken over.
    #[error("is {what}, which {why}; {ADVICE}")]
    Refused { what: &'static str, why: &'static str },
    /// The form is known, but something is missing, cut off or mistyped.
    #[error(
        "is {form}, but broken: {problem}; export it again from where it was made, or {ADVICE}"
    )]
    Broken { form: &'static str, problem: String },
    /// Checking a password against it would keep others from signing in.
    #[error("is {form} and costs too much to check: {asked}, at most {allowed}; {ADVICE}")]
    TooCostly { form: &'static str, asked: String, allowed: String },
}
