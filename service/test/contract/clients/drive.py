"""Drives a running service with the generated Python client: drive.py <url> <photograph> <label>."""

import base64
import json
import sys
import time
import urllib.parse
import urllib.request

import ml_serverless_client as api
from ml_serverless_client.exceptions import ApiException

url, file, label = sys.argv[1:]
with open(file, "rb") as opened:
    photo = opened.read()
text = base64.b64encode(photo).decode()

client = api.ApiClient(api.Configuration(host=url))
send = client.call_api


def recorded(method, address, *rest, **named):
    """Each call in one line, for the test that started this."""
    answer = send(method, address, *rest, **named)
    print(method, address.removeprefix(url).split("?")[0], answer.status)
    return answer


client.call_api = recorded


def first(answer):
    """The label of the likeliest class."""
    return answer.actual_instance.predictions[0].label


def plain(method, path, content_type, body=None, files=None):
    """What the generated methods do not cover: they take the first body type of a route only."""
    headers = {"Content-Type": content_type, "Accept": "application/json"}
    request = client.param_serialize(method, path, header_params=headers, body=body, files=files)
    answer = client.call_api(*request)
    answer.read()
    assert 200 <= answer.status < 300, answer.data
    return json.loads(answer.data)


# The generated methods name JSON wherever a route takes it, even with a file in hand.
form = {"_content_type": "multipart/form-data"}
predict = api.PredictApi(client)
three = predict.predict(("cat.jpg", photo), top_k=3, **form)
assert len(three.actual_instance.predictions) == 3
assert first(three) == label
assert len(predict.predict(("cat.jpg", photo), top_k2=2, **form).actual_instance.predictions) == 2
assert plain("POST", "/predict", "image/jpeg", body=photo)["predictions"][0]["label"] == label
assert plain("POST", "/predict", "application/json", body={"image": text})["predictions"][0]["label"] == label
several = plain("POST", "/predict", "application/json", body={"images": [text, "AAAA"]})["results"]
assert several[0]["predictions"][0]["label"] == label
assert several[1]["error"]["code"] == "UNREADABLE_IMAGE"
assert predict.explain(("cat.jpg", photo), format="json", **form).prediction.label == label

sagemaker = api.SagemakerApi(client)
assert first(sagemaker.invoke(("cat.jpg", photo), **form)) == label
assert sagemaker.ping().status == "ok"
assert sagemaker.get_execution_parameters().max_payload_in_mb >= 1

model = api.ModelsApi(client).list_models().models[0]
assert api.ModelsApi(client).get_model(model.name).labels
inference = api.OpenInferenceApi(client)
tensor = api.InferModelRequestInputsInner(name="image", datatype="BYTES", shape=[1], data=[text])
request = api.InferModelRequest(inputs=[tensor])
outputs = {output.name: output for output in inference.infer_model(model.name, request).outputs}
assert label in str(outputs["label"].data)
inference.infer_model_version(model.name, model.version, request)
assert inference.get_model_metadata(model.name).name == model.name
assert inference.get_model_ready(model.name).ready
inference.get_model_version_metadata(model.name, model.version)
assert inference.get_model_version_ready(model.name, model.version).ready
assert inference.get_server_metadata().name
assert inference.get_server_live().live
assert inference.get_server_ready().ready

batch = api.BatchApi(client)
files = {"files": [("cat.jpg", photo), ("text.jpg", b"not an image")]}
job_id = plain("POST", "/batch", "multipart/form-data", files=files)["jobId"]
for _ in range(600):
    job = batch.get_batch_job(job_id)
    if job.status not in ("SUBMITTED", "RUNNING"):
        break
    time.sleep(0.2)
assert job.status == "PARTIAL", job
assert (job.counts.succeeded, job.counts.failed) == (1, 1)
rows = batch.get_batch_results_without_preload_content(job_id).read().decode().strip().split("\n")
assert sorted("error" in json.loads(row) for row in rows) == [False, True]
assert "<html" in batch.get_batch_report(job_id)
key = next(row["key"] for row in map(json.loads, rows) if "error" not in row)
assert batch.get_batch_thumbnail(key=key, job_id=job_id)
assert job_id in [job.job_id for job in batch.list_batch_jobs().jobs]
other = batch.submit_batch(api.SubmitBatchRequest(objects=["input/not-there.jpg"]))
batch.cancel_batch_job(other.job_id)

upload = predict.create_upload(api.CreateUploadRequest(size=len(photo), type="image/jpeg"))
put = urllib.request.Request(
    urllib.parse.urljoin(url, upload.url), data=photo, headers=upload.headers, method="PUT"
)
assert urllib.request.urlopen(put).status < 300
body = {"object": upload.key}
assert plain("POST", "/predict", "application/json", body=body)["predictions"][0]["label"] == label

plan = batch.plan_batch(images=1000)
assert all(estimate.seconds > 0 and estimate.arithmetic for estimate in plan.estimates)

health = api.HealthApi(client)
assert health.get_liveness().status == "ok"
assert health.get_health().status == "ready"
assert health.get_version().name == "ml-serverless"
assert health.get_readiness().status == "ready"
assert health.get_metrics().startswith("# HELP")
assert "paths" in api.DocsApi(client).get_openapi()

try:
    predict.predict(("cat.jpg", photo), model="no-such-model", **form)
    raise AssertionError("an unknown model was accepted")
except ApiException as error:
    assert error.status == 404, error
    assert json.loads(error.body)["code"] == "MODEL_NOT_FOUND", error
