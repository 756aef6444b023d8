# runtime.py: what Lambda's managed runtimes for Python do, for `layerfit invoke` where there is no image of such a runtime: it
# runs a function for one event after another, in one process. Nothing but Python's standard library is needed.
#
# The handler "module.function" (or "dir/module.function") is imported from the function's code or from the layers, and called
# with the event and the context. Modules are searched for where Lambda's bootstrap.py makes Python search; errors have
# the types and messages of AWS's own client (awslambdaric). Differences: log lines have no time, and a Decimal in a
# response has as many digits as a float.

import os
import site
import sys


def find_modules():
    """Makes Python search the function's code and the layers, before its own library; with PYTHONPATH, not the layers."""
    task = os.environ["LAMBDA_TASK_ROOT"]
    places = [task]
    if "PYTHONPATH" not in os.environ:
        places += ["/opt/python/lib/python%d.%d/site-packages" % sys.version_info[:2], "/opt/python"]
        # As in Lambda, for the processes that the function starts.
        os.environ["PYTHONPATH"] = os.environ["LAMBDA_RUNTIME_DIR"]
    sys.path[:0] = places
    for place in places:
        # Reads the .pth files there.
        site.addsitedir(place)


# Before anything else is imported: a module of the function can hide one of Python's, as in Lambda.
find_modules()

import decimal
import http.client
import importlib
import json
import logging
import math
import time
import traceback


class Fault(Exception):
    """An error with one of Lambda's types."""

    def __init__(self, kind, message, trace=()):
        super().__init__(message)
        self.kind, self.message, self.trace = "Runtime." + kind, message, list(trace)


def request(method, path, body=None, headers={}):
    # A connection for each request: none can time out while the process waits.
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, "/2018-06-01/runtime/" + path, body, headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def post(path, body, headers):
    response, answer = request("POST", path, body, headers)
    if response.status >= 300:
        print(f"{path} failed with status {response.status}: {answer.decode('utf-8', 'replace')}", file=sys.stderr)


def post_error(path, error):
    kind = error["errorType"]
    headers = {"Content-Type": "application/json", "Lambda-Runtime-Function-Error-Type": kind.encode("ascii", "replace")}
    post(path, encoded(error), headers)


# --- JSON -----------------------------------------------------------------------------------------------------------


def plain(value, inside=()):
    """What the json module does not write as AWS's client does: a named tuple is an object."""
    if not isinstance(value, (dict, list, tuple)):
        return value
    if id(value) in inside:
        raise ValueError("Circular reference detected")
    inside = {id(value), *inside}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, dict):
        return {key: plain(item, inside) for key, item in value.items()}
    return [plain(item, inside) for item in value]


def other(value):
    if isinstance(value, decimal.Decimal):
        if value.is_nan():
            return math.nan
        whole = value.is_finite() and value == value.to_integral_value()
        return int(value) if whole and value.as_tuple().exponent >= 0 else float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def encoded(value):
    text = json.dumps(plain(value), default=other, ensure_ascii=sys.version_info < (3, 12))
    return text.encode("utf-8", "surrogatepass")


def response_of(value):
    if isinstance(value, bytes):
        return value, "application/unknown"
    try:
        return encoded(value), "application/json"
    except Exception as error:
        raise Fault("MarshalError", f"Unable to marshal response: {error}")


def event_of(body):
    try:
        return json.loads(body)
    except Exception as error:
        raise Fault("UnmarshalError", f"Unable to unmarshal input: {error}")


# --- the context ----------------------------------------------------------------------------------------------------


class Values:
    """An object with these attributes; None for what is missing."""

    def __init__(self, values, names=()):
        for name in names or values:
            setattr(self, name, values.get(name))


class Context:
    def __init__(self, headers):
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.tenant_id = headers["Lambda-Runtime-Aws-Tenant-Id"]
        client = self._parsed(headers["Lambda-Runtime-Client-Context"], "Client Context")
        self.client_context = None
        if client is not None:
            self.client_context = Values(client, ("custom", "env", "client"))
            if client.get("client") is not None:
                names = ("installation_id", "app_title", "app_version_name", "app_version_code", "app_package_name")
                self.client_context.client = Values(client["client"], names)
        identity = self._parsed(headers["Lambda-Runtime-Cognito-Identity"], "Cognito Identity") or {}
        self.identity = Values({
            "cognito_identity_id": identity.get("cognitoIdentityId"),
            "cognito_identity_pool_id": identity.get("cognitoIdentityPoolId"),
        })
        self._deadline_ms = int(headers["Lambda-Runtime-Deadline-Ms"] or 0)

    @staticmethod
    def _parsed(text, name):
        try:
            return json.loads(text) if text else None
        except Exception as error:
            raise Fault("LambdaContextUnmarshalError", f"Unable to parse {name} JSON: {error}")

    def get_remaining_time_in_millis(self):
        return max(0, self._deadline_ms - int(time.time() * 1000))

    def log(self, message):
        sys.stdout.write(str(message))


# --- errors and the log ---------------------------------------------------------------------------------------------


request_id = ""


class AddRequestId(logging.Filter):
    def filter(self, record):
        record.aws_request_id = request_id
        return True


def set_up_log():
    """The handler of the root logger that Lambda's functions find, so that a logger needs none of its own."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("[%(levelname)s]\t%(aws_request_id)s\t%(message)s"))
    handler.addFilter(AddRequestId())
    logging.getLogger().addHandler(handler)


def described(error):
    """An error as Lambda returns it, without the frames of this file."""
    if isinstance(error, Fault):
        kind, message, trace = error.kind, error.message, error.trace
    else:
        # Without the columns, which newer versions of Python underline.
        frames = [(frame.filename, frame.lineno, frame.name, frame.line) for frame in traceback.extract_tb(error.__traceback__)]
        while frames and frames[0][0] == __file__:
            del frames[0]
        kind, message, trace = type(error).__name__, str(error), traceback.format_list(frames)
    first = f"[ERROR] {kind}: {message}" if message else f"[ERROR] {kind}"
    print("\n".join([first, "Traceback (most recent call last):", *(line.rstrip("\n") for line in trace)]))
    return {"errorMessage": message, "errorType": kind, "requestId": request_id, "stackTrace": trace}


# --- the function ---------------------------------------------------------------------------------------------------


def handler_of(name):
    module_name, dot, function = name.rpartition(".")
    if not dot:
        raise Fault("MalformedHandlerName", f"Bad handler '{name}': not enough values to unpack (expected 2, got 1)")
    try:
        if module_name.split(".")[0] in sys.builtin_module_names:
            raise Fault("BuiltInModuleConflict", f"Cannot use built-in module {module_name} as a handler module")
        module = importlib.import_module(module_name.replace("/", "."))
    except ImportError as error:
        raise Fault("ImportModuleError", f"Unable to import module '{module_name}': {error}")
    except SyntaxError as error:
        where = f'  File "{error.filename}" Line {error.lineno}\n    {error.text}'
        raise Fault("UserCodeSyntaxError", f"Syntax error in module '{module_name}': {error}", [where])
    try:
        return getattr(module, function)
    except AttributeError:
        raise Fault("HandlerNotFound", f"Handler '{function}' missing on module '{module_name}'")


def check_version():
    wanted, version = os.environ.get("AWS_EXECUTION_ENV", ""), "python%d.%d" % sys.version_info[:2]
    if wanted.startswith("AWS_Lambda_python") and wanted != "AWS_Lambda_" + version:
        raise Fault("ImportModuleError", f"{sys.executable} is {version}, and the runtime is {wanted[len('AWS_Lambda_'):]}")


def main():
    global request_id
    set_up_log()
    try:
        check_version()
        handler = handler_of(os.environ["_HANDLER"])
    except Exception as error:
        post_error("init/error", described(error))
        sys.exit(1)
    while True:
        response, body = request("GET", "invocation/next")
        if response.status != 200:
            sys.exit(f"cannot get the next event: status {response.status}")
        request_id = response.headers["Lambda-Runtime-Aws-Request-Id"]
        trace = response.headers["Lambda-Runtime-Trace-Id"]
        if trace:
            os.environ["_X_AMZN_TRACE_ID"] = trace
        else:
            os.environ.pop("_X_AMZN_TRACE_ID", None)
        path = f"invocation/{request_id}/"
        try:
            result, kind = response_of(handler(event_of(body), Context(response.headers)))
        except Exception as error:
            post_error(path + "error", described(error))
        else:
            post(path + "response", result, {"Content-Type": kind})


main()
