//! What each use case's refusals look like on the wire.

use std::time::Duration;

use doorward_app::{
    Failure,
    access::AuthenticateError,
    account::{DeleteError, ProfileError, RegisterError},
    audit::AuditError,
    email_change::{ChangeEmailError, SettleChangeError},
    grant::PermitError,
    idempotency::{OnceError, RepeatError},
    job::JobQueueError,
    password::ChangePasswordError,
    password_reset::ResetPasswordError,
    proof::ProofError,
    role::RoleError,
    session::{ListError, LoginError, RefreshError, RevokeError},
    signing_key::SigningKeyError,
    user::UserError,
    verification::RequestError,
};
use doorward_domain::{
    password::PasswordError,
    ports::{Constraint, HashError, StoreError},
};

use super::{Code, Problem};
use crate::{bearer::invalid_token, fields::FieldFault};

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match &failure {
            Failure::Hash(HashError::Overloaded { retry_after }) => {
                Self::new(Code::Overloaded).with_retry_after(*retry_after)
            }
            Failure::Store(StoreError::Busy(_) | StoreError::Unavailable(_)) => {
                Self::unavailable("The database is not available right now.").with_cause(failure)
            }
            // It took so long that the same request is carried out elsewhere by now.
            Failure::Store(StoreError::Conflict(Constraint::RequestClaim)) => in_progress(),
            Failure::Store(_) | Failure::Hash(_) | Failure::Key(_) => {
                Self::new(Code::InternalError).with_cause(failure)
            }
        }
    }
}

fn in_progress() -> Problem {
    Problem::new(Code::IdempotencyKeyInUse).with_retry_after(Duration::from_secs(1))
}

impl From<RepeatError> for Problem {
    fn from(error: RepeatError) -> Self {
        match error {
            RepeatError::KeyReused => Self::new(Code::IdempotencyKeyReused),
            RepeatError::InProgress => in_progress(),
            RepeatError::Failed(failure) => failure.into(),
        }
    }
}

impl<E: Into<Self>> From<OnceError<E>> for Problem {
    fn from(error: OnceError<E>) -> Self {
        match error {
            OnceError::Repeat(error) => error.into(),
            OnceError::UseCase(error) => error.into(),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Failure::from(error).into()
    }
}

impl From<AuthenticateError> for Problem {
    fn from(_: AuthenticateError) -> Self {
        invalid_token()
    }
}

fn password_problem(pointer: &str, error: &PasswordError) -> Problem {
    Problem::invalid(pointer, error.code(), error)
}

fn too_many_attempts(retry_after: time::Duration) -> Problem {
    Problem::new(Code::TooManyAttempts).with_retry_after(retry_after.unsigned_abs())
}

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::EmailTaken => Self::new(Code::EmailTaken),
            RegisterError::Password(error) => password_problem("/password", &error),
            RegisterError::Failed(failure) => failure.into(),
        }
    }
}

impl From<ProfileError> for Problem {
    fn from(error: ProfileError) -> Self {
        match error {
            ProfileError::Gone => invalid_token(),
            ProfileError::Failed(failure) => failure.into(),
        }
    }
}

impl From<DeleteError> for Problem {
    fn from(error: DeleteError) -> Self {
        match error {
            DeleteError::WrongPassword => Self::new(Code::WrongPassword),
            DeleteError::TooManyAttempts { retry_after } => too_many_attempts(retry_after),
            DeleteError::LastAdmin => Self::new(Code::LastAdmin),
            DeleteError::Gone => invalid_token(),
            DeleteError::Failed(failure) => failure.into(),
        }
    }
}

impl From<ChangePasswordError> for Problem {
    fn from(error: ChangePasswordError) -> Self {
        match error {
            ChangePasswordError::WrongPassword => Self::new(Code::WrongPassword),
            ChangePasswordError::TooManyAttempts { retry_after } => too_many_attempts(retry_after),
            ChangePasswordError::Password(error) => password_problem("/new_password", &error),
            ChangePasswordError::Gone => invalid_token(),
            ChangePasswordError::Failed(failure) => failure.into(),
        }
    }
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::InvalidCredentials => Self::new(Code::InvalidCredentials),
            LoginError::TooManyAttempts { retry_after } => too_many_attempts(retry_after),
            LoginError::AccountDisabled => Self::new(Code::AccountDisabled),
            LoginError::EmailNotVerified => Self::new(Code::EmailNotVerified),
            LoginError::Failed(failure) => failure.into(),
        }
    }
}

impl From<RequestError> for Problem {
    fn from(RequestError::Failed(failure): RequestError) -> Self {
        failure.into()
    }
}

impl From<ProofError> for Problem {
    fn from(error: ProofError) -> Self {
        match error {
            ProofError::Invalid => invalid_token(),
            ProofError::TooManyAttempts { retry_after } => too_many_attempts(retry_after),
            ProofError::Failed(failure) => failure.into(),
        }
    }
}

impl From<ResetPasswordError> for Problem {
    fn from(error: ResetPasswordError) -> Self {
        match error {
            ResetPasswordError::Invalid => invalid_token(),
            ResetPasswordError::TooManyAttempts { retry_after } => too_many_attempts(retry_after),
            ResetPasswordError::Password(error) => password_problem("/new_password", &error),
            ResetPasswordError::Failed(failure) => failure.into(),
        }
    }
}

impl From<ChangeEmailError> for Problem {
    fn from(error: ChangeEmailError) -> Self {
        match error {
            ChangeEmailError::WrongPassword => Self::new(Code::WrongPassword),
            ChangeEmailError::TooManyAttempts { retry_after } => too_many_attempts(retry_after),
            ChangeEmailError::Gone => invalid_token(),
            ChangeEmailError::Failed(failure) => failure.into(),
        }
    }
}

impl From<SettleChangeError> for Problem {
    fn from(error: SettleChangeError) -> Self {
        match error {
            SettleChangeError::Invalid => invalid_token(),
            SettleChangeError::TooManyAttempts { retry_after } => too_many_attempts(retry_after),
            SettleChangeError::EmailTaken => Self::new(Code::EmailTaken),
            SettleChangeError::Failed(failure) => failure.into(),
        }
    }
}

impl From<RefreshError> for Problem {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Invalid => Self::new(Code::InvalidRefreshToken),
            RefreshError::Reused => Self::new(Code::RefreshTokenReused),
            RefreshError::Failed(failure) => failure.into(),
        }
    }
}

impl From<RevokeError> for Problem {
    fn from(error: RevokeError) -> Self {
        match error {
            RevokeError::NotFound => Self::new(Code::NotFound),
            RevokeError::Failed(failure) => failure.into(),
        }
    }
}

impl From<ListError> for Problem {
    fn from(ListError::Failed(failure): ListError) -> Self {
        failure.into()
    }
}

impl From<PermitError> for Problem {
    fn from(error: PermitError) -> Self {
        match error {
            PermitError::Forbidden(permission) => Self::new(Code::Forbidden)
                .with_detail(format!("This needs the permission {permission}.")),
            PermitError::Failed(failure) => failure.into(),
        }
    }
}

impl From<UserError> for Problem {
    fn from(error: UserError) -> Self {
        match error {
            UserError::NotFound => Self::new(Code::NotFound),
            UserError::LastAdmin => Self::new(Code::LastAdmin),
            UserError::RoleUnknown => {
                Self::invalid("/roles", "unknown_role", "names a role that does not exist")
            }
            UserError::Failed(failure) => failure.into(),
        }
    }
}

impl From<RoleError> for Problem {
    fn from(error: RoleError) -> Self {
        match error {
            RoleError::BuiltIn => Self::new(Code::RoleBuiltIn),
            RoleError::NotFound => Self::new(Code::NotFound),
            RoleError::Failed(failure) => failure.into(),
        }
    }
}

impl From<JobQueueError> for Problem {
    fn from(error: JobQueueError) -> Self {
        match error {
            JobQueueError::NotFound => Self::new(Code::NotFound),
            JobQueueError::NotRetryable => Self::new(Code::JobNotRetryable),
            JobQueueError::Failed(failure) => failure.into(),
        }
    }
}

impl From<AuditError> for Problem {
    fn from(AuditError::Failed(failure): AuditError) -> Self {
        failure.into()
    }
}

impl From<SigningKeyError> for Problem {
    fn from(SigningKeyError::Failed(failure): SigningKeyError) -> Self {
        failure.into()
    }
}
