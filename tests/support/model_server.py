"""TensorFlow Serving without its binary: runs a SavedModel with the same C++ code.

`tensorflow_model_server` is gRPC and HTTP around two calls of TensorFlow: `LoadSavedModel` with the
tag `serve`, and `Session::Run` with the tensor names of a signature. TensorFlow's wheel has them
behind its C interface, which is called here, so TensorFlow's Python code computes nothing. The
protocol is the published one (`tensorflow-serving-api`).
"""

from __future__ import annotations

import ctypes
import json
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef, SignatureDef
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

STRING_BYTES = 24  # size of a TF_TString
SCALARS = {tf.float32.as_datatype_enum: np.float32, tf.int32.as_datatype_enum: np.int32}


class Output(ctypes.Structure):
    """The C struct `TF_Output`."""

    _fields_ = (("operation", ctypes.c_void_p), ("index", ctypes.c_int))


class Buffer(ctypes.Structure):
    """The C struct `TF_Buffer`."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("deallocator", ctypes.c_void_p),
    )


LIBRARY = Path(tf.__file__).parent / "libtensorflow_cc.so.2"
"""The library is in the wheels for Linux of `tensorflow` and `tensorflow-cpu`."""


def library() -> Any:
    """Loads TensorFlow's C interface, and declares the functions that return pointers or sizes."""
    found = ctypes.CDLL(str(LIBRARY))
    pointers = (
        *("NewStatus", "NewGraph", "NewSessionOptions", "NewBuffer", "LoadSessionFromSavedModel"),
        *("GraphOperationByName", "AllocateTensor", "TensorData", "StringGetDataPointer"),
    )
    for name in pointers:
        getattr(found, f"TF_{name}").restype = ctypes.c_void_p
    for name in ("Dim", "TensorByteSize", "StringGetSize"):
        getattr(found, f"TF_{name}").restype = ctypes.c_size_t
    found.TF_NewBuffer.restype = ctypes.POINTER(Buffer)
    found.TF_Message.restype = ctypes.c_char_p
    return found


class RefusedError(Exception):
    """The error that the server returns instead of a result."""


class Servable:
    """A version of a model, loaded as the server loads it."""

    def __init__(self, folder: Path) -> None:
        self._c = library()
        self._graph = ctypes.c_void_p(self._c.TF_NewGraph())
        definition = self._c.TF_NewBuffer()
        tags = (ctypes.c_char_p * 1)(b"serve")
        status = ctypes.c_void_p(self._c.TF_NewStatus())
        self._session = ctypes.c_void_p(
            self._c.TF_LoadSessionFromSavedModel(
                ctypes.c_void_p(self._c.TF_NewSessionOptions()),
                None,
                str(folder).encode(),
                tags,
                len(tags),
                self._graph,
                definition,
                status,
            )
        )
        self._check(status)
        content = ctypes.string_at(definition.contents.data, definition.contents.length)
        self.definition = MetaGraphDef.FromString(content)

    def signature(self, name: str) -> SignatureDef:
        """Returns a signature; an empty name means the default."""
        return self.definition.signature_def[name or "serving_default"]

    def run(self, name: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns all outputs of a signature.

        Raises:
            RefusedError: the inputs do not fit the signature, or the session fails.
        """
        signature = self.signature(name)
        if set(inputs) != set(signature.inputs):
            raise RefusedError(f"takes {sorted(signature.inputs)}, not {sorted(inputs)}")
        for key, values in inputs.items():
            wanted = tf.as_dtype(signature.inputs[key].dtype)
            if tf.as_dtype(values.dtype) != wanted:
                raise RefusedError(f"{key} is {wanted.name}, not {values.dtype}")
        fed = (Output * len(inputs))(*[self._named(signature.inputs[key].name) for key in inputs])
        values = (ctypes.c_void_p * len(inputs))(*map(self._tensor, inputs.values()))
        names = list(signature.outputs)
        fetched = (Output * len(names))(*[self._named(signature.outputs[n].name) for n in names])
        results = (ctypes.c_void_p * len(names))()
        status = ctypes.c_void_p(self._c.TF_NewStatus())
        self._c.TF_SessionRun(
            *(self._session, None, fed, values, len(fed), fetched, results, len(fetched)),
            *(None, 0, None, status),
        )
        self._check(status)
        return {key: self._array(tensor) for key, tensor in zip(names, results, strict=True)}

    def _named(self, tensor: str) -> Output:
        operation, _, index = tensor.partition(":")
        found = self._c.TF_GraphOperationByName(self._graph, operation.encode())
        assert found, tensor
        return Output(found, int(index))

    def _tensor(self, values: np.ndarray) -> int:
        values = np.ascontiguousarray(values)
        dims = (ctypes.c_int64 * values.ndim)(*values.shape)
        kind = tf.as_dtype(values.dtype).as_datatype_enum
        size = ctypes.c_size_t(values.nbytes)
        tensor = self._c.TF_AllocateTensor(kind, dims, values.ndim, size)
        data = self._c.TF_TensorData(ctypes.c_void_p(tensor))
        ctypes.memmove(data, values.ctypes.data, values.nbytes)
        return tensor

    def _array(self, handle: int) -> np.ndarray:
        tensor = ctypes.c_void_p(handle)
        shape = [self._c.TF_Dim(tensor, axis) for axis in range(self._c.TF_NumDims(tensor))]
        data, kind = self._c.TF_TensorData(tensor), self._c.TF_TensorType(tensor)
        if kind in SCALARS:
            content = ctypes.string_at(data, self._c.TF_TensorByteSize(tensor))
            return np.frombuffer(content, SCALARS[kind]).reshape(shape)
        assert kind == tf.string.as_datatype_enum
        strings = []
        for place in range(int(np.prod(shape))):
            string = ctypes.c_void_p(data + STRING_BYTES * place)
            start = self._c.TF_StringGetDataPointer(string)
            strings.append(ctypes.string_at(start, self._c.TF_StringGetSize(string)))
        return np.array(strings, object).reshape(shape)

    def _check(self, status: ctypes.c_void_p) -> None:
        if self._c.TF_GetCode(status):
            raise RefusedError(self._c.TF_Message(status).decode())


@contextmanager
def without_xla() -> Iterator[None]:
    """Disables XLA, as in a server started without `--xla_cpu_compilation_enabled`."""
    found = library()
    found._ZN10tensorflow21DisableXlaCompilationEv()
    try:
        yield
    finally:
        found._ZN10tensorflow20EnableXlaCompilationEv()


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """The server's gRPC service."""

    def __init__(self, models: Mapping[str, Servable]) -> None:
        self.models = models

    def Predict(
        self, request: predict_pb2.PredictRequest, context: grpc.ServicerContext
    ) -> predict_pb2.PredictResponse:
        """Returns all outputs of the requested signature."""
        inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        response = predict_pb2.PredictResponse()
        try:
            model = self.models[request.model_spec.name]
            outputs = model.run(request.model_spec.signature_name, inputs)
        except RefusedError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        for name, values in outputs.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(values))
        return response


@contextmanager
def serving_grpc(models: Mapping[str, Servable]) -> Iterator[str]:
    """Serves models over gRPC; yields the address."""
    server = grpc.server(ThreadPoolExecutor(2))
    service = PredictionService(models)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(grace=None).wait()


def answer(model: Servable, body: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the REST response to a request by columns ("inputs") or by rows ("instances")."""
    name = body.get("signature_name", "serving_default")
    kinds = model.signature(name).inputs
    rows = body.get("instances", [])
    columns = body.get("inputs") or {key: [row[key] for row in rows] for key in rows[0]}
    inputs = {key: _from_json(value, kinds[key].dtype) for key, value in columns.items()}
    outputs = {key: _to_json(key, values) for key, values in model.run(name, inputs).items()}
    if "inputs" in body:
        return {"outputs": outputs}
    return {"predictions": [dict(zip(outputs, row)) for row in zip(*outputs.values())]}  # noqa: B905


def _from_json(values: Any, kind: int) -> np.ndarray:
    """Converts lists of numbers to an array of the signature's type; lists may not be ragged."""
    given = np.array(values)  # ValueError where ragged
    wanted = SCALARS[kind]
    if np.issubdtype(wanted, np.integer) and not np.issubdtype(given.dtype, np.integer):
        raise RefusedError("JSON Value: is not of expected type: int32")
    return given.astype(wanted)


def _to_json(name: str, values: np.ndarray) -> Any:
    """Converts an array to lists; strings are text, unless the name marks them as bytes."""
    assert not name.endswith("_bytes"), "would be sent in base64"
    if values.dtype == object:
        decoded = [string.decode() for string in values.ravel()]
        return np.array(decoded, object).reshape(values.shape).tolist()
    return values.tolist()


@contextmanager
def serving_rest(models: Mapping[str, Servable]) -> Iterator[str]:
    """Serves `POST /v1/models/NAME:predict`; yields the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = self.path.removeprefix("/v1/models/").removesuffix(":predict")
            try:
                status, content = 200, answer(models[name], body)
            except (RefusedError, ValueError) as error:
                status, content = 400, {"error": str(error)}
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
