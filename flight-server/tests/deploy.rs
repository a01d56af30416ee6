//! The files of `.github/deploy`: they can be read, and their commands and their configuration are Paratope's.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a failed step is a failed test

use std::path::Path;
use std::process::Command;

use serde::Deserialize as _;
use serde_yaml_ng::Value;

/// The documents of a file.
fn documents(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../.github/deploy")
        .join(name);
    let text = std::fs::read_to_string(&path).unwrap();
    serde_yaml_ng::Deserializer::from_str(&text)
        .map(|document| {
            let mut document = Value::deserialize(document).unwrap();
            document.apply_merge().unwrap();
            document
        })
        .collect()
}

/// The texts of a list.
fn texts(list: &Value) -> Vec<String> {
    let list = list.as_sequence().expect("a list");
    list.iter()
        .map(|text| text.as_str().expect("a text").to_string())
        .collect()
}

/// Asserts that the command line takes the arguments.
fn assert_taken(arguments: &[String]) {
    let output = Command::new(env!("CARGO_BIN_EXE_paratope"))
        .args(arguments)
        .arg("--help")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
}

/// Asserts that a configuration holds known keys with values of their types, and gives it with all defaults.
fn configuration(text: &str, environment: &[(String, String)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("paratope.toml");
    std::fs::write(&file, text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_paratope"))
        .args(["--config", file.to_str().unwrap(), "config", "show"])
        .envs(environment.iter().cloned())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn manifests_of_kubernetes_run_commands_that_exist_with_a_configuration_that_is_read() {
    let documents = documents("kubernetes.yaml");
    let kinds: Vec<&str> = documents
        .iter()
        .map(|it| it["kind"].as_str().unwrap())
        .collect();
    for kind in [
        "ConfigMap",
        "Service",
        "Deployment",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
        "NetworkPolicy",
    ] {
        assert!(kinds.contains(&kind), "{kind} is missing");
    }
    let shown = documents
        .iter()
        .find_map(|it| it["data"]["paratope.toml"].as_str())
        .map(|text| configuration(text, &[]))
        .expect("a configuration");
    let mut parts = 0;
    for deployment in documents.iter().filter(|it| it["kind"] == "Deployment") {
        let pod = &deployment["spec"]["template"];
        assert_eq!(
            deployment["spec"]["selector"]["matchLabels"],
            pod["metadata"]["labels"]
        );
        let container = &pod["spec"]["containers"][0];
        assert_taken(&texts(&container["args"]));
        let ports = container["ports"].as_sequence().unwrap();
        let named: Vec<&str> = ports
            .iter()
            .map(|port| port["name"].as_str().unwrap())
            .collect();
        for probe in ["livenessProbe", "readinessProbe"] {
            let probe = &container[probe];
            let port = probe["httpGet"]["port"]
                .as_str()
                .or(probe["tcpSocket"]["port"].as_str());
            assert!(named.contains(&port.expect("a port")), "{probe:?}");
        }
        // Every port is one that something listens on.
        let arguments = texts(&container["args"]).join(" ");
        for port in ports {
            let address = format!("0.0.0.0:{}", port["containerPort"].as_u64().unwrap());
            assert!(
                shown.contains(&address) || arguments.contains(&address),
                "{address}"
            );
        }
        parts += 1;
    }
    assert_eq!(parts, 2);
    let services = documents.iter().filter(|it| it["kind"] == "Service");
    let headless = services.filter(|it| it["spec"]["clusterIP"] == "None");
    let names: Vec<String> = headless
        .map(|it| {
            let port = &it["spec"]["ports"][0]["port"];
            format!(
                "dns://{}:{}",
                it["metadata"]["name"].as_str().unwrap(),
                port.as_u64().unwrap()
            )
        })
        .collect();
    assert!(
        names.iter().all(|name| shown.contains(name)) && names.len() == 1,
        "{names:?}"
    );
}

#[test]
fn services_of_the_compose_file_run_commands_that_exist_with_settings_that_are_read() {
    let documents = documents("compose.yaml");
    let services = documents[0]["services"].as_mapping().unwrap();
    let mut ours = 0;
    for (name, service) in services {
        if service["image"] != "paratope" {
            continue;
        }
        assert_taken(&texts(&service["command"]));
        let environment: Vec<(String, String)> = service["environment"]
            .as_mapping()
            .unwrap()
            .iter()
            .map(|(key, value)| (key.as_str().unwrap().into(), value.as_str().unwrap().into()))
            .collect();
        let shown = configuration("", &environment);
        assert!(shown.contains("s3://lake/main"), "{name:?}: {shown}");
        ours += 1;
    }
    assert_eq!(ours, 3);
}

#[test]
fn the_image_holds_the_binary_and_starts_it() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.github/deploy/Dockerfile");
    let text = std::fs::read_to_string(path).unwrap();
    let toolchain = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rust-toolchain.toml");
    let toolchain = std::fs::read_to_string(toolchain).unwrap();
    let version = text
        .split("FROM rust:")
        .nth(1)
        .and_then(|rest| rest.split('-').next());
    assert!(
        toolchain.contains(version.expect("a version")),
        "{version:?}\n{toolchain}"
    );
    for port in ["32010", "32011", "32012"] {
        assert!(text.contains(port));
    }
    assert!(text.contains("ENTRYPOINT [\"paratope\"]"));
}
