"""The chart's examples, as helm renders them, are objects that Kubernetes and the operators take.

Core objects are judged by Kubernetes' own schemas, those of Strimzi by the schemas that its generator makes.
`own_schemas.json` says what we use of CloudNativePG and of the Prometheus operator, whose schemas need Go to be had.
"""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from postavka.app.registry import SERVICES
from postavka.kernel.runtime.jars import UnreachedJars, fetched, jars_of
from postavka.kernel.runtime.java import find_java
from tests.paths import JARS, PROJECT, TESTS

CHART = PROJECT / "deploy" / "chart"
RENDERED = TESTS / "deploy" / "rendered"
EXAMPLES = ("three-nodes", "own-servers")
KUBERNETES = "1.33"
STRIMZI = {
    "KafkaTopic": "io.strimzi.api.kafka.model.topic.KafkaTopic",
    "KafkaUser": "io.strimzi.api.kafka.model.user.KafkaUser",
}
Object = dict[str, Any]


@cache
def own_schemas() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((TESTS / "deploy" / "own_schemas.json").read_text())
    return loaded


@pytest.fixture(scope="module")
def strimzi(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Kind → JSON Schema of Strimzi's resources, from its own generator."""
    locked = jars_of((TESTS / "deploy" / "strimzi.jars.lock").read_text())
    try:
        jars = fetched(JARS / "strimzi", locked, "Strimzi's generator of schemas")
    except UnreachedJars as unreached:
        pytest.skip(f"Strimzi's jars can't be reached here: {unreached}")
    folder = tmp_path_factory.mktemp("strimzi")
    wanted = [f"{name}={folder / kind}.yaml" for kind, name in STRIMZI.items()]
    generator = ["-cp", ":".join(map(str, jars)), "io.strimzi.crdgenerator.CrdGenerator", "--yaml", *wanted]
    subprocess.run([find_java(), "-XX:TieredStopAtLevel=1", *generator], check=True, capture_output=True)
    return {kind: strict(stored(yaml.safe_load((folder / f"{kind}.yaml").read_text()))) for kind in STRIMZI}


def stored(definition: Object) -> Object:
    """The schema of the version that is stored."""
    version = next(each for each in definition["spec"]["versions"] if each["storage"])
    found: Object = version["schema"]["openAPIV3Schema"]
    return found


def strict(schema: Any) -> Any:
    """The same, refusing what it does not name: a server drops that in silence."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: strict(each) for name, each in schema.items()}
    if (
        "properties" in schema
        and "x-kubernetes-preserve-unknown-fields" not in schema
        and schema.get("type") == "object"
    ):
        inner.setdefault("additionalProperties", False)
    return inner


def objects(example: str) -> list[Object]:
    return [each for each in yaml.safe_load_all((RENDERED / f"{example}.yaml").read_text()) if each]


def judge(each: Object, strimzi: dict[str, Any]) -> None:
    """Raises when the object is not what its kind allows."""
    kind = each["kind"]
    if kind in strimzi:
        metadata = {"type": "object"}
        schema = strimzi[kind] | {"properties": strimzi[kind]["properties"] | {"metadata": metadata}}
        jsonschema.validate(each, schema)
    elif kind in own_schemas() and "k8s.io" not in each["apiVersion"]:
        jsonschema.validate(each["spec"], own_schemas()[kind])
    else:
        kubernetes_validate.validate(each, KUBERNETES, strict=True)


@pytest.mark.parametrize("example", EXAMPLES)
def test_everything_rendered_is_valid(example: str, strimzi: dict[str, Any]) -> None:
    for each in objects(example):
        judge(each, strimzi)


def test_what_was_rendered_is_of_this_chart() -> None:
    recorded = (RENDERED / "SHA256SUMS").read_text().splitlines()
    files = sorted(path for path in CHART.rglob("*") if path.is_file())
    now = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(PROJECT)}" for path in files]
    assert sorted(recorded) == sorted(now), "the chart has changed: run deploy/render.sh"


@pytest.mark.skipif(shutil.which("helm") is None, reason="helm isn't on this machine: what it rendered is looked at")
@pytest.mark.parametrize("example", EXAMPLES)
def test_helm_renders_the_same(example: str) -> None:
    command = [
        "helm",
        "template",
        "postavka",
        CHART,
        "--kube-version",
        "1.33.0",
        "-f",
        CHART / "examples" / f"{example}.yaml",
    ]
    rendered = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert rendered == (RENDERED / f"{example}.yaml").read_text()


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_service_runs_with_its_probes_and_its_bounds(example: str) -> None:
    found = objects(example)
    workloads = {each["metadata"]["name"]: each for each in found if each["kind"] in ("StatefulSet", "Deployment")}
    assert set(workloads) == {f"postavka-{name}" for name in SERVICES if name != "desk"}
    budgets = {each["metadata"]["name"] for each in found if each["kind"] == "PodDisruptionBudget"}
    assert budgets == set(workloads)
    for each in workloads.values():
        pod = each["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        ports = {port["name"] for port in container["ports"]}
        assert {container[probe]["httpGet"]["port"] for probe in ("livenessProbe", "readinessProbe")} <= ports
        volumes = {volume["name"] for volume in pod["volumes"]}
        volumes |= {claim["metadata"]["name"] for claim in each["spec"].get("volumeClaimTemplates", [])}
        assert {mount["name"] for mount in container["volumeMounts"]} == volumes
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert not [variable for variable in container["env"] if "value" in variable and is_secret(variable["name"])]


def is_secret(name: str) -> bool:
    return name == "DATABASE_URL" or name.endswith(("PASSWORD", "PRIVACY_KEY", "SECRET", "TOKEN"))


def test_a_pod_that_is_replaced_is_the_same_member_of_its_group() -> None:
    for each in objects("three-nodes"):
        if each["kind"] == "StatefulSet":
            env = {variable["name"]: variable for variable in each["spec"]["template"]["spec"]["containers"][0]["env"]}
            index = env["POSTAVKA_WORKER"]["valueFrom"]["fieldRef"]["fieldPath"]
            assert index == "metadata.labels['apps.kubernetes.io/pod-index']"


# Mistakes that are found


def of_kind(kind: str) -> Object:
    return copy.deepcopy(next(each for each in objects("three-nodes") if each["kind"] == kind))


def spec(each: Object) -> Object:
    found: Object = each["spec"]
    return found


def container(each: Object) -> Object:
    found: Object = each["spec"]["template"]["spec"]["containers"][0]
    return found


WRONG_OBJECTS: dict[str, tuple[str, Callable[[Object], object]]] = {
    "replicas in words": ("StatefulSet", lambda each: spec(each).update(replicas="two")),
    "a misspelt probe": ("Deployment", lambda each: container(each).update(readynessProbe={})),
    "memory as a list": ("StatefulSet", lambda each: container(each)["resources"].update(limits=["1Gi"])),
    "a budget without a selector's kind": ("PodDisruptionBudget", lambda each: spec(each).update(selector="postavka")),
    "partitions misspelt": ("KafkaTopic", lambda each: spec(each).update(partitons=12)),
    "an operation that isn't one": (
        "KafkaUser",
        lambda each: spec(each)["authorization"]["acls"][0].update(operations=["Wirte"]),
    ),
    "a rule without an expression": ("PrometheusRule", lambda each: spec(each)["groups"][0]["rules"][0].pop("expr")),
    "a standby that is neither": (
        "Cluster",
        lambda each: spec(each)["postgresql"]["synchronous"].update(method="some"),
    ),
    "a schedule in a list": ("CronJob", lambda each: spec(each).update(schedule=["1:15"])),
}


@pytest.mark.parametrize("mistake", WRONG_OBJECTS)
def test_a_wrong_object_is_found(mistake: str, strimzi: dict[str, Any]) -> None:
    kind, plant = WRONG_OBJECTS[mistake]
    wrong = of_kind(kind)
    judge(wrong, strimzi)
    plant(wrong)
    with pytest.raises((jsonschema.ValidationError, kubernetes_validate.ValidationError)):
        judge(wrong, strimzi)


WRONG_VALUES: dict[str, Object] = {
    "a broker without a port": {"kafka": {"bootstrapServers": "kafka"}},
    "more workers than partitions": {"stages": {"workers": 13}},
    "a secret among the settings": {"settings": {"POSTAVKA_SMTP_PASSWORD": "x"}},
    "a value nobody reads": {"web": {"replica": 2}},
    "a digest that isn't one": {"image": {"repository": "postavka", "digests": {"stages": "latest"}}},
    "Strimzi without a cluster": {"strimzi": {"enabled": True}},
    "copies without a place": {"backup": {"enabled": True}},
}


def values() -> Iterator[Object]:
    for example in EXAMPLES:
        yield merged(
            yaml.safe_load((CHART / "values.yaml").read_text()),
            yaml.safe_load((CHART / "examples" / f"{example}.yaml").read_text()),
        )


def merged(below: Object, above: Object) -> Object:
    """As helm lays values over one another."""
    inner = {name: merged(below[name], each) for name, each in above.items() if isinstance(below.get(name), dict)}
    return below | above | inner


@pytest.mark.parametrize("mistake", WRONG_VALUES)
def test_a_wrong_value_is_refused(mistake: str) -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    for right in values():
        jsonschema.validate(right, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(merged(list(values())[-1], WRONG_VALUES[mistake]), schema)
