"""The launcher of the embedded stack: MiniStack, with what its release gets wrong about AWS repaired.

Run it from the repository's root with the interpreter of MiniStack's own environment, as
`python -m infra.local.ministack`. Settings are environment variables: MiniStack's own, and two of the launcher's:

- `FUNCTION_PYTHON`: the interpreter that runs the functions. It has boto3 and nothing else, as the Lambda runtime
  has: a library that a layer lacks is missed here too.
- `FUNCTION_LOG_FILE`: the file to which every line that a function logs is appended.

Each repair says what stock MiniStack does, and has a test of its own in `tests/canary`. The version is pinned, and
what is replaced must look as it did when the repair was written, so that another version fails at the start.
"""
# ruff: noqa: SLF001 - a repair reaches into what it repairs

import copy
import importlib
import importlib.metadata
import inspect
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import copy_context
from pathlib import Path
from types import ModuleType
from typing import cast

type Json = dict[str, object]
type Stock = Callable[..., object]

MINISTACK_VERSION = "1.5.33"
LOG_FIRST_LINE_WAIT_SECONDS = 0.004
HEARTBEAT_POLL_SECONDS = 0.1
ANY_METHOD = "x-amazon-apigateway-any-method"
INTEGRATION_DETAILS = ("requestTemplates", "requestParameters", "passthroughBehavior", "credentials", "contentHandling")

lambda_runtime = importlib.import_module("ministack.core.lambda_runtime")
lambda_service = importlib.import_module("ministack.services.lambda_svc")
rest_api = importlib.import_module("ministack.services.apigateway_v1")
step_functions = importlib.import_module("ministack.services.stepfunctions")
dynamodb = importlib.import_module("ministack.services.dynamodb")
s3 = importlib.import_module("ministack.services.s3")
provisioners = importlib.import_module("ministack.services.cloudformation.provisioners")


def main() -> None:
    """Repair MiniStack, then serve until a signal ends the process."""
    check_version()
    run_functions_in_their_own_interpreter()
    keep_the_class_of_an_exception()
    do_not_wait_for_logs_that_never_come()
    write_function_logs_to_a_file()
    import_all_of_an_openapi_document()
    start_an_execution_once_per_name()
    fail_a_callback_task_whose_function_fails()
    time_out_a_task_without_heartbeat()
    read_the_fields_of_a_distributed_map_as_jsonata()
    keep_time_to_live()
    keep_reserved_concurrency()
    keep_object_lock()
    importlib.import_module("ministack.app").main()


def check_version() -> None:
    """Refuse another release than the one that the repairs were written against."""
    version = importlib.metadata.version("ministack")
    if version != MINISTACK_VERSION:
        raise SystemExit(f"ministack {version} is installed; the repairs are for {MINISTACK_VERSION}: see tests/canary")


def replace(owner: ModuleType | type, name: str, parameters: str, build: Callable[[Stock], Stock]) -> None:
    """Put `build(stock)` in the place of the function `owner.name`, whose parameters must still be `parameters`."""
    stock: Stock = getattr(owner, name)
    found = " ".join(inspect.signature(stock).parameters)
    if found != parameters:
        raise SystemExit(f"{owner.__name__}.{name} takes ({found}), the repair expects ({parameters})")
    setattr(owner, name, build(stock))


# --- Lambda ---------------------------------------------------------------------------------------------------------


def run_functions_in_their_own_interpreter() -> None:
    """Stock MiniStack runs functions with its own interpreter, whose libraries hide what a layer lacks."""
    interpreter = os.environ["FUNCTION_PYTHON"]

    def build(stock: Stock) -> Stock:
        def detect(runtime: str) -> tuple[str, str]:
            binary, script = cast("tuple[str, str]", stock(runtime))
            return (interpreter if runtime.startswith("python") else binary), script

        return detect

    replace(lambda_runtime, "_detect_runtime_binary", "runtime", build)


def keep_the_class_of_an_exception() -> None:
    """Stock MiniStack reports every exception as `Runtime.HandlerError`; AWS names its class, for Retry and Catch.

    The worker process says the class beside the message; it travels to the caller's answer on the invoking thread.
    """
    answer = '"error": str(e), "trace": traceback.format_exc()'
    script: str = lambda_runtime._PYTHON_WORKER_SCRIPT
    if script.count(answer) != 1:
        raise SystemExit("MiniStack's worker script reports exceptions in another way than the repair expects")
    lambda_runtime.__dict__["_PYTHON_WORKER_SCRIPT"] = script.replace(answer, answer + ', "class": type(e).__name__')
    last = threading.local()

    def remember_class(stock: Stock) -> Stock:
        def invoke(*arguments: object, **options: object) -> Json:
            result = cast("Json", stock(*arguments, **options))
            last.class_name = result.get("class")
            return result

        return invoke

    def report_class(stock: Stock) -> Stock:
        def execute(func: Json, event: object, request_id: str) -> Json:
            last.class_name = None
            result = cast("Json", stock(func, event, request_id))
            body = result.get("body")
            if result.get("error") and last.class_name and isinstance(body, dict):
                body["errorType"] = last.class_name
            return result

        return execute

    parameters = "self event request_id trace_id depth durable invoked_function_arn"
    replace(lambda_runtime.Worker, "invoke", parameters, remember_class)
    replace(lambda_service, "_execute_function_warm", "func event request_id", report_class)


def do_not_wait_for_logs_that_never_come() -> None:
    """Stock MiniStack holds the answer of a function that prints nothing for 50 ms, in case it does print."""

    def build(stock: Stock) -> Stock:
        def drain(self: object, first_line_wait: float = LOG_FIRST_LINE_WAIT_SECONDS) -> object:
            return stock(self, first_line_wait=first_line_wait)

        return drain

    replace(lambda_runtime.Worker, "_drain_stderr_bounded", "self first_line_wait idle_confirm hard_cap", build)


def write_function_logs_to_a_file() -> None:
    """Stock MiniStack keeps logs in its CloudWatch alone, and they end with it; looking for a fault takes a file."""
    log_file = Path(os.environ["FUNCTION_LOG_FILE"])
    lock = threading.Lock()

    def build(stock: Stock) -> Stock:
        def emit(func: Json, request_id: str, log_text: str, *outcome: object, **options: object) -> None:
            failed, duration_ms = outcome
            config = cast("Json", func.get("config") or func)
            head = f"{config.get('FunctionName')} {request_id} {duration_ms} ms{' FAILED' if failed else ''}"
            with lock, log_file.open("a", encoding="utf-8") as out:
                out.write("\n    ".join([head, *readable(log_text)]) + "\n")
            stock(func, request_id, log_text, *outcome, **options)

        return emit

    replace(lambda_service, "_emit_lambda_logs", "func request_id log_text error duration_ms log_source", build)


def readable(log_text: str) -> list[str]:
    """The lines of a log, with the traceback of a JSON line below it as lines of its own."""
    lines = []
    for line in log_text.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if isinstance(entry, dict) and "exception" in entry:
            traceback = str(entry.pop("exception")).splitlines()
            entry.pop("stack_trace", None)
            lines += [json.dumps(entry, ensure_ascii=False), *(f"    {part}" for part in traceback)]
        else:
            lines.append(line)
    return lines


# --- API Gateway ----------------------------------------------------------------------------------------------------


def import_all_of_an_openapi_document() -> None:
    """Stock MiniStack imports paths and authorizers, and drops the rest of what SAM writes into the document.

    Added are: the ANY method, binary media types, models, request validators, gateway responses, and the templates and
    responses of an integration (a CORS preflight is made of these).
    """
    rest_api.__dict__["_OPENAPI_HTTP_METHODS"] = {*rest_api._OPENAPI_HTTP_METHODS, "any"}

    def build(stock: Stock) -> Stock:
        def import_api(spec: Json, base_data: Json | None = None) -> str:
            document = with_any_methods(spec)
            api_id = cast("str", stock(document, with_binary_media_types(document, base_data or {})))
            create_models(api_id, document)
            validator_ids = create_validators(api_id, document)
            for response_type, response in part(document, "x-amazon-apigateway-gateway-responses").items():
                rest_api._put_gateway_response(api_id, response_type, response)
            for resource_id, resource in rest_api._resources[api_id].items():
                for method, method_record in resource["resourceMethods"].items():
                    operation = part(part(part(document, "paths"), resource["path"]), method.lower())
                    validate_requests(method_record, operation, document, validator_ids)
                    complete_integration(api_id, resource_id, method, method_record, operation)
            return api_id

        return import_api

    replace(rest_api, "_import_rest_api", "spec base_data", build)


def part(document: Mapping[str, object], name: str) -> dict[str, Json]:
    """The object under `name`; an empty one where there is none."""
    return cast("dict[str, Json]", document.get(name) or {})


def with_any_methods(spec: Json) -> Json:
    """A copy of the document in which `x-amazon-apigateway-any-method` is the method `any`."""
    document = copy.deepcopy(spec)
    for path_item in part(document, "paths").values():
        if ANY_METHOD in path_item:
            path_item["any"] = path_item.pop(ANY_METHOD)
    return document


def with_binary_media_types(document: Json, base_data: Json) -> Json:
    """The API's own settings, with the media types of both places; CloudFormation writes a slash as `~1`."""
    own = cast("list[str]", base_data.get("binaryMediaTypes") or [])
    extension = cast("list[str]", document.get("x-amazon-apigateway-binary-media-types") or [])
    return {**base_data, "binaryMediaTypes": [media_type.replace("~1", "/") for media_type in [*own, *extension]]}


def create_models(api_id: str, document: Json) -> None:
    """The schemas of the document (Swagger 2 or OpenAPI 3) as the API's models."""
    schemas = part(document, "definitions") or part(part(document, "components"), "schemas")
    for name, schema in schemas.items():
        rest_api._create_model(api_id, {"name": name, "contentType": "application/json", "schema": json.dumps(schema)})


def create_validators(api_id: str, document: Json) -> dict[str, str]:
    """The request validators of the document, as their ids by name."""
    ids = {}
    for name, settings in part(document, "x-amazon-apigateway-request-validators").items():
        _, _, body = rest_api._create_request_validator(api_id, {"name": name, **settings})
        ids[name] = json.loads(body)["id"]
    return ids


def validate_requests(
    method: Json, operation: Mapping[str, object], document: Json, validator_ids: dict[str, str]
) -> None:
    """Give the method its validator and the model of its body."""
    key = "x-amazon-apigateway-request-validator"
    validator = operation.get(key, document.get(key))
    if isinstance(validator, str):
        method["requestValidatorId"] = validator_ids[validator]
    for parameter in cast("list[Json]", operation.get("parameters") or []):
        reference = cast("Json", parameter.get("schema") or {}).get("$ref")
        if parameter.get("in") == "body" and isinstance(reference, str):
            method["requestModels"] = {"application/json": reference.rpartition("/")[2]}


def complete_integration(
    api_id: str, resource_id: str, method: str, record: Json, operation: Mapping[str, object]
) -> None:
    """Give the integration its templates, and the method the responses that the integration maps to."""
    integration = part(operation, "x-amazon-apigateway-integration")
    stored = part(record, "methodIntegration")
    stored.update({name: integration[name] for name in INTEGRATION_DETAILS if name in integration})
    for pattern, response in part(integration, "responses").items():
        status = str(response["statusCode"])
        headers = dict.fromkeys(part(response, "responseParameters"), False)
        rest_api._put_method_response(api_id, resource_id, method, status, {"responseParameters": headers})
        mapped = {**response, "selectionPattern": "" if pattern == "default" else pattern}
        rest_api._put_integration_response(api_id, resource_id, method, status, mapped)


# --- Step Functions -------------------------------------------------------------------------------------------------


def start_an_execution_once_per_name() -> None:
    """Stock MiniStack refuses a second start under one name; AWS answers with the running execution of equal input."""

    def build(stock: Stock) -> Stock:
        def start(data: Json) -> object:
            running = running_execution(data)
            if running is None:
                return stock(data)
            return step_functions.json_response({name: running[name] for name in ("executionArn", "startDate")})

        return start

    replace(step_functions, "_start_execution", "data", build)


def running_execution(data: Json) -> Json | None:
    """The running execution that a start request names, if its input is the same."""
    machine_arn = step_functions._resolve_state_machine_arn(str(data.get("stateMachineArn")).split("#")[0])
    if machine_arn is None or not data.get("name"):
        return None
    machine_name = step_functions._state_machines[machine_arn]["name"]
    scope = f"{step_functions.get_region()}:{step_functions.get_account_id()}"
    execution: Json | None = step_functions._executions.get(
        f"arn:aws:states:{scope}:execution:{machine_name}:{data['name']}"
    )
    if execution is None or execution["status"] != "RUNNING" or execution["input"] != data.get("input", "{}"):
        return None
    return execution


def fail_a_callback_task_whose_function_fails() -> None:
    """Stock MiniStack swallows the error of a `.waitForTaskToken` function and waits on; AWS fails the task with it."""
    current = threading.local()

    def remember_token(stock: Stock) -> Stock:
        def callback(resource: str, input_data: object, token: str, state_def: Json) -> object:
            current.token = token
            try:
                return stock(resource, input_data, token, state_def)
            finally:
                current.token = None

        return callback

    def fail_token(stock: Stock) -> Stock:
        def call(func_ref: str, event: object) -> object:
            try:
                return stock(func_ref, event)
            except step_functions._ExecutionError as error:
                fail_task(getattr(current, "token", None), error.error, error.cause)
                raise

        return call

    replace(step_functions, "_invoke_with_callback", "resource input_data token state_def", remember_token)
    replace(step_functions, "_call_lambda", "func_ref event", fail_token)


def time_out_a_task_without_heartbeat() -> None:
    """Stock MiniStack ignores `HeartbeatSeconds` of a task that waits for its token."""

    def build(stock: Stock) -> Stock:
        def callback(resource: str, input_data: object, token: str, state_def: Json) -> object:
            seconds = state_def.get("HeartbeatSeconds")
            if not isinstance(seconds, int):
                return stock(resource, input_data, token, state_def)
            ended = threading.Event()
            # MiniStack keeps tokens by account, which it reads from the context.
            watch = (copy_context().run, watch_heartbeat, token, seconds, ended)
            threading.Thread(target=watch[0], args=watch[1:], daemon=True).start()
            try:
                return stock(resource, input_data, token, state_def)
            finally:
                ended.set()

        return callback

    replace(step_functions, "_invoke_with_callback", "resource input_data token state_def", build)


def watch_heartbeat(token: str, seconds: int, ended: threading.Event) -> None:
    """Fail the task when `seconds` pass without a heartbeat; MiniStack notes the time of the last one."""
    last_beat, last_change = None, time.monotonic()
    while not ended.wait(HEARTBEAT_POLL_SECONDS):
        beat = step_functions._task_tokens.get(token, {}).get("heartbeat")
        if beat != last_beat:
            last_beat, last_change = beat, time.monotonic()
        elif time.monotonic() - last_change > seconds:
            fail_task(token, "States.HeartbeatTimeout", "")
            return


def fail_task(token: str | None, error: str, cause: str) -> None:
    """End the wait for `token` with an error; nothing happens where nobody waits for it."""
    waiting = step_functions._task_tokens.get(token) if token else None
    if waiting:
        waiting["error"] = {"Error": error, "Cause": cause}
        waiting["event"].set()


def read_the_fields_of_a_distributed_map_as_jsonata() -> None:
    """Stock MiniStack takes a distributed map's `ItemReader` and `Output` for JSONPath, in a JSONata machine too.

    Here they are evaluated; stock MiniStack is left to run an execution for each item.
    """

    def build(stock: Stock) -> Stock:
        def run(
            state_def: Json, raw_input: object, effective: object, iterator: Json, execution: Json, ctx: Json
        ) -> tuple[object, object]:
            if step_functions._state_query_language(state_def, ctx) != "JSONata":
                return cast("tuple[object, object]", stock(state_def, raw_input, effective, iterator, execution, ctx))
            reader = step_functions._apply_jsonata_template(state_def["ItemReader"], raw_input, ctx)
            plain: Json = {name: value for name, value in state_def.items() if name not in ("Assign", "Output")}
            plain["ItemReader"] = reader
            answer = stock(plain, raw_input, effective, iterator, execution, ctx)
            results, following = cast("tuple[object, object]", answer)
            output = step_functions._apply_jsonata_output(state_def, raw_input, ctx, result=results, default=results)
            step_functions._apply_state_assign(state_def, raw_input, ctx, result=results)
            return output, following

        return run

    parameters = "state_def raw_input effective iterator execution ctx"
    replace(step_functions, "_run_distributed_map", parameters, build)


# --- CloudFormation -------------------------------------------------------------------------------------------------


def after_create(resource_type: str, apply: Callable[[str, Json], None]) -> None:
    """Call `apply(physical_id, properties)` after each creation of a resource of this type."""
    handlers: dict[str, Stock] = provisioners._RESOURCE_HANDLERS[resource_type]
    stock = handlers["create"]
    if " ".join(inspect.signature(stock).parameters) != "logical_id props stack_name":
        raise SystemExit(f"MiniStack creates {resource_type} in another way than the repair expects")

    def create(logical_id: str, props: Json, stack_name: str) -> object:
        created = cast("tuple[str, object]", stock(logical_id, props, stack_name))
        apply(created[0], props)
        return created

    handlers["create"] = create


def keep_time_to_live() -> None:
    """Stock MiniStack drops a table's `TimeToLiveSpecification`."""

    def apply(table_name: str, props: Json) -> None:
        if "TimeToLiveSpecification" in props:
            specification = {"TableName": table_name, "TimeToLiveSpecification": props["TimeToLiveSpecification"]}
            dynamodb._update_ttl(specification)

    after_create("AWS::DynamoDB::Table", apply)


def keep_reserved_concurrency() -> None:
    """Stock MiniStack drops a function's `ReservedConcurrentExecutions`."""

    def apply(function_name: str, props: Json) -> None:
        if "ReservedConcurrentExecutions" in props:
            reserved = int(str(props["ReservedConcurrentExecutions"]))
            lambda_service._functions[function_name]["concurrency"] = reserved

    after_create("AWS::Lambda::Function", apply)


def keep_object_lock() -> None:
    """Stock MiniStack drops a bucket's object lock, so that what should be written once can be overwritten."""

    def apply(bucket_name: str, props: Json) -> None:
        if props.get("ObjectLockEnabled") in (True, "true"):
            configuration = cast("Json", props.get("ObjectLockConfiguration") or {})
            rule = cast("Json", configuration.get("Rule") or {})
            retention = cast("Json", rule.get("DefaultRetention") or {})
            amounts: Json = {unit: int(str(retention[unit])) for unit in ("Days", "Years") if unit in retention}
            default: Json | None = {"Mode": retention["Mode"], **amounts} if retention else None
            s3._bucket_object_lock[bucket_name] = {"enabled": True, "default_retention": default}

    after_create("AWS::S3::Bucket", apply)


if __name__ == "__main__":
    main()
