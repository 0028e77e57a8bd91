"""The engine in memory answers as AWS's own does, also where no store goes; and what it adds for simulations works."""

import random
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Final

import botocore.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ParamValidationError

from infra.local.emulator import REGION, ROOT_KEY
from tests.support.memory_engine import MemoryEngine, client_error, conflict, stream_event, throttled

TABLE: Final = "edges"
DEFINITION: Final[dict[str, Any]] = {
    "TableName": TABLE,
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [
        {"AttributeName": name, "AttributeType": kind}
        for name, kind in {"pk": "S", "sk": "S", "due_shard": "S", "due_at": "N"}.items()
    ],
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    "GlobalSecondaryIndexes": [
        {
            "IndexName": name,
            "KeySchema": [
                {"AttributeName": "due_shard", "KeyType": "HASH"},
                {"AttributeName": "due_at", "KeyType": "RANGE"},
            ],
            "Projection": projection,
        }
        for name, projection in {
            "keys": {"ProjectionType": "KEYS_ONLY"},
            "some": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["text"]},
            "all": {"ProjectionType": "ALL"},
        }.items()
    ],
}
type Request = tuple[str, dict[str, Any]]


@pytest.fixture
def memory() -> MemoryEngine:
    engine = MemoryEngine()
    engine.client.create_table(**DEFINITION)
    return engine


@pytest.fixture(scope="session")
def dynamodb_local(dynamodb_local_endpoint: str) -> Any:
    return botocore.session.get_session().create_client(
        "dynamodb",
        endpoint_url=dynamodb_local_endpoint,
        region_name=REGION,
        aws_access_key_id=ROOT_KEY,
        aws_secret_access_key=ROOT_KEY,
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.fixture
def reference(dynamodb_local: Any) -> Iterator[Any]:
    """AWS's own engine with the same table, empty."""
    dynamodb_local.create_table(**DEFINITION)
    yield dynamodb_local
    dynamodb_local.delete_table(TableName=TABLE)


# --- as AWS's own engine


def key(sk: str = "1", pk: str = "a") -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


ITEMS: Final = [
    key("1")
    | {"n": {"N": "5"}, "text": {"S": "abc"}, "due_shard": {"S": "x"}, "due_at": {"N": "10"}, "flag": {"BOOL": True}},
    key("2")
    | {"n": {"N": "-3"}, "text": {"S": ""}, "due_shard": {"S": "x"}, "due_at": {"N": "9"}, "bin": {"B": b"\x00\xff"}},
    key("3") | {"text": {"S": "abé"}, "due_shard": {"S": "x"}, "nil": {"NULL": True}},
    key("10") | {"due_shard": {"S": "y"}, "due_at": {"N": "10"}},
    key("1", "b") | {"n": {"N": "100"}, "due_at": {"N": "7"}},
]


def answer(client: Any, operation: str, params: Mapping[str, Any]) -> object:
    """Return what an engine says, without what differs for good reasons: messages, and the order of a batch."""
    try:
        said = getattr(client, operation)(**params)
    except ParamValidationError:  # botocore refuses what DynamoDB would
        return "ValidationException", [], None
    except ClientError as error:
        reasons = error.response.get("CancellationReasons", [])
        return (
            error.response["Error"]["Code"],
            [(reason["Code"], reason.get("Item")) for reason in reasons],
            error.response.get("Item"),
        )
    for items in said.get("Responses", {}).values():
        items.sort(key=place)
    wanted = ("Item", "Items", "Attributes", "Count", "ScannedCount", "LastEvaluatedKey", "Responses")
    return {name: said[name] for name in wanted if said.get(name) is not None}


def contents(client: Any) -> list[Any]:
    return sorted(client.scan(TableName=TABLE, ConsistentRead=True)["Items"], key=place)


def place(item: Mapping[str, Any]) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]


def conditions() -> list[str]:
    return [
        "n = :five",
        "n <> :five",
        "n < :five",
        "n >= :minus",
        ":five > n",
        "n > :text",
        "#text > :five",
        "flag > :five",
        "n > :true",
        "n = :true",
        "gone = :five",
        "gone <> :five",
        "gone <> missing",
        "gone = missing",
        "gone < :five",
        "NOT gone < :five",
        "NOT n = :five AND #text = :text",
        "NOT (n = :five AND #text = :text)",
        "n = :five OR n = :minus AND #text = :text",
        "(n = :five OR n = :minus) AND #text = :text",
        "((n = :five))",
        "((n = :five) AND #text = :text)",
        "(n = :five) AND (#text = :text)",
        "n BETWEEN :minus AND :five",
        "n BETWEEN :five AND :minus",
        "n BETWEEN :minus AND :text",
        "NOT n BETWEEN :minus AND :five AND #text = :text",
        ":five BETWEEN n AND n",
        "gone BETWEEN :minus AND :five",
        "n IN (:minus, :five)",
        "n IN (:text)",
        "gone IN (:five)",
        "attribute_exists(n) and attribute_not_exists(gone)",
        "attribute_exists (#text)",
        "Attribute_exists(n)",
        "begins_with(#text, :ab)",
        "begins_with(n, :ab)",
        "begins_with(#text, :five)",
        "begins_with(gone, :ab)",
        "size(#text) = :three",
        "size(bin) = :three",
        "size(n) = :three",
        "size(gone) = :three",
        "size(gone) <> :three",
        "begins_with(n, :empty)",
        "bin < :bytes",
        "nil = :null",
        "n = n",
        "n BETWEEN n AND :five",
        "n IN (:five, n)",
        "n",
        "n =",
        "n == :five",
        "= n :five",
        "(n = :five",
        "n = :five)",
        "n = :five AND",
        "AND n = :five",
        "NOT",
        "",
        "text = :text",
        "year = :five",
        "unheard_of(n)",
        "attribute_exists(:five)",
        "attribute_exists(n, n)",
        "n IN ()",
        "n = :unknown",
        "#unknown = :five",
    ]


VALUES: Final = {
    ":five": {"N": "5"},
    ":minus": {"N": "-3"},
    ":three": {"N": "3"},
    ":text": {"S": "abc"},
    ":ab": {"S": "ab"},
    ":empty": {"S": ""},
    ":true": {"BOOL": True},
    ":null": {"NULL": True},
    ":bytes": {"B": b"\x01"},
    ":step": {"N": "7"},
    ":long": {"N": "1" + "0" * 37},
    ":too_long": {"N": "1" * 39},
}
NAMES: Final = {"#text": "text", "#n": "n", "#pk": "pk"}


def expression(kind: str, text: str) -> dict[str, Any]:
    """Return the arguments of a request with an expression: it has just the placeholders that the text uses."""
    words = set(text.replace("(", " ").replace(")", " ").replace(",", " ").split())
    names = {name: value for name, value in NAMES.items() if name in words}
    values = {name: value for name, value in VALUES.items() if name in words}
    given = {"ExpressionAttributeNames": names, "ExpressionAttributeValues": values}
    return {kind: text, **{name: value for name, value in given.items() if value}}


def updates() -> list[str]:
    return [
        "SET n = :five",
        "SET n = n + :step, twin = n",
        "SET n = n - :step",
        "SET n = :step + n",
        "SET n = gone + :step",
        "SET n = #text + :step",
        "SET n = if_not_exists(n, :step) + :step",
        "SET fresh = if_not_exists(gone, :step)",
        "SET fresh = if_not_exists(gone, n)",
        "SET fresh = if_not_exists(gone, lost)",
        "SET #text = n REMOVE n",
        "set #text = n remove n add m :step",
        "ADD n :step",
        "ADD n :minus, m :step",
        "ADD #text :step",
        "ADD n :text",
        "ADD n n",
        "REMOVE gone",
        "REMOVE n, #text",
        "SET n = :five, n = :step",
        "SET n = :five, #n = :step",
        "SET n = :five REMOVE n",
        "SET n = :five SET m = :step",
        "SET pk = :text",
        "SET #pk = :text",
        "REMOVE sk",
        "SET due_shard = :empty",
        "SET due_shard = :text, due_at = :step",
        "REMOVE due_at",
        "SET n = :long",
        "SET n = :too_long",
        "SET n = n + :long",
        "SET",
        "n = :five",
        "SET n :five",
        "ADD n = :five",
        "",
    ]


def queries() -> list[dict[str, Any]]:
    hash_equation = "pk = :a"
    own = [
        "sk = :one",
        "sk < :two",
        "sk <= :two",
        "sk > :two",
        "sk >= :two",
        "sk BETWEEN :one AND :two",
        "sk BETWEEN :two AND :one",
        "begins_with(sk, :one)",
        "sk <> :one",
        "sk IN (:one)",
        "attribute_exists(sk)",
        "n = :one",
        "sk = :number",
        "begins_with(sk, :number)",
        "sk = :empty",
    ]
    texts = [hash_equation, *(f"{hash_equation} AND {text}" for text in own)]
    texts += [f"sk = :one AND {hash_equation}", "sk = :one", "pk > :a", "pk = :a AND sk = :one AND sk = :two"]
    texts += ["pk = :a OR sk = :one", f"({hash_equation})", f"({hash_equation} AND begins_with(sk, :one))"]
    values = {
        ":a": {"S": "a"},
        ":one": {"S": "1"},
        ":two": {"S": "2"},
        ":number": {"N": "1"},
        ":empty": {"S": ""},
    }
    found: list[dict[str, Any]] = []
    for text in texts:
        used = {
            name: value for name, value in values.items() if name in text.replace(")", " ").replace(",", " ").split()
        }
        found.append({"KeyConditionExpression": text, "ExpressionAttributeValues": used})
    shards: dict[str, Any] = {":x": {"S": "x"}, ":nine": {"N": "9"}}
    found += [
        {
            "IndexName": index,
            "KeyConditionExpression": f"due_shard = :x AND #at {operator} :nine",
            "ExpressionAttributeNames": {"#at": "due_at"},
            "ExpressionAttributeValues": shards,
        }
        for index in ("keys", "some", "all")
        for operator in (">", "<=")
    ]
    basis = {"KeyConditionExpression": "pk = :a", "ExpressionAttributeValues": {":a": {"S": "a"}}}
    found += [
        basis | {"ScanIndexForward": False},
        basis | {"Limit": 2},
        basis | {"Limit": 4},
        basis | {"Limit": 5},
        basis | {"Limit": 0},
        basis | {"Limit": 2, "ScanIndexForward": False},
        basis | {"ExclusiveStartKey": key("10")},
        basis | {"ExclusiveStartKey": key("11")},
        basis | {"ExclusiveStartKey": key("2"), "ScanIndexForward": False},
        basis | {"ExclusiveStartKey": {"pk": {"S": "a"}}},
        basis | {"Select": "COUNT"},
        basis | {"ProjectionExpression": "sk, n, gone"},
        basis | {"FilterExpression": "attribute_exists(n)", "Limit": 3},
        basis | {"IndexName": "unknown"},
        basis | {"ConsistentRead": True},
        basis | {"ExpressionAttributeValues": {":a": {"S": "a"}, ":unused": {"S": "b"}}},
        basis | {"ExpressionAttributeNames": {"#unused": "b"}},
        {
            "IndexName": "keys",
            "KeyConditionExpression": "due_shard = :x",
            "ExpressionAttributeValues": {":x": {"S": "x"}},
            "ExclusiveStartKey": key("2") | {"due_shard": {"S": "x"}, "due_at": {"N": "9"}},
        },
        {
            "IndexName": "keys",
            "KeyConditionExpression": "due_shard = :x",
            "ExpressionAttributeValues": {":x": {"S": "x"}},
            "ConsistentRead": True,
        },
        {
            "IndexName": "keys",
            "KeyConditionExpression": "due_shard = :x",
            "ExpressionAttributeValues": {":x": {"S": "x"}},
            "Limit": 1,
            "ScanIndexForward": False,
        },
    ]
    return found


def transactions() -> list[list[dict[str, Any]]]:
    put = {"Put": {"TableName": TABLE, "Item": key("new")}}
    fails = {
        "ConditionCheck": {
            "TableName": TABLE,
            "Key": key(),
            **expression("ConditionExpression", "attribute_exists(gone)"),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    }
    absent = {"ConditionCheck": {**fails["ConditionCheck"], "Key": key("nowhere")}}
    silent = {"Delete": {"TableName": TABLE, "Key": key("2"), **expression("ConditionExpression", "n = :five")}}
    adds = {"Update": {"TableName": TABLE, "Key": key("3"), **expression("UpdateExpression", "ADD n :step")}}
    syntax = {"Update": {"TableName": TABLE, "Key": key("3"), **expression("UpdateExpression", "SET n")}}
    large = {"Put": {"TableName": TABLE, "Item": key("new") | {"text": {"S": "x" * 410_000}}}}
    unconditional = {"ConditionCheck": {"TableName": TABLE, "Key": key()}}
    many = [{"Put": {"TableName": TABLE, "Item": key(f"m{number}")}} for number in range(101)]
    return [
        [put, adds],
        [put, fails],
        [put, absent, adds],
        [fails, silent, adds],
        [put, syntax],
        [put, put],
        [put, {"Delete": {"TableName": TABLE, "Key": key("new")}}],
        [put, large],
        [{"Delete": {"TableName": TABLE, "Key": key()}}, adds],
        [{"Delete": {"TableName": TABLE, "Key": key("nowhere")}}],
        [unconditional],
        [put, {"Put": {"TableName": "unknown", "Item": key()}}],
        [],
        many[:100],
        many,
    ]


def single_writes() -> list[Request]:
    put = {"TableName": TABLE, "Item": key("1") | {"n": {"N": "1"}}}
    exists = expression("ConditionExpression", "attribute_not_exists(#pk)")
    largest = 400 * 1024 - len("pkasknewtext")
    return [
        ("put_item", put),
        ("put_item", put | {"ReturnValues": "ALL_OLD"}),
        ("put_item", put | exists),
        ("put_item", put | exists | {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}),
        ("put_item", {"TableName": TABLE, "Item": {"pk": {"S": "a"}}}),
        ("put_item", {"TableName": TABLE, "Item": {"pk": {"S": "a"}, "sk": {"N": "1"}}}),
        ("put_item", {"TableName": TABLE, "Item": key("")}),
        ("put_item", {"TableName": TABLE, "Item": key("x" * 1025)}),
        ("put_item", {"TableName": TABLE, "Item": key("x" * 1024)}),
        ("put_item", {"TableName": TABLE, "Item": key() | {"due_at": {"S": "1"}}}),
        ("put_item", {"TableName": TABLE, "Item": key() | {"due_shard": {"S": ""}}}),
        ("put_item", {"TableName": TABLE, "Item": key("new") | {"text": {"S": "x" * largest}}}),
        ("put_item", {"TableName": TABLE, "Item": key("new") | {"text": {"S": "x" * (largest + 1)}}}),
        ("put_item", {"TableName": TABLE, "Item": key("new") | {"text": {"S": "é" * (largest // 2 + 1)}}}),
        ("put_item", {"TableName": "unknown", "Item": key()}),
        ("get_item", {"TableName": TABLE, "Key": key()}),
        ("get_item", {"TableName": TABLE, "Key": key("nowhere")}),
        ("get_item", {"TableName": TABLE, "Key": {"pk": {"S": "a"}}}),
        ("get_item", {"TableName": TABLE, "Key": key() | {"n": {"N": "5"}}}),
        ("get_item", {"TableName": TABLE, "Key": {"pk": {"S": "a"}, "n": {"N": "5"}}}),
        ("get_item", {"TableName": TABLE, "Key": {"pk": {"S": "a"}, "sk": {"N": "5"}}}),
        ("get_item", {"TableName": TABLE, "Key": key(), "ProjectionExpression": "n, pk"}),
        ("delete_item", {"TableName": TABLE, "Key": key(), "ReturnValues": "ALL_OLD"}),
        ("delete_item", {"TableName": TABLE, "Key": key("nowhere"), "ReturnValues": "ALL_OLD"}),
        ("delete_item", {"TableName": TABLE, "Key": key("nowhere"), **expression("ConditionExpression", "n = :five")}),
        ("update_item", {"TableName": TABLE, "Key": key("new"), "ReturnValues": "ALL_NEW"}),
        ("update_item", {"TableName": TABLE, "Key": key("new"), **expression("UpdateExpression", "REMOVE n")}),
        ("update_item", {"TableName": TABLE, "Key": key("new"), **expression("UpdateExpression", "ADD n :step")}),
        ("batch_get_item", {"RequestItems": {TABLE: {"Keys": [key(), key("2"), key("nowhere")]}}}),
        ("batch_get_item", {"RequestItems": {TABLE: {"Keys": [key(), key()]}}}),
        ("batch_get_item", {"RequestItems": {TABLE: {"Keys": [key(str(n)) for n in range(101)]}}}),
        ("batch_get_item", {"RequestItems": {}}),
        ("batch_write_item", {"RequestItems": {TABLE: [{"PutRequest": {"Item": key("new")}}]}}),
        (
            "batch_write_item",
            {"RequestItems": {TABLE: [{"PutRequest": {"Item": key()}}, {"DeleteRequest": {"Key": key("2")}}]}},
        ),
        (
            "batch_write_item",
            {"RequestItems": {TABLE: [{"PutRequest": {"Item": key()}}, {"DeleteRequest": {"Key": key()}}]}},
        ),
        ("batch_write_item", {"RequestItems": {TABLE: [{"PutRequest": {"Item": key(str(n))}} for n in range(26)]}}),
        ("scan", {"TableName": TABLE, **expression("FilterExpression", "n = :five")}),
        ("scan", {"TableName": TABLE, "Select": "COUNT"}),
    ]


def requests() -> list[Request]:
    every = list(single_writes())
    for text in conditions():
        given = expression("ConditionExpression", text)
        every += [("delete_item", {"TableName": TABLE, "Key": key(sk), **given}) for sk in ("1", "2", "3")]
    for text in updates():
        given = {**expression("UpdateExpression", text), "ReturnValues": "ALL_NEW"}
        every += [("update_item", {"TableName": TABLE, "Key": key(sk), **given}) for sk in ("1", "3", "new")]
    every += [("query", {"TableName": TABLE, **query}) for query in queries()]
    every += [("transact_write_items", {"TransactItems": actions}) for actions in transactions()]
    return every


def refill(client: Any) -> None:
    """Bring the table back to `ITEMS`."""
    gone = [{"DeleteRequest": {"Key": {"pk": item["pk"], "sk": item["sk"]}}} for item in contents(client)]
    for start in range(0, len(gone), 25):
        client.batch_write_item(RequestItems={TABLE: gone[start : start + 25]})
    client.batch_write_item(RequestItems={TABLE: [{"PutRequest": {"Item": item}} for item in ITEMS]})


def test_memory_answers_every_request_as_awss_own_engine(memory: MemoryEngine, reference: Any) -> None:
    differences = []
    changed = True
    for operation, params in requests():
        if changed:
            refill(memory.client)
            refill(reference)
        before = contents(reference)
        said, expected = answer(memory.client, operation, params), answer(reference, operation, params)
        after = contents(reference)
        if (said, contents(memory.client)) != (expected, after):
            differences.append((operation, params, said, expected))
        changed = before != after or contents(memory.client) != after
    assert not differences


@pytest.mark.parametrize("seed", range(4))
def test_memory_and_awss_own_engine_stay_alike_over_random_writes(
    memory: MemoryEngine, reference: Any, seed: int
) -> None:
    dice = random.Random(seed)
    for _ in range(150):
        operation, params = random_request(dice)
        assert answer(memory.client, operation, params) == answer(reference, operation, params), (operation, params)
    assert contents(memory.client) == contents(reference)


def random_request(dice: random.Random) -> Request:
    where: dict[str, Any] = {"TableName": TABLE, "Key": key(dice.choice("123"), dice.choice("ab"))}
    condition = expression("ConditionExpression", dice.choice(SOUND_CONDITIONS))
    update = expression("UpdateExpression", dice.choice(SOUND_UPDATES))
    match dice.randrange(7):
        case 0:
            extra = {"n": {"N": str(dice.randrange(9))}, "due_shard": {"S": dice.choice("xy")}, "due_at": {"N": "1"}}
            kept = {name: value for name, value in extra.items() if dice.random() < 0.7}
            return "put_item", {"TableName": TABLE, "Item": where["Key"] | kept}
        case 1:
            return "delete_item", where | condition | {"ReturnValues": "ALL_OLD"}
        case 2:
            return "query", {
                "TableName": TABLE,
                "IndexName": dice.choice(["keys", "some", "all"]),
                "KeyConditionExpression": "due_shard = :x",
                "ExpressionAttributeValues": {":x": {"S": dice.choice("xy")}},
                "Select": "COUNT",
            }
        case 3 | 4:
            both = {name: condition.get(name, {}) | update.get(name, {}) for name in GIVEN}
            both = {name: value for name, value in both.items() if value}
            return "update_item", where | condition | update | both | {"ReturnValues": "ALL_NEW"}
        case _:
            keys = dice.sample([key(sk, pk) for sk in "123" for pk in "ab"], 3)
            wheres: list[dict[str, Any]] = [{"TableName": TABLE, "Key": one} for one in keys]
            first, second, third = wheres
            actions = [
                {"ConditionCheck": first | condition | {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}},
                {"Update": second | expression("UpdateExpression", dice.choice(TOTAL_UPDATES))},
                {"Put": {"TableName": TABLE, "Item": third["Key"] | {"n": {"N": "1"}}}},
            ]
            return "transact_write_items", {
                "TransactItems": actions,
                "ClientRequestToken": str(uuid.UUID(int=dice.getrandbits(128))),
            }


GIVEN: Final = ("ExpressionAttributeNames", "ExpressionAttributeValues")
SOUND_CONDITIONS: Final = (
    "attribute_not_exists(n)",
    "attribute_exists(#pk)",
    "n <= :five OR attribute_not_exists(n)",
    "NOT (n IN (:three, :five))",
    "n BETWEEN :minus AND :five AND attribute_exists(due_shard)",
)
TOTAL_UPDATES: Final = (
    "ADD n :step",
    "SET n = if_not_exists(n, :three) - :five",
    "REMOVE due_shard",
    "SET due_shard = :ab ADD #n :minus",
)
SOUND_UPDATES: Final = (*TOTAL_UPDATES, "SET n = n + :step")


# --- what is its own


def put(memory: MemoryEngine, sk: str = "1", **values: Any) -> None:
    memory.client.put_item(TableName=TABLE, Item=key(sk) | values)


def test_every_change_is_in_the_stream_as_lambda_gets_it(memory: MemoryEngine) -> None:
    memory.now = lambda: 1_700_000_000.5
    put(memory, n={"N": "1"}, bin={"B": b"\x00\x01"})
    put(memory, n={"N": "1"}, bin={"B": b"\x00\x01"})  # changes nothing, so the stream is silent on it
    memory.client.update_item(TableName=TABLE, Key=key(), **expression("UpdateExpression", "ADD n :step"))
    memory.client.delete_item(TableName=TABLE, Key=key())

    records = stream_event(memory.stream)["Records"]
    assert [record["eventName"] for record in records] == ["INSERT", "MODIFY", "REMOVE"]
    numbers = [int(record["dynamodb"]["SequenceNumber"]) for record in records]
    assert numbers == sorted(set(numbers))
    first, second, third = (record["dynamodb"] for record in records)
    assert first["NewImage"] == key() | {"n": {"N": "1"}, "bin": {"B": "AAE="}}
    assert "OldImage" not in first
    assert (second["OldImage"]["n"], second["NewImage"]["n"]) == ({"N": "1"}, {"N": "8"})
    assert "NewImage" not in third
    assert third["Keys"] == key()
    assert first["ApproximateCreationDateTime"] == 1_700_000_000


def test_transaction_changes_all_its_items_in_the_stream_or_none(memory: MemoryEngine) -> None:
    fails = {"TableName": TABLE, "Key": key("2"), **expression("ConditionExpression", "attribute_exists(n)")}
    items = [{"Put": {"TableName": TABLE, "Item": key(sk)}} for sk in ("3", "1")]
    with pytest.raises(ClientError):
        memory.client.transact_write_items(TransactItems=[*items, {"ConditionCheck": fails}])
    assert not memory.stream
    memory.client.transact_write_items(TransactItems=items)
    assert [record.keys["sk"]["S"] for record in memory.stream] == ["3", "1"]


def test_transaction_of_the_same_token_is_done_once(memory: MemoryEngine) -> None:
    adds = {"Update": {"TableName": TABLE, "Key": key(), **expression("UpdateExpression", "ADD n :step")}}
    for _ in range(2):
        memory.client.transact_write_items(TransactItems=[adds], ClientRequestToken="token")
    assert memory.client.get_item(TableName=TABLE, Key=key())["Item"]["n"] == {"N": "7"}
    with pytest.raises(ClientError, match="IdempotentParameterMismatch"):
        memory.client.transact_write_items(TransactItems=[adds, adds], ClientRequestToken="token")


def test_update_that_cannot_be_made_cancels_a_transaction_as_awss_documentation_says(memory: MemoryEngine) -> None:
    put(memory)
    wrong = {"TableName": TABLE, "Key": key(), **expression("UpdateExpression", "SET n = gone + :step")}
    with pytest.raises(ClientError) as refused:
        memory.client.transact_write_items(
            TransactItems=[{"Put": {"TableName": TABLE, "Item": key("2")}}, {"Update": wrong}]
        )
    codes = [reason["Code"] for reason in refused.value.response["CancellationReasons"]]
    assert codes == ["None", "ValidationError"], "DynamoDB Local answers with a ValidationException instead"


@pytest.mark.parametrize(("written", "kept"), [("007", "7"), ("-0", "0"), ("-012", "-12")])
def test_numbers_are_kept_in_one_form_as_dynamodb_does(memory: MemoryEngine, written: str, kept: str) -> None:
    put(memory, n={"N": written})
    assert memory.client.get_item(TableName=TABLE, Key=key())["Item"]["n"] == {"N": kept}, "DynamoDB Local keeps it"


def test_update_to_an_index_keys_wrong_type_is_refused_as_dynamodb_does(memory: MemoryEngine) -> None:
    with pytest.raises(ClientError, match="Type mismatch for Index Key due_at"):
        memory.client.update_item(
            TableName=TABLE,
            Key=key(),
            UpdateExpression="SET due_at = :text",
            ExpressionAttributeValues={":text": {"S": "DynamoDB Local takes it"}},
        )


class Fault:
    """Raises before or after a call."""

    def __init__(self, error: Exception, when: str) -> None:
        self.error = error
        self.when = when
        self.asked: list[str] = []

    def before(self, operation: str, params: Mapping[str, Any]) -> None:  # noqa: ARG002 - as it is called
        self.asked.append(operation)
        if self.when == "before":
            raise self.error

    def after(self, operation: str, params: Mapping[str, Any]) -> None:  # noqa: ARG002 - as it is called
        if self.when == "after":
            raise self.error


@pytest.mark.parametrize(("when", "written"), [("before", False), ("after", True)])
def test_fault_stops_a_write_or_loses_its_answer(memory: MemoryEngine, when: str, *, written: bool) -> None:
    memory.faults = fault = Fault(ConnectionError("gone"), when)
    with pytest.raises(ConnectionError):
        put(memory)
    assert fault.asked == ["PutItem"]
    memory.faults = None
    assert ("Item" in memory.client.get_item(TableName=TABLE, Key=key())) is written
    assert bool(memory.stream) is written


def test_another_process_may_act_just_before_a_call(memory: MemoryEngine) -> None:
    class Rival(Fault):
        def before(self, operation: str, params: Mapping[str, Any]) -> None:  # noqa: ARG002 - as it is called
            memory.faults = None
            put(memory, n={"N": "1"})

    memory.faults = Rival(ConnectionError(), "never")
    found = memory.client.get_item(TableName=TABLE, Key=key())
    assert found["Item"]["n"] == {"N": "1"}


def test_conflicts_and_throttling_look_as_dynamodbs_do(memory: MemoryEngine) -> None:
    params: dict[str, Any] = {"TransactItems": [{"Put": {}}, {"Put": {}}]}
    codes = [reason["Code"] for reason in conflict("TransactWriteItems", params).response["CancellationReasons"]]
    assert codes == ["None", "TransactionConflict"]
    assert conflict("PutItem", {}).response["Error"]["Code"] == "TransactionConflictException"
    assert throttled("PutItem").response["Error"]["Code"] == "ProvisionedThroughputExceededException"
    assert client_error("PutItem", "InternalServerError", "").response["Error"]["Code"] == "InternalServerError"


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("transact_get_items", {"TransactItems": []}),
        ("get_item", {"TableName": TABLE, "Key": key(), "AttributesToGet": ["n"]}),
        ("put_item", {"TableName": TABLE, "Item": key() | {"tags": {"SS": ["a"]}}}),
        ("put_item", {"TableName": TABLE, "Item": key() | {"n": {"N": "1.5"}}}),
        ("scan", {"TableName": TABLE, "Segment": 0, "TotalSegments": 2}),
        ("scan", {"TableName": TABLE, **expression("FilterExpression", "contains(#text, :ab)")}),
        ("delete_item", {"TableName": TABLE, "Key": key(), **expression("ConditionExpression", "m.n = :five")}),
        ("update_item", {"TableName": TABLE, "Key": key(), **expression("UpdateExpression", "DELETE n :five")}),
        ("update_item", {"TableName": TABLE, "Key": key(), "ReturnValues": "UPDATED_NEW"}),
    ],
)
def test_what_it_does_not_know_it_refuses(memory: MemoryEngine, operation: str, params: dict[str, Any]) -> None:
    with pytest.raises(NotImplementedError):
        getattr(memory.client, operation)(**params)


def test_cleared_engine_is_empty(memory: MemoryEngine) -> None:
    put(memory, due_shard={"S": "x"}, due_at={"N": "1"})
    memory.clear()
    assert contents(memory.client) == []
    found = memory.client.query(
        TableName=TABLE,
        IndexName="keys",
        KeyConditionExpression="due_shard = :x",
        ExpressionAttributeValues={":x": {"S": "x"}},
    )
    assert (found["Items"], memory.stream) == ([], [])
