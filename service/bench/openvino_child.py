"""One OpenVINO model in one process: opens it, answers the picture, then times batches of it (see subject-messages.ts).

    python openvino_child.py <model.onnx> <input: float32, one picture> <side> f32|default
"""

import json
import sys
import time

import numpy as np
import openvino as ov

path, picture, side, precision = sys.argv[1:]
side = int(side)
config = {"PERFORMANCE_HINT": "LATENCY"}
if precision == "f32":
    config["INFERENCE_PRECISION_HINT"] = "f32"
one = np.fromfile(picture, dtype=np.float32).reshape(1, 3, side, side)
compiled = ov.Core().compile_model(path, "CPU", config)
request = compiled.create_infer_request()


def infer(batch):
    request.infer({0: batch}, share_inputs=True)
    return request.get_output_tensor(0).data


def send(message):
    print(json.dumps(message), flush=True)


send({"index": int(np.argmax(infer(one)))})
for line in sys.stdin:
    timing = json.loads(line)
    batch = np.repeat(one, timing["size"], axis=0)
    infer(batch)
    milliseconds = []
    cpu = time.process_time()
    for _ in range(timing["runs"]):
        start = time.perf_counter()
        infer(batch)
        milliseconds.append((time.perf_counter() - start) * 1000)
    send({"milliseconds": milliseconds, "cpuMs": (time.process_time() - cpu) * 1000})
