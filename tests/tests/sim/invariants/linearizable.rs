//! What clients did to registers could have been done one at a time, in an order that agrees with the times of calls and
//! answers. What is there at the end counts as a last read.

use bosun_proto::Kind;
use bosun_tests::linearizability::{self, Answer, Call};

use crate::evidence::{Evidence, Notes};
use crate::workload::{REGISTERS, value_of};

pub(super) fn check(evidence: &Evidence, notes: &Notes) -> Result<(), String> {
    for name in REGISTERS {
        let register = notes
            .at_the_end(Kind::Namespace)
            .find(|object| object.metadata().name == name);
        let last = evidence.history.called("observer", name, Call::Read);
        evidence
            .history
            .answered(last, Answer::Found(register.and_then(value_of)));
    }
    for (name, operations) in evidence.history.registers() {
        linearizability::check(&operations).map_err(|violation| format!("{name}: {violation}"))?;
    }
    Ok(())
}
