//! Requests that may be sent again without being carried out again.
//!
//! A request that names itself by a key is claimed first. The use case then keeps its answer in the unit
//! of work that holds its effect ([`Receipt`]), so there is never one without the other: whoever sends
//! the request again gets the answer, also after this process was killed. A use case that comes to
//! nothing gives the claim back; one that is killed leaves it to the end of its lease.

use doorward_domain::{
    ClaimId,
    idempotency::{Caller, Claimed, IdempotencyKey, RequestClaim, RequestName},
    ports::UnitOfWork,
};
use time::Duration;

use crate::{Ctx, Failure, failure::failed_from_ports, grant::Principal};

/// How long a request may be carried out before somebody else may do it instead: when its process was killed,
/// its sender has to wait so long. Longer than a use case waits for hashes and for the database unless much is
/// wrong, because one that is overtaken has worked in vain.
const LEASE: Duration = Duration::seconds(20);

/// A request that names itself.
#[derive(Debug, Clone)]
pub struct Request {
    pub caller: Caller,
    /// What tells the operations apart.
    pub operation: String,
    pub key: IdempotencyKey,
    /// Everything that the answer depends on. It is not kept, but for a MAC.
    pub payload: Vec<u8>,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<T> {
    /// It was carried out now.
    Done(T),
    /// It was carried out before: the answer that was written then.
    DoneBefore(Vec<u8>),
}

#[derive(Debug, thiserror::Error)]
pub enum RepeatError {
    #[error("the key was used for a request with another payload")]
    KeyReused,
    #[error("the request is being carried out")]
    InProgress,
    #[error(transparent)]
    Failed(Failure),
}

/// Why [`once`] gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum OnceError<E> {
    #[error(transparent)]
    Repeat(RepeatError),
    #[error(transparent)]
    UseCase(E),
}

/// Makes the answer of what was done.
type Write<T> = Box<dyn Fn(&T) -> Vec<u8> + Send + Sync>;

/// Lets a use case keep its answer together with its effect. A use case that creates something takes one,
/// and hands it its unit of work right before the commit; `T` is what the answer is made of.
#[must_use = "an answer that is not kept is lost, and its request is carried out again"]
pub struct Receipt<T> {
    kept: Option<(RequestClaim, Write<T>)>,
}

impl<T> Receipt<T> {
    /// For a request that will not be sent again: nothing is kept.
    pub const fn none() -> Self {
        Self { kept: None }
    }

    /// Keeps the answer that `done` makes.
    ///
    /// # Errors
    /// `Conflict(RequestClaim)` when the lease was over and somebody else took the request. Then the unit
    /// of work must be dropped.
    pub(crate) async fn keep(
        &self,
        ctx: &Ctx,
        work: &mut dyn UnitOfWork,
        done: &T,
    ) -> Result<(), Failure> {
        self.keep_withheld(ctx, work, done, Duration::ZERO).await
    }

    /// As [`keep`](Self::keep), but for so long, from the beginning of the unit of work, the request looks
    /// as if it was being carried out.
    pub(crate) async fn keep_withheld(
        &self,
        ctx: &Ctx,
        work: &mut dyn UnitOfWork,
        done: &T,
        withheld: Duration,
    ) -> Result<(), Failure> {
        let Some((claim, write)) = &self.kept else { return Ok(()) };
        let sealed = ctx.answers.answer_seal(&claim.request, &write(done))?;
        Ok(work.answer_keep(claim, &sealed, withheld).await?)
    }

    /// Keeps the answer of a use case that had nothing to write.
    pub(crate) async fn keep_alone(&self, ctx: &Ctx, done: &T) -> Result<(), Failure> {
        if self.kept.is_none() {
            return Ok(());
        }
        let mut work = ctx.store.begin().await?;
        self.keep(ctx, &mut *work, done).await?;
        Ok(work.commit().await?)
    }
}

/// Carries a request out, unless it was before. `write` makes the answer, as it will be given to whoever
/// sends the request again. Without a request, which is what most clients send, the use case simply
/// runs.
///
/// # Errors
/// The use case's own, after which the request is as if it had never been sent;
/// [`RepeatError::KeyReused`] and [`RepeatError::InProgress`].
pub async fn once<T, E, F>(
    ctx: &Ctx,
    request: Option<Request>,
    write: impl Fn(&T) -> Vec<u8> + Send + Sync + 'static,
    use_case: impl FnOnce(Receipt<T>) -> F,
) -> Result<Outcome<T>, OnceError<E>>
where
    F: Future<Output = Result<T, E>>,
{
    let Some(request) = request else {
        return use_case(Receipt::none()).await.map(Outcome::Done).map_err(OnceError::UseCase);
    };
    let claim = match begin(ctx, request).await.map_err(OnceError::Repeat)? {
        Outcome::Done(claim) => claim,
        Outcome::DoneBefore(answer) => return Ok(Outcome::DoneBefore(answer)),
    };
    let done = use_case(Receipt { kept: Some((claim.clone(), Box::new(write))) }).await;
    if done.is_err() {
        release(ctx, &claim).await;
    }
    done.map(Outcome::Done).map_err(OnceError::UseCase)
}

/// Claims the request, or finds the answer that it got before.
async fn begin(ctx: &Ctx, request: Request) -> Result<Outcome<RequestClaim>, RepeatError> {
    let Request { caller, operation, key, payload } = request;
    let now = ctx.clock.now();
    let id = ClaimId::new(now, ctx.entropy.as_ref());
    let claim = RequestClaim { id, request: RequestName::new(caller, &operation, &key) };
    let fingerprint = ctx.answers.fingerprint(&payload);
    let (fingerprint, answer) =
        match ctx.store.request_claim(&claim, &fingerprint, LEASE, now).await? {
            Claimed::Granted => return Ok(Outcome::Done(claim)),
            Claimed::Before { fingerprint, answer } => (fingerprint, answer),
        };
    if !ctx.answers.fits(&payload, &fingerprint) {
        return Err(RepeatError::KeyReused);
    }
    let answer = answer.ok_or(RepeatError::InProgress)?;
    Ok(Outcome::DoneBefore(ctx.answers.answer_open(&claim.request, &answer)?))
}

/// Gives a claim back. Should that fail, the end of the lease does it.
async fn release(ctx: &Ctx, claim: &RequestClaim) {
    if let Err(error) = ctx.store.request_release(claim).await {
        let error: &dyn std::error::Error = &error;
        tracing::warn!(
            error,
            "a request that failed can be sent again only when its lease is over"
        );
    }
}

impl From<Principal> for Caller {
    fn from(principal: Principal) -> Self {
        match principal {
            Principal::User(actor) => Self::User(actor.user_id()),
            Principal::Console => Self::Console,
        }
    }
}

failed_from_ports!(RepeatError);
