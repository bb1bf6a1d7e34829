//! Operators find people, and take all of them away in one file.

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::support::{Api, text};

/// Signs up so many people, `person-0@example.com` first.
async fn crowd(api: &Api, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for number in 0..count {
        let made = api.sign_up(&format!("person-{number}@example.com")).await;
        assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
        ids.push(text(&made.json()["id"]));
    }
    ids
}

/// The addresses of a list, read by following its links.
async fn addresses(api: &Api, first: &str, token: &str) -> Vec<String> {
    let (mut found, mut next) = (Vec::new(), Some(first.to_owned()));
    while let Some(path) = next {
        let page = api.get(&path, Some(token)).await;
        assert_eq!(page.status, StatusCode::OK, "{page:?}");
        let body = page.json();
        found.extend(body["items"].as_array().unwrap().iter().map(|user| text(&user["email"])));
        next = page.header("link").map(|link| {
            let address = link.strip_prefix('<').and_then(|link| link.split_once('>'));
            let (address, relation) = address.expect("a link");
            assert_eq!(relation, "; rel=\"next\"");
            address.to_owned()
        });
        assert_eq!(next.is_some(), body["next_cursor"].is_string());
    }
    found
}

#[tokio::test]
async fn a_list_is_walked_by_its_links_with_its_filters() {
    let api = Api::new().await;
    let admin = api.admin().await;
    let ids = crowd(&api, 7).await;
    let path = format!("/api/v1/users/{}", ids[2]);
    let body = Some(json!({"status": "disabled", "name": "Person & Söhne"}));
    let changed = api.call(Method::PATCH, &path, Some(&admin), body).await;
    assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
    let person = |number: usize| format!("person-{number}@example.com");
    let newest: Vec<String> =
        (0..7).rev().map(person).chain(["admin@example.com".into()]).collect();
    for (query, expected) in [
        ("limit=3", newest.clone()),
        ("limit=200", newest),
        ("q=PERSON&limit=2", [2, 0, 1, 3, 4, 5, 6].map(person).to_vec()),
        ("q=person+%26+s%C3%96&limit=1", vec![person(2)]),
        ("status=disabled&limit=1", vec![person(2)]),
        ("q=person&status=active&limit=2", [0, 1, 3, 4, 5, 6].map(person).to_vec()),
        ("role=admin&limit=1", vec!["admin@example.com".into()]),
        ("role=nobodys-role", vec![]),
        ("email=PERSON-4%40example.com", vec![person(4)]),
        ("email=nobody%40example.com", vec![]),
    ] {
        let path = format!("/api/v1/users?{query}");
        assert_eq!(addresses(&api, &path, &admin).await, expected, "{query}");
    }
}

fn export(token: &str) -> Request<Body> {
    Request::get("/api/v1/users/export")
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .body(Body::empty())
        .unwrap()
}

#[tokio::test]
async fn an_export_holds_everybody_as_the_list_shows_them() {
    let api = Api::new().await;
    let admin = api.admin().await;
    crowd(&api, 3).await;
    let answer = api.send(export(&admin)).await;
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"users.ndjson\""));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let text = String::from_utf8(answer.octets).unwrap();
    assert!(text.ends_with("}\n"));
    let exported: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let mut listed = api.get("/api/v1/users", Some(&admin)).await.json()["items"].take();
    listed.as_array_mut().unwrap().reverse();
    assert_eq!(Value::from(exported), listed);
}

#[tokio::test]
async fn an_export_breaks_off_when_the_permission_is_taken_away() {
    let api = Api::new().await;
    let admin = api.admin().await;
    // More than are read at once.
    api.add_users(1_200).await;
    let mut body = api.begin(export(&admin)).await.into_body();
    assert!(body.frame().await.unwrap().is_ok());
    let session = api.call(Method::DELETE, "/api/v1/users/me/sessions", Some(&admin), None).await;
    assert_eq!(session.status, StatusCode::NO_CONTENT);
    assert!(body.frame().await.unwrap().is_ok(), "another session was ended");
    let left = api.call(Method::POST, "/api/v1/auth/logout", Some(&admin), None).await;
    assert_eq!(left.status, StatusCode::NO_CONTENT, "{left:?}");
    let broken = body.frame().await.expect("not the end");
    assert!(broken.is_err(), "the client must notice that something is missing");
}
