//! What each use case's refusals look like on the wire.

use doorward_app::{
    Failure,
    access::AuthenticateError,
    account::{DeleteError, ProfileError, RegisterError},
    audit::AuditError,
    grant::PermitError,
    job::JobQueueError,
    password::ChangePasswordError,
    role::RoleError,
    session::{ListError, LoginError, RefreshError, RevokeError},
    signing_key::SigningKeyError,
    user::UserError,
};
use doorward_domain::{
    password::PasswordError,
    ports::{HashError, StoreError},
};

use time::Duration;

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
            Failure::Store(_) | Failure::Hash(_) | Failure::Key(_) => {
                Self::new(Code::InternalError).with_cause(failure)
            }
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

fn too_many_attempts(retry_after: Duration) -> Problem {
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
            LoginError::Failed(failure) => failure.into(),
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
