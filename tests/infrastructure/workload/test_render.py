"""Rendered files are read by the tools that will read them.

hadolint, kubernetes-validate and check-jsonschema (which carries the schema of the compose specification) come from the
extra `test`. `systemd-analyze` is the machine's own: where it lacks, units are read by `_unit` alone.
"""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import typer
import yaml

from fedsov.infrastructure.workload.render import PATHS, QUIET, command, render
from fedsov.infrastructure.workload.values import Listener, Reachable, Workload
from fedsov.storage.party_file import HubAddress

HUB = Workload(party="hub", role="hub", hub=HubAddress("hub.example"))
REGION = Workload(party="DE", role="region", hub=HubAddress("203.0.113.7"))
FULL = Workload(
    party="US_CA",
    role="region",
    hub=HubAddress("hub.example", 443),
    hub_networks=("203.0.113.7/32", "2001:db8::7/128"),
    listeners=(Listener("predict", 8443), Listener("public", 8444, ("198.51.100.0/24",))),
    reaches=(Reachable("openbao", "10.1.2.3/32", 8200),),
    image="registry.example:5000/fedsov@sha256:" + "a" * 64,
)
NAMED = replace(FULL, hub_networks=("203.0.113.7/32",), reaches=(), listeners=())
WORKLOADS = pytest.mark.parametrize("workload", [HUB, REGION, FULL, NAMED], ids=["hub", "region", "full", "named"])


def _written(folder, workload, prefix):
    """The files of one kind, on the disk."""
    paths = []
    for path, text in render(workload).items():
        if path.startswith(prefix):
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
            paths.append(target)
    assert paths
    return paths


def _assert_clean(tool, *words):
    """The output of a checking tool of this environment, which has to find nothing."""
    program = Path(sys.executable).parent / tool
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def _documents(workload, *, kind):
    texts = [text for path, text in render(workload).items() if path.startswith("kubernetes/")]
    return [each for text in texts for each in yaml.safe_load_all(text) if each["kind"] == kind]


def _unit(text):
    """A unit: its sections, each a list of keys and values. Fails for a line that is none."""
    sections = {}
    for line in text.splitlines():
        if line.startswith("[") and line.endswith("]"):
            entries = sections.setdefault(line[1:-1], [])
        elif line and not line.startswith("#"):
            key, equals, value = line.partition("=")
            assert equals and key.isalpha(), line
            entries.append((key, value))
    return sections


@WORKLOADS
def test_the_same_values_give_the_same_files_in_one_order(workload):
    files = render(workload)
    assert list(files.items()) == list(render(workload).items())
    assert [path.replace(workload.name, "{name}") for path in files] == sorted(PATHS)
    assert all(text.endswith("\n") and "{{" not in text and "{%" not in text for text in files.values())


@WORKLOADS
def test_manifests_are_valid_strictly(tmp_path, workload):
    paths = _written(tmp_path, workload, "kubernetes/")
    output = _assert_clean("kubernetes-validate", "--strict", *paths)
    assert output.count(" passed ") == sum(len(list(yaml.safe_load_all(path.read_text()))) for path in paths)


@WORKLOADS
def test_the_compose_file_is_one_of_the_specification(tmp_path, workload):
    _assert_clean(
        "check-jsonschema", "--builtin-schema", "vendor.compose-spec", *_written(tmp_path, workload, "compose/")
    )


@WORKLOADS
def test_the_image_follows_hadolint(tmp_path, workload):
    _assert_clean("hadolint", "--failure-threshold", "style", *_written(tmp_path, workload, "image/"))


@WORKLOADS
def test_a_unit_is_one_of_systemd_and_little_exposed(tmp_path, workload):
    (path,) = _written(tmp_path, replace(workload, program="/bin/true"), "systemd/")
    assert set(_unit(path.read_text())) == {"Unit", "Service", "Install"}
    if shutil.which("systemd-analyze") is None:
        return
    done = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    words = ["systemd-analyze", "security", "--offline=true", "--threshold=30", str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-300:]


def test_a_unit_closes_what_it_can():
    service = _unit(render(REGION)["systemd/fedsov-region-de.service"])["Service"]
    for closed in (
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("ReadWritePaths", "/var/lib/fedsov-region-de"),
        ("PrivateTmp", "yes"),
        ("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6"),
        ("CapabilityBoundingSet", ""),
        ("MemoryMax", "4096M"),
        ("KillMode", "mixed"),
        ("IPAddressDeny", "any"),
        ("SocketBindDeny", "any"),
    ):
        assert closed in service
    assert [value for key, value in service if key == "IPAddressAllow"] == ["localhost", "203.0.113.7/32"]
    assert [value for key, value in service if key == "SocketBindAllow"] == ["tcp:8081"]
    assert {value for key, value in service if key == "Environment"} == {f"{k}={v}" for k, v in QUIET.items()}


def test_a_region_s_unit_lets_the_bench_give_up_its_rights_and_a_hub_s_has_none():
    """The bench's own namespaces and calls (`fedsov.runtimes.bench.linux`) are allowed; a hub runs no model code."""
    from fedsov.runtimes.bench.linux import NEW_NAMESPACES

    region, hub = (_unit(render(workload)[f"systemd/{workload.name}.service"])["Service"] for workload in (REGION, HUB))
    of_systemd = {"user": "user", "mount": "mnt", "network": "net", "IPC": "ipc", "host": "uts"}
    allowed = {of_systemd[name] for name in NEW_NAMESPACES}
    assert {word for key, value in region if key == "RestrictNamespaces" for word in value.split()} == allowed
    assert ("RestrictNamespaces", "yes") in hub
    filters = [value for key, value in region if key == "SystemCallFilter"]
    assert filters[:2] == ["@system-service", "~@privileged"] and {"capset", "mount", "seccomp"} < set(
        filters[2].split()
    )


def _policy(workload):
    nothing, party = _documents(workload, kind="NetworkPolicy")
    assert nothing["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert party["spec"]["policyTypes"] == ["Ingress", "Egress"]
    return party["spec"]


def test_a_region_reaches_its_hub_and_nobody_reaches_it_but_its_zone():
    spec = _policy(REGION)
    assert spec["egress"] == [
        {"to": [{"ipBlock": {"cidr": "203.0.113.7/32"}}], "ports": [{"protocol": "TCP", "port": port}]}
        for port in (9092, 9093)
    ]
    assert spec["ingress"] == [{"from": [{"podSelector": {}}], "ports": [{"protocol": "TCP", "port": 8081}]}]


def test_further_listeners_and_services_are_open_to_those_named_alone():
    spec = _policy(FULL)
    to = [rule["to"][0].get("ipBlock", {}).get("cidr", "names") for rule in spec["egress"]]
    assert to == ["203.0.113.7/32"] * 2 + ["2001:db8::7/128"] * 2 + ["10.1.2.3/32", "names"]
    ports = {rule["ports"][0]["port"]: rule["from"] for rule in spec["ingress"]}
    assert ports == {
        8081: [{"podSelector": {}}],
        8443: [{"podSelector": {}}],
        8444: [{"ipBlock": {"cidr": "198.51.100.0/24"}}],
    }
    balanced = [each["metadata"]["name"] for each in _documents(FULL, kind="Service") if "type" in each["spec"]]
    assert balanced == ["public"]
    ports = yaml.safe_load(render(FULL)["compose/compose.yaml"])["services"]["party"]["ports"]
    assert ports == ["127.0.0.1:8443:8443", "8444:8444"]


def test_a_hub_is_reached_on_its_ports_and_reaches_nobody():
    spec = _policy(HUB)
    assert spec["egress"] == []
    assert [rule["ports"][0]["port"] for rule in spec["ingress"]] == [8081, 9092, 9093, 9094]
    assert spec["ingress"][1]["from"] == [{"ipBlock": {"cidr": "0.0.0.0/0"}}, {"ipBlock": {"cidr": "::/0"}}]


def test_a_hub_whose_addresses_are_not_known_is_not_reached_and_that_is_said():
    files = render(replace(FULL, hub_networks=(), reaches=()))
    for path in ("CHECKLIST.md", "kubernetes/2-network.yaml", f"systemd/{FULL.name}.service"):
        assert "addresses of hub.example are not known" in files[path]
    assert [rule["ports"][0]["port"] for rule in _policy(replace(FULL, hub_networks=(), reaches=()))["egress"]] == [53]


@WORKLOADS
def test_pods_hold_to_the_restricted_profile(workload):
    (party,) = _documents(workload, kind="StatefulSet")
    (shell,) = _documents(workload, kind="Pod")
    for pod in (party["spec"]["template"]["spec"], shell["spec"]):
        assert (
            pod["securityContext"]["runAsNonRoot"]
            and pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
        )
        assert pod["automountServiceAccountToken"] is False
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["envFrom"] == [{"secretRef": {"name": "credentials", "optional": True}}]
        assert {"memory", "cpu"} == set(container["resources"]["limits"])
    container = party["spec"]["template"]["spec"]["containers"][0]
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert party["spec"]["replicas"] == 1
    (claim,) = _documents(workload, kind="PersistentVolumeClaim")
    assert claim["spec"]["accessModes"] == ["ReadWriteOncePod"]


@WORKLOADS
def test_a_container_has_no_rights_and_one_folder(workload):
    party = yaml.safe_load(render(workload)["compose/compose.yaml"])["services"]["party"]
    assert party["read_only"] and party["cap_drop"] == ["ALL"] and party["user"] == "10001:10001"
    assert party["volumes"] == ["home:/var/lib/fedsov"]
    assert party["command"] == list(command(workload, "/var/lib/fedsov", "0.0.0.0"))


def test_a_container_asks_no_name_server_for_a_hub_of_one_address():
    party = yaml.safe_load(render(NAMED)["compose/compose.yaml"])["services"]["party"]
    assert party["extra_hosts"] == ["hub.example=203.0.113.7"]
    assert "stands for no one address" not in render(NAMED)["CHECKLIST.md"]
    assert "stands for no one address" in render(FULL)["CHECKLIST.md"]


@WORKLOADS
def test_the_command_is_one_of_fedsov(workload):
    from fedsov.cli.main import app

    with typer.main.get_command(app).make_context("fedsov", list(command(workload, "/home", "0.0.0.0"))) as context:
        name, group, words = context.command.resolve_command(context, context.protected_args + context.args)
        while hasattr(group, "resolve_command"):
            with group.make_context(name, words, parent=context) as inner:
                name, group, words = group.resolve_command(inner, inner.protected_args + inner.args)
        given = group.make_context(name, words, parent=context).params
    assert given["folder"] == "/home" and given["health"] == 8081 and given["health_host"] == "0.0.0.0"


def test_a_bridge_has_a_name_that_linux_takes():
    options = yaml.safe_load(render(FULL)["compose/compose.yaml"])["networks"]["zone"]["driver_opts"]
    (bridge,) = options.values()
    assert len(bridge) <= 15 and f"DOCKER-USER -i {bridge} " in render(FULL)["CHECKLIST.md"]


def test_what_is_off_here_is_off_in_every_process():
    from fedsov.runtimes.deployment.supervision.parties import ENVIRONMENT
    from fedsov.runtimes.fork_server import QUIET as FORKED

    assert FORKED.items() <= QUIET.items() <= ENVIRONMENT.items()


def test_a_region_with_a_listener_for_predictions_serves_there_and_others_do_not() -> None:
    words = command(FULL, "/srv/us", "127.0.0.1")
    assert words[words.index("--serve-port") :] == ("--serve-port", "8443", "--serve-host", "0.0.0.0")
    assert "--serve-port" not in command(REGION, "/srv/de", "127.0.0.1")
    assert any("--serve-port 8443" in text or '"--serve-port", "8443"' in text for text in render(FULL).values())
