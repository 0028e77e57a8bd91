"""The bucket that keeps evidence, and the key that signs it."""

from typing import Any

from tests.unit.template.resources import data, of_type

BUCKET = of_type("AWS::S3::Bucket")["EvidenceBucket"]
KEY = of_type("AWS::KMS::Key")["EvidenceKey"]
GRANTS: dict[str, dict[str, Any]] = {one["Sid"]: one for one in KEY["KeyPolicy"]["Statement"]}


def bucket_statements() -> dict[str, dict[str, Any]]:
    """The bucket's policy on AWS, by statement."""
    (policy,) = (one for one in of_type("AWS::S3::BucketPolicy").values() if one["Bucket"] == "EvidenceBucket")
    found = {}
    for one in policy["PolicyDocument"]["Statement"]:
        if isinstance(one, list):  # !If
            condition, statement, otherwise = one
            assert (condition, otherwise) == ("OnAws", "AWS::NoValue")
        else:
            statement = one
        found[statement["Sid"]] = statement
    return found


def test_bucket_locks_what_is_put_for_as_long_as_the_tax_law_keeps_books() -> None:
    assert BUCKET["ObjectLockEnabled"] is True
    assert BUCKET["ObjectLockConfiguration"] == {
        "ObjectLockEnabled": "Enabled",
        "Rule": {"DefaultRetention": {"Mode": "COMPLIANCE", "Years": 10}},
    }
    assert BUCKET["VersioningConfiguration"] == {"Status": "Enabled"}


def test_bucket_is_private_and_encrypted() -> None:
    assert set(BUCKET["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(BUCKET["PublicAccessBlockConfiguration"]) == 4
    (rule,) = BUCKET["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}


def test_bucket_lets_nobody_hide_overwrite_or_speak_without_tls() -> None:
    statements = bucket_statements()
    assert {(one["Effect"], one["Principal"]) for one in statements.values()} == {("Deny", "*")}
    assert statements["NothingIsHidden"]["Action"] == ["s3:DeleteObject", "s3:DeleteObjectVersion"]
    assert statements["NothingIsHidden"].get("Condition") is None
    overwriting = statements["NothingIsOverwritten"]
    assert (overwriting["Action"], overwriting["Condition"]) == (
        "s3:PutObject",
        {"Null": {"s3:if-none-match": "true"}},
    )
    tls = statements["TlsOnly"]
    assert (tls["Action"], tls["Condition"]) == ("s3:*", {"Bool": {"aws:SecureTransport": "false"}})
    assert data()["Conditions"]["OnAws"] == ["TestClockUrl", ""]


def test_bucket_and_key_outlive_the_stack() -> None:
    for name in ("EvidenceBucket", "EvidenceKey"):
        resource = data()["Resources"][name]
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_only_the_sealing_signs() -> None:
    assert (KEY["KeySpec"], KEY["KeyUsage"]) == ("ECC_NIST_P256", "SIGN_VERIFY")
    signers = {name: one["Principal"]["AWS"] for name, one in GRANTS.items() if "kms:Sign" in one["Action"]}
    assert signers == {"SignsCheckpoints": "EvidenceSealFunctionRole.Arn"}
    assert GRANTS["SignsCheckpoints"]["Action"] == ["kms:GetPublicKey", "kms:Sign", "kms:Verify"]
    assert GRANTS["ShowsThePublicKey"]["Action"] == "kms:GetPublicKey"
    assert GRANTS["ShowsThePublicKey"]["Principal"] == {"AWS": "EvidenceFunctionRole.Arn"}


def test_the_account_administers_the_key_in_every_partition_and_cannot_sign() -> None:
    account = GRANTS["AdministeredByTheAccount"]
    assert account["Principal"] == {"AWS": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}
    assert "kms:PutKeyPolicy" in account["Action"], "or nobody could ever change the policy"
    assert not {"kms:*", "kms:Sign", "kms:CreateGrant"} & set(account["Action"])
    assert {one["Effect"] for one in GRANTS.values()} == {"Allow"}
