use std::pin::Pin;

use crate::problem::Problem;

/// Runs a use case that writes to its end, even when the client hangs up and axum drops the handler
/// that waits for it.
///
/// # Errors
/// The use case's own; a panic of the use case goes on in the handler, where it becomes a 500.
pub(crate) async fn detached<T, E>(
    use_case: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Result<T, Problem>
where
    T: Send + 'static,
    E: Into<Problem> + Send + 'static,
{
    use tracing::Instrument;
    // All use cases with the same answer are one type, or the program would hold as many copies of the
    // runtime's code for tasks as there are handlers that write.
    let use_case: Pin<Box<dyn Future<Output = Result<T, Problem>> + Send>> =
        Box::pin(async { use_case.await.map_err(Into::into) });
    match tokio::spawn(use_case.in_current_span()).await {
        Ok(done) => done,
        Err(stopped) => match stopped.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Nobody aborts these tasks; only the end of the runtime does.
            Err(_) => Err(Problem::unavailable("the server is stopping")),
        },
    }
}
