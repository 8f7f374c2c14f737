//! THE KIND TABLE: what kinds there are, what they are called, and which message each one is. A new kind is one line here (and
//! one field in bosun/api/v1/object.proto). Everything else that is the same for all kinds is generated from this table:
//! [`Kind`] here, `Object` in `object`. What a kind means is not known in this crate.

use std::fmt;

use crate::api;

/// Calls a macro with the table. The columns: kind; its field in bosun.api.v1.Object; module of its message; group; version;
/// plural; singular; short names; scope; categories; whether it is made of spec and status or is all spec (`plain`).
macro_rules! for_each_kind {
    ($then:ident) => {
        $then! {
            Namespace namespace core_v1 "" "v1" "namespaces" "namespace" ["ns"] cluster [] spec_and_status;
            Node node core_v1 "" "v1" "nodes" "node" ["no"] cluster [] spec_and_status;
            Pod pod core_v1 "" "v1" "pods" "pod" ["po"] namespaced ["all"] spec_and_status;
            ReplicaSet replica_set apps_v1 "apps" "v1" "replicasets" "replicaset" ["rs"] namespaced ["all"] spec_and_status;
            Job job batch_v1 "batch" "v1" "jobs" "job" [] namespaced ["all"] spec_and_status;
            CronJob cron_job batch_v1 "batch" "v1" "cronjobs" "cronjob" ["cj"] namespaced ["all"] spec_and_status;
            Event event core_v1 "" "v1" "events" "event" ["ev"] namespaced [] plain;
        }
    };
}
pub(crate) use for_each_kind;

/// What a kind is called and where it lives.
#[derive(Debug, PartialEq, Eq)]
pub struct KindInfo {
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The version within the group.
    pub version: &'static str,
    /// The name in manifests: `CronJob`.
    pub kind: &'static str,
    /// The name in paths and on the command line: `cronjobs`.
    pub plural: &'static str,
    /// `cronjob`.
    pub singular: &'static str,
    /// `cj`.
    pub short_names: &'static [&'static str],
    /// Whether objects of the kind live in namespaces.
    pub namespaced: bool,
    /// Words that stand for several kinds: `all`.
    pub categories: &'static [&'static str],
}

macro_rules! define_kinds {
    ($($kind:ident $field:ident $module:ident $group:tt $version:literal $plural:literal $singular:literal
        [$($short:literal)*] $scope:ident [$($category:literal)*] $parts:ident;)*) => {
        /// A kind of object. The order is that of the table; the numbers are those of bosun.api.v1.Kind.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $(
                #[doc = concat!("`", stringify!($kind), "` of group \"", $group, "\".")]
                $kind = api::Kind::$kind as isize,
            )*
        }

        impl Kind {
            /// Every kind, in order.
            pub const ALL: &'static [Self] = &[$(Self::$kind),*];

            /// What the kind is called and where it lives.
            pub const fn info(self) -> &'static KindInfo {
                match self {
                    $(Self::$kind => &KindInfo {
                        group: $group,
                        version: $version,
                        kind: stringify!($kind),
                        plural: $plural,
                        singular: $singular,
                        short_names: &[$($short),*],
                        namespaced: is_namespaced!($scope),
                        categories: &[$($category),*],
                    },)*
                }
            }

            /// What `apiVersion` says in manifests of the kind: `batch/v1`, `v1`.
            pub const fn api_version(self) -> &'static str {
                match self {
                    $(Self::$kind => api_version!($group, $version),)*
                }
            }
        }

        impl From<Kind> for api::Kind {
            fn from(kind: Kind) -> Self {
                match kind {
                    $(Kind::$kind => Self::$kind,)*
                }
            }
        }

        impl TryFrom<api::Kind> for Kind {
            type Error = UnknownKind;

            fn try_from(kind: api::Kind) -> Result<Self, UnknownKind> {
                match kind {
                    api::Kind::Unspecified => Err(UnknownKind),
                    $(api::Kind::$kind => Ok(Self::$kind),)*
                }
            }
        }
    };
}

macro_rules! is_namespaced {
    (namespaced) => {
        true
    };
    (cluster) => {
        false
    };
}

macro_rules! api_version {
    ("", $version:literal) => {
        $version
    };
    ($group:literal, $version:literal) => {
        concat!($group, "/", $version)
    };
}

for_each_kind!(define_kinds);

/// A message names no kind, or one that only a newer version knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no kind, or a kind that this version does not know")]
pub struct UnknownKind;

impl Kind {
    /// The kind that a word on the command line or in a path means, in any case: a kind, plural, singular or short name, if
    /// need be with its group (`cronjobs.batch`) or version and group (`cronjobs.v1.batch`).
    pub fn parse_word(word: &str) -> Option<Self> {
        let word = word.to_lowercase();
        let (name, suffix) = word.split_once('.').unwrap_or((&word, ""));
        Self::ALL.iter().copied().find(|kind| {
            let info = kind.info();
            let named = [info.plural, info.singular].contains(&name) || info.short_names.contains(&name);
            let versioned = suffix
                .strip_prefix(info.version)
                .and_then(|rest| rest.strip_prefix('.'));
            named && (suffix.is_empty() || suffix == info.group || versioned == Some(info.group))
        })
    }

    /// The kinds that a category word means; empty when it is none.
    pub fn in_category(word: &str) -> Vec<Self> {
        Self::ALL
            .iter()
            .copied()
            .filter(|kind| kind.info().categories.contains(&word))
            .collect()
    }

    /// The kind that a manifest's `apiVersion` and `kind` mean.
    pub fn from_api(api_version: &str, kind: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|known| known.info().kind == kind && known.api_version() == api_version)
    }

    /// All kinds for a message: `Namespace (v1), Job (batch/v1)`.
    pub(crate) fn supported() -> String {
        let name = |kind: &Self| format!("{kind} ({})", kind.api_version());
        Self::ALL.iter().map(name).collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.info().kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_mean_kinds() {
        let cases = [
            ("cj", Some(Kind::CronJob)),
            ("cronjobs", Some(Kind::CronJob)),
            ("CronJob", Some(Kind::CronJob)),
            ("cronjobs.batch", Some(Kind::CronJob)),
            ("cronjobs.v1.batch", Some(Kind::CronJob)),
            ("rs", Some(Kind::ReplicaSet)),
            ("replicaset.apps", Some(Kind::ReplicaSet)),
            ("PO", Some(Kind::Pod)),
            ("cronjobs.apps", None),
            ("cronjobs.v2.batch", None),
            ("pods.core", None),
            ("", None),
            ("deploy", None),
        ];
        for (word, kind) in cases {
            assert_eq!(Kind::parse_word(word), kind, "{word:?}");
        }
        assert_eq!(Kind::from_api("batch/v1", "Job"), Some(Kind::Job));
        assert_eq!(Kind::from_api("v1", "Job"), None);
        assert_eq!(Kind::from_api("v1", "pod"), None);
        assert_eq!(
            Kind::in_category("all"),
            [Kind::Pod, Kind::ReplicaSet, Kind::Job, Kind::CronJob]
        );
    }

    #[test]
    fn no_word_means_two_kinds() {
        let words = |kind: &Kind| {
            [
                &[kind.info().plural, kind.info().singular][..],
                kind.info().short_names,
            ]
            .concat()
        };
        let mut all: Vec<_> = Kind::ALL.iter().flat_map(words).collect();
        all.sort_unstable();
        let count = all.len();
        all.dedup();
        assert_eq!(all.len(), count);
        for kind in Kind::ALL {
            assert_eq!(kind.info().singular, kind.info().kind.to_lowercase());
            for word in words(kind) {
                assert_eq!(Kind::parse_word(word), Some(*kind));
            }
        }
    }

    #[test]
    fn the_table_and_the_proto_enum_agree() {
        let mut number = 0;
        for kind in Kind::ALL {
            number += 1;
            assert_eq!(*kind as i32, number);
            assert_eq!(api::Kind::from(*kind) as i32, number);
            assert_eq!(Kind::try_from(api::Kind::from(*kind)), Ok(*kind));
        }
        assert!(
            api::Kind::try_from(number + 1).is_err(),
            "a kind of the proto enum is missing in the table"
        );
        assert_eq!(Kind::try_from(api::Kind::Unspecified), Err(UnknownKind));
    }
}
