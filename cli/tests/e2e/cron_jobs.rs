//! CronJobs: what is due becomes a Job.

use serde_json::json;

use crate::cluster::Cluster;
use crate::manifests::cron_job;

#[test]
fn a_job_is_made_by_hand_from_its_template() {
    let cluster = Cluster::up();
    cluster.apply(cron_job("yearly", "0 0 1 1 *", "echo happy new year"));
    cluster.ok("create job now --from=cronjob/yearly");
    cluster.wait("job/now", "condition=Complete");
    assert_eq!(cluster.ok("logs job/now"), "happy new year\n");
    let job = cluster.get("job/now");
    assert_eq!(
        job["metadata"]["annotations"]["cronjob.kubernetes.io/instantiate"],
        "manual"
    );
    assert_eq!(job["metadata"]["ownerReferences"][0]["name"], "yearly");
    cluster
        .bosun("create job other --from=cronjob/none")
        .refused(&["cronjobs.batch \"none\" not found"]);
    cluster
        .bosun("create job now --from=cronjob/yearly")
        .refused(&["now", "already exists"]);
}

#[test]
fn it_fires_by_itself_and_shows_when() {
    let cluster = Cluster::up();
    let mut manifest = cron_job("quick", "@every 1s", "echo fired");
    manifest["spec"]["concurrencyPolicy"] = json!("Forbid");
    manifest["spec"]["successfulJobsHistoryLimit"] = json!(1);
    cluster.apply(&manifest);
    cluster.wait("cronjob/quick", "jsonpath={.status.lastSuccessfulTime}");
    let patch = cluster.pipe("apply -f -", {
        manifest["spec"]["suspend"] = json!(true);
        &manifest
    });
    assert!(patch.succeeded().contains("configured"));
    let cron_job = cluster.get("cronjob/quick");
    assert!(
        cron_job["status"]["lastScheduleTime"].is_string(),
        "{}",
        cron_job["status"]
    );
    let jobs = cluster.names("jobs");
    assert!(
        !jobs.is_empty() && jobs.iter().all(|name| name.starts_with("quick-")),
        "{jobs:?}"
    );
    let job = cluster.get(&format!("job/{}", jobs[0]));
    assert_eq!(job["metadata"]["ownerReferences"][0]["kind"], "CronJob");
    let table = cluster.ok("get cronjobs");
    for part in ["SCHEDULE", "LAST", "NEXT", "@every 1s", "True"] {
        assert!(table.contains(part), "no {part:?} in:\n{table}");
    }
    let described = cluster.ok("describe cronjob quick");
    assert!(described.contains("SuccessfulCreate"), "{described}");
}

#[test]
fn deleting_it_deletes_its_jobs() {
    let cluster = Cluster::up();
    cluster.apply(cron_job("yearly", "@yearly", "true"));
    cluster.ok("create job now --from=cronjob/yearly");
    cluster.wait("job/now", "condition=Complete");
    cluster.ok("delete cronjob yearly");
    cluster.wait("job/now", "delete");
}
