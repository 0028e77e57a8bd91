"""What the launcher repairs in MiniStack's S3."""

import pytest
from botocore.exceptions import ClientError

from tests.canary.conftest import Canary


def test_locked_bucket_of_a_template_keeps_what_is_put_into_it(canary: Canary) -> None:
    s3, bucket = canary.emulator.client("s3"), canary.outputs["LockedBucketName"]
    version = s3.put_object(Bucket=bucket, Key="root", Body=b"signed")["VersionId"]

    with pytest.raises(ClientError) as refused:
        s3.delete_object(Bucket=bucket, Key="root", VersionId=version)

    assert refused.value.response["Error"]["Code"] == "AccessDenied"
    assert s3.get_object(Bucket=bucket, Key="root", VersionId=version)["Body"].read() == b"signed"
