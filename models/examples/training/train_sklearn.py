"""Trains the two scikit-learn examples and writes their model folders: ONNX file, labels, manifest, golden predictions.

    python3 -m venv .venv && .venv/bin/pip install -r requirements.txt
    .venv/bin/python train_sklearn.py ..        # writes ../sklearn-iris and ../sklearn-diabetes

The golden predictions are scikit-learn's own, in float64, for rows that were not trained on; the service must give the
same within 1e-5. Nobody who only uses the service needs Python.
"""

import hashlib
import json
import sys
from pathlib import Path

from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

OPSET = {"": 17, "ai.onnx.ml": 3}


def write_model(folder: Path, onnx, manifest: dict, files: dict[str, str], golden: list[dict]) -> None:
    """Writes the folder; hashes and sizes go into the manifest, which is written last."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {"model.onnx": onnx.SerializeToString(), **{name: text.encode() for name, text in files.items()}}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    manifest["source"] = {
        "files": [
            {"path": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in contents.items()
        ]
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    (folder / "golden.json").write_text("[\n" + ",\n".join("  " + json.dumps(row) for row in golden) + "\n]\n")


def iris(root: Path) -> None:
    """A classifier of four numbers: one float matrix [rows, 4] in, probabilities [rows, 3] out."""
    data = load_iris()
    train_x, test_x, train_y, test_y = train_test_split(
        data.data, data.target, test_size=0.3, random_state=7, stratify=data.target
    )
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(train_x, train_y)
    # zipmap=False: probabilities as a tensor, not as a sequence of maps.
    onnx = to_onnx(
        model,
        initial_types=[("input", FloatTensorType([None, 4]))],
        options={"zipmap": False},
        target_opset=OPSET,
    )
    names = [name.removesuffix(" (cm)").replace(" ", "_") + "_cm" for name in data.feature_names]
    labels = [str(name) for name in data.target_names]
    manifest = {
        "schemaVersion": 1,
        "name": "sklearn-iris",
        "version": "1.0.0",
        "task": "tabular-classification",
        "description": "Logistic regression on Fisher's iris measurements: names one of three species.",
        "licence": "MIT (model); data: Fisher 1936, public domain",
        "engine": "onnx",
        "format": "onnx",
        "entry": "model.onnx",
        "input": {
            "kind": "tabular",
            "features": [{"name": name, "type": "number", "minimum": 0, "maximum": 100} for name in names],
        },
        "output": {"activation": "softmax", "classes": 3, "labels": "labels.json"},
        "metrics": {
            "accuracy": round(float(model.score(test_x, test_y)), 4),
            "dataset": f"{len(test_x)} held-out flowers",
        },
    }
    golden = [
        {"row": dict(zip(names, row)), "label": labels[answer], "probabilities": dict(zip(labels, shares))}
        for row, answer, shares in zip(
            test_x[:20].tolist(), model.predict(test_x[:20]), model.predict_proba(test_x[:20]).tolist()
        )
    ]
    write_model(root / "sklearn-iris", onnx, manifest, {"labels.json": json.dumps(labels) + "\n"}, golden)


def diabetes(root: Path) -> None:
    """A regressor of numbers and a category: one input [rows, 1] a column, float or string; a value out."""
    frame = load_diabetes(as_frame=True, scaled=False).frame
    frame["sex"] = frame["sex"].map({1.0: "a", 2.0: "b"})  # the data set does not say which is which
    target = frame.pop("target")
    numbers = [name for name in frame.columns if name != "sex"]
    train_x, test_x, train_y, test_y = train_test_split(frame, target, test_size=0.3, random_state=7)
    model = make_pipeline(
        ColumnTransformer([("numbers", StandardScaler(), numbers), ("sex", OneHotEncoder(), ["sex"])]),
        GradientBoostingRegressor(n_estimators=40, max_depth=3, random_state=7),
    ).fit(train_x, train_y)
    types = {"sex": StringTensorType([None, 1])}
    onnx = to_onnx(
        model,
        initial_types=[(name, types.get(name, FloatTensorType([None, 1]))) for name in frame.columns],
        target_opset=OPSET,
    )
    manifest = {
        "schemaVersion": 1,
        "name": "sklearn-diabetes",
        "version": "1.0.0",
        "task": "tabular-regression",
        "description": "Gradient boosting on ten baseline variables: progression of diabetes a year later. An example, not for medical use.",
        "licence": "MIT (model); data: Efron et al. 2004",
        "engine": "onnx",
        "format": "onnx",
        "entry": "model.onnx",
        "input": {
            "kind": "tabular",
            "features": [
                {"name": name, "type": "category", "categories": ["a", "b"]}
                if name == "sex"
                else {"name": name, "type": "number"}
                for name in frame.columns
            ],
        },
        "output": {"target": "disease progression one year after baseline"},
        "metrics": {
            "r2": round(float(model.score(test_x, test_y)), 4),
            "dataset": f"{len(test_x)} held-out patients",
        },
    }
    rows = test_x[:20]
    golden = [
        {"row": row, "value": float(value)} for row, value in zip(rows.to_dict("records"), model.predict(rows))
    ]
    write_model(root / "sklearn-diabetes", onnx, manifest, {}, golden)


if __name__ == "__main__":
    root = Path(sys.argv[1] if len(sys.argv) > 1 else "..")
    iris(root)
    diabetes(root)
