//! What must hold in every run, whatever went wrong. One file each.

mod acknowledged;
mod convergence;
mod copies;
mod counters;
mod firings;
mod linearizable;
mod one_node;
mod replicas;
mod versions;

use crate::evidence::{Evidence, Notes};

type Check = fn(&Evidence, &Notes) -> Result<(), String>;

/// Each with its name. Those that are worse when broken come first.
pub(crate) const ALL: [(&str, Check); 9] = [
    ("no fenced pod in two copies", copies::check),
    ("replicas are equal at equal versions", replicas::check),
    ("versions grow", versions::check),
    ("a pod has one node", one_node::check),
    ("everything converges", convergence::check),
    ("what was acknowledged is there", acknowledged::check),
    ("registers are linearizable", linearizable::check),
    ("Jobs count the ends of their pods", counters::check),
    ("CronJobs fire at most once for each due time", firings::check),
];
