//! The development mailbox: what would have been sent, as its reader would see it. These routes exist only
//! where [`HttpSettings::mailbox`](crate::HttpSettings) says so, and are no part of the API.

mod page;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};
use doorward_app::mailbox;
use doorward_domain::{KeptMail, Timestamp, mail::MAILBOX_CAPACITY};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    HttpState,
    problem::{Code, Problem},
};

/// A page shows so many mails at most; `/dev/mailbox.json` has all of them.
const LISTED: u32 = 200;
/// Pages of Doorward's own: no scripts. A mail is shown in a frame.
const PAGE: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; img-src data:; frame-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);
/// A mail: it runs nothing, loads nothing and is of no origin, whatever a template may hold. Its links open
/// in a tab of their own, as mail programs have it.
const MAIL: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox",
);

/// A mail, for programs.
#[derive(Serialize)]
struct MailView {
    to: String,
    subject: String,
    text: String,
    html: String,
    /// When it arrived.
    #[serde(with = "time::serde::rfc3339")]
    at: Timestamp,
}

impl From<KeptMail> for MailView {
    fn from(mail: KeptMail) -> Self {
        let KeptMail { id: _, to, subject, text, html, at } = mail;
        Self { to: to.as_given().to_owned(), subject, text, html, at }
    }
}

pub(super) fn router() -> Router<HttpState> {
    Router::new()
        .route("/dev/mailbox", get(list))
        .route("/dev/mailbox.json", get(list_for_programs))
        .route("/dev/mailbox/{id}", get(show))
        .route("/dev/mailbox/{id}/html", get(show_html))
}

async fn list(State(http): State<HttpState>) -> Result<Response, Problem> {
    let mails = mailbox::newest(&http.ctx, LISTED).await?;
    Ok(html(PAGE, page::list(&mails, &http.settings.public_url)))
}

/// The newest first.
async fn list_for_programs(State(http): State<HttpState>) -> Result<Response, Problem> {
    let mails = mailbox::newest(&http.ctx, MAILBOX_CAPACITY).await?;
    let views: Vec<MailView> = mails.into_iter().map(MailView::from).collect();
    Ok((NOT_KEPT, Json(views)).into_response())
}

async fn show(State(http): State<HttpState>, Path(id): Path<String>) -> Result<Response, Problem> {
    Ok(html(PAGE, page::mail(&mail(&http, &id).await?)))
}

/// Mail programs open links elsewhere. In a frame it takes an element to say so.
async fn show_html(
    State(http): State<HttpState>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let mail = mail(&http, &id).await?;
    Ok(html(MAIL, mail.html.replacen("<head>", "<head><base target=\"_blank\">", 1)))
}

async fn mail(http: &HttpState, id: &str) -> Result<KeptMail, Problem> {
    let not_found = || Problem::new(Code::NotFound);
    let id = Uuid::parse_str(id).map_err(|_| not_found())?;
    mailbox::mail(&http.ctx, id).await?.ok_or_else(not_found)
}

const NOT_KEPT: [(header::HeaderName, HeaderValue); 1] =
    [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];

fn html(policy: HeaderValue, page: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, policy),
    ];
    (NOT_KEPT, headers, page).into_response()
}
