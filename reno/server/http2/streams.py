"""h2's connection as this server uses it: what is wrong with one call never ends the others of its connection, where h2 leaves the choice."""

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.settings import SettingCodes, Settings

from reno.server.http2.frames import LEAST_MAX_FRAME_BYTES, PREFIX_BYTES
from reno.server.http2.limits import HEADER_LIST_BYTES, Limits

_LEAST_WINDOW_BYTES = 65_535


class Streams(H2Connection):
    """Whoever ends a stream says `forget`: h2 itself looks through all that there are for each new one."""

    MAX_CLOSED_STREAMS = 4096
    DEFAULT_MAX_HEADER_LIST_SIZE = HEADER_LIST_BYTES

    def __init__(self, limits: Limits) -> None:
        # A whole message has room.
        self._window_bytes = max(_LEAST_WINDOW_BYTES, limits.max_receive_bytes + PREFIX_BYTES)
        super().__init__(
            H2Configuration(
                client_side=False,
                header_encoding=None,
                # By hand: h2 ends the whole connection for a header of one call.
                validate_inbound_headers=False,
                normalize_inbound_headers=False,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        self.local_settings = Settings(
            client=False,
            initial_values={
                SettingCodes.MAX_CONCURRENT_STREAMS: limits.max_concurrent_streams,
                SettingCodes.MAX_HEADER_LIST_SIZE: HEADER_LIST_BYTES,
                SettingCodes.MAX_FRAME_SIZE: LEAST_MAX_FRAME_BYTES,
                SettingCodes.INITIAL_WINDOW_SIZE: self._window_bytes,
            },
        )

    def begin(self) -> None:
        """What is said first; the connection's window is a stream's."""
        self.initiate_connection()
        if self._window_bytes > _LEAST_WINDOW_BYTES:
            self.increment_flow_control_window(self._window_bytes - _LEAST_WINDOW_BYTES)

    @property
    def open_inbound_streams(self) -> int:
        """All that were not forgotten, unless that is too many: some may have ended just now."""
        count = len(self.streams)
        if count < self.local_settings.max_concurrent_streams:
            return count
        return super().open_inbound_streams

    def is_open(self, stream_id: int) -> bool:
        """Something can still be sent on it."""
        stream = self.streams.get(stream_id)
        return stream is not None and not stream.closed

    def forget(self, stream_id: int) -> None:
        """One that has ended on both sides; frames that still come for it are known as late."""
        stream = self.streams.pop(stream_id, None)
        if stream is not None:
            self._closed_streams[stream_id] = stream.closed_by

    def break_off(self, stream_id: int, error_code: ErrorCodes) -> None:
        """RST_STREAM, where there is something to break off."""
        if self.is_open(stream_id):
            self.reset_stream(stream_id, error_code)
        self.forget(stream_id)
