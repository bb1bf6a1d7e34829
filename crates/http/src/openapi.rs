//! The OpenAPI 3.1 document, generated from the handlers. What all operations share (problems, rate
//! limits) is added here once instead of at each handler.

use utoipa::{
    OpenApi as _, PartialSchema, ToSchema,
    openapi::{
        Components, ContentBuilder, HeaderBuilder, OpenApi, Ref, RefOr, ResponseBuilder,
        path::{Operation, PathItem},
        request_body::RequestBody,
        schema::{AdditionalProperties, ObjectBuilder, Schema, Type},
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
        server::Server,
        tag::TagBuilder,
    },
};

use crate::{
    problem::{FieldError, ProblemView},
    routes,
};

#[derive(utoipa::OpenApi)]
#[openapi(info(
    title = "Doorward",
    description = "Accounts, sessions and tokens.\n\nSign up with `POST /api/v1/users`, sign in with \
                   `POST /api/v1/auth/login`, and send the access token as `Authorization: Bearer`. \
                   Every error is an RFC 9457 problem; switch on its `code`. Every answer bears an \
                   `X-Request-Id` that names the request in the server's log.",
    license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
))]
struct Head;

/// The document for an installation that is reached at `public_url`.
#[must_use]
pub fn document(public_url: &str) -> OpenApi {
    let mut document = Head::openapi();
    document.merge(routes::documented().to_openapi());
    env!("CARGO_PKG_VERSION").clone_into(&mut document.info.version);
    document.servers = Some(vec![Server::new(public_url)]);
    document.tags = Some(
        [
            ("account", "Signing up, and one's own account."),
            ("authentication", "Signing in, staying signed in, signing out."),
            ("users", "Other people's accounts, for operators."),
            ("roles", "Roles and what they permit, for operators."),
            ("sessions", "One's own sessions, one for each sign-in on a device."),
            ("keys", "The public keys that access tokens are checked with, and their rotation."),
            ("health", "Signs of life, for load balancers and people."),
        ]
        .map(|(name, text)| TagBuilder::new().name(name).description(Some(text)).build())
        .into(),
    );
    let components = document.components.get_or_insert_with(Components::new);
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("An access token from signing in."));
    components.add_security_scheme("bearer", SecurityScheme::Http(scheme.build()));
    components.schemas.insert(ProblemView::name().into(), ProblemView::schema());
    components.schemas.insert(FieldError::name().into(), FieldError::schema());
    let mut bodies = Vec::new();
    for (path, item) in &mut document.paths.paths {
        for operation in operations(item) {
            complete(path, operation);
            bodies.extend(operation.request_body.as_ref().and_then(schema_name));
        }
    }
    for (name, schema) in &mut components.schemas {
        if let (true, RefOr::T(Schema::Object(object))) = (bodies.contains(name), schema) {
            let closed = AdditionalProperties::FreeForm(false);
            object.additional_properties = Some(Box::new(closed));
        }
    }
    document
}

/// The name of the schema that a request body follows.
fn schema_name(body: &RefOr<RequestBody>) -> Option<String> {
    let RefOr::T(body) = body else { return None };
    let RefOr::T(content) = body.content.get("application/json")? else { return None };
    let Some(RefOr::Ref(reference)) = &content.schema else { return None };
    reference.ref_location.rsplit('/').next().map(str::to_owned)
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, put, post, delete, patch].into_iter().flatten()
}

/// Adds the problems that an operation answers with because of what it is, and gives every problem
/// its schema.
fn complete(path: &str, operation: &mut Operation) {
    let is_probe = path.starts_with("/health");
    let mut common: Vec<(&str, &str)> = vec![("500", "`internal_error`")];
    if !is_probe {
        common.push(("429", "`rate_limited`: wait as long as `Retry-After` says."));
        common.push(("503", "`unavailable` or `overloaded`: try again as `Retry-After` says."));
    }
    if operation.security.is_some() {
        common.push(("401", "`authentication_required` or `invalid_token`"));
    }
    let permission = operation.extensions.as_ref().and_then(|it| it.get("x-permission")?.as_str());
    if let Some(permission) = permission {
        common.push(("403", "`forbidden`: your present roles do not permit it."));
        let needs = format!("Needs the permission `{permission}`.");
        operation.description = Some(match operation.description.take() {
            Some(text) => format!("{text}\n\n{needs}"),
            None => needs,
        });
    }
    if operation.request_body.is_some() {
        common.extend([
            ("400", "`malformed_json` or `bad_request`"),
            ("408", "`request_timeout`: the body came too slowly."),
            ("413", "`payload_too_large`"),
            ("415", "`unsupported_media_type`"),
            ("422", "`validation_failed`: `errors` lists everything that is wrong."),
        ]);
    }
    let responses = &mut operation.responses.responses;
    for (status, description) in common {
        let missing = || RefOr::T(ResponseBuilder::new().description(description).build());
        responses.entry(status.to_owned()).or_insert_with(missing);
    }
    for (status, response) in responses {
        let RefOr::T(response) = response else { continue };
        if status.starts_with(['4', '5']) {
            let problem = Ref::from_schema_name(ProblemView::name());
            let content = ContentBuilder::new().schema(Some(problem)).build();
            response.content.insert("application/problem+json".to_owned(), content.into());
        }
        if ["429", "503"].contains(&status.as_str()) {
            let seconds = ObjectBuilder::new().schema_type(Type::Integer).build();
            let header = HeaderBuilder::new()
                .schema(Some(seconds))
                .description(Some("Seconds to wait."))
                .build();
            response.headers.insert("Retry-After".to_owned(), header.into());
        }
    }
}
