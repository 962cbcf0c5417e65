"""Trains a network of 5,000 weights that tells circles, squares and triangles apart, and writes it in every format we open.

    python3 -m venv .venv && .venv/bin/pip install tensorflow-cpu==2.15.1 onnx==1.16.2
    .venv/bin/python train_shapes.py .. ../../../service/test/fixtures/shapes

The first folder gets two model folders: keras-shapes (a SavedModel, as model.export() writes it) and onnx-shapes (NCHW
input and logits out, as PyTorch exports have them). The second gets the same weights as tfjs layers and graph models,
and golden.json: Keras' own answers to inputs that a test can compute, value[i] = (i * 7919 % 255) / 255.
"""

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import numpy as np
import onnx
import tensorflow as tf
from google.protobuf.json_format import MessageToDict
from onnx import TensorProto, helper, numpy_helper
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

SIDE = 32
LABELS = ["circle", "square", "triangle"]


def draw(rng, kind: int) -> np.ndarray:
    """One picture, float [SIDE, SIDE, 3] in 0..1: a filled shape of any colour, size and place on another colour."""
    ink, paper = rng.random(3), rng.random(3)
    while np.abs(ink - paper).sum() < 0.6:
        ink = rng.random(3)
    radius = rng.uniform(6, 14)
    cx, cy = rng.uniform(radius, SIDE - radius, 2)
    y, x = np.mgrid[0 : SIDE * 4, 0 : SIDE * 4] / 4.0
    dx, dy = x - cx, y - cy
    if kind == 0:
        inside = dx**2 + dy**2 <= radius**2
    elif kind == 1:
        inside = (np.abs(dx) <= radius * 0.85) & (np.abs(dy) <= radius * 0.85)
    else:
        inside = (dy <= radius * 0.8) & (dy >= -radius) & (np.abs(dx) <= (dy + radius) * 0.55)
    cover = inside.reshape(SIDE, 4, SIDE, 4).mean(axis=(1, 3))[..., None]
    return (cover * ink + (1 - cover) * paper + rng.normal(0, 0.02, (SIDE, SIDE, 3))).clip(0, 1)


def data_set(seed: int, count: int):
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 3, count)
    return np.stack([draw(rng, kind) for kind in kinds]).astype(np.float32), kinds


def train():
    tf.keras.utils.set_random_seed(7)
    layers = tf.keras.layers
    model = tf.keras.Sequential(
        [
            layers.InputLayer((SIDE, SIDE, 3), name="image"),
            layers.Conv2D(8, 3, strides=2, padding="same", activation="relu", name="conv1"),
            layers.Conv2D(16, 3, strides=2, padding="same", activation="relu", name="conv2"),
            layers.Conv2D(24, 3, strides=2, padding="same", activation="relu", name="conv3"),
            layers.GlobalAveragePooling2D(name="mean"),
            layers.Dense(3, activation="softmax", name="dense"),
        ],
        name="shapes",
    )
    x, y = data_set(1, 12000)
    rate = tf.keras.optimizers.schedules.CosineDecay(5e-3, 40 * len(x) // 64)
    model.compile(tf.keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=64, epochs=40, verbose=0)
    test_x, test_y = data_set(2, 3000)
    accuracy = float(model.evaluate(test_x, test_y, verbose=0)[1])
    return model, round(accuracy, 4)


def write_manifest(folder: Path, **fields) -> None:
    """Every file of the folder, with its hash, into its manifest."""
    (folder / "labels.json").write_text(json.dumps(LABELS) + "\n")
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json")
    manifest = {
        "schemaVersion": 1,
        "name": folder.name,
        "version": "1.0.0",
        "task": "image-classification",
        "licence": "MIT",
        **fields,
        "source": {
            "files": [
                {
                    "path": path.relative_to(folder).as_posix(),
                    "bytes": path.stat().st_size,
                    "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                }
                for path in files
            ]
        },
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


def image_input(layout: str) -> dict:
    return {
        "kind": "image",
        "height": SIDE,
        "width": SIDE,
        "channels": "RGB",
        "resize": {"mode": "cover"},
        "crop": "center",
        "scale": 1 / 255,
        "mean": [0, 0, 0],
        "std": [1, 1, 1],
        "layout": layout,
    }


def fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def export_saved_model(model, folder: Path, metrics: dict) -> None:
    fresh(folder)
    model.export(str(folder))
    # Not part of the model: what they say changes with every export.
    (folder / "fingerprint.pb").unlink(missing_ok=True)
    shutil.rmtree(folder / "assets", ignore_errors=True)
    write_manifest(
        folder,
        description="Tells circles, squares and triangles apart: a SavedModel from Keras.",
        engine="tensorflow",
        format="saved-model",
        entry="saved_model.pb",
        input=image_input("NHWC"),
        output={"activation": "softmax", "classes": 3, "labels": "labels.json"},
        metrics=metrics,
    )


def export_onnx(model, folder: Path, metrics: dict) -> None:
    fresh(folder)
    nodes, weights, last = [], [], "image"
    for name in ["conv1", "conv2", "conv3"]:
        kernel, bias = model.get_layer(name).get_weights()
        weights += [
            numpy_helper.from_array(kernel.transpose(3, 2, 0, 1).copy(), f"{name}.weight"),
            numpy_helper.from_array(bias, f"{name}.bias"),
        ]
        # Keras pads what `same` needs at the bottom and the right.
        nodes += [
            helper.make_node(
                "Conv", [last, f"{name}.weight", f"{name}.bias"], [name], strides=[2, 2], pads=[0, 0, 1, 1]
            ),
            helper.make_node("Relu", [name], [f"{name}.relu"]),
        ]
        last = f"{name}.relu"
    kernel, bias = model.get_layer("dense").get_weights()
    weights += [numpy_helper.from_array(kernel, "dense.weight"), numpy_helper.from_array(bias, "dense.bias")]
    nodes += [
        helper.make_node("GlobalAveragePool", [last], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "dense.weight", "dense.bias"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "shapes",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])],
        weights,
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(proto)
    (folder / "model.onnx").write_bytes(proto.SerializeToString())
    write_manifest(
        folder,
        description="Tells circles, squares and triangles apart: ONNX with NCHW input and logits.",
        engine="onnx",
        format="onnx",
        entry="model.onnx",
        input=image_input("NCHW"),
        output={"activation": "logits", "classes": 3, "labels": "labels.json"},
        metrics=metrics,
    )


def write_tfjs(folder: Path, document: dict, weights: list[tuple[str, np.ndarray]]) -> None:
    fresh(folder)
    (folder / "weights.bin").write_bytes(b"".join(value.tobytes() for _, value in weights))
    specs = [
        {"name": name, "shape": list(value.shape), "dtype": str(value.dtype)} for name, value in weights
    ]
    document["weightsManifest"] = [{"paths": ["weights.bin"], "weights": specs}]
    (folder / "model.json").write_text(json.dumps(document) + "\n")


def export_layers(model, folder: Path) -> None:
    topology = {
        "keras_version": "2.15.0",
        "backend": "tensorflow",
        "model_config": json.loads(model.to_json()),
    }
    weights = [
        (f"{layer.name}/{kind}", value)
        for layer in model.layers
        for kind, value in zip(["kernel", "bias"], layer.get_weights())
    ]
    write_tfjs(folder, {"format": "layers-model", "modelTopology": topology}, weights)


def export_graph(model, folder: Path) -> None:
    spec = tf.TensorSpec([None, SIDE, SIDE, 3], tf.float32, name="image")
    frozen = convert_variables_to_constants_v2(tf.function(model).get_concrete_function(spec))
    definition = frozen.graph.as_graph_def()
    weights = []
    for node in definition.node:
        if node.op == "Const":
            weights.append((node.name, tf.make_ndarray(node.attr["value"].tensor)))
            node.attr["value"].tensor.Clear()
            node.attr["value"].tensor.dtype = node.attr["dtype"].type
    info = lambda tensor: {"name": tensor.name, "dtype": "DT_FLOAT"}
    document = {
        "format": "graph-model",
        "modelTopology": MessageToDict(definition),
        "signature": {
            "inputs": {"image": info(frozen.inputs[0])},
            "outputs": {"probabilities": info(frozen.outputs[0])},
        },
    }
    write_tfjs(folder, document, weights)


def main() -> None:
    models, fixtures = Path(sys.argv[1]), Path(sys.argv[2])
    model, accuracy = train()
    print("accuracy", accuracy)
    metrics = {"accuracy": accuracy, "dataset": "3,000 drawn shapes, other ones than in training"}
    export_saved_model(model, models / "keras-shapes", metrics)
    export_onnx(model, models / "onnx-shapes", metrics)
    export_layers(model, fixtures / "layers")
    export_graph(model, fixtures / "graph")
    size = 4
    values = (np.arange(size * SIDE * SIDE * 3) * 7919 % 255) / 255.0
    # Each input darker than the one before, so that no two answers are the same.
    batch = values.reshape(size, SIDE, SIDE, 3) * (1 - np.arange(size) / size)[:, None, None, None]
    golden = model.predict(batch.astype(np.float32), verbose=0).tolist()
    (fixtures / "golden.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
