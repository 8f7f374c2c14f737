//! Owns the telling of a server's refusal in terms of the file: each cause with the line its field stands on.

use super::ManifestObject;
use anyhow::anyhow;
use bosun_client::{ApiError, Cause};

impl ManifestObject {
    /// An error about this object, with its place in the files; the causes of a refusal with their own lines.
    pub(crate) fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        match error.downcast_ref() {
            Some(ApiError::Refused(refusal))
                if refusal.causes.iter().any(|cause| !cause.field.is_empty()) =>
            {
                anyhow!(self.told(&refusal.causes))
            }
            _ => error.context(self.place()),
        }
    }

    fn told(&self, causes: &[Cause]) -> String {
        let name = self.reference();
        if let [cause] = causes {
            return format!(
                "{}: {name}: {}: {}",
                self.place_of(&cause.field),
                cause.field,
                cause.message
            );
        }
        let line = |cause: &Cause| {
            format!(
                "\n  {}: {}: {}",
                self.place_of(&cause.field),
                cause.field,
                cause.message
            )
        };
        let lines: Vec<String> = causes.iter().map(line).collect();
        format!("{name} is not valid:{}", lines.concat())
    }
}

#[cfg(test)]
mod tests {
    use crate::manifest::{Namespace, tests::read};
    use bosun_client::{ApiError, Cause, Refusal};

    #[test]
    fn causes_have_the_lines_of_their_fields() {
        let text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n  containers:\n  - name: x\n";
        let objects = read(
            text,
            Namespace {
                name: "default",
                explicit: false,
            },
        )
        .unwrap();
        let explain = |fields: &[&str]| {
            let cause = |field: &&str| Cause {
                message: "is wrong".to_owned(),
                field: (*field).to_owned(),
                ..Cause::default()
            };
            let causes = fields.iter().map(cause).collect();
            let refusal = Refusal {
                message: "no".to_owned(),
                causes,
                ..Refusal::default()
            };
            objects[0].explain(ApiError::Refused(Box::new(refusal)).into())
        };
        let one = explain(&["spec.containers[0].name"]).to_string();
        assert_eq!(one, "x.yaml:7: pod/a: spec.containers[0].name: is wrong");
        let two = explain(&["spec.containers[0].image", "metadata.name"]).to_string();
        assert_eq!(
            two,
            "pod/a is not valid:\n  x.yaml:7: spec.containers[0].image: is wrong\n  x.yaml:4: metadata.name: is wrong"
        );
        assert_eq!(crate::failure::render(&explain(&[])), "x.yaml:1: pod/a: no");
    }
}
