//! The fixture in single steps, for the simulator: decisions are made at one time and applied at another.

use super::fixture::Fixture;
use super::leader::Flight;
use crate::controllers::CONTROLLERS;
use crate::state::Snapshot;

/// At most so many keys are decided in one step.
const KEYS_PER_STEP: usize = 3;

impl Fixture {
    /// Decides about a few keys, or lets the scheduler decide; applies nothing.
    pub(super) fn decide_some(&mut self) -> String {
        self.observe();
        if self.control(KEYS_PER_STEP) {
            return "controllers decide".to_owned();
        }
        let scheduling = self
            .in_flight
            .iter()
            .any(|flight| matches!(flight, Flight::Scheduled(..)));
        if !scheduling && self.schedule() {
            return "the scheduler decides".to_owned();
        }
        "nothing to decide".to_owned()
    }

    /// Applies one of the decisions in flight; which of them follows from `pick`.
    pub(super) fn land_one(&mut self, pick: usize) -> String {
        if self.in_flight.is_empty() {
            return "nothing in flight".to_owned();
        }
        let flight = self.in_flight.remove(pick % self.in_flight.len());
        let what = match &flight {
            Flight::Controlled(item, _) => {
                format!("{} lands for {}", CONTROLLERS[item.controller].name(), item.key)
            }
            Flight::Scheduled(..) => "the scheduler's batch lands".to_owned(),
        };
        self.land(flight);
        what
    }

    /// Runs until nothing is left to do at this time, and looks after each decision that was applied.
    ///
    /// # Errors
    /// What the look found.
    pub(super) fn settle_watched(
        &mut self,
        mut look: impl FnMut(&Snapshot) -> Result<(), String>,
    ) -> Result<(), String> {
        loop {
            self.decide_some();
            if self.in_flight.is_empty() {
                return Ok(());
            }
            while !self.in_flight.is_empty() {
                self.land_one(0);
                look(&self.snapshot())?;
            }
        }
    }

    /// For every controller and key: the same decision twice, and nothing to write or say.
    ///
    /// # Errors
    /// The key that still has something to do.
    pub(super) fn finds_nothing_to_do(&self) -> Result<(), String> {
        let snapshot = self.snapshot();
        for controller in CONTROLLERS {
            for key in controller.keys(&snapshot) {
                let plan = controller.reconcile(&snapshot, &key, self.now());
                if plan != controller.reconcile(&snapshot, &key, self.now()) {
                    return Err(format!(
                        "{} decides differently each time about {key}",
                        controller.name()
                    ));
                }
                if !plan.is_empty() {
                    let writes = plan
                        .writes
                        .iter()
                        .map(crate::state::Write::key)
                        .collect::<Vec<_>>();
                    let notes = &plan.notes;
                    return Err(format!(
                        "{} is not done with {key}: {writes:?} {notes:?}",
                        controller.name()
                    ));
                }
            }
        }
        Ok(())
    }
}
