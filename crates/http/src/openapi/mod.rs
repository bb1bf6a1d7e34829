//! The OpenAPI 3.1 document, generated from the handlers. What all operations share (problems,
//! headers, examples) is added here once instead of at each handler.

mod example;
mod header;
mod problem;
mod published;

use utoipa::{
    OpenApi as _, PartialSchema, ToSchema,
    openapi::{
        Components, OpenApi, Ref, RefOr,
        path::{Operation, PathItem},
        request_body::RequestBody,
        schema::{AdditionalProperties, ArrayItems, Schema},
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
        server::Server,
        tag::TagBuilder,
    },
};

use crate::{
    problem::{FieldError, ProblemView},
    routes,
};

pub(crate) use published::Written;
pub use published::{DEFAULT_URL, published};

/// How the API is used as a whole. `{url}` stands for the address of the installation.
const GUIDE: &str = include_str!("guide.md");

/// The tags, in the order in which people need what bears them.
const TAGS: [(&str, &str); 10] = [
    ("account", "Signing up, and one's own account."),
    ("authentication", "Signing in, staying signed in, signing out."),
    (
        "mail",
        "What is done by reading one's mail: verifying an address, choosing another password, changing the address.",
    ),
    ("sessions", "One's own sessions, one for each sign-in on a device."),
    ("users", "Other people's accounts, for operators."),
    ("roles", "Roles and what they permit, for operators."),
    ("jobs", "What the server does after it was asked for, for operators."),
    ("audit", "What was done, and by whom, for operators."),
    ("keys", "The public keys that access tokens are checked with, and their rotation."),
    ("health", "Signs of life, for load balancers and people."),
];

#[derive(utoipa::OpenApi)]
#[openapi(info(
    title = "Doorward",
    description = "",
    contact(name = "The operators of this installation"),
    license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
))]
struct Head;

/// The document for an installation that is reached at `public_url`, as it follows from the handlers. A server has
/// the [published](published()) text of it.
#[must_use]
pub fn document(public_url: &str) -> OpenApi {
    let mut document = Head::openapi().nest(routes::BASE, routes::ApiDescription::openapi());
    document.merge(routes::KeysDescription::openapi());
    document.merge(routes::HealthDescription::openapi());
    env!("CARGO_PKG_VERSION").clone_into(&mut document.info.version);
    document.info.description = Some(GUIDE.replace("{url}", public_url));
    if let Some(contact) = &mut document.info.contact {
        contact.url = Some(public_url.to_owned());
    }
    document.servers = Some(vec![Server::new(public_url)]);
    let tag = |(name, text)| TagBuilder::new().name(name).description(Some(text)).build();
    document.tags = Some(TAGS.map(tag).into());

    let components = document.components.get_or_insert_with(Components::new);
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("The `access_token` that signing in or refreshing answers with."));
    components.add_security_scheme("bearer", SecurityScheme::Http(scheme.build()));
    components.schemas.insert(ProblemView::name().into(), ProblemView::schema());
    components.schemas.insert(FieldError::name().into(), FieldError::schema());
    name_items(components);
    document
        .extensions
        .get_or_insert_default()
        .insert("x-problem-types".to_owned(), problem::types());
    for (path, item) in &mut document.paths.paths {
        for operation in operations(item) {
            complete(path, operation, public_url, components);
        }
    }
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, put, post, delete, patch].into_iter().flatten()
}

/// Adds to an operation what follows from what its handler says about it.
fn complete(path: &str, operation: &mut Operation, public_url: &str, components: &mut Components) {
    // An empty list says that no token is needed; none at all would leave it open.
    operation.security.get_or_insert_default();
    if let Some(permission) = permission(operation) {
        let needs = format!("Needs the permission `{permission}`.");
        operation.description = Some(match operation.description.take() {
            Some(text) => format!("{text}\n\n{needs}"),
            None => needs,
        });
    }
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        close(body, components);
        body.content.values_mut().for_each(|content| example::complete(content, components));
    }
    let is_repeatable = problem::takes_idempotency_key(operation);
    for response in operation.responses.responses.values_mut() {
        let RefOr::T(response) = response else { continue };
        if is_repeatable {
            header::add(response, "Idempotency-Replayed", components);
        }
        header::complete(path, response, components);
        response.content.values_mut().for_each(|content| example::complete(content, components));
    }
    problem::complete(path, operation, public_url, components);
}

/// Lets each page refer to the schema of its items, which the generator writes out in place.
fn name_items(components: &mut Components) {
    for (name, schema) in &mut components.schemas {
        if let (Some(item), RefOr::T(Schema::Object(page))) = (name.strip_prefix("Page_"), schema)
            && let Some(RefOr::T(Schema::Array(items))) = page.properties.get_mut("items")
        {
            items.items = ArrayItems::RefOrSchema(Box::new(Ref::from_schema_name(item).into()));
        }
    }
}

/// The permission that the caller's roles must hold.
fn permission(operation: &Operation) -> Option<&str> {
    operation.extensions.as_ref()?.get("x-permission")?.as_str()
}

/// Says of the schema of a request body that members it does not know are refused.
fn close(body: &RequestBody, components: &mut Components) {
    for content in body.content.values() {
        let RefOr::T(content) = content else { continue };
        let Some(RefOr::Ref(reference)) = &content.schema else { continue };
        let name = reference.ref_location.rsplit('/').next().unwrap_or_default();
        if let Some(RefOr::T(Schema::Object(object))) = components.schemas.get_mut(name) {
            object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
        }
    }
}
