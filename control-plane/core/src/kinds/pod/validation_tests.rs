//! Pods: what is refused, and by which path.

use crate::kinds::fixtures::check;

const GOOD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: default}
spec:
  restartPolicy: Never
  volumes: [{name: v}]
  initContainers:
  - {name: i, image: busybox, command: [sh]}
  containers:
  - name: a
    image: busybox
    command: [sh]
    ports: [{containerPort: 80, name: web}]
    env: [{name: A, value: b}]
    resources: {requests: {cpu: 100m}, limits: {cpu: '1', memory: 1Gi}}
    volumeMounts: [{name: v, mountPath: /v}]
  - {name: b, image: 'busybox:1', command: [sh]}
";

#[test]
fn containers() {
    check(
        GOOD,
        r#"
        spec.restartPolicy = "Always" => fine
        spec.containers = [] => spec.containers: at least one
        spec.containers[0].name = "A_1" => spec.containers[0].name: lower-case
        spec.containers[1].name = "a" => spec.containers[1].name: already
        spec.containers[1].name = "i" => spec.containers[1].name: already
        spec.initContainers[0].name = - => spec.initContainers[0].name: 1 to 63
        spec.containers[1].image = - => spec.containers[1].image: name an image
        spec.containers[1].image = " busybox" => spec.containers[1].image: white space
        spec.containers[1].imagePullPolicy = "Newer" => spec.containers[1].imagePullPolicy: Always
        spec.containers[1].terminationMessagePolicy = "x" => spec.containers[1].terminationMessagePolicy: File
        spec.containers[1].restartPolicy = "x" => spec.containers[1].restartPolicy: OnFailure
        spec.containers[1].restartPolicyRules[0] = {"action":"Restart","exitCodes":{"operator":"In","values":[1]}} => spec.containers[1].restartPolicy: set it
        spec.containers[1].securityContext.runAsUser = -1 => spec.containers[1].securityContext.runAsUser: from 0
        spec.ephemeralContainers[0].name = "e" => spec.ephemeralContainers: running pod
        "#,
    );
}

#[test]
fn ports_and_environment() {
    check(
        GOOD,
        r#"
        spec.containers[0].ports[0].containerPort = 0 => spec.containers[0].ports[0].containerPort: from 1 to 65535
        spec.containers[0].ports[0].hostPort = 70000 => spec.containers[0].ports[0].hostPort: 65535
        spec.containers[0].ports[0].name = "8080" => spec.containers[0].ports[0].name: at least one letter
        spec.containers[0].ports[1] = {"containerPort":81,"name":"web"} => spec.containers[0].ports[1].name: already
        spec.containers[0].ports[0].protocol = "ICMP" => spec.containers[0].ports[0].protocol: SCTP
        spec.containers[0].ports[0].hostIP = "here" => spec.containers[0].ports[0].hostIP: IP address
        spec.containers[0].ports[0].hostPort = 80; spec.containers[1].ports[0] = {"containerPort":1,"hostPort":80} => spec.containers[1].ports[0].hostPort: twice
        spec.hostNetwork = true => fine
        spec.hostNetwork = true; spec.containers[0].ports[0].hostPort = 81 => spec.containers[0].ports[0].hostPort: same as containerPort
        spec.containers[0].env[0].name = "A=B" => spec.containers[0].env[0].name: '='
        spec.containers[0].env[0].name = - => spec.containers[0].env[0].name: name the variable
        spec.containers[0].env[0].valueFrom.fieldRef.fieldPath = "metadata.name" => spec.containers[0].env[0].valueFrom: choose one
        spec.containers[0].env[1] = {"name":"B","valueFrom":{}} => spec.containers[0].env[1].valueFrom: exactly one
        spec.containers[0].env[1] = {"name":"B","valueFrom":{"fieldRef":{"fieldPath":"metadata.labels['a.b/c']"}}} => fine
        spec.containers[0].env[1] = {"name":"B","valueFrom":{"fieldRef":{"fieldPath":"status.phase"}}} => spec.containers[0].env[1].valueFrom.fieldRef.fieldPath: status.podIP
        spec.containers[0].env[1] = {"name":"B","valueFrom":{"resourceFieldRef":{"resource":"limits.disk"}}} => spec.containers[0].env[1].valueFrom.resourceFieldRef.resource: limits.memory
        spec.containers[0].env[1] = {"name":"B","valueFrom":{"secretKeyRef":{"name":"s"}}} => spec.containers[0].env[1].valueFrom.secretKeyRef.key: which of its entries
        spec.containers[0].envFrom[0] = {"prefix":"A"} => spec.containers[0].envFrom[0]: exactly one
        "#,
    );
}

#[test]
fn resources() {
    check(
        GOOD,
        r#"
        spec.containers[0].resources.requests = {"cpu":"2"} => spec.containers[0].resources.requests[cpu]: more than the limit 1
        spec.containers[0].resources.requests = {"cpu":"-1"} => spec.containers[0].resources.requests[cpu]: negative
        spec.containers[0].resources.requests = {"disk":"1"} => spec.containers[0].resources.requests[disk]: is not a resource
        spec.containers[0].resources.limits = {"example.com/gpu":"1"} => fine
        spec.containers[0].resources.requests = {"example.com/gpu":"1"} => spec.containers[0].resources.requests[example.com/gpu]: same amount
        "#,
    );
}

#[test]
fn probes_and_lifecycle() {
    check(
        GOOD,
        r#"
        spec.containers[0].livenessProbe.exec.command = ["true"] => fine
        spec.containers[0].livenessProbe = {} => spec.containers[0].livenessProbe: exactly one
        spec.containers[0].livenessProbe = {"exec":{"command":["x"]},"tcpSocket":{"port":1}} => spec.containers[0].livenessProbe: exactly one
        spec.containers[0].livenessProbe.exec = {} => spec.containers[0].livenessProbe.exec.command: command to run
        spec.containers[0].livenessProbe.httpGet.port = 0 => spec.containers[0].livenessProbe.httpGet.port: from 1
        spec.containers[0].livenessProbe.httpGet.port = "web" => fine
        spec.containers[0].livenessProbe.httpGet.port = "WEB" => spec.containers[0].livenessProbe.httpGet.port: lower-case
        spec.containers[0].livenessProbe = {"grpc":{"port":1},"periodSeconds":-1} => spec.containers[0].livenessProbe.periodSeconds: 0 or more
        spec.containers[0].livenessProbe = {"grpc":{"port":1},"successThreshold":2} => spec.containers[0].livenessProbe.successThreshold: must be 1
        spec.containers[0].readinessProbe = {"grpc":{"port":1},"terminationGracePeriodSeconds":2} => spec.containers[0].readinessProbe.terminationGracePeriodSeconds: ends no container
        spec.initContainers[0].startupProbe.tcpSocket.port = 1 => spec.initContainers[0].startupProbe: unless
        spec.initContainers[0].startupProbe.tcpSocket.port = 1; spec.initContainers[0].restartPolicy = "Always" => fine
        spec.containers[0].lifecycle.preStop = {} => spec.containers[0].lifecycle.preStop: exactly one
        spec.containers[0].lifecycle.preStop.sleep.seconds = -1 => spec.containers[0].lifecycle.preStop.sleep.seconds: 0 or more
        "#,
    );
}

#[test]
fn volumes() {
    check(
        GOOD,
        r#"
        spec.volumes[0].name = "w" => spec.containers[0].volumeMounts[0].name: no volume "v"
        spec.volumes[1] = {"name":"v"} => spec.volumes[1].name: already
        spec.volumes[1] = {"name":"x","emptyDir":{},"hostPath":{"path":"/"}} => spec.volumes[1]: hostPath and emptyDir
        spec.volumes[1] = {"name":"x","hostPath":{}} => spec.volumes[1].hostPath.path: which path
        spec.volumes[1] = {"name":"x","hostPath":{"path":"/a/../b"}} => spec.volumes[1].hostPath.path: '..'
        spec.volumes[1] = {"name":"x","hostPath":{"path":"/a","type":"Dir"}} => spec.volumes[1].hostPath.type: Directory
        spec.volumes[1] = {"name":"x","emptyDir":{"sizeLimit":"-1"}} => spec.volumes[1].emptyDir.sizeLimit: negative
        spec.volumes[1] = {"name":"x","emptyDir":{"medium":"Disk"}} => spec.volumes[1].emptyDir.medium: Memory
        spec.volumes[1] = {"name":"x","configMap":{}} => spec.volumes[1].configMap.name: which object
        spec.volumes[1] = {"name":"x","secret":{"secretName":"s","defaultMode":512}} => spec.volumes[1].secret.defaultMode: 0777
        spec.volumes[1] = {"name":"x","secret":{"secretName":"s","items":[{"key":"k","path":"../x"}]}} => spec.volumes[1].secret.items[0].path: relative
        spec.volumes[1] = {"name":"x","downwardAPI":{"items":[{"path":"p"}]}} => spec.volumes[1].downwardAPI.items[0]: exactly one
        spec.containers[0].volumeMounts[0].mountPath = - => spec.containers[0].volumeMounts[0].mountPath: where
        spec.containers[0].volumeMounts[0].mountPath = "/a:b" => spec.containers[0].volumeMounts[0].mountPath: ':'
        spec.containers[0].volumeMounts[1] = {"name":"v","mountPath":"/v"} => spec.containers[0].volumeMounts[1].mountPath: already
        spec.containers[0].volumeMounts[0].subPath = "/x" => spec.containers[0].volumeMounts[0].subPath: relative
        spec.containers[0].volumeDevices[0] = {"name":"v","devicePath":"/d"} => spec.containers[0].volumeDevices[0].name: persistentVolumeClaim
        "#,
    );
}

#[test]
fn policies_and_times() {
    check(
        GOOD,
        r#"
        spec.restartPolicy = "Sometimes" => spec.restartPolicy: OnFailure
        spec.dnsPolicy = "None" => spec.dnsConfig.nameservers: at least one
        spec.activeDeadlineSeconds = 0 => spec.activeDeadlineSeconds: from 1
        spec.activeDeadlineSeconds = 9000000000000000000 => spec.activeDeadlineSeconds: 2147483647
        spec.terminationGracePeriodSeconds = -1 => spec.terminationGracePeriodSeconds: from 0
        spec.hostname = "a.b" => spec.hostname: DNS label
        spec.hostAliases[0].ip = "x" => spec.hostAliases[0].ip: IP address
        spec.priority = 1000000001 => spec.priority: 1000000000
        spec.preemptionPolicy = "x" => spec.preemptionPolicy: Never
        spec.nodeName = "N" => spec.nodeName: DNS name
        spec.overhead = {"cpu":"-1"} => spec.overhead[cpu]: negative
        spec.securityContext.fsGroup = -1 => spec.securityContext.fsGroup: from 0
        "#,
    );
}

#[test]
fn placement() {
    check(
        GOOD,
        &r#"
        spec.nodeSelector = {"a":"-"} => spec.nodeSelector[a]: label value
        spec.nodeSelector = {"a b":"c"} => spec.nodeSelector: is not a key
        spec.tolerations[0] = {"operator":"Exists"} => fine
        spec.tolerations[0] = {"value":"x"} => spec.tolerations[0].operator: must be Exists
        spec.tolerations[0] = {"key":"a","operator":"Exists","value":"x"} => spec.tolerations[0].value: no value
        spec.tolerations[0] = {"key":"a","operator":"Gt"} => spec.tolerations[0].operator: Equal
        spec.tolerations[0] = {"key":"a","effect":"NoRun"} => spec.tolerations[0].effect: NoExecute
        spec.tolerations[0] = {"key":"a","tolerationSeconds":3} => spec.tolerations[0].effect: NoExecute
        NODES.nodeSelectorTerms[0].matchExpressions[0] = {"key":"a","operator":"In","values":["b"]} => fine
        NODES.nodeSelectorTerms[0].matchExpressions[0] = {"key":"a","operator":"In","values":[]} => NODES.nodeSelectorTerms[0].matchExpressions[0].values: at least one
        NODES.nodeSelectorTerms[0].matchExpressions[0] = {"key":"a","operator":"Exists","values":["b"]} => NODES.nodeSelectorTerms[0].matchExpressions[0].values: no values
        NODES.nodeSelectorTerms[0].matchExpressions[0] = {"key":"a","operator":"Gt","values":["b"]} => NODES.nodeSelectorTerms[0].matchExpressions[0].values: whole number
        NODES.nodeSelectorTerms[0].matchExpressions[0] = {"key":"a","operator":"Like","values":["b"]} => NODES.nodeSelectorTerms[0].matchExpressions[0].operator: DoesNotExist
        NODES = {} => NODES.nodeSelectorTerms: at least one term
        spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector.matchLabels = {"a":"b"} => spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: node label
        spec.affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution[0] = {"weight":101,"podAffinityTerm":{"topologyKey":"k"}} => spec.affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: from 1 to 100
        spec.topologySpreadConstraints[0] = {"maxSkew":0,"topologyKey":"k","whenUnsatisfiable":"DoNotSchedule"} => spec.topologySpreadConstraints[0].maxSkew: 1 or more
        spec.topologySpreadConstraints[0] = {"maxSkew":1,"topologyKey":"k"} => spec.topologySpreadConstraints[0].whenUnsatisfiable: ScheduleAnyway
        spec.schedulingGates = [{"name":"a"},{"name":"a"}] => spec.schedulingGates[1].name: already
        "#
            .replace("NODES", "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"),
    );
}

#[test]
fn a_thousand_wrong_containers_give_a_bounded_answer() {
    let containers = vec!["{}"; 1_000].join(",");
    let pod = crate::kinds::fixtures::object(GOOD);
    let pod = crate::kinds::fixtures::changed(&pod, &format!("spec.containers = [{containers}]"));
    let errors = crate::kinds::fixtures::errors(&crate::kinds::fixtures::created(pod));
    assert_eq!(errors.len(), 50);
}
