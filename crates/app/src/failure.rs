use doorward_domain::ports::{HashError, KeyError, StoreError};

/// Why a use case could not be carried out though nothing is wrong with what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("the store failed")]
    Store(#[from] StoreError),
    #[error("hashing a password failed")]
    Hash(#[from] HashError),
    #[error("a signing key cannot be used")]
    Key(#[from] KeyError),
}

/// Lets `?` turn the error of a port, or a failure, into the `Failed` variant of a use case's error.
macro_rules! failed_from_ports {
    ($($error:ty),+ $(,)?) => {$(
        impl From<$crate::Failure> for $error {
            fn from(failure: $crate::Failure) -> Self {
                Self::Failed(failure)
            }
        }
        impl From<doorward_domain::ports::StoreError> for $error {
            fn from(error: doorward_domain::ports::StoreError) -> Self {
                Self::Failed(error.into())
            }
        }
        impl From<doorward_domain::ports::HashError> for $error {
            fn from(error: doorward_domain::ports::HashError) -> Self {
                Self::Failed(error.into())
            }
        }
        impl From<doorward_domain::ports::KeyError> for $error {
            fn from(error: doorward_domain::ports::KeyError) -> Self {
                Self::Failed(error.into())
            }
        }
    )+};
}
pub(crate) use failed_from_ports;
