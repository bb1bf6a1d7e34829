//! The API as a well-behaved client calls it.

use std::{net::SocketAddr, time::Duration};

use reqwest::{Method, header::HeaderMap};
use serde_json::{Value, json};

/// A client of one server.
#[derive(Clone)]
pub struct Api {
    client: reqwest::Client,
    server: String,
}

/// Somebody who signs up.
#[derive(Clone, Debug)]
pub struct Person {
    pub email: String,
    pub password: String,
    pub name: String,
}

impl Person {
    pub fn new(name: &str) -> Self {
        Self {
            email: format!("{}@example.org", name.replace(' ', ".")),
            password: "violet-harbour anchor 57 lattice".to_owned(),
            name: name.to_owned(),
        }
    }
}

/// What a sign-in or a refresh gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
    pub session: String,
}

impl Tokens {
    pub fn of(body: &Value) -> Self {
        let member = |name: &str| body[name].as_str().expect(name).to_owned();
        assert_eq!(body["token_type"], "Bearer");
        Self {
            access: member("access_token"),
            refresh: member("refresh_token"),
            session: member("session_id"),
        }
    }
}

/// An answer that was read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    async fn read(request: reqwest::RequestBuilder) -> Result<Self, reqwest::Error> {
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Self { status, headers, text: response.text().await? })
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("headers are text"))
    }

    /// The body of an answer that must have this status; `null` when it is empty.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        if self.text.is_empty() {
            return Value::Null;
        }
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The problem that the answer must be (RFC 9457), with everything that all of them have.
    #[track_caller]
    pub fn expect_problem(self, status: u16, code: &str) -> Value {
        let id = self.header("x-request-id").map(ToOwned::to_owned);
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        if matches!(status, 429 | 503) {
            let wait = self.header("retry-after").and_then(|wait| wait.parse::<u64>().ok());
            assert!(wait.is_some_and(|wait| wait >= 1), "{self:?}");
        }
        if status == 401 {
            assert!(self.headers.contains_key("www-authenticate"), "{self:?}");
        }
        let problem = self.expect(status);
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(problem["request_id"].as_str(), id.as_deref(), "{problem}");
        problem
    }
}

impl Api {
    pub fn new(server: SocketAddr) -> Self {
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build();
        Self { client: client.expect("a client can be made"), server: format!("http://{server}") }
    }

    /// Sends a request and reads the answer.
    ///
    /// # Errors
    /// When the server is gone, or goes before the end of the answer.
    pub async fn attempt(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Answer, reqwest::Error> {
        let mut request = self.client.request(method, format!("{}{path}", self.server));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        Answer::read(request).await
    }

    /// Signs somebody up with a request that can be sent again.
    ///
    /// # Errors
    /// As [`attempt`](Self::attempt).
    pub async fn sign_up_once(&self, person: &Person) -> Result<Answer, reqwest::Error> {
        let request = self.client.post(format!("{}/api/v1/users", self.server));
        let request = request.header("idempotency-key", &person.email);
        Answer::read(request.json(&sign_up_body(person))).await
    }

    pub async fn call(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Answer {
        let answer = self.attempt(method.clone(), path, token, body).await;
        answer.unwrap_or_else(|error| panic!("{method} {path}: {error:?}"))
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None, None).await
    }

    pub async fn get_as(&self, token: &str, path: &str) -> Answer {
        self.call(Method::GET, path, Some(token), None).await
    }

    pub async fn sign_up(&self, person: &Person) -> Answer {
        let body = sign_up_body(person);
        self.call(Method::POST, "/api/v1/users", None, Some(&body)).await
    }

    pub async fn sign_in(&self, person: &Person) -> Answer {
        let body = sign_in_body(person);
        self.call(Method::POST, "/api/v1/auth/login", None, Some(&body)).await
    }

    /// Signs somebody up and in.
    /// Signs in on a device on which the person signed in before.
    pub async fn sign_in_on(&self, device_token: &str, person: &Person) -> Answer {
        let request = self.client.post(format!("{}/api/v1/auth/login", self.server));
        let request = request.header("x-device-token", device_token).json(&sign_in_body(person));
        let response = request.send().await.expect("the server answers");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, text: response.text().await.expect("the answer has an end") }
    }

    pub async fn welcome(&self, person: &Person) -> Tokens {
        self.sign_up(person).await.expect(201);
        Tokens::of(&self.sign_in(person).await.expect(200))
    }

    pub async fn refresh(&self, token: &str) -> Answer {
        let body = json!({ "refresh_token": token });
        self.call(Method::POST, "/api/v1/auth/refresh", None, Some(&body)).await
    }

    pub async fn sign_out(&self, token: &str) -> Answer {
        self.call(Method::POST, "/api/v1/auth/logout", Some(token), None).await
    }

    pub async fn me(&self, token: &str) -> Answer {
        self.call(Method::GET, "/api/v1/users/me", Some(token), None).await
    }

    pub async fn rename(&self, token: &str, name: &str) -> Answer {
        let body = json!({ "name": name });
        self.call(Method::PATCH, "/api/v1/users/me", Some(token), Some(&body)).await
    }

    pub async fn change_password(&self, token: &str, current: &str, new: &str) -> Answer {
        let body = json!({ "current_password": current, "new_password": new });
        self.call(Method::PUT, "/api/v1/users/me/password", Some(token), Some(&body)).await
    }

    pub async fn delete_account(&self, token: &str, password: &str) -> Answer {
        let body = json!({ "password": password });
        self.call(Method::DELETE, "/api/v1/users/me", Some(token), Some(&body)).await
    }

    pub async fn sessions(&self, token: &str) -> Answer {
        self.call(Method::GET, "/api/v1/users/me/sessions", Some(token), None).await
    }

    pub async fn revoke(&self, token: &str, session: &str) -> Answer {
        let path = format!("/api/v1/users/me/sessions/{session}");
        self.call(Method::DELETE, &path, Some(token), None).await
    }
}

pub fn sign_up_body(person: &Person) -> Value {
    let Person { email, password, name } = person;
    json!({ "email": email, "password": password, "name": name })
}

pub fn sign_in_body(person: &Person) -> Value {
    json!({ "email": person.email, "password": person.password })
}
