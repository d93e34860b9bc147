//! What a function looks like to the model: the schema of its parameters, by place.

use crate::walk::{Kind, Value};
use crate::{FunctionShape, Place, PropertyShape};

/// The schema of a function's parameters. Its keys are the caller's own: any spelling is right.
pub(crate) fn parameters(shape: &mut FunctionShape, schema: Value<'_>) {
    if schema.kind() != Kind::Object {
        shape.opaque.push(schema.place());
        return;
    }
    for member in schema.members() {
        let value = member.value;
        match (member.key.text().as_ref(), value.kind()) {
            ("properties", Kind::Object) => {
                for each in value.members() {
                    property(shape, each.key.place(), each.value);
                }
            }
            ("required", Kind::Array)
            | ("type", Kind::String)
            | (_, Kind::Bool(_) | Kind::Null | Kind::Number) => {}
            _ => shape.opaque.push(value.place()),
        }
    }
}

fn property(shape: &mut FunctionShape, name: Place, schema: Value<'_>) {
    let mut property = PropertyShape { texts: vec![name], enum_items: Vec::new() };
    if schema.kind() != Kind::Object {
        shape.opaque.push(schema.place());
    }
    for member in schema.members() {
        let value = member.value;
        match (member.key.text().as_ref(), value.kind()) {
            ("description" | "type", Kind::String) => property.texts.push(value.place()),
            ("enum", Kind::Array) => property.enum_items.extend(value.items().map(Value::place)),
            (_, Kind::Bool(_) | Kind::Null | Kind::Number) => {}
            _ => shape.opaque.push(value.place()),
        }
    }
    shape.properties.push(property);
}
