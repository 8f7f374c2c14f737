//! The rules for probes and for what is run at a container's start and end.

use bosun_proto::core_v1::{
    Container, ExecAction, HttpGetAction, Lifecycle, LifecycleHandler, Probe, ProbeHandler, TcpSocketAction,
};
use bosun_proto::scalars::IntOrString;

use super::container::{PORTS, is_sidecar};
use crate::kinds::check::Check;
use crate::kinds::names;

pub(super) fn check_probes(check: &mut Check, container: &Container, is_init: bool) {
    let probes = [
        ("livenessProbe", &container.liveness_probe),
        ("readinessProbe", &container.readiness_probe),
        ("startupProbe", &container.startup_probe),
    ];
    for (field, probe) in probes {
        let Some(probe) = probe else { continue };
        if is_init && !is_sidecar(container) {
            check.forbidden(
                field,
                "an init container has none unless its restartPolicy is Always",
            );
        }
        check.at(field, |check| check_probe(check, probe, field));
    }
    if let Some(lifecycle) = &container.lifecycle {
        if is_init && !is_sidecar(container) {
            check.forbidden(
                "lifecycle",
                "an init container has none unless its restartPolicy is Always",
            );
        }
        check.at("lifecycle", |check| check_lifecycle(check, lifecycle));
    }
}

fn check_probe(check: &mut Check, probe: &Probe, field: &str) {
    let none = ProbeHandler::default();
    let handler = probe.handler.as_ref().unwrap_or(&none);
    let given = [
        handler.exec.is_some(),
        handler.http_get.is_some(),
        handler.tcp_socket.is_some(),
        handler.grpc.is_some(),
    ];
    if given.into_iter().filter(|given| *given).count() != 1 {
        check.invalid("", "give exactly one of exec, httpGet, tcpSocket, grpc");
    }
    check_actions(
        check,
        handler.exec.as_ref(),
        handler.http_get.as_ref(),
        handler.tcp_socket.as_ref(),
    );
    if let Some(grpc) = &handler.grpc {
        check.in_range("grpc.port", grpc.port, PORTS.0, PORTS.1);
    }
    check.not_negative("initialDelaySeconds", probe.initial_delay_seconds);
    check.not_negative("timeoutSeconds", probe.timeout_seconds);
    check.not_negative("periodSeconds", probe.period_seconds);
    check.not_negative("successThreshold", probe.success_threshold);
    check.not_negative("failureThreshold", probe.failure_threshold);
    let decides_restart = field != "readinessProbe";
    if decides_restart && probe.success_threshold > 1 {
        check.invalid("successThreshold", "must be 1 for liveness and startup probes");
    }
    if let Some(seconds) = probe.termination_grace_period_seconds {
        check.at_least("terminationGracePeriodSeconds", seconds, 1);
        if !decides_restart {
            check.forbidden(
                "terminationGracePeriodSeconds",
                "a readiness probe ends no container: leave it out",
            );
        }
    }
}

fn check_lifecycle(check: &mut Check, lifecycle: &Lifecycle) {
    for (field, handler) in [
        ("postStart", &lifecycle.post_start),
        ("preStop", &lifecycle.pre_stop),
    ] {
        if let Some(handler) = handler {
            check.at(field, |check| check_handler(check, handler));
        }
    }
}

fn check_handler(check: &mut Check, handler: &LifecycleHandler) {
    let LifecycleHandler {
        exec,
        http_get,
        tcp_socket,
        sleep,
    } = handler;
    let given = [
        exec.is_some(),
        http_get.is_some(),
        tcp_socket.is_some(),
        sleep.is_some(),
    ];
    if given.into_iter().filter(|given| *given).count() != 1 {
        check.invalid("", "give exactly one of exec, httpGet, tcpSocket, sleep");
    }
    check_actions(check, exec.as_ref(), http_get.as_ref(), tcp_socket.as_ref());
    if let Some(sleep) = sleep {
        check.not_negative("sleep.seconds", sleep.seconds);
    }
}

fn check_actions(
    check: &mut Check,
    exec: Option<&ExecAction>,
    http_get: Option<&HttpGetAction>,
    tcp_socket: Option<&TcpSocketAction>,
) {
    if exec.is_some_and(|exec| exec.command.is_empty()) {
        check.required("exec.command", "give the command to run");
    }
    if let Some(action) = http_get {
        check.at("httpGet", |check| {
            check_port(check, action.port.as_ref());
            check.one_of_or_absent("scheme", &action.scheme, &["HTTP", "HTTPS"]);
        });
    }
    if let Some(action) = tcp_socket {
        check.at("tcpSocket", |check| check_port(check, action.port.as_ref()));
    }
}

fn check_port(check: &mut Check, port: Option<&IntOrString>) {
    let Some(port) = port else {
        return check.required("port", "give the number or the name of a port");
    };
    match (port.as_int(), port.as_text()) {
        (Some(number), _) => check.in_range("port", number, PORTS.0, PORTS.1),
        (None, name) => check.text("port", names::port_name(name.unwrap_or_default())),
    }
}
