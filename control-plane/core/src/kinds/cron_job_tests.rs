//! CronJobs: what is refused and by which path, defaults, warnings, rows.

use crate::kinds;
use crate::kinds::fixtures::{NOW, changed, check, check_rows, created, object};

const GOOD: &str = "
apiVersion: batch/v1
kind: CronJob
metadata: {name: c, namespace: default}
spec:
  schedule: '*/5 * * * *'
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: OnFailure
          containers: [{name: a, image: busybox, command: [sh]}]
";

#[test]
fn what_is_refused() {
    check(
        GOOD,
        r#"
        metadata.name = "a23456789-123456789-123456789-123456789-123456789-12" => fine
        metadata.name = "a23456789-123456789-123456789-123456789-123456789-123" => metadata.name: 52 at most
        spec.schedule = - => spec.schedule: say when
        spec.schedule = "* * * *" => spec.schedule: five fields
        spec.schedule = "61 * * * *" => spec.schedule: minute
        spec.schedule = "TZ=UTC * * * * *" => spec.schedule: timeZone
        spec.timeZone = "Europe/Berlin" => fine
        spec.timeZone = "Local" => spec.timeZone: Europe/Berlin
        spec.timeZone = "Mars/Base" => spec.timeZone: IANA
        spec.concurrencyPolicy = "Queue" => spec.concurrencyPolicy: Forbid
        spec.startingDeadlineSeconds = -1 => spec.startingDeadlineSeconds: 0 or more
        spec.successfulJobsHistoryLimit = -1 => spec.successfulJobsHistoryLimit: 0 or more
        spec.failedJobsHistoryLimit = -1 => spec.failedJobsHistoryLimit: 0 or more
        spec.jobTemplate = - => spec.jobTemplate.spec: describe
        spec.jobTemplate.metadata.labels = {"a":"-"} => spec.jobTemplate.metadata.labels[a]: label value
        spec.jobTemplate.spec.selector = {} => spec.jobTemplate.spec.selector: leave it out
        spec.jobTemplate.spec.manualSelector = true => spec.jobTemplate.spec.manualSelector: leave it out
        spec.jobTemplate.spec.backoffLimit = -1 => spec.jobTemplate.spec.backoffLimit: 0 or more
        spec.jobTemplate.spec.template.spec.restartPolicy = - => spec.jobTemplate.spec.template.spec.restartPolicy: Never or OnFailure
        "#,
    );
}

#[test]
fn defaults_reach_the_pods_but_not_the_jobs() {
    let json = created(object(GOOD)).to_json();
    let at = |path: &str| json.pointer(path).cloned().unwrap_or_default().to_string();
    assert_eq!(at("/spec/concurrencyPolicy"), "\"Allow\"");
    assert_eq!(at("/spec/suspend"), "false");
    assert_eq!(at("/spec/successfulJobsHistoryLimit"), "3");
    assert_eq!(at("/spec/failedJobsHistoryLimit"), "1");
    assert_eq!(at("/spec/jobTemplate/spec/backoffLimit"), "null");
    assert_eq!(
        at("/spec/jobTemplate/spec/template/spec/dnsPolicy"),
        "\"ClusterFirst\""
    );
}

#[test]
fn a_schedule_that_never_fires_is_refused() {
    let refused = |schedule: &str| {
        let cron_job = changed(&object(GOOD), &format!("spec.schedule = \"{schedule}\""));
        kinds::validate(&cron_job)
            .iter()
            .any(|error| error.field == "spec.schedule" && error.message.contains("never fires"))
    };
    assert!(refused("0 0 30 2 *"));
    assert!(!refused("0 0 29 2 *"));
}

/// NOW is 08:00:00 on a full hour.
#[test]
fn rows_show_the_last_and_the_next_firing() {
    check_rows(
        &created(object(GOOD)),
        NOW.plus_seconds(151),
        r#"
        nothing => */5 * * * * | <none> | False | 0 | <none> | in 2m29s | 2m31s | a | busybox | <none>
        status.lastScheduleTime = "2027-01-15T08:00:00Z" => */5 * * * * | <none> | False | 0 | 2m31s | in 2m29s
        spec.suspend = true => */5 * * * * | <none> | True | 0 | <none> | <none>
        spec.schedule = "0 10 * * *"; spec.timeZone = "Europe/Berlin" => 0 10 * * * | Europe/Berlin | False | 0 | <none> | in 57m
        status.active = [{},{}] => */5 * * * * | <none> | False | 2
        spec.schedule = "@every 1m" => @every 1m | <none> | False | 0 | <none> | in 29s
        spec.schedule = "@every 1m"; status.lastScheduleTime = "2027-01-15T08:00:50Z" => @every 1m | <none> | False | 0 | 101s | in 19s
        "#,
    );
}
