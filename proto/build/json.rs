//! Writes the Rust code for Kubernetes JSON, message by message, from the descriptors. Derived serde code will not do: it
//! loses the path of a wrong value and the names of unknown fields wherever a message stands inline in another.

use std::collections::BTreeSet;
use std::fmt::Write;

use heck::{ToSnakeCase, ToUpperCamelCase};
use protox::prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};

/// Kubernetes packages that have a JSON form; the runtime package is an envelope of the binary form only.
const PREFIX: &str = "k8s.io.";
const BINARY_ONLY: &str = "k8s.io.apimachinery.pkg.runtime";
const TIME: &str = "k8s.io.apimachinery.pkg.apis.meta.v1.Time";

/// The implementations of `crate::json::Message` and `crate::zero_times::ZeroTimes`, to be included in the crate.
/// `scalars` are left to hand-written code.
pub(crate) fn generate(pool: &DescriptorPool, scalars: &[&str]) -> String {
    let messages: Vec<MessageDescriptor> = pool
        .all_messages()
        .filter(|message| message.package_name().starts_with(PREFIX) && message.package_name() != BINARY_ONLY)
        .filter(|message| !message.is_map_entry() && !scalars.contains(&message.full_name()))
        .collect();
    let timed = with_times(&messages);
    let mut code = String::new();
    for message in &messages {
        json_code(&mut code, message)
            .and_then(|()| zero_times_code(&mut code, message, &timed))
            .expect("writing to a String does not fail");
    }
    code
}

fn json_code(code: &mut String, message: &MessageDescriptor) -> std::fmt::Result {
    let name = rust_type(message);
    let inline = message.fields().find(|field| option(field, "inline"));
    writeln!(code, "impl crate::json::Message for {name} {{")?;
    writeln!(
        code,
        "fn read_field(&mut self, field: &str, value: Value, unknown: &mut Vec<String>) -> Read {{"
    )?;
    writeln!(code, "match field {{")?;
    for field in message.fields().filter(|field| !option(field, "inline")) {
        writeln!(
            code,
            "{:?} => self.{} = ReadJson::read(value, unknown)?,",
            field.name(),
            rust_field(&field)
        )?;
    }
    match &inline {
        Some(field) => {
            writeln!(
                code,
                "_ => return crate::json::read_inline(&mut self.{}, field, value, unknown),",
                rust_field(field)
            )?;
        }
        None => writeln!(code, "_ => return Ok(Some(value)),")?,
    }
    writeln!(code, "}}\nOk(None)\n}}")?;
    writeln!(
        code,
        "fn write_fields<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {{"
    )?;
    for field in message.fields() {
        let rust = rust_field(&field);
        if option(&field, "inline") {
            writeln!(
                code,
                "if let Some(inline) = &self.{rust} {{ inline.write_fields(map)?; }}"
            )?;
        } else if option(&field, "always") {
            writeln!(code, "map.serialize_entry({:?}, &self.{rust})?;", field.name())?;
        } else {
            writeln!(
                code,
                "crate::json::write_entry(map, {:?}, &self.{rust})?;",
                field.name()
            )?;
        }
    }
    writeln!(code, "Ok(())\n}}\n}}")?;
    writeln!(code, "crate::json::implement_serde!({name});")
}

fn zero_times_code(
    code: &mut String,
    message: &MessageDescriptor,
    timed: &BTreeSet<String>,
) -> std::fmt::Result {
    let name = rust_type(message);
    if !timed.contains(message.full_name()) {
        return Ok(());
    }
    writeln!(
        code,
        "impl crate::zero_times::ZeroTimes for {name} {{\nfn drop_zero_times(&mut self) {{"
    )?;
    for field in message.fields() {
        match field.kind() {
            Kind::Message(inner) if inner.full_name() == TIME => {
                writeln!(
                    code,
                    "crate::zero_times::drop_zero_time(&mut self.{});",
                    rust_field(&field)
                )?;
            }
            Kind::Message(inner) if timed.contains(inner.full_name()) => {
                writeln!(code, "self.{}.drop_zero_times();", rust_field(&field))?;
            }
            _ => {}
        }
    }
    writeln!(code, "}}\n}}")
}

/// The messages that hold a Time somewhere below them.
fn with_times(messages: &[MessageDescriptor]) -> BTreeSet<String> {
    let mut timed = BTreeSet::new();
    loop {
        let before = timed.len();
        for message in messages {
            let holds = message.fields().any(|field| match field.kind() {
                Kind::Message(inner) => inner.full_name() == TIME || timed.contains(inner.full_name()),
                _ => false,
            });
            if holds {
                timed.insert(message.full_name().to_owned());
            }
        }
        if timed.len() == before {
            return timed;
        }
    }
}

/// Whether the field has the option of bosun/json/options.proto.
fn option(field: &FieldDescriptor, name: &str) -> bool {
    let extension = field
        .parent_pool()
        .get_extension_by_name(&format!("bosun.json.{name}"));
    extension.is_some_and(|extension| field.options().get_extension(&extension).as_bool() == Some(true))
}

/// The path of the type that prost writes for a message.
fn rust_type(message: &MessageDescriptor) -> String {
    let package = message.package_name().replace('.', "::");
    format!(
        "crate::generated::{package}::{}",
        message.name().to_upper_camel_case()
    )
}

/// The name of the field that prost writes.
fn rust_field(field: &FieldDescriptor) -> String {
    let name = snake_case(field.name());
    match name.as_str() {
        "type" | "continue" | "ref" | "use" | "in" | "for" | "match" | "mod" | "where" | "enum" => {
            format!("r#{name}")
        }
        _ => name,
    }
}

/// `hostIPs` is host_ips, not host_i_ps.
pub(crate) fn snake_case(name: &str) -> String {
    name.replace("IPs", "Ips")
        .replace("CIDRs", "Cidrs")
        .to_snake_case()
}
