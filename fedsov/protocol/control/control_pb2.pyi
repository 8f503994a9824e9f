from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class HelloRequest(_message.Message):
    __slots__ = ("protocol", "software")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    SOFTWARE_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    software: str
    def __init__(self, protocol: _Optional[int] = ..., software: _Optional[str] = ...) -> None: ...

class HelloAnswer(_message.Message):
    __slots__ = ("protocol", "software", "hub", "instance")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    SOFTWARE_FIELD_NUMBER: _ClassVar[int]
    HUB_FIELD_NUMBER: _ClassVar[int]
    INSTANCE_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    software: str
    hub: str
    instance: str
    def __init__(self, protocol: _Optional[int] = ..., software: _Optional[str] = ..., hub: _Optional[str] = ..., instance: _Optional[str] = ...) -> None: ...

class WatchRequest(_message.Message):
    __slots__ = ("seen", "wait_ms")
    class SeenEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    SEEN_FIELD_NUMBER: _ClassVar[int]
    WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    seen: _containers.ScalarMap[str, int]
    wait_ms: int
    def __init__(self, seen: _Optional[_Mapping[str, int]] = ..., wait_ms: _Optional[int] = ...) -> None: ...

class WatchAnswer(_message.Message):
    __slots__ = ("newest",)
    class NewestEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    NEWEST_FIELD_NUMBER: _ClassVar[int]
    newest: _containers.ScalarMap[str, int]
    def __init__(self, newest: _Optional[_Mapping[str, int]] = ...) -> None: ...

class FetchRequest(_message.Message):
    __slots__ = ("path", "offset")
    PATH_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    path: str
    offset: int
    def __init__(self, path: _Optional[str] = ..., offset: _Optional[int] = ...) -> None: ...

class Piece(_message.Message):
    __slots__ = ("content", "size")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    size: int
    def __init__(self, content: _Optional[bytes] = ..., size: _Optional[int] = ...) -> None: ...

class Receipt(_message.Message):
    __slots__ = ("number", "sentences")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    SENTENCES_FIELD_NUMBER: _ClassVar[int]
    number: str
    sentences: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, number: _Optional[str] = ..., sentences: _Optional[_Iterable[str]] = ...) -> None: ...

class RunningVersion(_message.Message):
    __slots__ = ("model", "version", "mode", "digest", "since")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    SINCE_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    mode: str
    digest: str
    since: str
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ..., mode: _Optional[str] = ..., digest: _Optional[str] = ..., since: _Optional[str] = ...) -> None: ...

class VersionVerdict(_message.Message):
    __slots__ = ("model", "version", "verdict", "bands")
    class BandsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    MODEL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    VERDICT_FIELD_NUMBER: _ClassVar[int]
    BANDS_FIELD_NUMBER: _ClassVar[int]
    model: str
    version: int
    verdict: str
    bands: _containers.ScalarMap[str, str]
    def __init__(self, model: _Optional[str] = ..., version: _Optional[int] = ..., verdict: _Optional[str] = ..., bands: _Optional[_Mapping[str, str]] = ...) -> None: ...

class RunningReport(_message.Message):
    __slots__ = ("counter", "versions", "verdicts", "endpoint", "cut_off_since", "stale_since", "configuration", "software", "remarks")
    COUNTER_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    VERDICTS_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    CUT_OFF_SINCE_FIELD_NUMBER: _ClassVar[int]
    STALE_SINCE_FIELD_NUMBER: _ClassVar[int]
    CONFIGURATION_FIELD_NUMBER: _ClassVar[int]
    SOFTWARE_FIELD_NUMBER: _ClassVar[int]
    REMARKS_FIELD_NUMBER: _ClassVar[int]
    counter: int
    versions: _containers.RepeatedCompositeFieldContainer[RunningVersion]
    verdicts: _containers.RepeatedCompositeFieldContainer[VersionVerdict]
    endpoint: str
    cut_off_since: str
    stale_since: str
    configuration: str
    software: str
    remarks: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, counter: _Optional[int] = ..., versions: _Optional[_Iterable[_Union[RunningVersion, _Mapping]]] = ..., verdicts: _Optional[_Iterable[_Union[VersionVerdict, _Mapping]]] = ..., endpoint: _Optional[str] = ..., cut_off_since: _Optional[str] = ..., stale_since: _Optional[str] = ..., configuration: _Optional[str] = ..., software: _Optional[str] = ..., remarks: _Optional[_Iterable[str]] = ...) -> None: ...

class CandidateRequest(_message.Message):
    __slots__ = ("rollout",)
    ROLLOUT_FIELD_NUMBER: _ClassVar[int]
    rollout: int
    def __init__(self, rollout: _Optional[int] = ...) -> None: ...

class CandidateAnswer(_message.Message):
    __slots__ = ("document", "signature", "artifacts")
    class ArtifactsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    ARTIFACTS_FIELD_NUMBER: _ClassVar[int]
    document: bytes
    signature: bytes
    artifacts: _containers.ScalarMap[str, str]
    def __init__(self, document: _Optional[bytes] = ..., signature: _Optional[bytes] = ..., artifacts: _Optional[_Mapping[str, str]] = ...) -> None: ...

class HalfSignedLists(_message.Message):
    __slots__ = ("rollout", "forward", "back", "by", "why", "current", "role_version", "at", "begins_after")
    ROLLOUT_FIELD_NUMBER: _ClassVar[int]
    FORWARD_FIELD_NUMBER: _ClassVar[int]
    BACK_FIELD_NUMBER: _ClassVar[int]
    BY_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    CURRENT_FIELD_NUMBER: _ClassVar[int]
    ROLE_VERSION_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    BEGINS_AFTER_FIELD_NUMBER: _ClassVar[int]
    rollout: int
    forward: bytes
    back: bytes
    by: str
    why: str
    current: bytes
    role_version: int
    at: str
    begins_after: int
    def __init__(self, rollout: _Optional[int] = ..., forward: _Optional[bytes] = ..., back: _Optional[bytes] = ..., by: _Optional[str] = ..., why: _Optional[str] = ..., current: _Optional[bytes] = ..., role_version: _Optional[int] = ..., at: _Optional[str] = ..., begins_after: _Optional[int] = ...) -> None: ...

class RoleDrafts(_message.Message):
    __slots__ = ("forward", "back", "forward_list", "back_list")
    FORWARD_FIELD_NUMBER: _ClassVar[int]
    BACK_FIELD_NUMBER: _ClassVar[int]
    FORWARD_LIST_FIELD_NUMBER: _ClassVar[int]
    BACK_LIST_FIELD_NUMBER: _ClassVar[int]
    forward: bytes
    back: bytes
    forward_list: bytes
    back_list: bytes
    def __init__(self, forward: _Optional[bytes] = ..., back: _Optional[bytes] = ..., forward_list: _Optional[bytes] = ..., back_list: _Optional[bytes] = ...) -> None: ...

class RoleSignatures(_message.Message):
    __slots__ = ("rollout", "forward", "back")
    ROLLOUT_FIELD_NUMBER: _ClassVar[int]
    FORWARD_FIELD_NUMBER: _ClassVar[int]
    BACK_FIELD_NUMBER: _ClassVar[int]
    rollout: int
    forward: bytes
    back: bytes
    def __init__(self, rollout: _Optional[int] = ..., forward: _Optional[bytes] = ..., back: _Optional[bytes] = ...) -> None: ...

class MetricsRelease(_message.Message):
    __slots__ = ("document", "signature")
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    document: bytes
    signature: bytes
    def __init__(self, document: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class WitnessMessage(_message.Message):
    __slots__ = ("document",)
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    document: bytes
    def __init__(self, document: _Optional[bytes] = ...) -> None: ...

class ConfigurationAnswer(_message.Message):
    __slots__ = ("document", "signature")
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    document: bytes
    signature: bytes
    def __init__(self, document: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...
