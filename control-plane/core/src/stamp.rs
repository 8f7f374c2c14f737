//! Completes new objects with what no pure decision can choose: uid, random name suffix, time of creation.

use std::collections::BTreeSet;

use bosun_proto::Object;
use bosun_proto::scalars::Time;

use crate::plan::Plan;
use crate::state::{Snapshot, Write};

/// The letters of generated names: no vowels, so no words; no look-alikes. Source: Kubernetes' generated names.
const SUFFIX_LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// How many letters a generated name gets.
const SUFFIX_LENGTH: usize = 5;
/// How often a name is drawn again because it is taken; there are 14 million, so that rarely more than two draws are needed.
const NAME_DRAWS_MAX: usize = 32;
/// The longest generated name, suffix included. Source: Kubernetes' generated names.
const GENERATED_NAME_MAX: usize = 63;

/// A time and a source of randomness, handed in by whoever is at the edge.
pub struct Stamp<'a> {
    /// The leader's clock.
    pub now: Time,
    /// Each call gives 64 fresh random bits.
    pub entropy: &'a mut dyn FnMut() -> u64,
}

impl Stamp<'_> {
    /// Gives a new object its uid, name, time of creation and generation, where it has none yet.
    pub fn complete(&mut self, object: &mut Object) {
        let uid = if object.metadata().uid.is_empty() {
            self.uid()
        } else {
            object.metadata().uid.clone()
        };
        let suffix = self.suffix();
        let metadata = object.metadata_mut();
        metadata.uid = uid;
        if metadata.name.is_empty() && !metadata.generate_name.is_empty() {
            metadata.name = generated_name(&metadata.generate_name, &suffix);
        }
        metadata.creation_timestamp.get_or_insert(self.now);
        metadata.generation = metadata.generation.max(1);
    }

    /// Completes every new object of a plan, with names that `snapshot` has not and that differ from each other: one name
    /// taken would have the whole plan refused.
    pub fn complete_plan(&mut self, plan: &mut Plan, snapshot: &Snapshot) {
        let mut given = BTreeSet::new();
        for write in &mut plan.writes {
            if let Write::Create(object) = write {
                let is_generated = object.metadata().name.is_empty();
                self.complete(object);
                for _ in 0..NAME_DRAWS_MAX {
                    let is_free = snapshot.get(&object.key()).is_none() && !given.contains(&object.key());
                    if is_free || !is_generated {
                        break;
                    }
                    let name = generated_name(&object.metadata().generate_name, &self.suffix());
                    object.metadata_mut().name = name;
                }
                given.insert(object.key());
            }
        }
    }

    /// A random uid (UUID version 4).
    pub fn uid(&mut self) -> String {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&(self.entropy)().to_le_bytes());
        bytes[8..].copy_from_slice(&(self.entropy)().to_le_bytes());
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    fn suffix(&mut self) -> String {
        letters((self.entropy)())
    }
}

fn letters(mut bits: u64) -> String {
    let letters = SUFFIX_LETTERS.len() as u64;
    (0..SUFFIX_LENGTH)
        .map(|_| {
            let letter = usize::try_from(bits % letters).expect("less than the number of letters");
            bits /= letters;
            char::from(SUFFIX_LETTERS[letter])
        })
        .collect()
}

fn generated_name(generate_name: &str, suffix: &str) -> String {
    let base: String = generate_name
        .chars()
        .take(GENERATED_NAME_MAX - SUFFIX_LENGTH)
        .collect();
    base + suffix
}

/// A name that looks generated and is the same for the same arguments, so that a decision can say what it creates. `salt`
/// has to tell apart all that one owner creates.
pub fn derived_name(generate_name: &str, owner_uid: &str, salt: &str) -> String {
    let uid = uuid::Uuid::try_parse(&derived_uid(owner_uid, salt)).unwrap_or_default();
    generated_name(generate_name, &letters(uid.as_u64_pair().1))
}

/// The uid of an object that its owner makes at most once under this name: the same for the same arguments, so that one
/// transaction can both create the object and refer to it.
pub fn derived_uid(owner_uid: &str, name: &str) -> String {
    let space = uuid::Uuid::try_parse(owner_uid).unwrap_or(uuid::Uuid::NAMESPACE_OID);
    uuid::Uuid::new_v5(&space, name.as_bytes()).to_string()
}

#[cfg(test)]
mod tests {
    use bosun_proto::core_v1::Pod;
    use bosun_proto::meta_v1::ObjectMeta;

    use super::*;

    #[test]
    fn a_generated_name_keeps_within_a_dns_label_and_ends_with_five_letters() {
        let generate_name = "n".repeat(80);
        let mut pod = Object::from(Pod {
            metadata: Some(ObjectMeta {
                generate_name,
                ..ObjectMeta::default()
            }),
            ..Pod::default()
        });
        let mut seed = 7_u64;
        let mut entropy = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            seed
        };
        let now = Time::from_millis(1_000);
        Stamp {
            now,
            entropy: &mut entropy,
        }
        .complete(&mut pod);
        let metadata = pod.metadata();
        assert_eq!(metadata.name.len(), GENERATED_NAME_MAX);
        assert!(
            metadata
                .name
                .bytes()
                .skip(58)
                .all(|letter| SUFFIX_LETTERS.contains(&letter))
        );
        assert_eq!(metadata.creation_timestamp, Some(now));
        assert_eq!(metadata.uid.len(), 36);
        assert_eq!(metadata.generation, 1);
    }

    #[test]
    fn a_derived_uid_depends_on_owner_and_name_only() {
        let owner = "9d9c9b2e-0000-4000-8000-000000000001";
        assert_eq!(derived_uid(owner, "a-1"), derived_uid(owner, "a-1"));
        assert_ne!(derived_uid(owner, "a-1"), derived_uid(owner, "a-2"));
    }

    #[test]
    fn a_derived_name_depends_on_owner_and_salt_only() {
        let owner = "9d9c9b2e-0000-4000-8000-000000000001";
        let name = derived_name("web-", owner, "7/0");
        assert_eq!(name, derived_name("web-", owner, "7/0"));
        assert_ne!(name, derived_name("web-", owner, "7/1"));
        assert!(name.starts_with("web-") && name.len() == 9, "{name}");
    }

    #[test]
    fn names_of_one_plan_differ_even_when_the_letters_drawn_are_the_same() {
        let new = || {
            Write::Create(Object::from(Pod {
                metadata: Some(ObjectMeta {
                    generate_name: "n-".into(),
                    ..ObjectMeta::default()
                }),
                ..Pod::default()
            }))
        };
        let mut plan = Plan {
            writes: vec![new(), new()],
            ..Plan::default()
        };
        // The same letters for the first nine draws: three for each object (uid and name), and three more names.
        let mut draws = 0_u64;
        let mut entropy = || {
            draws += 1;
            draws / 10
        };
        let now = Time::from_millis(1_000);
        Stamp {
            now,
            entropy: &mut entropy,
        }
        .complete_plan(&mut plan, &Snapshot::default());
        assert_ne!(plan.writes[0].key(), plan.writes[1].key());
    }
}
