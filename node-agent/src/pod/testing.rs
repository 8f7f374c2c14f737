//! Small inputs for tests.

use std::collections::BTreeMap;

use bosun_host::WallTime;
use bosun_proto::core_v1::Pod;
use bosun_proto::scalars::Amount;

use super::NodeFacts;

pub(crate) fn pod(json: &str) -> Pod {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

pub(crate) fn node() -> NodeFacts {
    NodeFacts {
        name: "node-1".to_owned(),
        address: "10.0.0.1".to_owned(),
        allocatable: BTreeMap::from([("cpu".to_owned(), Amount::from_value(2))]),
        runtime_name: "process".to_owned(),
    }
}

pub(crate) fn at(seconds: i64) -> WallTime {
    WallTime::from_timestamp(seconds, 0).unwrap()
}
