//! Examples of whole bodies, put together from those of their fields: so each value is written once,
//! beside the field.

use serde_json::{Map, Value};
use utoipa::openapi::{
    Components, Content, RefOr,
    schema::{ArrayItems, Object, Schema},
};

/// Gives a body its example, unless its handler did.
pub(super) fn complete(content: &mut RefOr<Content>, components: &Components) {
    let RefOr::T(content) = content else { return };
    if content.example.is_none() && content.examples.is_empty() {
        content.example = content.schema.as_ref().and_then(|schema| of(schema, components));
    }
}

/// The schema itself, wherever it is written.
pub(super) fn resolved<'a>(
    schema: &'a RefOr<Schema>,
    components: &'a Components,
) -> Option<&'a Schema> {
    match schema {
        RefOr::T(schema) => Some(schema),
        RefOr::Ref(reference) => {
            let name = reference.ref_location.rsplit('/').next()?;
            resolved(components.schemas.get(name)?, components)
        }
    }
}

/// `None` if something that must be there has no example.
fn of(schema: &RefOr<Schema>, components: &Components) -> Option<Value> {
    match resolved(schema, components)? {
        Schema::Object(object) => {
            object.example.clone().or_else(|| members(object, components).map(Value::Object))
        }
        Schema::Array(array) => array.example.clone().or_else(|| {
            let ArrayItems::RefOrSchema(items) = &array.items else { return None };
            of(items, components).map(|item| Value::Array(vec![item]))
        }),
        // What may be `null` is shown as it is otherwise.
        Schema::OneOf(one) => one.items.iter().find_map(|schema| of(schema, components)),
        _ => None,
    }
}

/// What may be absent and has no example is left out.
fn members(object: &Object, components: &Components) -> Option<Map<String, Value>> {
    let mut members = Map::new();
    for (name, schema) in &object.properties {
        match of(schema, components) {
            Some(value) => {
                members.insert(name.clone(), value);
            }
            None if object.required.contains(name) => return None,
            None => {}
        }
    }
    (!members.is_empty()).then_some(members)
}
