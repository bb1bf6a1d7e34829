//! The API as an operator uses it.

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    api::{Answer, Api, Person, Tokens},
    support::{Server, Setting, run},
};

fn of_user(id: &str) -> String {
    format!("/api/v1/users/{id}")
}

impl Api {
    /// Reads an account, for which a permission is needed.
    pub async fn user(&self, token: &str, id: &str) -> Answer {
        self.call(Method::GET, &of_user(id), Some(token), None).await
    }

    pub async fn roles(&self, token: &str) -> Answer {
        self.call(Method::GET, "/api/v1/roles", Some(token), None).await
    }

    pub async fn put_role(&self, token: &str, name: &str, permissions: &[&str]) -> Answer {
        let body = json!({ "description": "", "permissions": permissions });
        self.call(Method::PUT, &format!("/api/v1/roles/{name}"), Some(token), Some(&body)).await
    }

    pub async fn set_roles(&self, token: &str, id: &str, roles: &[&str]) -> Answer {
        let (path, body) = (format!("{}/roles", of_user(id)), json!({ "roles": roles }));
        self.call(Method::PUT, &path, Some(token), Some(&body)).await
    }

    pub async fn set_status(&self, token: &str, id: &str, status: &str) -> Answer {
        let body = json!({ "status": status });
        self.call(Method::PATCH, &of_user(id), Some(token), Some(&body)).await
    }

    pub async fn delete_user(&self, token: &str, id: &str) -> Answer {
        self.call(Method::DELETE, &of_user(id), Some(token), None).await
    }
}

/// The id of whoever signed up, or is meant by a token.
pub fn id(user: &Value) -> String {
    user["id"].as_str().expect("a user has an id").to_owned()
}

/// Makes an administrator beside a running server, and signs them in.
pub async fn administrator(server: &Server, folder: &Path, settings: &[Setting<'_>]) -> Tokens {
    let root = Person::new("Root Admin");
    let arguments =
        ["admin", "create", "--email", &root.email, "--name", &root.name, "--password-stdin"];
    let made = run(folder, settings, &arguments, &root.password).await;
    assert_eq!(made.code, 0, "{}", made.told);
    Tokens::of(&server.api().sign_in(&root).await.expect(200))
}
