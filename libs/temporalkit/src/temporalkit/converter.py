"""How values become payloads: protobuf messages as JSON a person can read, tolerant of fields not known here.

JSON, not binary, comes first: histories are read in Temporal's UI and CLI, committed for replay and reviewed in
changes. What that costs is measured in the README. What binary wrote is read too, so the order may change without a
migration.
"""

from __future__ import annotations

from temporalio.converter import (
    BinaryNullPayloadConverter,
    BinaryPlainPayloadConverter,
    BinaryProtoPayloadConverter,
    CompositePayloadConverter,
    DataConverter,
    JSONPlainPayloadConverter,
    JSONProtoPayloadConverter,
)

from temporalkit.codec import EncryptionCodec, EncryptionSettings
from temporalkit.failures import EncodedFaultFailureConverter, FaultFailureConverter


class MessagePayloadConverter(CompositePayloadConverter):
    """The SDK's converters, except that a field unknown to this process is ignored.

    While a release rolls out, new workers write fields that old ones read. (An old worker that passes such a message on
    drops them: a field that must survive that is added one release before it is first written.)
    """

    def __init__(self) -> None:
        """List the converters in the order they are tried."""
        super().__init__(
            BinaryNullPayloadConverter(),
            BinaryPlainPayloadConverter(),
            JSONProtoPayloadConverter(ignore_unknown_fields=True),
            BinaryProtoPayloadConverter(),
            JSONPlainPayloadConverter(),
        )


def data_converter(settings: EncryptionSettings | None = None) -> DataConverter:
    """The converter of every client, worker and replayer. With keys it encrypts payloads, failures included."""
    keys = settings.read() if settings else ()
    if not keys:
        return DataConverter(
            payload_converter_class=MessagePayloadConverter, failure_converter_class=FaultFailureConverter
        )
    return DataConverter(
        payload_converter_class=MessagePayloadConverter,
        payload_codec=EncryptionCodec(keys),
        failure_converter_class=EncodedFaultFailureConverter,
    )
