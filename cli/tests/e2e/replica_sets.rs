//! ReplicaSets: a number of pods that is kept.

use crate::cluster::Cluster;
use crate::manifests::replica_set;

#[test]
fn a_deleted_pod_is_replaced_by_another_one() {
    let cluster = Cluster::up();
    cluster.apply(replica_set("web", 2));
    cluster.wait_field("rs/web", ".status.readyReplicas", "2");
    let before = cluster.names("pods -l app=web");
    cluster.ok(&format!("delete pod {}", before[0]));
    cluster.wait_field("rs/web", ".status.readyReplicas", "2");
    let after = cluster.names("pods -l app=web");
    assert_eq!(after.len(), 2);
    assert!(
        after.contains(&before[1]) && !after.contains(&before[0]),
        "{before:?} {after:?}"
    );
}

#[test]
fn it_grows_and_shrinks_on_demand_and_its_pods_are_read_together() {
    let cluster = Cluster::up();
    cluster.apply(replica_set("web", 1));
    cluster.wait_field("rs/web", ".status.readyReplicas", "1");
    let first = cluster.name("pods -l app=web");
    assert!(cluster.ok("scale rs/web --replicas=3").contains("scaled"));
    cluster.wait_field("rs/web", ".status.readyReplicas", "3");
    let grown = cluster.names("pods -l app=web");
    assert!(grown.len() == 3 && grown.contains(&first), "{grown:?}");
    for pod in &grown {
        cluster.wait_line(pod, "serving");
    }
    let output = cluster.ok("logs -l app=web");
    for pod in &grown {
        assert!(output.contains(pod.as_str()), "{pod} is not named in:\n{output}");
    }
    assert_eq!(output.matches("serving").count(), 3);

    cluster.ok("scale rs/web --replicas=0");
    for pod in &grown {
        cluster.wait(&format!("pod/{pod}"), "delete");
    }
    assert_eq!(cluster.names("pods -l app=web"), [""; 0]);
    cluster.bosun("scale rs/web --replicas=-1").failed();
    cluster
        .bosun("scale rs/web --replicas=3 --current-replicas=7")
        .refused(&["web", "7"]);
}

#[test]
fn deleting_it_deletes_its_pods() {
    let cluster = Cluster::up();
    cluster.apply(replica_set("web", 2));
    cluster.wait_field("rs/web", ".status.readyReplicas", "2");
    let pods = cluster.names("pods -l app=web");
    cluster.ok("delete rs web");
    for pod in pods {
        cluster.wait(&format!("pod/{pod}"), "delete");
    }
}
