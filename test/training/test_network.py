# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The network compared with its export: its converted checkpoint yields the same numbers in OpenVINO."""

from __future__ import annotations

import numpy as np
import openvino as ov
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed, which only training needs")

from pointpillars_ov_ros.conversion.checkpoint_import import import_checkpoint
from pointpillars_ov_ros.core.dense_pfe import DensePfeInputs
from pointpillars_ov_ros.model.bundle import ModelBundle, load_bundle
from pointpillars_ov_ros.training.checkpoint import save_checkpoint
from pointpillars_ov_ros.training.network import Cloud, Outputs, PointPillars, scatter
from pointpillars_ov_ros.training.samples import Window, make_sample
from pointpillars_ov_ros.training.scenes import LabelledScene
from pointpillars_ov_ros.training.targets import Assigner
from pointpillars_ov_ros.training.trainer import collate
from test.reference import pillars as slow_pillars
from test.reference.dense_pfe import dense_inputs
from test.training.runs import CONFIG, CPU, checkpoint_of, tiny_trainer
from test.training.scenes import TinyScenes

GRID = CONFIG.grid
WHOLE = Window(0, 0, GRID.nx, GRID.ny)


def cloud_of(scene: LabelledScene) -> Cloud:
    sample = make_sample(*scene, CONFIG, Assigner(CONFIG), WHOLE)
    return collate([sample], (GRID.ny, GRID.nx), CPU)[0]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[PointPillars, ModelBundle]:
    """Return a network with trained batch norms, and the bundle of its checkpoint."""
    folder, trainer = tmp_path_factory.mktemp("exported"), tiny_trainer()
    for seed in range(8):
        trainer.network(cloud_of(TinyScenes().scene(seed)))
    with torch.no_grad():
        for name, parameter in trainer.network.named_parameters():
            if "norm" in name or parameter.ndim == 1:
                parameter += 0.3 * torch.randn_like(parameter)
        # As small as it begins, it would hide every mistake.
        trainer.network.dense_head.conv_box.weight.mul_(300.0)
    save_checkpoint(folder / "a.pth", checkpoint_of(trainer))
    import_checkpoint(folder / "a.pth", folder / "bundle")
    return trainer.network.eval(), load_bundle(folder / "bundle")


def infer(bundle: ModelBundle, file: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    compiled = ov.Core().compile_model(bundle.path(file), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    results = compiled(inputs)
    return {port.get_any_name(): results[port] for port in compiled.outputs}


def test_converted_networks_give_the_outputs_of_torch(exported: tuple[PointPillars, ModelBundle]) -> None:
    network, bundle = exported
    scene = TinyScenes().scene(50)
    cloud = cloud_of(scene)
    assert cloud.is_full.any() and not cloud.is_full.all()
    with torch.no_grad():
        features = network.vfe(cloud)
        canvas = scatter(features, cloud)
        outputs = network(cloud)

    dense = dense_inputs(scene.points, GRID, GRID.max_pillars)
    names = bundle.config.pfe.inputs
    inputs = {getattr(names, field): getattr(dense, field) for field in DensePfeInputs._fields}
    answer = infer(bundle, "pfe.xml", inputs)[bundle.config.pfe.output]
    for pillar, (column, row) in enumerate(slow_pillars.group(scene.points, GRID)):
        ours = canvas[0, :, row, column].numpy()
        np.testing.assert_allclose(answer[0, :, pillar, 0], ours, atol=1e-3 * features.abs().max().item())

    for name, values in infer(bundle, "rpn.xml", {"canvas": canvas.contiguous().numpy()}).items():
        expected = getattr(outputs, name).numpy()
        assert values.shape == expected.shape
        assert np.abs(values - expected).max() <= 1e-3 * np.abs(expected).max()
        assert np.abs(expected).max() > 0.01


def test_the_bundle_tells_how_it_was_trained(exported: tuple[PointPillars, ModelBundle]) -> None:
    assert exported[1].config.provenance.startswith("trained in a test; checkpoint a.pth, sha256 ")


def test_crops_of_a_batch_do_not_mix(exported: tuple[PointPillars, ModelBundle]) -> None:
    network = exported[0]
    assigner = Assigner(CONFIG)
    samples = [make_sample(*TinyScenes().scene(seed), CONFIG, assigner, WHOLE) for seed in (60, 61, 62)]
    with torch.no_grad():
        together = network(collate(samples, (GRID.ny, GRID.nx), CPU)[0])
        alone: list[Outputs] = [network(collate([sample], (GRID.ny, GRID.nx), CPU)[0]) for sample in samples]
    for k, outputs in enumerate(alone):
        for one, other in zip(outputs, together, strict=True):
            torch.testing.assert_close(one[0], other[k], atol=1e-5, rtol=1e-4)


def test_answers_of_a_batch_are_numbered_on() -> None:
    assigner = Assigner(CONFIG)
    samples = [make_sample(*TinyScenes().scene(seed), CONFIG, assigner, WHOLE) for seed in (60, 61)]
    _, answers = collate(samples, (GRID.ny, GRID.nx), CPU)
    assert (answers.labels[answers.positives] >= 0).all()
    assert len(answers.positives) == (answers.labels >= 0).sum()
    assert len(answers.residuals) == len(answers.directions) == len(answers.positives)


def test_an_empty_cloud_is_answered(exported: tuple[PointPillars, ModelBundle]) -> None:
    scene = TinyScenes().scene(1)
    outputs = exported[0](cloud_of(LabelledScene(scene.points[:0], scene.boxes[:0], scene.labels[:0])))
    assert all(torch.isfinite(values).all() for values in outputs)
