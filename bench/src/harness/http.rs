//! The requests by which the harness itself sets things up.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use ureq::Agent;
use ureq::http::{Response, StatusCode};

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client that takes every status other than success for a failure.
pub fn patient_agent() -> Agent {
    Agent::config_builder().timeout_global(Some(PATIENCE)).build().new_agent()
}

/// A client that hands every answer over, whatever its status is.
fn indifferent_agent() -> Agent {
    let config = Agent::config_builder().timeout_global(Some(PATIENCE));
    config.http_status_as_error(false).build().new_agent()
}

/// Posts JSON and gives the JSON of the answer.
///
/// # Errors
/// When the answer is not a success; with what it says.
pub fn post(url: &str, body: &Value) -> Result<Value> {
    let answer = indifferent_agent().post(url).send_json(body);
    read(url, answer.with_context(|| format!("POST {url} failed"))?)
}

/// An answer that was a success.
#[derive(Clone, Debug)]
pub struct Answer {
    pub body: String,
    /// The cookies that it sets, as `name=value`.
    pub cookies: Vec<String>,
}

/// Makes any request.
///
/// # Errors
/// When the method is none, or the answer is not a success; with what it says.
pub fn send(
    method: &str,
    url: &str,
    headers: &[(String, String)],
    body: Option<&str>,
) -> Result<Answer> {
    let mut request = ureq::http::Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let agent = indifferent_agent();
    let answer = match body {
        Some(body) => agent.run(request.body(body.to_owned())?),
        None => agent.run(request.body(())?),
    };
    let answer = answer.with_context(|| format!("{method} {url} failed"))?;
    let set = answer.headers().get_all("Set-Cookie").iter();
    let cookies = set
        .filter_map(|cookie| Some(cookie.to_str().ok()?.split(';').next()?.to_owned()))
        .collect();
    Ok(Answer { body: succeeded(url, answer)?, cookies })
}

/// Gets a body, with a bearer token if there is one.
///
/// # Errors
/// When the answer is not a success; with what it says.
pub fn get(url: &str, token: Option<&str>) -> Result<String> {
    let mut request = indifferent_agent().get(url);
    if let Some(token) = token {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    let answer = request.call().with_context(|| format!("GET {url} failed"))?;
    succeeded(url, answer)
}

/// Deletes something, with a bearer token.
///
/// # Errors
/// When the answer is not a success; with what it says.
pub fn delete(url: &str, token: &str) -> Result<()> {
    let request = indifferent_agent().delete(url);
    let request = request.header("Authorization", format!("Bearer {token}"));
    let answer = request.call().with_context(|| format!("DELETE {url} failed"))?;
    succeeded(url, answer).map(|_| ())
}

/// Status and body of the answer to a GET, whatever they are.
///
/// # Errors
/// When there is no answer.
pub fn whatever(url: &str) -> Result<(StatusCode, String)> {
    let mut answer = indifferent_agent().get(url).call().with_context(|| format!("GET {url}"))?;
    Ok((answer.status(), answer.body_mut().read_to_string()?))
}

fn read(url: &str, answer: Response<ureq::Body>) -> Result<Value> {
    let body = succeeded(url, answer)?;
    serde_json::from_str(&body).with_context(|| format!("{url} answered no JSON: {body}"))
}

fn succeeded(url: &str, mut answer: Response<ureq::Body>) -> Result<String> {
    let body = answer.body_mut().read_to_string()?;
    if !answer.status().is_success() {
        bail!("{url} answered {}: {body}", answer.status());
    }
    Ok(body)
}

/// A client that keeps its connection.
#[derive(Debug)]
pub struct Client(Agent);

impl Client {
    /// A client without a connection yet.
    pub fn new() -> Self {
        Self(indifferent_agent())
    }

    /// The status of the answer to a GET with a bearer token.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn status(&self, url: &str, token: &str) -> Result<u16> {
        let request = self.0.get(url).header("Authorization", format!("Bearer {token}"));
        let mut answer = request.call().with_context(|| format!("GET {url} failed"))?;
        // Only a connection whose answer was read is used again.
        answer.body_mut().read_to_string()?;
        Ok(answer.status().as_u16())
    }
}
