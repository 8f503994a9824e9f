"""Whatever a bucket's service says becomes one line of ours, without an address or a token of its own."""

from __future__ import annotations

import pytest
from obstore.exceptions import GenericError, PermissionDeniedError

from fedsov.errors import WorkspaceUnusable
from fedsov.partition.backends.object_store import faults


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (PermissionDeniedError("403 token=sesame"), "the service refused to read s3://b/x; ask its owner"),
        (
            GenericError("403 <Code>InvalidAccessKeyId</Code> sesame"),
            "the service refused to read s3://b/x; ask its owner",
        ),
        (GenericError("404 <Code>NoSuchBucket</Code> sesame"), "s3://b/x does not exist; look again"),
        (FileNotFoundError("404 <Code>NoSuchBucket</Code> sesame"), "s3://b/x does not exist; look again"),
        (GenericError("503 <Code>SlowDown</Code> sesame"), "cannot read s3://b/x (SlowDown); look again"),
        (GenericError("no route to sesame"), "cannot read s3://b/x (GenericError); look again"),
        (ValueError("sesame"), "cannot read s3://b/x (ValueError); look again"),
    ],
)
def test_a_fault_is_one_line(fault: Exception, line: str) -> None:
    with (
        pytest.raises(WorkspaceUnusable) as told,
        faults("read", "s3://b/x", WorkspaceUnusable, denied="ask its owner", mend="look again"),
    ):
        raise fault
    assert str(told.value) == line


def test_an_object_that_is_not_there_is_the_caller_s_to_judge() -> None:
    with (
        pytest.raises(FileNotFoundError, match="^s3://b/x$"),
        faults("read", "s3://b/x", WorkspaceUnusable, denied="", mend=""),
    ):
        raise FileNotFoundError("404 <Code>NoSuchKey</Code> sesame")
